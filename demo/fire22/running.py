"""Fire22 as it runs in the demo: database, API, people at work, both exporters, and the stack that watches them."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from psycopg import sql

from demo import postgres
from demo.addresses import Address, addresses, targets
from demo.fire22.world import API_JOB, World
from demo.reload import Reloadable
from demo.stack import NO_FLAGS, Report, Stack, exporter
from generator import naming
from generator.plan.types import Plan

# The exporters' scrape jobs in domains/fire22/platform.yaml.
BUSINESS_JOB, DATABASE_JOB = "fire22-business", "fire22-database"
DATABASE = "fire22"
_OUTAGE_LEAVES_AFTER_SECONDS = 110
# What watches may only read; what works may not change the tables.
ROLES = (
    "CREATE ROLE fire22 LOGIN",
    "CREATE ROLE monitoring LOGIN CONNECTION LIMIT 10",
    "GRANT pg_monitor TO monitoring",
    f"CREATE DATABASE {DATABASE} OWNER fire22",
)
RIGHTS = (
    "GRANT USAGE ON SCHEMA public TO fire22, monitoring",
    "GRANT SELECT ON ALL TABLES IN SCHEMA public TO monitoring",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO fire22",
    "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO fire22",
)


def listens_on(plan: Plan) -> tuple[Address, ...]:
    """Everything that Fire22 and what watches it listen on."""
    jobs = (API_JOB, BUSINESS_JOB, DATABASE_JOB)
    return (*addresses(plan), *(target for job in jobs for target in targets(plan, job)))


class Fire22:
    """All of it; a context manager. ``cluster`` is created and empty, or running; it is left to whoever made it.

    ``workload``: whether its people work, or rows lie still. ``folder`` keeps what runs. ``near_low_uptime``: an outage
    of yesterday, which leaves the last 24 hours in two minutes, has used up nearly all that uptime may lack, so that a
    few seconds more are too many; else Prometheus knows of none.
    """

    def __init__(  # noqa: PLR0913  # what whoever runs it decides
        self,
        plan: Plan,
        compiled: Path,
        folder: Path,
        schema: str,
        cluster: postgres.Cluster,
        *,
        workload: bool = True,
        flags: Mapping[str, str] = NO_FLAGS,
        requests_per_second: float | None = None,
        near_low_uptime: bool = False,
    ) -> None:
        self.plan = plan
        self.compiled = compiled
        self.folder = folder
        self.cluster = cluster
        self._schema = schema
        self._workload = workload
        self._near_low_uptime = near_low_uptime
        self._running = ExitStack()
        dsn = {"FIRE22_DSN": f"{self._socket} user=monitoring"}
        (self._business,), (database,) = targets(plan, BUSINESS_JOB), targets(plan, DATABASE_JOB)
        self.api_targets = targets(plan, API_JOB)
        self.world = World(f"{self._socket} user=fire22", [port for _, port in self.api_targets])
        self._locks: list[psycopg.Connection] = []
        if requests_per_second is not None:
            self.world.api.requests_per_second = requests_per_second
        self.business_exporter = exporter(
            "business-exporter", compiled / "exporter/business.yml", self._business, folder, dsn
        )
        self.postgres_exporter = exporter(
            "postgres-exporter", "postgres", database, folder, dsn, "--dsn-env", "FIRE22_DSN"
        )
        self.stack = Stack(plan, compiled, folder, flags=flags)

    @property
    def _socket(self) -> str:
        return f"host={self.cluster.folder} port={self.cluster.port} dbname={DATABASE}"

    def __enter__(self) -> Self:
        self.start(lambda text: None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, report: Report) -> None:
        """Start everything in order and say so; whatever fails, what has started is stopped."""
        try:
            report("Fire22's database")
            self._fill()
            report("Fire22's API and people at work" if self._workload else "Fire22's API")
            self._running.callback(self.world.stop)
            self.world.start(workload=self._workload)
            report("Business exporter")
            self._running.enter_context(self.business_exporter)
            report("Postgres exporter")
            self._running.enter_context(self.postgres_exporter)
            self.stack.history = self._history()
            self._running.callback(self.stack.stop)
            self.stack.start(report)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop all of it, in the reverse order; the cluster goes on."""
        self.unlock()
        self._running.close()

    def _fill(self) -> None:
        self.cluster.execute(*ROLES)
        self.cluster.execute(self._schema, *RIGHTS, database=DATABASE)
        self.world.seed()

    def _history(self) -> str:
        """What Prometheus is to know when it starts: the API's day, and that all else was seen just now.

        It takes some seconds to look for itself; until then everything would be blind, and that is an alert.
        """
        outage = _OUTAGE_LEAVES_AFTER_SECONDS if self._near_low_uptime else 0
        up, *lines, end = self.world.history(outage_leaves_after=outage)
        now = f"{time.time():.3f}"
        jobs = [(job.name, target) for job in self.plan.jobs if job.name != API_JOB for target in job.targets]
        seen = [f'up{{job="{job}",instance="{target}"}} 1 {now}\n' for job, target in jobs]
        success = naming.query_success(self.plan.platform)
        where = f'job="{BUSINESS_JOB}",instance="{self._business[0]}:{self._business[1]}"'
        names = [query.name for domain in self.plan.domains for query in domain.queries]
        succeeded = [f'{success}{{query="{name}",{where}}} 1 {now}\n' for name in names]
        return "".join([up, *seen, *lines, f"# TYPE {success} gauge\n", *succeeded, end])

    def lock(self, table: str) -> None:
        """Hold a lock on a table that lets nobody even read it, as a migration that was forgotten does."""
        connection = psycopg.connect(f"{self.cluster.socket_dsn} dbname={DATABASE}")
        self._locks.append(connection)
        connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(sql.Identifier(table)))

    def unlock(self) -> None:
        """Give back all locks."""
        while self._locks:
            self._locks.pop().close()

    def reloadable(self) -> tuple[Reloadable, ...]:
        """What takes on newly generated files, and which."""
        host, port = self._business
        return (
            Reloadable(self.business_exporter, "exporter", f"http://{host}:{port}/metrics"),
            Reloadable(self.stack.prometheus, "prometheus", f"{self.plan.links.prometheus}/metrics"),
            *(
                Reloadable(process, "alertmanager", f"http://{address}/metrics")
                for process, address in zip(self.stack.alertmanagers, self.plan.alertmanagers, strict=True)
            ),
        )
