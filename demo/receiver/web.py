"""The web server: where services are posted to, the page that shows what arrived, and its stream of events."""

import asyncio
import contextlib
import hashlib
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path

import jinja2
import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.types import Message as AsgiMessage

from demo.receiver import decoding
from demo.receiver.inbox import Inbox, Mark
from demo.receiver.message import Kind, Message, Unreadable

Endpoint = Callable[[Request], Awaitable[Response]]

_PAGE = Path(__file__).parent / "page"
_LARGEST = 1_000_000
_LOOK_SECONDS = 0.05
_KEEP_ALIVE_SECONDS = 15.0
_RECONNECT_MILLISECONDS = 500
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_SNS_ANSWER = "<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>"
_HEADERS = {
    # A page in an iframe's srcdoc is under the policy of the page around it: mails bring inline styles.
    "content-security-policy": "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


def application(inbox: Inbox, title: str, routes: Sequence[BaseRoute]) -> Starlette:
    """The whole site; ``routes`` are further pages, after its own."""
    own = [
        Route("/slack", _delivery(inbox, "slack", _slack, _ok), methods=["POST"]),
        Route("/sns", _delivery(inbox, "sms", _sms, _published), methods=["POST"]),
        Route("/sns/", _delivery(inbox, "sms", _sms, _published), methods=["POST"]),
        Route("/pagerduty", _delivery(inbox, "phone", _phone, _processed), methods=["POST"]),
        Route("/webhook/{name}", _delivery(inbox, "webhook", _webhook, _ok), methods=["POST"]),
        Route("/", _index(title)),
        Route("/events", _events(inbox, title)),
        Route("/api/messages", _messages(inbox)),
        Route("/healthz", _healthz),
        Mount("/page", StaticFiles(directory=_PAGE)),
    ]
    return Starlette(
        routes=[*own, *routes],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=_LOOPBACK), Middleware(_Headers)],
        max_body_size=_LARGEST,
    )


@contextlib.contextmanager
def serving(site: Starlette, listener: socket.socket) -> Iterator[None]:
    """Serve a site on a listening socket, in a thread."""
    config = uvicorn.Config(
        site, loop="asyncio", ws="none", lifespan="off", log_config=None, access_log=False, server_header=False,
        timeout_graceful_shutdown=5,
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), name="receiver's web", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()


class _Headers:
    """Adds the headers of every answer that does not bring its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: AsgiMessage) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)


# --- deliveries ---


def _delivery(
    inbox: Inbox,
    kind: Kind,
    decode: Callable[[bytes, Request], Message],
    answer: Callable[[Message], Response],
) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        # A page of another site may post here from this machine's browser.
        if request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return PlainTextResponse("not from a page", 403)
        try:
            message = decode(await request.body(), request)
            if inbox.failure(kind, message.to):
                return await _failed(inbox, request, message)
            inbox.add(message)
        except Unreadable as error:
            return PlainTextResponse(str(error), 400)
        return answer(message)

    return endpoint


async def _failed(inbox: Inbox, request: Request, message: Message) -> Response:
    inbox.refuse()
    while inbox.failure(message.kind, message.to) == "hang" and not inbox.is_closing:
        if await request.is_disconnected():
            break
        await asyncio.sleep(_LOOK_SECONDS)
    return PlainTextResponse("not now", 500)


def _slack(body: bytes, request: Request) -> Message:
    return decoding.slack(body)


def _sms(body: bytes, request: Request) -> Message:
    return decoding.sms(body)


def _phone(body: bytes, request: Request) -> Message:
    return decoding.phone(body)


def _webhook(body: bytes, request: Request) -> Message:
    return decoding.webhook(body, request.path_params["name"])


def _ok(message: Message) -> Response:
    return PlainTextResponse("ok")


def _published(message: Message) -> Response:
    return Response(_SNS_ANSWER, media_type="text/xml")


def _processed(message: Message) -> Response:
    given = message.payload.get("dedup_key")
    key = given or hashlib.sha256(message.title.encode()).hexdigest()
    return JSONResponse({"status": "success", "message": "Event processed", "dedup_key": key}, 202)


# --- what people and programs look at ---


def _index(title: str) -> Endpoint:
    template = jinja2.Environment(autoescape=True).from_string((_PAGE / "index.html").read_text("utf-8"))

    async def endpoint(request: Request) -> Response:
        return HTMLResponse(template.render(title=title))

    return endpoint


def _messages(inbox: Inbox) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        listed = [inbox.described(message) for message in inbox.messages()]
        return Response(orjson.dumps(listed), media_type="application/json")

    return endpoint


async def _healthz(request: Request) -> Response:
    return PlainTextResponse("ok")


def _events(inbox: Inbox, title: str) -> Endpoint:
    people = [{"kind": kind, "to": to, "person": person} for (kind, to), person in inbox.people.items()]
    start = orjson.dumps({"title": title, "people": people})

    async def endpoint(request: Request) -> Response:
        mark = _mark(request.headers.get("last-event-id", ""))
        return StreamingResponse(_stream(inbox, start, mark), media_type="text/event-stream")

    return endpoint


async def _stream(inbox: Inbox, start: bytes, mark: Mark | None) -> AsyncIterator[bytes]:
    """Everything since ``mark``, then what comes, until the server stops."""
    loop, changed = asyncio.get_running_loop(), asyncio.Event()
    stop_listening = inbox.listen(lambda: loop.call_soon_threadsafe(changed.set))
    try:
        yield f"retry: {_RECONNECT_MILLISECONDS}\n\n".encode()
        while not inbox.is_closing:
            changed.clear()
            mark, is_new, entries = inbox.since(mark)
            if is_new:
                entries = [("start", start), *entries]
            yield _events_text(mark, entries)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), _KEEP_ALIVE_SECONDS)
    finally:
        stop_listening()


def _events_text(mark: Mark, entries: list[tuple[str, bytes]]) -> bytes:
    """Server-sent events, each with the mark behind it; a comment when there are none."""
    epoch, position = mark
    first = position - len(entries) + 1
    events = [
        b"id: %s-%d\nevent: %s\ndata: %s\n\n" % (epoch.encode(), first + index, name.encode(), data)
        for index, (name, data) in enumerate(entries)
    ]
    return b"".join(events) or b": still here\n\n"


def _mark(last_event_id: str) -> Mark | None:
    epoch, _, position = last_event_id.partition("-")
    return (epoch, int(position)) if position.isascii() and position.isdecimal() else None
