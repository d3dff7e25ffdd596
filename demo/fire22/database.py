"""One connection to Fire22's database that comes back when the database does."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg

Row = tuple[Any, ...]
Cursor = psycopg.Cursor[Row]
Parameters = Sequence[Any] | Mapping[str, Any]


class Database:
    """A connection that is opened when it is needed, and again after it was lost; threads may share it.

    Statements see times in UTC. ``dsn`` is a libpq string, ``name`` what the server is told who this is.
    """

    def __init__(self, dsn: str, name: str) -> None:
        self._dsn = dsn
        self._name = name
        self._lock = threading.Lock()
        self._connection: psycopg.Connection[Row] | None = None

    def execute(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """Run a statement, committed at once; its rows, none where it has none.

        A connection that turns out to be lost is opened again once. Raises ``psycopg.Error``.
        """
        with self._lock:
            try:
                return _rows(self._open().execute(sql.encode(), parameters or None))
            except psycopg.OperationalError:
                if self._connection is not None and not self._connection.closed:
                    raise
                return _rows(self._open().execute(sql.encode(), parameters or None))

    @contextmanager
    def transaction(self) -> Iterator[Cursor]:
        """A cursor whose statements are committed together, or not at all. Raises ``psycopg.Error``."""
        with self._lock, self._open().transaction() as transaction, transaction.connection.cursor() as cursor:
            yield cursor

    def close(self) -> None:
        """Close the connection; the next statement opens one again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    def _open(self) -> psycopg.Connection[Row]:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._dsn, self._name)
            self._connection.execute("SET TimeZone = 'UTC'")
        return self._connection


def connect(dsn: str, name: str) -> psycopg.Connection[Row]:
    """A new connection that commits each statement. Raises ``psycopg.OperationalError`` after 5 seconds at most."""
    return psycopg.connect(dsn, autocommit=True, application_name=name, connect_timeout=5)


def _rows(cursor: Cursor) -> list[Row]:
    return cursor.fetchall() if cursor.description is not None else []
