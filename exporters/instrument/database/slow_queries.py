"""The log of slow queries: never a value, and never more lines a second than one wants to keep."""

import logging
import math
import threading
from time import monotonic

from exporters.instrument.database.statements import Statement

log = logging.getLogger(__name__)
_LONGEST_SHOWN = 2000


class SlowQueries:
    """``seconds``: from when on an operation is slow; ``per_second``: the most lines in any second.

    Raises:
        ValueError: one of them is no number that this could mean.
    """

    def __init__(self, seconds: float, per_second: int) -> None:
        if not 0 <= seconds < math.inf:
            raise ValueError(f"slow_query_seconds={seconds} is no duration")
        if per_second < 1:
            raise ValueError(f"slow_queries_per_second={per_second} logs nothing; slow_query_seconds=None turns it off")
        self.seconds = seconds
        self._per_second = per_second
        self._lock = threading.Lock()
        self._began = -math.inf
        self._said = 0
        self._left_out = 0

    def say(self, statement: Statement, seconds: float, pool: str, rows: int, error: str) -> None:
        """Log one; ``pool`` and ``error`` are empty where there is none, ``rows`` -1 where their number is unknown."""
        with self._lock:
            now = monotonic()
            if now - self._began >= 1:
                self._began, self._said = now, 0
            self._said += 1
            if self._said > self._per_second:
                self._left_out += 1
                return
            left_out, self._left_out = self._left_out, 0
        log.warning(
            "slow query: %.3f s, %s, %s%s%s: %s%s",
            seconds,
            statement.operation,
            f"{rows} rows" if rows >= 0 else "rows unknown",
            f", pool {pool}" if pool else "",
            f", {error}" if error else "",
            str(statement)[:_LONGEST_SHOWN],
            f" ({left_out} more were not logged)" if left_out else "",
        )
