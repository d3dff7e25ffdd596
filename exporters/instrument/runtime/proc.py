"""What Linux says of a process in ``/proc``."""

import os
from dataclasses import dataclass
from pathlib import Path

# Of proc_pid_stat(5), counted from the field after the command's closing bracket.
_BEGAN, _RESIDENT_PAGES = 19, 21


@dataclass(frozen=True)
class Process:
    """When it began, in ticks since the machine did, which tells it from others that have its id; and its memory."""

    began: int
    resident_bytes: int


def look(pid: int) -> Process | None:
    """A process; None where it is gone, or the system is another."""
    try:
        # The command may hold brackets of its own.
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return Process(int(fields[_BEGAN]), int(fields[_RESIDENT_PAGES]) * os.sysconf("SC_PAGE_SIZE"))
