"""Who answers, and on what. No host name, path, environment or command line: who asks may be anybody."""

import os
import platform
import time
from datetime import UTC, datetime

from exporters.instrument.api.answers import Memory, OperatingSystem, Processors, Python, Service, SystemInfo

try:
    import psutil
except ImportError:  # the extra `host`
    psutil = None  # type: ignore[assignment]


class Information:
    """What does not change, and what is read at each question."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._started_at = datetime.now(UTC)
        self._started = time.monotonic()
        self._python = Python(implementation=platform.python_implementation(), version=platform.python_version())
        self._system = OperatingSystem(name=platform.system(), release=platform.release(), machine=platform.machine())

    def read(self) -> SystemInfo:
        """All of it, now."""
        return SystemInfo(
            service=self._service,
            python=self._python,
            operating_system=self._system,
            started_at=self._started_at,
            uptime_seconds=round(time.monotonic() - self._started, 6),
            processors=_processors(),
            memory=_memory(),
        )


def _processors() -> Processors:
    return Processors(
        count=os.cpu_count(),
        usable=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        load_average=[round(load, 2) for load in os.getloadavg()] if hasattr(os, "getloadavg") else None,
    )


def _memory() -> Memory:
    if psutil is None:
        return Memory(total_bytes=_total(), available_bytes=None, process_bytes=None)
    found = psutil.virtual_memory()
    return Memory(
        total_bytes=found.total, available_bytes=found.available, process_bytes=psutil.Process().memory_info().rss
    )


def _total() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
