"""Memory by its state: four parts that make up the whole."""

from collections.abc import Iterator

import psutil
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

_LABELS = ("state",)


def families() -> Iterator[Metric]:
    """Bytes, and shares of the whole."""
    found = psutil.virtual_memory()
    states = by_state(found.total, found.available, found.free, getattr(found, "buffers", 0))
    usage = GaugeMetricFamily("system_memory_usage_bytes", "Memory of the host by state.", labels=_LABELS)
    shares = GaugeMetricFamily("system_memory_utilization", "Share of the host's memory by state.", labels=_LABELS)
    for state, size in states.items():
        usage.add_metric([state], size)
        shares.add_metric([state], size / found.total)
    yield usage
    yield shares


def by_state(total: int, available: int, free: int, buffers: int) -> dict[str, int]:
    """``used`` is what programs cannot have, by the kernel's estimate; the rest is free, or can be made so."""
    available = min(available, total)
    free = min(free, available)
    buffers = min(buffers, available - free)
    return {"used": total - available, "free": free, "buffers": buffers, "cached": available - free - buffers}
