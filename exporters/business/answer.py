"""A query's answer as PostgreSQL sent it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """A column's name and the OID of its type (``pg_type.dat``); a domain comes as the type beneath it."""

    name: str
    type: int


@dataclass(frozen=True, slots=True)
class Answer:
    """Columns, and rows of values in PostgreSQL's text form, None for NULL."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[bytes | None, ...], ...]
