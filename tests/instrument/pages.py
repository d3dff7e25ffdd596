"""The monitoring API asked without a server, and Prometheis that are played."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
from starlette.applications import Starlette

from exporters.instrument.api import monitoring_api
from tests.programs import free_port

_NOTHING = {
    "rules": b'{"status":"success","data":{"groups":[]}}',
    "query": b'{"status":"success","data":{"resultType":"vector","result":[]}}',
    "query_range": b'{"status":"success","data":{"resultType":"matrix","result":[]}}',
}


def api(url: str | None = None, **options: Any) -> Starlette:
    """The API of a shop; without an address its Prometheus is away."""
    return monitoring_api(
        **{
            "service_name": "till",
            "platform": "shop",
            "prometheus_url": url or f"http://127.0.0.1:{free_port()}",
            **options,
        }
    )


async def asked(app: Starlette, *paths: str, method: str = "GET", **headers: str) -> list[httpx.Response]:
    """What it answers to requests of one moment."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://till", timeout=60) as client:
        return await asyncio.gather(*(client.request(method, path, headers=headers) for path in paths))


def ask(app: Starlette, path: str, method: str = "GET", **headers: str) -> httpx.Response:
    """What it answers to a request."""
    (answer,) = asyncio.run(asked(app, path, method=method, **headers))
    return answer


@dataclass
class Played:
    """What answers in place of a Prometheus."""

    url: str
    asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)


@contextlib.contextmanager
def played(answer: Callable[[BaseHTTPRequestHandler, Played], None]) -> Iterator[Played]:
    """A server on a free port of this machine; ``answer`` writes whatever it likes."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known.asked.append(self.path)
            known.headers.append(dict(self.headers))
            with contextlib.suppress(ConnectionError):
                answer(self, known)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        known = Played(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield known
        finally:
            known.over.set()
            server.shutdown()
            thread.join()


def whole(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    """A whole answer."""
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


def nothing(handler: BaseHTTPRequestHandler, known: Played) -> None:
    """A Prometheus that has nothing."""
    whole(handler, 200, _NOTHING[handler.path.partition("?")[0].rpartition("/")[2]])
