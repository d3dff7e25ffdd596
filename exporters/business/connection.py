"""Connections to PostgreSQL: where their strings come from, what every session sets, and errors without secrets."""

import asyncio
import os
import re
from collections.abc import Mapping
from pathlib import Path

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow

from exporters.business.plan import Source

Connection = AsyncConnection[TupleRow]

# libpq takes no shorter time.
_SHORTEST_CONNECT_SECONDS = 2
_APPLICATION = "tocsin-exporter"
# Parts of a connection string that say nothing about whose it is, as long as they say what they should: a forgotten
# variable makes `port= password=…` one part.
_PLAIN = frozenset({"sslmode", "connect_timeout", "application_name", "port", "target_session_attrs"})
_PLAIN_VALUE = re.compile(r"[0-9,]+|[a-z]+(-[a-z]+)*")
# In messages about names of tables and columns (class 42) nothing else of it can stand.
_SECRET = frozenset({"password", "options", "passfile", "sslkey", "sslpassword"})
# Classes of SQLSTATE whose messages speak of names, limits and the server (PostgreSQL, "Error Codes"). Others, such as
# 22 (data exception), quote values.
_ABOUT_NAMES = frozenset({"08", "0A", "25", "28", "3D", "3F", "40", "42", "53", "54", "55", "57", "58", "XX"})
# What a session asks of the server, where the server knows the setting: idle_session_timeout and
# client_connection_check_interval came with PostgreSQL 14. {lease} is how long a silent exporter keeps its session.
_SESSION = """
SELECT set_config(name, wanted, false)
FROM (VALUES
    ('default_transaction_read_only', 'on'),
    ('timezone', 'UTC'),
    ('datestyle', 'ISO, YMD'),
    ('intervalstyle', 'iso_8601'),
    ('extra_float_digits', '1'),
    ('bytea_output', 'hex'),
    ('idle_in_transaction_session_timeout', '{lease}s'),
    ('idle_session_timeout', '{lease}s'),
    ('client_connection_check_interval', '1s'),
    ('tcp_keepalives_idle', '10'),
    ('tcp_keepalives_interval', '5'),
    ('tcp_keepalives_count', '3'),
    ('tcp_user_timeout', '25s')
) AS wish (name, wanted)
JOIN pg_catalog.pg_settings USING (name)
"""


class Unreachable(Exception):
    """The database cannot be had; the text says why and holds nothing of the connection string."""


def dsn(name: str, source: Source, environment: Mapping[str, str] = os.environ) -> str:
    """The connection string of a source, read anew each time: a secret that was renewed is found.

    ``dsn_env: X`` takes the variable ``X``, or else the file that ``X_FILE`` names.

    Raises:
        Unreachable: there is none, or libpq could not read it.
    """
    if source.dsn_file is not None:
        text = _from_file(name, source.dsn_file)
    else:
        variable = source.dsn_env or ""
        if variable in environment:
            text = environment[variable]
        elif f"{variable}_FILE" in environment:
            text = _from_file(name, environment[f"{variable}_FILE"])
        else:
            raise Unreachable(f"source {name}: set {variable} to its connection string, or {variable}_FILE to a file")
    if not text.strip():
        raise Unreachable(f"source {name}: its connection string is empty")
    try:
        conninfo_to_dict(text.strip())
    except psycopg.Error:
        # libpq's message quotes what it could not read, which may be the password.
        raise Unreachable(f"source {name}: its connection string is not one that libpq reads") from None
    return text.strip()


async def connect(dsn: str, *, timeout_seconds: float, lease_seconds: float) -> Connection:
    """A session of its own, read-only by default, in UTC; statements commit by themselves.

    The server ends it when nothing was asked for ``lease_seconds``, so that a lost exporter holds no lock.

    Raises:
        Unreachable: no session within the time.
    """
    # libpq names the keepalives of its side; those of the server's side are in _SESSION.
    options: dict[str, int | str] = {
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 25_000,
        "client_encoding": "UTF8",
        "fallback_application_name": _APPLICATION,
    }
    given = conninfo_to_dict(dsn)
    # One that does not answer has to leave time for the next, which a second address of a name is, too.
    hosts = str(given.get("host") or given.get("hostaddr") or "").count(",") + 1
    options["connect_timeout"] = max(_SHORTEST_CONNECT_SECONDS, int(timeout_seconds / (hosts + 1)))
    info = make_conninfo(dsn, **{name: value for name, value in options.items() if name not in given})
    try:
        async with asyncio.timeout(timeout_seconds):
            connection: Connection = await AsyncConnection.connect(info, autocommit=True, prepare_threshold=None)
            try:
                await connection.execute(_SESSION.format(lease=max(1, round(lease_seconds))).encode())
            except BaseException:
                await connection.close()
                raise
    except TimeoutError:
        raise Unreachable("the server gave no session in time") from None
    except psycopg.Error as error:
        raise Unreachable(described(error, dsn)) from None
    except (UnicodeError, OSError):
        raise Unreachable("its host has no name that can be looked up") from None
    return connection


def described(error: psycopg.Error | TimeoutError, dsn: str) -> str:
    """An error of libpq or PostgreSQL in one line, without any part of the connection string or value of a row."""
    if isinstance(error, TimeoutError):
        return "the server did not answer in time"
    if error.sqlstate and error.sqlstate[:2] not in _ABOUT_NAMES:
        return f"{type(error).__name__} (SQLSTATE {error.sqlstate})"
    text = (error.diag.message_primary or str(error).strip() or type(error).__name__).splitlines()[0]
    for name, value in sorted(conninfo_to_dict(dsn).items(), key=lambda item: -len(str(item[1]))):
        plain = name in _PLAIN and _PLAIN_VALUE.fullmatch(str(value))
        about_names = (error.sqlstate or "").startswith("42") and name not in _SECRET
        if value is None or plain or about_names:
            continue
        for part in {str(value), *re.split(r"[\s,=]", str(value))}:
            if part:
                text = re.sub(rf"(?<!\w){re.escape(part)}(?!\w)", "…", text)
    return text


def _from_file(name: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else "it is not UTF-8") or "it cannot be read"
        raise Unreachable(f"source {name}: {path}: {reason.lower()}") from None
