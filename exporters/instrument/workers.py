"""Several worker processes that count into one folder, ``PROMETHEUS_MULTIPROC_DIR``: prometheus_client's own mode.

Whichever worker is scraped answers for all. Its files hold what each counted; the counters of those that ended go on to
count, but what they were just doing does not.
"""

import contextlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import Metric, values
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_OF_THE_LIVING = re.compile(r"gauge_live[a-z]+_(?P<pid>[0-9]+)\.db")


def shared_folder() -> Path | None:
    """The folder that all workers count into, made if it is missing; None where a process counts for itself.

    Raises:
        RuntimeError: the folder was named too late for prometheus_client, whose numbers would never get there.
    """
    named = os.environ.get(FOLDER)
    if named is None:
        return None
    if values.ValueClass is values.MutexValue:
        raise RuntimeError(f"{FOLDER} has to be set before prometheus_client is imported for the first time")
    folder = Path(named)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class Workers(Collector):
    """What all workers together counted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        """The sums, without what workers that are gone were doing when they ended."""
        self._forget_the_dead()
        files = [str(file) for file in self._folder.glob("*.db") if _has_begun(file)]
        found: Iterable[Metric] = MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]
        return found

    def _forget_the_dead(self) -> None:
        pids = {int(found["pid"]) for file in self._folder.iterdir() if (found := _OF_THE_LIVING.fullmatch(file.name))}
        for pid in pids:
            if not _lives(pid):
                # Another worker that is scraped now may be faster.
                with contextlib.suppress(FileNotFoundError):
                    mark_process_dead(pid, str(self._folder))  # type: ignore[no-untyped-call]


def _has_begun(file: Path) -> bool:
    """Whether there is anything in it: a worker makes its file first, and then its size."""
    try:
        return file.stat().st_size > 0
    except FileNotFoundError:
        return False


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
