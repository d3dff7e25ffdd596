"""What FastBreak's services ask of others, as a server on this machine: a players' API, and a model that analyses."""

import json
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

from demo.addresses import Address


@dataclass
class Behaviour:
    """How the others answer from now on: after so many seconds, with what status, and how sure the model is."""

    players_seconds: float = 0.0
    players_status: int = 200
    model_seconds: float = 0.0
    model_status: int = 200
    confidence: float = 0.9


class Outside:
    """The server; a context manager. What it does is changed through ``behaviour``."""

    def __init__(self, address: Address) -> None:
        self.behaviour = Behaviour()
        outside = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                url, behaviour = urlsplit(self.path), outside.behaviour
                asked = parse_qs(url.query)
                if url.path == "/players":
                    time.sleep(behaviour.players_seconds)
                    self._answer(behaviour.players_status, [{"name": name} for name in asked["name"]])
                else:
                    time.sleep(behaviour.model_seconds)
                    self._answer(behaviour.model_status, {"confidence": behaviour.confidence})

            def _answer(self, status: int, content: object) -> None:
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(address, Handler)
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Where it is."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
