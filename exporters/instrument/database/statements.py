"""What is said of a statement: its operation, its kind, and its text with every value hidden; read once for a text."""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from psycopg import AsyncConnection, Connection, sql
from sqlglot import exp
from sqlglot.tokenizer_core import Token, TokenType

from exporters.instrument.database.kinds import is_simple, is_simple_copy
from exporters.instrument.database.tokens import POSTGRES, tokens_of

OTHER = "OTHER"
SIMPLE, COMPLEX = "simple", "complex"
# The first words of PostgreSQL's statements, and no other ever becomes a label.
OPERATIONS = frozenset({
    "ABORT", "ALTER", "ANALYZE", "BEGIN", "CALL", "CHECKPOINT", "CLOSE", "CLUSTER", "COMMENT", "COMMIT", "COPY",
    "CREATE", "DEALLOCATE", "DECLARE", "DELETE", "DISCARD", "DO", "DROP", "END", "EXECUTE", "EXPLAIN", "FETCH",
    "GRANT", "IMPORT", "INSERT", "LISTEN", "LOAD", "LOCK", "MERGE", "MOVE", "NOTIFY", "PREPARE", "REASSIGN",
    "REFRESH", "REINDEX", "RELEASE", "RESET", "REVOKE", "ROLLBACK", "SAVEPOINT", "SECURITY", "SELECT", "SET",
    "SHOW", "START", "TRUNCATE", "UNLISTEN", "UPDATE", "VACUUM", "VALUES",
})  # fmt: skip
# What follows the common table expressions of a WITH.
_AFTER_WITH = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "VALUES", "TABLE"})
# Statements that are queries. The others may hold a password where a name could stand, and sqlglot reads few of them.
_READABLE = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "VALUES", "COPY"})
# Reading a new text takes about 10 µs a character, in which an event loop stands still. A longer one counts as complex.
LONGEST_TEXT = 4000
_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Statement:
    """``masked`` is empty where a text cannot be read surely enough to show it; ``digest`` tells such ones apart."""

    operation: str
    kind: str
    masked: str
    digest: str

    def __str__(self) -> str:
        return self.masked or f"text {self.digest}"


class _Reading(threading.local):
    """Whether this thread is reading a statement just now."""

    is_on = False


_reading = _Reading()


def _unless_reading(record: logging.LogRecord) -> bool:
    # sqlglot warns of what it does not know with the statement's text, values and all.
    return not _reading.is_on


logging.getLogger("sqlglot").addFilter(_unless_reading)


def statement_of(query: object, connection: Connection[Any] | AsyncConnection[Any] | None) -> Statement:
    """What a query is, in any of the forms in which psycopg takes it, for the connection that ran it. Never raises."""
    text = query if isinstance(query, str) else _text(query, connection)
    return _read_once(text) if len(text) <= LONGEST_TEXT else _unread(text)


def _text(query: object, connection: Connection[Any] | AsyncConnection[Any] | None) -> str:
    if isinstance(query, bytes):
        return query.decode("utf-8", "replace")
    if isinstance(query, sql.Composable):
        try:
            return query.as_string(connection)
        except Exception:  # a value that psycopg cannot write either
            return ""
    # A template string's parts, with its values between them.
    parts: object = getattr(query, "strings", None)
    return "%s".join(parts) if isinstance(parts, tuple) else ""


@lru_cache(_KEPT)
def _read_once(text: str) -> Statement:
    _reading.is_on = True
    try:
        tokens = tokens_of(text)
        operation, kind, is_parsed = _judged(tokens.masked, tuple(tokens.parsable))
    except Exception:  # whatever is wrong in a text or in sqlglot is no reason for a query to fail
        return _unread(text)
    finally:
        _reading.is_on = False
    # Where a backslash escapes, a literal's end depends on the server's settings: rather hide too much.
    masked = tokens.masked if is_parsed and "\\" not in text else ""
    return Statement(operation, kind, masked, _digest(text))


class _Shape:
    """A statement without its values, as a key: equal ones are parsed once, however many values their texts held."""

    __slots__ = ("masked", "tokens")

    def __init__(self, masked: str, tokens: Sequence[Token]) -> None:
        self.masked = masked
        self.tokens = tokens

    def __hash__(self) -> int:
        return hash(self.masked)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Shape) and self.masked == other.masked


def _judged(masked: str, tokens: Sequence[Token]) -> tuple[str, str, bool]:
    return _judged_once(_Shape(masked, tokens))


@lru_cache(_KEPT)
def _judged_once(shape: _Shape) -> tuple[str, str, bool]:
    """Operation, kind, and whether sqlglot could parse it."""
    tokens = shape.tokens
    shape.tokens = ()  # they are many, and what is kept is the answer
    operation = _operation(tokens)
    if operation not in _READABLE:
        return operation, COMPLEX, False
    try:
        trees = [tree for tree in POSTGRES.parser().parse(list(tokens), shape.masked) if tree is not None]
    except Exception:  # sqlglot's own errors, and those of its depths
        return operation, COMPLEX, False
    if len(trees) != 1:
        operations = {_operation(part) for part in _parts(tokens)}
        return (operation if len(operations) == 1 else OTHER), COMPLEX, operations <= _READABLE
    (tree,) = trees
    simple = is_simple_copy(tokens) if operation == "COPY" else is_simple(tree, tokens)
    return operation, SIMPLE if simple else COMPLEX, not isinstance(tree, exp.Command) or operation == "COPY"


def _operation(tokens: Sequence[Token]) -> str:
    start = next((at for at, one in enumerate(tokens) if one.token_type is not TokenType.L_PAREN), len(tokens))
    if start == len(tokens):
        return OTHER
    word = tokens[start].text.upper()
    if tokens[start].token_type is TokenType.WITH:
        word = _after_with(tokens[start + 1 :])
    if word == "TABLE":
        return "SELECT"
    return word if word in OPERATIONS else OTHER


def _after_with(tokens: Sequence[Token]) -> str:
    depth = 0
    for token in tokens:
        depth += (token.token_type is TokenType.L_PAREN) - (token.token_type is TokenType.R_PAREN)
        if depth == 0 and token.text.upper() in _AFTER_WITH:
            return token.text.upper()
    return OTHER


def _parts(tokens: Sequence[Token]) -> list[list[Token]]:
    parts: list[list[Token]] = [[]]
    for token in tokens:
        if token.token_type is TokenType.SEMICOLON:
            parts.append([])
        else:
            parts[-1].append(token)
    return [part for part in parts if part]


def _unread(text: str) -> Statement:
    word = text[:LONGEST_TEXT].lstrip(" \t\r\n(").split(None, 1)
    first = word[0].upper().rstrip(";") if word else OTHER
    return Statement(first if first in OPERATIONS else OTHER, COMPLEX, "", _digest(text))


def _digest(text: str) -> str:
    # Enough to tell statements apart, too short to prove a guess at what one held.
    return blake2b(text.encode("utf-8", "replace"), digest_size=4).hexdigest()
