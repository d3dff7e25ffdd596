"""Questions to Prometheus over HTTP. No word of an answer or of a log holds its address or its password."""

import contextlib
import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Generic, Literal, TypeVar
from urllib.parse import unquote, urlsplit

import requests
import urllib3
from pydantic import BaseModel, ValidationError
from requests.adapters import HTTPAdapter

from exporters.instrument.api.problems import Refusal
from exporters.instrument.api.prometheus_answers import Vector

Data = TypeVar("Data", bound=BaseModel)

_log = logging.getLogger(__name__)

# 500 series of 500 points have half of it.
_LONGEST_ANSWER = 16 * 2**20
_CONNECT_SECONDS = 3.0
_CONNECTIONS = 8
_PART = 64 * 1024


class _Success(BaseModel, Generic[Data]):
    status: Literal["success"]
    data: Data


class Prometheus:
    """One Prometheus, over connections that are kept."""

    def __init__(self, url: str, auth_file: Path | None = None, timeout_seconds: float = 10) -> None:
        """Nothing is asked yet.

        ``auth_file`` holds ``user:password`` and is read at each question, so that a renewed one needs no restart.

        Raises:
            ValueError: the URL is none, the file cannot be read, or there are two passwords. The message holds none.
        """
        self._url, self._auth = _taken_apart(url)
        if auth_file is not None and self._auth is not None:
            raise ValueError("Prometheus's URL holds a user, and a file with another is named: give one of the two")
        if auth_file is not None:
            try:
                _from_file(auth_file)
            except Refusal as refusal:
                raise ValueError(refusal.detail) from None
        self._auth_file = auth_file
        self.timeout_seconds = timeout_seconds
        self._session = _session()
        self._lock = threading.Lock()
        self._state = ""

    def check(self) -> None:
        """Ask the least that can be asked.

        Raises:
            TimeoutError, ConnectionError: there was no answer in time, or none of use.
        """
        try:
            self.ask("query", {"query": "vector(1)"}, Vector, time.monotonic() + self.timeout_seconds)
        except Refusal as refusal:
            raise (TimeoutError if refusal.status == 504 else ConnectionError)(refusal.detail) from None

    def ask(self, path: str, parameters: Mapping[str, str], data: type[Data], until: float) -> Data:
        """What Prometheus answers at ``/api/v1/<path>``; ``until`` is when there is no more waiting (monotonic).

        Raises:
            Refusal: 503 it is not there, 504 it took too long, 502 it answers what cannot be used.
        """
        try:
            found = self._asked(path, parameters, data, until)
        except Refusal as refusal:
            self._note(refusal.detail)
            raise
        self._note("")
        return found

    def _asked(self, path: str, parameters: Mapping[str, str], data: type[Data], until: float) -> Data:
        try:
            body = self._answer(f"{self._url}/api/v1/{path}", parameters, until)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            # What times out in the middle of an answer has other names.
            if isinstance(error, requests.Timeout) or time.monotonic() >= until:
                raise Refusal(504, "Prometheus took too long") from None
            if isinstance(error, requests.ConnectionError):
                raise Refusal(503, "Prometheus cannot be reached") from None
            raise Refusal(502, "Prometheus's answer is no HTTP") from None
        try:
            return _Success[data].model_validate_json(body).data  # type: ignore[valid-type]
        except ValidationError:
            raise Refusal(502, "Prometheus's answer is not what its API describes") from None

    def _answer(self, url: str, parameters: Mapping[str, str], until: float) -> bytes:
        left = until - time.monotonic()
        if left <= 0:
            raise requests.Timeout
        auth = self._auth if self._auth_file is None else _from_file(self._auth_file)
        with self._session.get(
            url,
            params=parameters,
            auth=auth,
            timeout=(min(left, _CONNECT_SECONDS), left),
            stream=True,
            # Another host would be given the question, and may be given the password.
            allow_redirects=False,
        ) as response:
            with _ending(response, until):
                body = _read(response)
            if time.monotonic() >= until:
                raise requests.Timeout
            if response.status_code != 200:
                raise _refused(response.status_code)
            return body

    def _note(self, state: str) -> None:
        """Log what changed, once."""
        with self._lock:
            before, self._state = self._state, state
        if state and state != before:
            _log.warning("%s", state)
        elif before and not state:
            _log.info("Prometheus answers again")


def _session() -> requests.Session:
    session = requests.Session()
    # No proxy of the environment, and no password of ~/.netrc. What certificates are trusted may stand there.
    session.trust_env = False
    session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or True
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(pool_connections=1, pool_maxsize=_CONNECTIONS))
    return session


def _read(response: requests.Response) -> bytes:
    body = bytearray()
    for part in response.iter_content(_PART):
        body += part
        if len(body) > _LONGEST_ANSWER:
            raise Refusal(502, "Prometheus answers more than fits; name metrics, or take a longer step")
    return bytes(body)


@contextlib.contextmanager
def _ending(response: requests.Response, until: float) -> Iterator[None]:
    """End the answer at a time: a socket's own timeout begins again with each byte."""

    def end() -> None:
        with contextlib.suppress(OSError, RuntimeError, ValueError):
            response.raw.shutdown()

    timer = threading.Timer(max(0.0, until - time.monotonic()), end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _refused(status: int) -> Refusal:
    """By what Prometheus's API says of its statuses: 400 bad data, 422 not executable, 503 timed out or aborted."""
    if status in (401, 403):
        return Refusal(502, "Prometheus refuses the user or the password")
    if status == 503:
        return Refusal(503, "Prometheus is not ready, or the query took it too long")
    if status == 504:
        return Refusal(504, "Prometheus took too long")
    return Refusal(502, f"Prometheus answers {status}")


def _taken_apart(url: str) -> tuple[str, tuple[str, str] | None]:
    """The address without a user, and the user with the password."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("this is no URL of a Prometheus: its host or port is wrong") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("this is no URL of a Prometheus: it has to be http://HOST:PORT or https://HOST:PORT")
    if parts.query or parts.fragment or any(character <= " " for character in url):
        raise ValueError("this is no URL of a Prometheus: it has a query, a fragment or a space")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    address = f"{parts.scheme}://{host}{f':{port}' if port is not None else ''}{parts.path.rstrip('/')}"
    if parts.username is None:
        return address, None
    return address, (unquote(parts.username), unquote(parts.password or ""))


def _from_file(path: Path) -> tuple[str, str]:
    try:
        user, colon, password = path.read_text("utf-8").strip().partition(":")
    except (OSError, UnicodeDecodeError):
        colon = ""
    if not colon:
        raise Refusal(503, "the file with Prometheus's password cannot be read, or is not user:password")
    return user, password
