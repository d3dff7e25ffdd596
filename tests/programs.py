"""Debian's programs, run by tests: on free loopback ports, stopped by process id."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import requests

T = TypeVar("T")


def program(*names: str) -> str:
    """The path of the first of these programs; `make test` installs them."""
    for name in names:
        if found := shutil.which(name):
            return found
    raise AssertionError(f"{names[0]} is not installed; make test installs it")


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """Run a program that must succeed; everything that it prints."""
    done = subprocess.run(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=cwd,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until(what: Callable[[], T | None], seconds: float = 60) -> T:
    """Wait until ``what`` returns something true; connection errors count as not yet."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if found := what():
                return found
        except requests.ConnectionError:
            pass
        assert time.monotonic() < deadline, f"waited {seconds} seconds in vain for {what}"
        time.sleep(0.05)


@contextmanager
def started(
    command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A server process that is terminated, and killed if it does not listen, when the test is over.

    What it says is added to ``log``; ``environment`` is beside the test's own.
    """
    with (
        log.open("ab") as output,
        subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **(environment or {})}
        ) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def prometheus(config: Path, folder: Path, *flags: str) -> Iterator[str]:
    """Prometheus with a configuration file, and flags of its own; its address."""
    address = f"127.0.0.1:{free_port()}"
    command = [
        program("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}", "--rules.alert.for-grace-period=0s", "--web.enable-lifecycle",
        *flags,
    ]  # fmt: skip
    with started(command, folder / "prometheus.log"):
        url = f"http://{address}"
        until(lambda: requests.get(f"{url}/-/ready", timeout=5).ok)
        yield url


@contextmanager
def alertmanager(config: Path, folder: Path, port: int | None = None) -> Iterator[str]:
    """Alertmanager with a configuration file, on any free port unless one is given; its address."""
    address = f"127.0.0.1:{port or free_port()}"
    command = [
        program("prometheus-alertmanager", "alertmanager"), f"--config.file={config}",
        f"--storage.path={folder / 'alertmanager'}", f"--web.listen-address={address}", "--cluster.listen-address=",
    ]  # fmt: skip
    with started(command, folder / "alertmanager.log"):
        url = f"http://{address}"
        until(lambda: requests.get(f"{url}/-/ready", timeout=5).ok)
        yield url
