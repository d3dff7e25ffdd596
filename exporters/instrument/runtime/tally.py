"""What the garbage collector does in this process, counted as it happens.

A collection can begin wherever something is made, so also while prometheus_client holds one of its locks. What counts
here takes none, calls nothing that does, and makes nothing but numbers.
"""

import atexit
import contextlib
import gc
import logging
import mmap
import os
import threading
from pathlib import Path
from time import perf_counter_ns

from exporters.instrument.runtime.numbers import GENERATIONS, SIZE, add
from exporters.instrument.runtime.proc import look
from exporters.instrument.workers import shared_folder

_log = logging.getLogger(__name__)
_lock = threading.Lock()
_made: "list[Tally]" = []


class Tally:
    """The numbers of this process; in the folder that workers share, if there is one, so that others can read them."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._began = 0
        self.numbers = _in_memory()

    def begin(self) -> None:
        """From now on, and after a fork each process for itself."""
        self._begin_anew()
        os.register_at_fork(after_in_child=self._begin_anew)
        atexit.register(self._end)
        gc.callbacks.append(self._called)

    def _begin_anew(self) -> None:
        self.numbers = _in_memory()
        if self._folder is None:
            return
        try:
            self.numbers = _in_file(self._folder / f"runtime_{os.getpid()}.bin")
        except OSError as error:
            _log.warning("the garbage collector of this process is not counted: %s", error.strerror)

    def _called(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._began = perf_counter_ns()
        elif self._began and info["generation"] < GENERATIONS:
            nanoseconds = perf_counter_ns() - self._began
            add(self.numbers, info["generation"], nanoseconds, info["collected"], info["uncollectable"])

    def _end(self) -> None:
        # What it uses is taken down next, with collections in between.
        with contextlib.suppress(ValueError):
            gc.callbacks.remove(self._called)


def tally() -> Tally:
    """That of this process, which counts from the first call on."""
    with _lock:
        if not _made:
            made = Tally(shared_folder())
            made.begin()
            _made.append(made)
        return _made[0]


def _in_memory() -> memoryview:
    return memoryview(bytearray(SIZE)).cast("Q")


def _in_file(path: Path) -> memoryview:
    """A process that had this id before goes on where it ended, since counters of its kind must not fall."""
    with path.open("a+b") as file:
        if os.fstat(file.fileno()).st_size != SIZE:
            file.truncate(0)
            # Written, and not only made long: a full disk is an error here, and not later.
            file.write(bytes(SIZE))
            file.flush()
        numbers = memoryview(mmap.mmap(file.fileno(), SIZE)).cast("Q")
    process = look(os.getpid())
    numbers[0] = process.began if process else 0
    return numbers
