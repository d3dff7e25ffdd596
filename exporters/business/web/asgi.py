"""The little of ASGI that is needed: its types, and a whole answer at once."""

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = tuple[tuple[bytes, bytes], ...]

_PLAIN: Headers = ((b"content-type", b"text/plain; charset=utf-8"), (b"x-content-type-options", b"nosniff"))


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; its length is added to the headers when it is sent."""

    status: int
    headers: Headers
    body: bytes


def plain(status: int, text: str, headers: Headers = ()) -> Answer:
    """An answer of one line of text."""
    return Answer(status, _PLAIN + headers, f"{text}\n".encode())


async def respond(answer: Answer, send: Send) -> None:
    """Send an answer; the server itself leaves the body away where HEAD was asked."""
    headers = [*answer.headers, (b"content-length", b"%d" % len(answer.body))]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
