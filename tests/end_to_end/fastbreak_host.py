"""The host exporter on a host whose CPU, memory and disk are as full as a file says: ours is not to be filled.

``python -m tests.end_to_end.fastbreak_host FILE PORT``. What the kernel says is replaced, nothing else.
"""

import json
import os
import sys
import time
from collections import namedtuple
from pathlib import Path
from typing import Any

import psutil

from exporters.cli import main

_GIB = 2**30
_Times = namedtuple("_Times", ("user", "idle"))


class Machine:
    """What the kernel would say."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._since = time.monotonic()
        self._busy = self._idle = 0.0

    def _share(self, of: str) -> float:
        return float(json.loads(self._state.read_text("utf-8"))[of])

    def cpu_times(self, percpu: bool = False) -> list[_Times]:
        """One processor, from its first second on."""
        now = time.monotonic()
        share, passed = self._share("cpu"), now - self._since
        self._since = now
        self._busy += passed * share
        self._idle += passed * (1 - share)
        return [_Times(self._busy, self._idle)]

    def virtual_memory(self) -> Any:
        """16 GiB."""
        free = int(16 * _GIB * (1 - self._share("memory")))
        named = namedtuple("named", ("total", "available", "free", "buffers"))
        return named(16 * _GIB, free, free, 0)

    def statvfs(self, path: object) -> os.statvfs_result:
        """A million blocks, wherever it is."""
        free = int(1e6 * (1 - self._share("disk")))
        return os.statvfs_result((4096, 4096, 1_000_000, free, free, 1000, 1000, 1000, 0, 255))


if __name__ == "__main__":
    machine = Machine(Path(sys.argv[1]))
    psutil.cpu_times = machine.cpu_times  # type: ignore[assignment]
    psutil.virtual_memory = machine.virtual_memory
    os.statvfs = machine.statvfs
    sys.argv[1:] = ["host", "--listen", f"127.0.0.1:{sys.argv[2]}"]
    main()
