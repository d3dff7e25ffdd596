"""Prometheus's web configuration file: TLS, extra headers, and who may sign in.

The format is that of the exporter toolkit. What this server cannot do is an error, never ignored; no message shows
what the file or a key says.
"""

import logging
import re
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import bcrypt
import orjson
import ryaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from exporters.business import positions
from exporters.business.problems import Invalid, Problem, read_text
from exporters.business.web import tls
from exporters.business.web.asgi import Headers

_log = logging.getLogger(__name__)

# How often the files are looked at, and how old a change has to be: a younger file may not be written to its end yet.
_LOOK_SECONDS = 1.0

_HASH = re.compile(r"(\$2[abxy]\$)(0[4-9]|[12][0-9]|3[01])(\$[./A-Za-z0-9]{22})[./A-Za-z0-9]{31}")
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
# Printable ASCII: what could end a header, or what a server would encode in its own way, is no value.
_HEADER_VALUE = re.compile(r"[ -~]+")
_DUPLICATE = re.compile(r'duplicate entry with key ".*"', re.DOTALL)
_PLACE = re.compile(r"at line (\d+) column (\d+)")

_HEADERS: dict[str, tuple[str, ...]] = {
    "Content-Security-Policy": (),
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
}

# Keys of the format, which are known here only to say what stands in for them.
_REFUSED: dict[tuple[str, ...], str] = {
    ("rate_limit",): "requests are not limited here: an answer is made once per scrape interval however many ask",
    ("auth_excluded_paths",): "every page asks for the password; no path can be left out",
    ("tls_server_config", "cert"): "a certificate inside the file is not read; name its file with cert_file",
    ("tls_server_config", "key"): "a key inside the file is not read; name its file with key_file",
    ("tls_server_config", "client_ca"): "a certificate inside the file is not read; name its file with client_ca_file",
}


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class _TLS(_Strict):
    cert_file: str = ""
    key_file: str = ""
    client_auth_type: str = ""
    client_ca_file: str = ""
    client_allowed_sans: tuple[str, ...] | None = None
    min_version: Literal["TLS10", "TLS11", "TLS12", "TLS13"] = "TLS12"
    max_version: Literal["TLS10", "TLS11", "TLS12", "TLS13"] = "TLS13"
    cipher_suites: tuple[str, ...] | None = None
    prefer_server_cipher_suites: bool = True
    curve_preferences: tuple[str, ...] | None = None


class _HTTP(_Strict):
    http2: bool = False
    headers: dict[str, str] | None = None


class _File(_Strict):
    tls_server_config: _TLS | None = None
    http_server_config: _HTTP | None = None
    basic_auth_users: dict[str, Annotated[str, Field(min_length=1)]] | None = None


@dataclass(frozen=True, slots=True)
class WebConfig:
    """What a web configuration file asks for; ``users`` gives each name its bcrypt hash, none: no password is asked.

    ``files`` are all that it was read from.
    """

    tls: ssl.SSLContext | None
    headers: Headers
    users: Mapping[bytes, bytes]
    files: tuple[Path, ...]


def load(path: Path) -> WebConfig:
    """The web configuration in a file; the paths in it are relative to its folder.

    Raises:
        Invalid: it or a file that it names cannot be read, or it asks for what is unknown or cannot be done.
    """
    text = read_text(path)
    file = _parsed(path, text)
    asked = _tls_asked(path, file.tls_server_config)
    files = (path, *asked.files) if asked else (path,)
    http = file.http_server_config or _HTTP()
    users = file.basic_auth_users or {}
    problems = [
        _problem(path, text, where, code, message)
        for where, code, message in (*_http_problems(http), *_user_problems(users))
    ]
    context: ssl.SSLContext | None = None
    if asked is not None:
        made = tls.context(asked)
        if isinstance(made, ssl.SSLContext):
            context = made
        else:
            problems += [
                _problem(path, text, ("tls_server_config", *mistake.keys), "tls", mistake.message) for mistake in made
            ]
    if problems:
        raise Invalid(problems)
    headers = ((name.lower().encode(), value.encode()) for name, value in sorted((http.headers or {}).items()) if value)
    return WebConfig(
        tls=context,
        headers=tuple(headers),
        users={name.encode(): hash_.encode() for name, hash_ in users.items()},
        files=files,
    )


class LiveConfig:
    """A web configuration file that is read again when it, its certificates or its keys changed.

    A change that cannot be used is logged once, and what was good stays.
    """

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            Invalid: as ``load``.
        """
        self._path = path
        self._config = load(path)
        self._stamps = _stamps(self._config.files)
        self._looked = time.monotonic()
        self._wrong: str | None = None

    def current(self) -> WebConfig:
        """The configuration as its files say it now, or said it two seconds ago."""
        now = time.monotonic()
        if now - self._looked >= _LOOK_SECONDS:
            self._looked = now
            stamps = _stamps(self._config.files)
            # What is wrong may be mended in a file that the good configuration does not name.
            if (stamps != self._stamps or self._wrong) and _settled(stamps):
                self._reread_logging()
        return self._config

    def reread(self) -> None:
        """Read the file again, changed or not.

        Raises:
            Invalid: as ``load``, or TLS is turned on or off, or passwords off, which a restart alone may do.
        """
        stamps = _stamps(self._config.files)
        config = load(self._path)
        if (config.tls is None) != (self._config.tls is None):
            raise Invalid([_needs_restart(self._path, "TLS can be turned on or off")])
        # An empty file is a web configuration too, and what a full disk leaves.
        if self._config.users and not config.users:
            raise Invalid([_needs_restart(self._path, "passwords can be turned off")])
        # Taken before reading, so that what was written meanwhile is seen as a change the next time.
        self._stamps = stamps if config.files == self._config.files else _stamps(config.files)
        self._config, self._wrong = config, None

    def ssl_context(self) -> ssl.SSLContext | None:
        """A TLS context whose every new connection is made by the configuration of that moment; None without TLS."""
        if self._config.tls is None:
            return None
        return tls.following(self._tls_now)

    def _reread_logging(self) -> None:
        try:
            self.reread()
        except Invalid as error:
            if self._wrong != str(error):
                self._wrong = str(error)
                _log.error("the web configuration stays as it was:\n%s", self._wrong.rstrip())
        else:
            _log.info("the web configuration was read again")

    def _tls_now(self) -> ssl.SSLContext:
        context = self.current().tls
        assert context is not None
        return context


def _parsed(path: Path, text: str) -> _File:
    try:
        value = ryaml.loads(text)
    except ValueError as error:
        message = _DUPLICATE.sub("a key stands here twice", " ".join(str(error).split()))
        place = _PLACE.search(message)
        line, column = (int(place[1]), int(place[2])) if place else (None, None)
        raise Invalid([Problem(str(path), line, column, "yaml", message)]) from None
    try:
        return _File.model_validate_json(orjson.dumps({} if value is None else value))
    except orjson.JSONEncodeError:
        message = "a key or a value is none that a web configuration can hold; a name of digits needs quotes"
        raise Invalid([Problem(str(path), None, None, "web-config", message)]) from None
    except ValidationError as error:
        items = error.errors(include_url=False, include_input=False, include_context=False)
        raise Invalid([_shape_problem(path, text, item["type"], item["loc"], item["msg"]) for item in items]) from None


def _shape_problem(path: Path, text: str, kind: str, where: tuple[str | int, ...], said: str) -> Problem:
    keys = tuple(str(part) for part in where)
    if keys in _REFUSED:
        return _problem(path, text, where, "unsupported", _REFUSED[keys])
    # A name in this section is a person's, and after a slip of the indentation or the order it may be a hash.
    shown = where[:1] if keys[:1] == ("basic_auth_users",) else where
    name = ".".join(str(part) if isinstance(part, int) or _KEY.fullmatch(part) else "…" for part in shown)
    if kind == "extra_forbidden":
        return _problem(path, text, where, "unknown-key", f"{name}: a web configuration has no such key")
    message = said.removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    return _problem(path, text, where, "web-config", f"{name or 'the file'}: {message}")


def _tls_asked(path: Path, section: _TLS | None) -> tls.Asked | None:
    if section is None or not section.model_fields_set:
        return None
    return tls.Asked(
        cert_file=path.parent / section.cert_file if section.cert_file else None,
        key_file=path.parent / section.key_file if section.key_file else None,
        client_auth_type=section.client_auth_type or "NoClientCert",
        client_ca_file=path.parent / section.client_ca_file if section.client_ca_file else None,
        client_allowed_sans=section.client_allowed_sans,
        min_version=section.min_version,
        max_version=section.max_version,
        cipher_suites=section.cipher_suites or (),
        prefer_server_cipher_suites=section.prefer_server_cipher_suites,
        curve_preferences=section.curve_preferences or (),
    )


_Found = tuple[tuple[str, ...], str, str]


def _http_problems(http: _HTTP) -> Iterator[_Found]:
    if http.http2:
        message = "HTTP/2 is not spoken here; leave http2 out, or set it to false"
        yield ("http_server_config", "http2"), "unsupported", message
    for name, value in (http.headers or {}).items():
        where = ("http_server_config", "headers", name)
        if name not in _HEADERS:
            yield where, "header", f"this header cannot be set; those that can are {', '.join(_HEADERS)}"
        elif _HEADERS[name] and value not in _HEADERS[name]:
            yield where, "header", f"the value of {name} is {' or '.join(_HEADERS[name])}"
        elif value and not _HEADER_VALUE.fullmatch(value):
            yield where, "header", f"the value of {name} is one line of printable ASCII"


def _user_problems(users: Mapping[str, str]) -> Iterator[_Found]:
    for name, hash_ in users.items():
        where = ("basic_auth_users", name)
        if not name or ":" in name:
            yield where, "user", "basic_auth_users: a user's name is not empty and has no colon"
        if not _is_bcrypt(hash_):
            message = "basic_auth_users: what stands for a user is not a bcrypt hash (htpasswd -nBC 10 USER makes one)"
            yield where, "hash", message


def _is_bcrypt(hash_: str) -> bool:
    parts = _HASH.fullmatch(hash_)
    if parts is None:
        return False
    try:
        # The lowest cost takes a millisecond, and shows whether the salt is one.
        bcrypt.hashpw(b"", f"{parts[1]}04{parts[3]}".encode())
    except ValueError:
        return False
    return True


def _problem(path: Path, text: str, where: tuple[str | int, ...], code: str, message: str) -> Problem:
    line, column = positions.find(text, where) or (None, None)
    return Problem(str(path), line, column, code, message)


def _needs_restart(path: Path, what: str) -> Problem:
    return Problem(str(path), None, None, "restart", f"{what} only by a restart")


@dataclass(frozen=True, slots=True)
class _Stamp:
    changed: float
    size: int
    inode: int


def _stamps(files: tuple[Path, ...]) -> tuple[_Stamp | None, ...]:
    return tuple(_stamp(file) for file in files)


def _stamp(file: Path) -> _Stamp | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return _Stamp(status.st_mtime, status.st_size, status.st_ino)


def _settled(stamps: tuple[_Stamp | None, ...]) -> bool:
    now = time.time()
    return not any(stamp and 0 <= now - stamp.changed < _LOOK_SECONDS for stamp in stamps)
