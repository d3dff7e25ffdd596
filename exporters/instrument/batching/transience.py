"""Which errors may pass by themselves, and when to ask again: read off an exception, whatever client raised it."""

import socket
import time
from datetime import UTC
from email.utils import parsedate_to_datetime

_TOO_MANY_REQUESTS = 429
_SERVER_ERRORS = range(500, 600)
_ERRORS = (ConnectionError, TimeoutError, socket.gaierror)
# Those of clients that do not derive theirs from Python's own. By name, so that no client has to be installed.
_ERRORS_OF_CLIENTS = {
    ("httpx", "TimeoutException"),
    ("httpx", "NetworkError"),
    ("httpx", "RemoteProtocolError"),
    ("httpx", "ProxyError"),
    ("aiohttp", "ClientConnectionError"),
    ("aiohttp", "ClientPayloadError"),
    ("requests", "ConnectionError"),
    ("requests", "Timeout"),
    ("requests", "ChunkedEncodingError"),
}


def is_transient(error: Exception) -> bool:
    """Whether it is a connection that failed, a timeout, or an answer of 429 or 5xx."""
    status = _status(error)
    if status is not None:
        return status == _TOO_MANY_REQUESTS or status in _SERVER_ERRORS
    if isinstance(error, _ERRORS):
        return True
    kinds = {(kind.__module__.partition(".")[0], kind.__name__) for kind in type(error).__mro__}
    return not kinds.isdisjoint(_ERRORS_OF_CLIENTS)


def retry_after(error: BaseException) -> float | None:
    """Seconds from now until the answer's ``Retry-After`` (RFC 9110, 10.2.3); None where it says none, or nonsense."""
    headers = getattr(_answer(error), "headers", None)
    get = getattr(headers, "get", None)
    value = (get("Retry-After") or get("retry-after")) if callable(get) else None
    if not isinstance(value, str):
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    # All dates of HTTP are GMT, also where one does not say it.
    return max(0.0, (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - time.time())


def _answer(error: BaseException) -> object:
    # httpx and requests give the answer, aiohttp its parts. The answer of requests is false where it says 4xx or 5xx.
    response: object = getattr(error, "response", None)
    return error if response is None else response


def _status(error: Exception) -> int | None:
    answer = _answer(error)
    for name in ("status_code", "status"):
        value: object = getattr(answer, name, None)
        if isinstance(value, int):
            return value
    return None
