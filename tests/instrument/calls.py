"""Applications called without a server: whatever a server could say, in any order."""

import asyncio
import io
from collections.abc import Iterable, Sequence
from typing import Any
from wsgiref.types import WSGIApplication, WSGIEnvironment

from exporters.instrument.interfaces import ASGIApplication, Message, Receive, Scope, Send

NO_BODY: tuple[Message, ...] = ({"type": "http.request", "body": b"", "more_body": False},)
LEFT: Message = {"type": "http.disconnect"}


def scope(path: str, method: str = "GET", **more: Any) -> Scope:
    """What a server makes of a request."""
    return {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": method,
        "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
        "headers": [(b"host", b"127.0.0.1")], "client": ("127.0.0.1", 40000), "server": ("127.0.0.1", 80), **more,
    }  # fmt: skip


async def asked(app: ASGIApplication, asked_scope: Scope, messages: Iterable[Message] = NO_BODY) -> list[Message]:
    """What an application sends; the messages are what it receives, and that there is nothing more after its answer."""
    coming = list(messages)
    sent: list[Message] = []
    over = asyncio.Event()

    async def receive() -> Message:
        await asyncio.sleep(0)
        if coming:
            return coming.pop(0)
        await over.wait()
        return LEFT

    async def send(message: Message) -> None:
        await asyncio.sleep(0)
        sent.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            over.set()
            # Whoever waits for the client to leave hears that it is over before the application does.
            for _ in range(5):
                await asyncio.sleep(0)

    await app(asked_scope, receive, send)
    return sent


def ask(app: ASGIApplication, path: str, method: str = "GET", **more: Any) -> list[Message]:
    """The same for a single request."""
    return asyncio.run(asked(app, scope(path, method, **more)))


def start(status: int = 200, **more: Any) -> Message:
    """The beginning of an answer."""
    return {"type": "http.response.start", "status": status, "headers": [], **more}


def body(data: bytes = b"", *, more_body: bool = False) -> Message:
    """A part of an answer."""
    return {"type": "http.response.body", "body": data, "more_body": more_body}


def answering(*messages: Message) -> ASGIApplication:
    """An application that sends these, whatever is asked."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return app


def environ(path: str, method: str = "GET", data: bytes = b"", **more: Any) -> WSGIEnvironment:
    """What a WSGI server makes of a request."""
    length = {"CONTENT_LENGTH": str(len(data))} if data else {}
    return {
        "REQUEST_METHOD": method, "SCRIPT_NAME": "", "PATH_INFO": path.encode().decode("latin-1"), "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(data), "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True, "wsgi.multiprocess": False, "wsgi.run_once": False, **length, **more,
    }  # fmt: skip


def call(app: WSGIApplication, env: WSGIEnvironment, parts: int | None = None) -> tuple[str, bytes]:
    """What an application answers; only the first parts are asked for, if a number is given, and then it is closed."""
    begun: list[str] = []

    def start_response(status: str, headers: Sequence[tuple[str, str]], exc_info: Any = None) -> Any:
        begun.append(status)
        return lambda data: None

    answer: Any = app(env, start_response)
    try:
        chosen = answer if parts is None else (next(answer) for _ in range(parts))
        data = b"".join(chosen)
    finally:
        if hasattr(answer, "close"):
            answer.close()
    return begun[-1] if begun else "", data
