"""The little of ASGI and WSGI that is needed beside the standard library's types."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApplication = Callable[[Scope, Receive, Send], Awaitable[None]]


def wsgi_text(value: str) -> str:
    """What a text of a WSGI environment means: it is bytes of UTF-8, each written as one letter."""
    return value if value.isascii() else value.encode("latin-1").decode("utf-8", "replace")
