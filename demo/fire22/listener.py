"""The HTTP server of one instance of the API: its metrics, and whether it is well."""

import sys
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that do not wait for their answer."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # as it is handed on


class Listener:
    """A server on a port of 127.0.0.1 that can be closed and opened again; ``metrics`` gives the text of a scrape."""

    def __init__(self, port: int, metrics: Callable[[], bytes]) -> None:
        self._port = port
        self._metrics = metrics
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def is_open(self) -> bool:
        """Whether somebody answers on the port."""
        return self._server is not None

    def open(self) -> None:
        """Answer on the port; nothing if it does already. Raises ``OSError`` if somebody else does."""
        if self._server is None:
            self._server = _Server(("127.0.0.1", self._port), _handler(self._metrics))
            # The base class polls every half second whether to end; a tenth of that is not to be noticed.
            self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Refuse connections from now on."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
            self._server = self._thread = None


def _handler(metrics: Callable[[], bytes]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        # Without keep-alive (HTTP/1.0, the default) nobody is answered any more once the listener is closed.
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/metrics":
                self._answer(HTTPStatus.OK, _CONTENT_TYPE, metrics())
            elif path == "/healthz":
                self._answer(HTTPStatus.OK, "text/plain; charset=utf-8", b"ok\n")
            else:
                self._answer(HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", b"not found\n")

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: a line per scrape is of no use."""

        def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
