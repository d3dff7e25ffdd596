"""All parts of the host in one collector: what one of them cannot read is missing, and nothing else."""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from prometheus_client import REGISTRY, CollectorRegistry, Metric
from prometheus_client.registry import Collector

from exporters.instrument.families import families_of
from exporters.instrument.host import container, devices, memory
from exporters.instrument.host.filesystems import FileSystems
from exporters.instrument.host.processors import Processors
from exporters.instrument.workers import FOLDER, shared_folder

_log = logging.getLogger(__name__)

_CGROUPS = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")


class Host(Collector):
    """The host's families, read at each scrape.

    ``cgroups``: where the control groups are mounted.
    ``membership``: the file that says in which of them this process is.
    """

    def __init__(self, *, cgroups: Path = _CGROUPS, membership: Path = _MEMBERSHIP) -> None:
        self._parts: Mapping[str, Callable[[], Iterable[Metric]]] = {
            "processors": Processors().families,
            "memory": memory.families,
            "file systems": FileSystems().families,
            "disks": devices.disk_families,
            "network": devices.network_families,
            "container": lambda: container.families(cgroups, membership),
        }
        self._failing: set[str] = set()
        self._lock = threading.Lock()

    def describe(self) -> Iterable[Metric]:
        """Nothing: a registry would else read all of it to learn the names."""
        return []

    def collect(self) -> Iterable[Metric]:
        """What can be read now."""
        with self._lock:
            return [family for name, read in self._parts.items() for family in self._read(name, read) if family.samples]

    def _read(self, name: str, read: Callable[[], Iterable[Metric]]) -> list[Metric]:
        try:
            found = list(read())
        except Exception:
            if name not in self._failing:
                self._failing.add(name)
                _log.warning("the %s of the host cannot be read, and are left out", name, exc_info=True)
            return []
        self._failing.discard(name)
        return found


def measure_host(registry: CollectorRegistry = REGISTRY) -> None:
    """Add the host to a registry; again changes nothing.

    With ``PROMETHEUS_MULTIPROC_DIR`` no page shows it: ``tocsin-exporter host`` beside the service does.
    """
    if shared_folder() is not None:
        _log.warning("with %s no page shows the host: run tocsin-exporter host beside the service", FOLDER)
    families_of(registry, _register)


def _register(registry: CollectorRegistry) -> Host:
    host = Host()
    registry.register(host)
    return host
