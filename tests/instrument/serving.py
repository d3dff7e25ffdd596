"""The services of these tests as they run: a server's process on a free port of this machine."""

import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import requests

from tests.compiling import ROOT
from tests.instrument.measured import Measured
from tests.programs import free_port, started, until

UVICORN = ("-m", "uvicorn", "--no-access-log", "--port", "{port}")
UVICORN_WSGI = (*UVICORN, "--interface", "wsgi")
GUNICORN = ("-m", "gunicorn", "--bind", "127.0.0.1:{port}", "--threads", "4", "--no-control-socket")
GUNICORN_UVICORN = (*GUNICORN, "-k", "uvicorn_worker.UvicornWorker")


@dataclass(frozen=True)
class Served:
    """A server that answers."""

    app: str
    url: str
    port: int
    process: "subprocess.Popen[bytes]"

    def get(self, path: str, method: str = "GET", **options: str) -> requests.Response:
        """A request on a connection of its own."""
        return requests.request(method, self.url + path, timeout=30, headers={"Connection": "close", **options})

    def asking(self, path: str) -> HTTPConnection:
        """A connection on which a request has been sent; its answer is not waited for."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("GET", path, headers={"Connection": "close"})
        return connection

    def scrape(self) -> Measured:
        """What Prometheus would read."""
        return Measured(self.get("/metrics").text)

    def leave(self, path: str, after: int) -> None:
        """Ask, and go away when some bytes have come."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as client:
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: shop\r\n\r\n".encode())
            while after > 0:
                after -= len(client.recv(min(after, 4096)))


@contextlib.contextmanager
def served(
    app: str, folder: Path, *command: str, environment: Mapping[str, str] | None = None, port: int | None = None
) -> Iterator[Served]:
    """A service of ``tests.instrument.services`` behind a server, on a free port if none is given."""
    port = port or free_port()
    whole = [sys.executable, *(part.format(port=port) for part in command), f"tests.instrument.services:{app}"]
    with started(whole, folder / "server.log", {"PYTHONPATH": str(ROOT), **(environment or {})}) as process:
        running = Served(app, f"http://127.0.0.1:{port}", port, process)

        def answers() -> bool:
            assert process.poll() is None, (folder / "server.log").read_text()
            return running.get("/health").ok

        until(answers)
        yield running
