"""Who speaks for all worker processes about what they have in common.

With ``PROMETHEUS_MULTIPROC_DIR`` gauges of the workers are added up. Of the one Redis only one of them may tell: who
holds the lock on a file of that folder. A process that ends leaves it to others.
"""

import fcntl
import os
from io import BufferedRandom
from pathlib import Path

_NAME = "cache.lock"


class Reporter:
    """This process as one of several; without a folder it speaks for itself."""

    def __init__(self, folder: Path | None) -> None:
        self._path = None if folder is None else folder / _NAME
        self._file: BufferedRandom | None = None
        self._pid = 0

    def speaks(self) -> bool:
        """Whether it is this process."""
        if self._path is None:
            return True
        if self._file is not None and self._pid == os.getpid():
            return True
        # After a fork the lock is the parent's.
        self._file = None
        file = self._path.open("a+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        self._file, self._pid = file, os.getpid()
        return True
