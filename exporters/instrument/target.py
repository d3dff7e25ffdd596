"""Who is measured: ``target_info{service_name="…"}``, once for a registry.

OpenTelemetry's Prometheus compatibility puts what describes the process into this one series and forbids it on others;
``job`` and ``instance`` come from Prometheus, which knows where it scraped.
"""

import threading
from collections.abc import Iterator
from weakref import WeakKeyDictionary

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import InfoMetricFamily
from prometheus_client.registry import Collector

_names: WeakKeyDictionary[CollectorRegistry, str] = WeakKeyDictionary()
_lock = threading.Lock()


class Target(Collector):
    """``target_info`` of a registry, as soon as the registry has been named."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        """One series, or none."""
        if (name := _names.get(self._registry)) is not None:
            yield InfoMetricFamily("target", "What is measured.", value={"service_name": name})


def name_target(registry: CollectorRegistry, service_name: str) -> None:
    """Give a registry the name of its service; the same name again changes nothing.

    Raises:
        ValueError: the name is empty, or the registry has another one.
    """
    if not service_name:
        raise ValueError("service_name is empty")
    with _lock:
        known = _names.get(registry)
        if known is None:
            _names[registry] = service_name
            registry.register(Target(registry))
        elif known != service_name:
            raise ValueError(f"a process is one service: it is called {known!r} already, not {service_name!r}")
