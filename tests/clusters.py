"""Throw-away PostgreSQL clusters from Debian's packages: on a free loopback port and a socket in a temporary folder."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

from demo import postgres
from tests.programs import free_port

# The newest version that is installed; a cluster starts in about a second.
_INSTALLED = Path("/usr/lib/postgresql")


class Cluster(postgres.Cluster):
    """A cluster of a test, on a port of its own."""

    def __init__(self, programs: Path, folder: Path, settings: dict[str, str]) -> None:
        super().__init__(programs, folder, port=free_port(), listen="127.0.0.1", user="postgres", settings=settings)

    def dsn(self, user: str = "postgres", database: str = "postgres") -> str:
        """A connection string over loopback."""
        return f"host=127.0.0.1 port={self.port} user={user} dbname={database}"

    @contextmanager
    def database(self, name: str, schema: str = "") -> Iterator[str]:
        """An own database with a schema, and a role ``monitoring`` that may read it and do nothing else; its name."""
        self.execute(
            "DO $$ BEGIN CREATE ROLE monitoring LOGIN; GRANT pg_monitor TO monitoring;"
            " EXCEPTION WHEN duplicate_object THEN NULL; END $$",
            f"CREATE DATABASE {name}",
        )
        try:
            granted = (
                "GRANT USAGE ON SCHEMA public TO monitoring; GRANT SELECT ON ALL TABLES IN SCHEMA public TO monitoring;"
                " ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO monitoring"
            )
            self.execute(f"{schema}\n;{granted}", database=name)
            yield name
        finally:
            with suppress(psycopg.OperationalError):
                self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@contextmanager
def cluster(**settings: str) -> Iterator[Cluster]:
    """A running cluster with these settings beside the quick ones."""
    programs = sorted(_INSTALLED.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    assert programs, "PostgreSQL is not installed; make test installs it"
    folder = Path(tempfile.mkdtemp(prefix="tocsin-pg-"))
    found = Cluster(programs[-1].parent, folder, settings)
    try:
        found.create()
        found.start()
        yield found
    finally:
        found.stop("immediate")
        shutil.rmtree(folder, ignore_errors=True)
