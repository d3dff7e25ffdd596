"""Statements past psycopg's cursors: the extended protocol takes one, and tells its columns without running it."""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg.errors import error_from_result
from psycopg.generators import execute
from psycopg.postgres import types
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

from exporters.business.answer import Answer, Column
from exporters.business.connection import Connection
from exporters.business.plan import Query

# All that one transaction reads is of one moment, and it only reads.
BEGIN = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
# What stands before a query's own text in the statement that asks it.
BEFORE = "SELECT * FROM (\n"
# The type of ``$1``, a number of seconds.
_SECONDS = types["float8"].oid


@dataclass(frozen=True, slots=True)
class Shape:
    """How many parameters a statement takes, and the columns that it gives; none where it is no query."""

    parameters: int
    columns: tuple[Column, ...]


def asking(query: Query) -> str:
    """The statement that asks a query: it can neither write nor end the transaction, and stops a row over the limit."""
    return inside(query.sql, limit=query.row_limit + 1)


def inside(sql: str, *, limit: int) -> str:
    """A statement inside a SELECT of at most ``limit`` rows: what writes or ends a transaction is none there."""
    return f"{BEFORE}{sql.rstrip().rstrip(';')}\n) AS answer LIMIT {limit}"


async def shape(connection: Connection, sql: str, *, seconds: bool = False) -> Shape:
    """Prepare a statement and run nothing; ``seconds``: its ``$1`` is double precision.

    Raises:
        psycopg.Error: PostgreSQL refuses it; ``diag.statement_position`` counts characters from 1.
    """
    connection.pgconn.send_prepare(b"", sql.encode(), [_SECONDS] if seconds else None)
    await _result(connection)
    connection.pgconn.send_describe_prepared(b"")
    result = await _result(connection)
    return Shape(result.nparams, _columns(result))


async def answer(connection: Connection, sql: str, seconds: float | None = None) -> Answer:
    """Run one statement, with ``seconds`` as its ``$1`` if they are given.

    Raises:
        psycopg.Error: it failed.
    """
    values = None if seconds is None else [repr(float(seconds)).encode()]
    kinds = None if seconds is None else [_SECONDS]
    connection.pgconn.send_query_params(sql.encode(), values, param_types=kinds)
    result = await _result(connection)
    width = range(result.nfields)
    rows = tuple(tuple(result.get_value(row, at) for at in width) for row in range(result.ntuples))
    return Answer(_columns(result), rows)


async def run(connection: Connection, sql: str) -> None:
    """Run statements that give no rows, one after the other.

    Raises:
        psycopg.Error: one failed.
    """
    connection.pgconn.send_query(sql.encode())
    await _result(connection)


async def _result(connection: Connection) -> PGresult:
    results: Sequence[PGresult] = await connection.wait(execute(connection.pgconn))
    last = results[-1]
    if last.status == ExecStatus.FATAL_ERROR:
        raise error_from_result(last)
    return last


def _columns(result: PGresult) -> tuple[Column, ...]:
    return tuple(Column((result.fname(at) or b"").decode(), result.ftype(at)) for at in range(result.nfields))
