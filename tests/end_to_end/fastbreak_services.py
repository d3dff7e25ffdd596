"""FastBreak's two services as they run, what they ask, and what watches them."""

import json
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from demo.addresses import Address, targets
from demo.fastbreak.outside import Outside
from demo.processes import Process, answers
from demo.stack import Stack, exporter
from generator.plan.types import Plan
from tests.clusters import Cluster
from tests.compiling import ROOT
from tests.programs import free_port
from tests.redis_servers import RedisServer
from tests.spans import Receiver, receiver

SCHEMA = ROOT / "demo/fastbreak/moments.sql"
DATABASE = "fastbreak"
# Statements of the services, and of nobody else, are seen.
SETTINGS = {"shared_preload_libraries": "pg_stat_statements", "max_connections": "120"}
_IDLE, _FULL = {"cpu": 0.2, "memory": 0.3, "disk": 0.4}, {"cpu": 0.95, "memory": 0.95, "disk": 0.95}


class FastBreakServices:
    """All of it; a context manager. ``cluster`` runs, and gets a database; ``folder`` keeps what runs."""

    def __init__(self, plan: Plan, compiled: Path, folder: Path, cluster: Cluster, redis: RedisServer) -> None:
        self.plan = plan
        self.cluster = cluster
        self.redis = redis
        self.outside = Outside(("127.0.0.1", free_port()))
        self.api, self.analysis = targets(plan, "fastbreak-services")
        (self._host_address,) = targets(plan, "fastbreak-host")
        (database,) = targets(plan, "fastbreak-database")
        self._host_state = folder / "host.json"
        self.host_is_full(False)
        environment = environment_of(redis, cluster, self.outside, plan.links.prometheus)
        self.api_process = service("api", folder, self.api, environment, "uvicorn", "--no-access-log", "--port")
        # Tracing a request takes as long as answering it, so the service that answers many is not traced.
        (traced,) = plan.traced
        self.spans: Receiver | None = None
        self._spans = receiver(int(traced.endpoint.rpartition(":")[2]))
        self.analysis_process = service(
            "analysis",
            folder,
            self.analysis,
            environment | {"OTEL_CONFIG_FILE": str(compiled / f"opentelemetry/{traced.name}.yaml")},
            "gunicorn",
            "--threads",
            "16",
            "--no-control-socket",
            "--bind",
        )
        self.host = Process(
            "host",
            [
                sys.executable,
                "-m",
                "tests.end_to_end.fastbreak_host",
                str(self._host_state),
                f"{self._host_address[1]}",
            ],
            folder / "host.log",
            lambda: answers(f"http://127.0.0.1:{self._host_address[1]}/metrics"),
            {"PYTHONPATH": str(ROOT)},
        )
        dsn = {"DATA_SOURCE_NAME": cluster.dsn("monitoring", DATABASE)}
        self.exporter = exporter("postgres-exporter", "postgres", database, folder, dsn)
        self.stack = Stack(plan, compiled, folder)
        self._running = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            create_database(self.cluster)
            self.spans = stack.enter_context(self._spans)
            for part in (
                self.outside, self.host, self.exporter, self.analysis_process, self.api_process, self.stack
            ):  # fmt: skip
                stack.enter_context(part)
            self._running = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.close()

    def host_is_full(self, is_full: bool) -> None:
        """From now on, CPU, memory and disk of the host: all in use, or little."""
        written = self._host_state.with_suffix(".new")
        written.write_text(json.dumps(_FULL if is_full else _IDLE), "utf-8")
        written.replace(self._host_state)


def create_database(cluster: Cluster) -> None:
    """What the services work with, and the roles of those who work and who watch."""
    cluster.execute(
        "CREATE ROLE services LOGIN", "CREATE ROLE monitoring LOGIN", "GRANT pg_monitor TO monitoring",
        f"CREATE DATABASE {DATABASE} OWNER services",
    )  # fmt: skip
    cluster.execute("CREATE EXTENSION pg_stat_statements", database=DATABASE)
    cluster.execute(f"SET ROLE services;{SCHEMA.read_text('utf-8')}", database=DATABASE)


def environment_of(redis: RedisServer, cluster: Cluster, outside: Outside, prometheus_url: str) -> dict[str, str]:
    """The variables by which a service finds what it needs."""
    return {
        **redis.environment,
        "DB_HOST": "127.0.0.1",
        "DB_PORT": str(cluster.port),
        "DB_NAME": DATABASE,
        "DB_USER": "services",
        "PLAYERS_URL": outside.url,
        "MODEL_URL": outside.url,
        "PROMETHEUS_URL": prometheus_url,
        "PYTHONPATH": str(ROOT),
    }


def service(name: str, folder: Path, address: Address, environment: Mapping[str, str], *command: str) -> Process:
    """A module of ``demo.fastbreak`` behind a server, whose last option is where it listens."""
    host, port = address
    where = str(port) if command[0] == "uvicorn" else f"{host}:{port}"
    whole = [sys.executable, "-m", *command, where, f"demo.fastbreak.{name}:app"]
    return Process(name, whole, folder / f"{name}.log", lambda: answers(f"http://{host}:{port}/health"), environment)
