"""What the tests of the web server share: an exporter that they steer, the real server in a thread, certificates."""

import asyncio
import queue
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from gzip import compress
from pathlib import Path

from exporters.business.exposition import Format
from exporters.business.web.app import application
from exporters.business.web.config import LiveConfig
from exporters.business.web.pages import Ready
from exporters.business.web.server import run, serve
from tests.programs import program
from tests.programs import run as run_program


@dataclass
class Asked:
    """What one scrape asked of the exporter."""

    format_: Format
    gzip: bool
    timeout_seconds: float


@dataclass
class SteeredExporter:
    """An exporter that answers what a test says; ``error`` is raised instead."""

    title: str = "Orders exporter"
    description: str = "Business numbers of the platform orders"
    body: bytes = b"orders_up 1\n"
    state: Ready = field(default_factory=lambda: Ready(True, "every database answers"))
    error: Exception | None = None
    asked: list[Asked] = field(default_factory=list)

    async def metrics(self, format_: Format, *, gzip: bool, timeout_seconds: float) -> bytes:
        self.asked.append(Asked(format_, gzip, timeout_seconds))
        if self.error:
            raise self.error
        return compress(self.body) if gzip else self.body

    def ready(self) -> Ready:
        return self.state


@contextmanager
def serving(
    exporter: SteeredExporter, *, web: Path | None = None, listen: tuple[str, int] = ("127.0.0.1", 0)
) -> Iterator[str]:
    """The real server in a thread of its own; the address that it listens on."""
    said: queue.Queue[str | BaseException] = queue.Queue()
    ends: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def main() -> None:
        stop = asyncio.Event()
        ends.append((asyncio.get_running_loop(), stop))
        live = LiveConfig(web) if web else None
        await serve(application(exporter), listen, web=live, ready=said.put, stop=stop, drain_seconds=60)

    def thread() -> None:
        try:
            run(main())
        except BaseException as error:
            said.put(error)

    server = threading.Thread(target=thread)
    server.start()
    try:
        first = said.get(timeout=30)
        if isinstance(first, BaseException):
            raise first
        yield first
    finally:
        if server.is_alive():
            loop, stop = ends[0]
            loop.call_soon_threadsafe(stop.set)
        server.join(30)
    assert not server.is_alive()
    if not said.empty():
        raise AssertionError("the server failed") from said.get()  # type: ignore[misc]


def host_and_port(address: str) -> tuple[str, int]:
    """The two parts of an address as the server says it."""
    host, _, port = address.partition("://")[2].rpartition(":")
    return host.strip("[]"), int(port)


def exchange(address: str, request: bytes, until: bytes | None = None) -> bytes:
    """All that the server says to these bytes, until it closes the connection or has said ``until``."""
    with closing(socket.create_connection(host_and_port(address), timeout=30)) as connection:
        connection.sendall(request)
        said = b""
        while until is None or until not in said:
            try:
                more = connection.recv(65536)
            except ConnectionResetError:
                break
            if not more:
                break
            said += more
        return said


@dataclass(frozen=True)
class Authority:
    """A certificate authority of a test, in a folder of its own."""

    folder: Path

    @property
    def certificate(self) -> Path:
        return self.folder / "ca.crt"

    def issue(self, name: str, alternatives: str) -> tuple[Path, Path]:
        """A certificate with its key, for such names (DNS:localhost,IP:127.0.0.1)."""
        key, request, certificate = (self.folder / f"{name}.{kind}" for kind in ("key", "csr", "crt"))
        openssl(
            "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
            "-addext", f"subjectAltName={alternatives}", "-keyout", key, "-out", request,
        )  # fmt: skip
        openssl(
            "x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.folder / "ca.key", "-days", "2",
            "-copy_extensions", "copy", "-out", certificate,
        )  # fmt: skip
        return certificate, key


def authority(folder: Path) -> Authority:
    """A new certificate authority."""
    folder.mkdir()
    openssl(
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={folder.name}",
        "-days", "2", "-keyout", folder / "ca.key", "-out", folder / "ca.crt",
    )  # fmt: skip
    return Authority(folder)


def openssl(*arguments: str | Path) -> None:
    """Run openssl, which must succeed."""
    run_program(program("openssl"), *arguments)
