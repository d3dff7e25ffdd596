"""A server at the end of webhooks, which keeps what Alertmanager sends."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Message(NamedTuple):
    """What came, and to which path."""

    path: str
    body: dict[str, Any]


class Webhooks(NamedTuple):
    """What came so far, in order, and where the server is."""

    messages: list[Message]
    url: str


@contextmanager
def webhooks() -> Iterator[Webhooks]:
    """Serve on a free port."""
    messages: list[Message] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            messages.append(Message(self.path, json.loads(body)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 512  # hundreds of groups may be told at once

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield Webhooks(messages, f"http://127.0.0.1:{server.server_port}")
        finally:
            server.shutdown()
            thread.join()
