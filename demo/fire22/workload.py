"""The ordinary work of Fire22 on its rows, a tick a second, for hours on end."""

import logging
import threading
from random import Random

import psycopg

from demo.fire22.database import Cursor, Database
from demo.fire22.domains import adjustment, balance, collections, distributions, free_play, surveys

_DOMAINS = (collections, distributions, free_play, balance, adjustment, surveys)
_TICK_SECONDS = 1.0
# How long it waits for a database that does not answer.
_LOST_SECONDS = 1.0
# How many ticks lie between two times that old rows are deleted.
_FORGET_TICKS = 60

_log = logging.getLogger(__name__)


class Workload:
    """A thread that goes on whatever happens to the database; it says once that it is gone and once that it is back."""

    def __init__(self, dsn: str, seed: int) -> None:
        self._database = Database(dsn, "fire22")
        self._chance = Random(seed)
        self._ticks = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to work; nothing if it works already."""
        if self._thread is None:
            self._stop.clear()
            self._thread = threading.Thread(target=self._run, name="fire22-workload", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End with the tick that is being worked on."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._database.close()

    def tick(self) -> None:
        """The work of about a second in one transaction. Raises ``psycopg.Error``; then nothing was done."""
        with self._database.transaction() as cursor:
            for domain in _DOMAINS:
                domain.tick(cursor, self._chance)
            self._ticks += 1
            if self._ticks % _FORGET_TICKS == 0:
                _forget(cursor)

    def _run(self) -> None:
        lost = False
        while not self._stop.wait(_LOST_SECONDS if lost else _TICK_SECONDS):
            try:
                self.tick()
            except psycopg.Error as error:
                self._database.close()
                if not lost:
                    _log.warning("the workload waits for the database: %s", str(error).strip())
                lost = True
                continue
            if lost:
                _log.warning("the workload goes on")
            lost = False


def _forget(cursor: Cursor) -> None:
    for domain in _DOMAINS:
        domain.forget(cursor)
