"""Throw-away PostgreSQL clusters from Debian's packages: on a free loopback port and a socket in a temporary folder."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

from tests.programs import free_port

# The newest version that is installed; a cluster starts in about a second.
_INSTALLED = Path("/usr/lib/postgresql")
# What a cluster that lives for a test can do without.
_QUICK = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "32MB"}


class Cluster:
    """One cluster, its data gone with it; Postgres refuses to run as root, so root runs it as the package's user."""

    def __init__(self, programs: Path, folder: Path, settings: dict[str, str]) -> None:
        self.programs = programs
        self.folder = folder
        self.port = free_port()
        self.settings = _QUICK | settings
        self.become: list[str] = []
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(folder, user.pw_uid, user.pw_gid)
            self.become = ["runuser", "-u", "postgres", "--"]

    @property
    def socket_dsn(self) -> str:
        """Its superuser over the socket, without a database name."""
        return f"host={self.folder} port={self.port} user=postgres"

    def dsn(self, user: str = "postgres", database: str = "postgres") -> str:
        """A connection string over loopback."""
        return f"host=127.0.0.1 port={self.port} user={user} dbname={database}"

    def create(self) -> None:
        self._run("initdb", "--username=postgres", "--auth=trust", "--no-sync", "--locale=C.UTF-8", "-D", self._data)

    def start(self) -> None:
        fixed = {"port": str(self.port), "listen_addresses": "127.0.0.1", "unix_socket_directories": str(self.folder)}
        options = " ".join(f"-c {name}='{value}'" for name, value in (self.settings | fixed).items())
        self._run("pg_ctl", "-D", self._data, "-w", "-o", options, "-l", str(self.log), "start")

    def stop(self, mode: str = "fast") -> None:
        if (Path(self._data) / "postmaster.pid").exists():
            self._run("pg_ctl", "-D", self._data, "-w", "-m", mode, "stop")

    def execute(self, *statements: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run statements as superuser, each for itself; the rows of the last one that has any."""
        rows: list[tuple[object, ...]] = []
        with psycopg.connect(f"{self.socket_dsn} dbname={database}", autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
                if cursor.description is not None:
                    rows = cursor.fetchall()
        return rows

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

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.folder / "log"

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self.become, str(self.programs / program), *arguments]
        # pg_ctl's child keeps the pipes open, so nothing is captured through them.
        with (self.folder.parent / f"{self.folder.name}.out").open("w+") as output:
            Path(output.name).unlink()
            done = subprocess.run(command, cwd="/", stdout=output, stderr=subprocess.STDOUT, check=False)
            output.seek(0)
            assert done.returncode == 0, output.read()


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
