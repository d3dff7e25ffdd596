"""The container's series: OpenTelemetry's names, cAdvisor's for throttling, and ours for limits, which neither has."""

from collections.abc import Iterator
from pathlib import Path

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from exporters.instrument.host.cgroup import look


def families(root: Path, membership: Path) -> Iterator[Metric]:
    """What the container of this process may have and has had; nothing outside of one."""
    group = look(root, membership)
    working_set = None
    if group.memory_usage is not None and group.memory_inactive_file is not None:
        working_set = max(0, group.memory_usage - group.memory_inactive_file)
    available = None
    if group.memory_limit is not None and working_set is not None:
        available = max(0, group.memory_limit - working_set)
    for name, text, value in (
        ("memory_usage_bytes", "Memory of the container, what can be taken back included.", group.memory_usage),
        ("memory_working_set_bytes", "Memory of the container that cannot be taken back easily.", working_set),
        ("memory_available_bytes", "What the container's limit leaves of memory.", available),
        ("memory_limit_bytes", "The most memory that the container may have.", group.memory_limit),
        ("cpu_limit", "The most CPUs that the container may keep busy.", group.cpu_limit),
    ):
        if value is not None:
            yield GaugeMetricFamily(f"container_{name}", text, value=value)
    counters: list[tuple[str, str, float | None]] = [("time_seconds", "CPU time of the container.", group.cpu_seconds)]
    if group.cpu_limit is not None:
        counters += [
            ("cfs_periods", "Periods of the CPU limit.", group.periods),
            (
                "cfs_throttled_periods",
                "Periods in which the container had to wait for the next one.",
                group.throttled_periods,
            ),
            ("cfs_throttled_seconds", "Time for which the container had to wait.", group.throttled_seconds),
        ]
    for name, text, value in counters:
        if value is not None:
            yield CounterMetricFamily(f"container_cpu_{name}", text, value=value)
