"""Basic authentication and extra headers, around an ASGI application."""

import asyncio
import base64
import binascii
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import bcrypt

from exporters.business.web.asgi import Application, Headers, Message, Receive, Scope, Send, plain, respond
from exporters.business.web.config import WebConfig

_UNAUTHORIZED = plain(401, "a user and a password are needed", ((b"www-authenticate", b'Basic realm="metrics"'),))
_BUSY = plain(503, "too many passwords are being checked; try again", ((b"retry-after", b"5"),))

# Right passwords that are remembered; there are a few users, each with one.
_REMEMBERED = 128
# Different passwords that may wait to be checked: each costs bcrypt's time, and they are checked one by one.
_WAITING = 64
# bcrypt knows no more of a password; Go's and htpasswd's leave out the rest too.
_PASSWORD_BYTES = 72


class Busy(Exception):
    """More passwords wait to be checked than is sensible."""


class Passwords:
    """Checks passwords in a thread, and remembers the right ones as keyed digests."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, None] = OrderedDict()
        self._checks: dict[bytes, asyncio.Future[bool]] = {}
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="bcrypt")

    async def right(self, users: Mapping[bytes, bytes], authorization: bytes) -> bool:
        """Whether an Authorization header names a user with the right password; an unknown one takes as long.

        Raises:
            Busy: it could not be checked.
        """
        credentials = _credentials(authorization)
        if credentials is None:
            return False
        user, password = credentials
        hash_ = users.get(user)
        against = hash_ or _nobody(users)
        # The hash is part of the digest: after a change of the password the old one is not remembered.
        digest = hmac.digest(self._key, b"%d:%b%b%b" % (len(user), user, against, password), "sha256")
        if digest in self._right:
            self._right.move_to_end(digest)
            return True
        matches = await self._matches(digest, against, password)
        if hash_ is None or not matches:
            return False
        self._right[digest] = None
        if len(self._right) > _REMEMBERED:
            self._right.popitem(last=False)
        return True

    def close(self) -> None:
        """Let go of the thread, and of what still waits for it."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _matches(self, digest: bytes, against: bytes, password: bytes) -> bool:
        check = self._checks.get(digest)
        if check is None:
            if len(self._checks) >= _WAITING:
                raise Busy
            loop = asyncio.get_running_loop()
            check = loop.run_in_executor(self._thread, bcrypt.checkpw, password[:_PASSWORD_BYTES], against)
            self._checks[digest] = check
            check.add_done_callback(lambda _: self._checks.pop(digest))
        return await asyncio.shield(check)


def guarded(app: Application, config: Callable[[], WebConfig]) -> Application:
    """The application behind the passwords and with the headers of a configuration, asked for at each request."""
    passwords = Passwords()

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            try:
                await app(scope, receive, send)
            finally:
                passwords.close()
            return
        now = config()
        if now.headers:
            send = _adding(now.headers, send)
        try:
            if now.users and not await passwords.right(now.users, _authorization(scope)):
                await respond(_UNAUTHORIZED, send)
                return
        except Busy:
            await respond(_BUSY, send)
            return
        await app(scope, receive, send)

    return guard


def _authorization(scope: Scope) -> bytes:
    found: bytes = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
    return found


def _credentials(authorization: bytes) -> tuple[bytes, bytes] | None:
    scheme, _, encoded = authorization.partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
    except binascii.Error:
        return None
    return (user, password) if colon else None


def _nobody(users: Mapping[bytes, bytes]) -> bytes:
    """A hash that no password has, as costly as the costliest of the users'."""
    cost = max(hash_.split(b"$")[2] for hash_ in users.values())
    return b"$2b$" + cost + b"$" + b"." * 53


def _adding(headers: Headers, send: Send) -> Send:
    names = {name for name, _ in headers}

    async def adding(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = (header for header in message["headers"] if header[0] not in names)
            message = {**message, "headers": [*kept, *headers]}
        await send(message)

    return adding
