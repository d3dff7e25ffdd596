"""What runs takes on what was generated anew: each program is asked to reload, and asked whether it did."""

import re
import signal
import time
from dataclasses import dataclass

from demo.processes import Process, page

_SECONDS = 15
_STATE = re.compile(r"^(\S+_config_last_reload_success(?:ful|_timestamp_seconds))(?:\{\})? (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Reloadable:
    """A program that reads its configuration again on SIGHUP, and whose metrics tell what came of it.

    ``reads`` is the folder below the platform's output that it reads; ``metrics_url`` where its metrics are.
    """

    process: Process
    reads: str
    metrics_url: str


def reload(program: Reloadable) -> str | None:
    """Reload one program; None if it did, else why not, in its own words."""
    before = _state(program)
    program.process.send(signal.SIGHUP)
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        successful, at = _state(program)
        if successful == 0:
            return f"{program.process.name} keeps what it had: {program.process.last_words(3)}"
        if successful == 1 and at != before[1]:
            return None
        time.sleep(0.05)
    return f"{program.process.name} did not say within {_SECONDS} s that it reloaded"


def _state(program: Reloadable) -> tuple[float | None, float | None]:
    """Whether the last reload succeeded, and when one last did."""
    found = {name: float(value) for name, value in _STATE.findall(page(program.metrics_url) or "")}
    successful = next((value for name, value in found.items() if name.endswith("successful")), None)
    at = next((value for name, value in found.items() if name.endswith("seconds")), None)
    return successful, at
