"""HTTP measured in a WSGI application: Flask, or any other, which then has no routes."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from prometheus_client import REGISTRY, CollectorRegistry

from exporters.instrument.exposition import metrics_wsgi
from exporters.instrument.http import flask_routes
from exporters.instrument.http.exchange import Exchange
from exporters.instrument.http.exclusions import Exclusions
from exporters.instrument.http.measures import measures_of
from exporters.instrument.interfaces import wsgi_text
from exporters.instrument.target import name_target

_NO_BODY = frozenset({204, 304})


def instrument_wsgi(
    app: WSGIApplication,
    *,
    service_name: str,
    exclude_paths: Iterable[str] = (),
    metrics_path: str | None = "/metrics",
    duration_targets: Iterable[float] = (),
    registry: CollectorRegistry = REGISTRY,
) -> WSGIApplication:
    """The application, measured; the arguments, and what is raised, are those of ``instrument_asgi``."""
    exclusions = Exclusions(exclude_paths)
    measures = measures_of(registry, duration_targets)
    name_target(registry, service_name)
    page = metrics_wsgi(registry)
    flask_routes.listen()

    def measured(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if flask_routes.EXCHANGE in environ:
            return app(environ, start_response)
        path = wsgi_text(environ.get("PATH_INFO", ""))
        if path == metrics_path:
            return page(environ, start_response)
        if path in exclusions:
            environ[flask_routes.EXCHANGE] = None
            return app(environ, start_response)
        version = environ.get("SERVER_PROTOCOL", "").removeprefix("HTTP/")
        kind = measures.kind(environ["REQUEST_METHOD"], environ.get("wsgi.url_scheme", "http"), version)
        exchange = Exchange(kind)
        environ[flask_routes.EXCHANGE] = exchange
        if environ.get("CONTENT_LENGTH") or "HTTP_TRANSFER_ENCODING" in environ:
            environ["wsgi.input"] = _Input(environ["wsgi.input"], exchange)
        answer = _Answer(environ, exchange)
        try:
            answer.take(app(environ, answer.starting(start_response)))
        except BaseException as error:
            exchange.error = error
            exchange.close()
            raise
        return answer

    return measured


class _Input:
    """The request's body, counted as it is read."""

    def __init__(self, stream: Any, exchange: Exchange) -> None:
        self._stream = stream
        self._exchange = exchange

    def read(self, *size: int) -> bytes:
        return self._counted(self._stream.read(*size))

    def readline(self, *size: int) -> bytes:
        return self._counted(self._stream.readline(*size))

    def readlines(self, *hint: int) -> list[bytes]:
        return [self._counted(line) for line in self._stream.readlines(*hint)]

    def __iter__(self) -> Iterator[bytes]:
        return (self._counted(line) for line in self._stream)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._stream, name)
        return partial(self._counted_into, found) if name == "readinto" else found

    def _counted_into(self, readinto: Callable[[Any], int | None], buffer: Any) -> int | None:
        size = readinto(buffer)
        self._exchange.received += size or 0
        return size

    def _counted(self, data: bytes) -> bytes:
        self._exchange.received += len(data)
        return data


class _Answer:
    """The answer's body: over with its last part, or, where the server stops asking, when it closes."""

    def __init__(self, environ: WSGIEnvironment, exchange: Exchange) -> None:
        self._environ = environ
        self._exchange = exchange
        self._has_body = environ["REQUEST_METHOD"] != "HEAD"
        self._promised: str | None = None
        self._parts: Iterable[bytes] = ()
        self._next: Callable[[], bytes] = iter(()).__next__

    def take(self, parts: Iterable[bytes]) -> None:
        self._parts = parts
        self._next = iter(parts).__next__

    def starting(self, start_response: StartResponse) -> StartResponse:
        """The server's function, listened to."""

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Callable[[bytes], object]:
            exchange = self._exchange
            with contextlib.suppress(ValueError):
                exchange.status = int(status[:3])
            exchange.route = flask_routes.template(self._environ)
            self._promised = next((value for name, value in headers if name.lower() == "content-length"), None)
            write = start_response(status, headers, exc_info) if exc_info else start_response(status, headers)

            def counted_write(data: bytes) -> object:
                self._count(data)
                return write(data)

            return counted_write

        return start

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            part = self._next()
        except StopIteration:
            self._exchange.end()
            self._exchange.close()
            raise
        except BaseException as error:
            self._exchange.error = error
            self._exchange.close()
            raise
        self._count(part)
        return part

    def close(self) -> None:
        exchange = self._exchange
        if not exchange.recorded:
            if self._is_whole():
                exchange.end()
            else:
                exchange.disconnected = True
            exchange.close()
        close = getattr(self._parts, "close", None)
        if close is not None:
            close()

    def _count(self, part: bytes) -> None:
        if self._has_body:
            self._exchange.sent += len(part)

    def _is_whole(self) -> bool:
        """Whether a server that did not ask for the end has all the same sent what there was to send."""
        exchange = self._exchange
        return not self._has_body or exchange.status in _NO_BODY or self._promised == str(exchange.sent)
