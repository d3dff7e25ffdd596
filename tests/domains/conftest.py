"""A throw-away Postgres from Debian's packages, on a Unix socket in a temporary folder."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

# Debian's packages only: a cluster of their newest version starts in about a second.
_INSTALLED = Path("/usr/lib/postgresql")


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Give the connection string of a running cluster, without a database name."""
    programs = sorted(_INSTALLED.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    assert programs, "PostgreSQL is not installed; make test installs it"
    folder = Path(tempfile.mkdtemp(prefix="tocsin-pg-"))
    cluster = _Cluster(programs[-1].parent, folder)
    try:
        cluster.start()
        yield f"host={folder} port=5432 user=postgres"
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


class _Cluster:
    """One cluster; Postgres refuses to run as root, so root runs it as the user that the package made."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.programs = programs
        self.folder = folder
        self.become: list[str] = []
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(folder, user.pw_uid, user.pw_gid)
            self.become = ["runuser", "-u", "postgres", "--"]

    def start(self) -> None:
        self._run("initdb", "--username=postgres", "--auth=trust", "--no-sync", "--locale=C.UTF-8", "-D", self._data)
        options = f"-c listen_addresses='' -c unix_socket_directories={self.folder} -c fsync=off -c port=5432"
        self._run("pg_ctl", "-D", self._data, "-w", "-o", options, "-l", str(self.folder / "log"), "start")

    def stop(self) -> None:
        if (Path(self._data) / "postmaster.pid").exists():
            self._run("pg_ctl", "-D", self._data, "-w", "-m", "immediate", "stop")

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
