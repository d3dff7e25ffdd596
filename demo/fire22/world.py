"""The Fire22 world: rows that people work on, an API that answers, and what may happen to both."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from demo.fire22.api import Api
from demo.fire22.database import Database, Parameters, Row, connect
from demo.fire22.history import Uptime, lines, uptime
from demo.fire22.workload import Workload

_SEED = (Path(__file__).parent / "seed.sql").read_text(encoding="utf-8")
# The scrape job of the API in domains/fire22/platform.yaml.
API_JOB = "fire22-api"


def _utc_now() -> datetime:
    return datetime.now(UTC)


class World:
    """Fire22 on one database and some ports of 127.0.0.1.

    ``dsn`` is a libpq string of a role that may write every table; the database tells the rows' time. ``now`` is the
    time at which the API's history ends. The same ``seed`` gives the same rows and the same chances.
    """

    def __init__(
        self, dsn: str, api_ports: Sequence[int], *, now: Callable[[], datetime] = _utc_now, seed: int = 22
    ) -> None:
        self.api = Api(api_ports, seed=seed)
        self._dsn = dsn
        self._now = now
        self._seed = seed
        self._database = Database(dsn, "fire22-incident")
        self._workload = Workload(dsn, seed)
        self._uptime = Uptime(0, ())
        self._idle: list[psycopg.Connection[Row]] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def seed(self) -> None:
        """Fill an empty schema with Fire22 on an ordinary day, in one transaction. Raises ``psycopg.Error``."""
        self.execute(f"SELECT setseed({self._seed % 1000 / 1000});\n{_SEED}")

    def history(self, *, outage_leaves_after: float = 110, requests_per_second: float | None = None) -> Iterator[str]:
        """What Prometheus is to know when it starts: OpenMetrics text for ``promtool tsdb create-blocks-from``.

        A day of ``up``, with an outage yesterday that leaves the last 24 hours ``outage_leaves_after`` seconds after
        now and an uptime just above 99.9% until then; ten minutes of the API's series at the rate that it has now, or
        at ``requests_per_second`` from now on. What is scraped afterwards goes on from there.
        """
        if requests_per_second is not None:
            self.api.requests_per_second = requests_per_second
        end = self._now().timestamp()
        self._uptime = uptime(end, len(self.api.instances), outage_leaves_after)
        load, counted = self.api.assume_calm()
        return lines(end, self.api.instances, load, counted, self._uptime, API_JOB)

    def scraped(self, ahead: float = 0) -> tuple[float, float]:
        """How many samples of ``up`` the last 24 hours have, of all instances, and how many of them are 0, about.

        Zeros do not count that are more than a day old ``ahead`` seconds from now.
        """
        missed = self.api.missed_scrapes
        zeros = self._uptime.zeros(self._now().timestamp() + ahead)
        return self._uptime.samples + self.api.scrapes + missed, zeros + missed

    def start(self, *, workload: bool = True) -> None:
        """Have the API answer and, unless rows are to lie still, people work. Raises ``OSError`` if a port is taken."""
        self.api.start()
        if workload:
            self._workload.start()

    def stop(self) -> None:
        """Stop all of it; the rows stay."""
        self._workload.stop()
        self.api.stop()
        self.close_connections()
        self._database.close()

    def tick(self) -> None:
        """Do the work of about a second at once. Raises ``psycopg.Error``."""
        self._workload.tick()

    def execute(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """Run a statement, committed at once; its rows, none where it has none. Raises ``psycopg.Error``.

        From any thread, also after the database was restarted.
        """
        return self._database.execute(sql, parameters)

    def open_connections(self, number: int) -> None:
        """Open connections to the database that do nothing. Raises ``psycopg.OperationalError``."""
        for _ in range(number):
            self._idle.append(connect(self._dsn, "demo-incident"))

    def close_connections(self) -> None:
        """Close those connections."""
        while self._idle:
            with suppress(psycopg.Error):
                self._idle.pop().close()
