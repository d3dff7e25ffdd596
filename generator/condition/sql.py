"""A condition over one record's fields as SQL for Postgres; NULL never matches."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Literal

from generator.condition.tree import (
    Absolute,
    And,
    Arithmetic,
    Comparison,
    ComparisonOp,
    Condition,
    FieldSymbol,
    Flag,
    Node,
    Number,
    Or,
    Quantity,
    Reference,
    WordTest,
)
from generator.condition.units import plain

# sqlglot is imported where it is used: it is large, and a platform without records does without.
if TYPE_CHECKING:
    from sqlglot import exp

_EXTREMES: dict[ComparisonOp, Literal["max", "min"]] = {">": "max", ">=": "max", "<": "min", "<=": "min"}
_MIRRORED: dict[ComparisonOp, ComparisonOp] = {">": "<", ">=": "<=", "<": ">", "<=": ">="}


@functools.lru_cache(maxsize=1024)
def row_predicate(condition: Condition) -> str:
    """The boolean expression that holds for the rows that match; there is no NOT in it, so NULL stays out."""
    return _predicate(condition.root).sql(dialect="postgres", comments=False)


@functools.lru_cache(maxsize=4096)
def field_value_sql(field: FieldSymbol) -> str:
    """A field as a number in base units: an interval in seconds, everything else as it is."""
    return _value(field).sql(dialect="postgres", comments=False)


def worst_field(condition: Condition) -> tuple[FieldSymbol, Literal["max", "min"]] | None:
    """The first field that is compared by order, and which of its extremes is the worst."""
    return _worst(condition.root)


def _worst(node: Node) -> tuple[FieldSymbol, Literal["max", "min"]] | None:
    match node:
        case Comparison(op, Reference(FieldSymbol() as field), _) if op in _EXTREMES:
            return field, _EXTREMES[op]
        case Comparison(op, _, Reference(FieldSymbol() as field)) if op in _EXTREMES:
            return field, _EXTREMES[_MIRRORED[op]]
        case And(parts) | Or(parts):
            return next((found for part in parts if (found := _worst(part))), None)
        case _:
            return None


def _predicate(node: Node) -> exp.Expr:
    from sqlglot import exp

    match node:
        case Comparison(op, left, right):
            return _comparison_type(op)(this=_quantity(left), expression=_quantity(right))
        case WordTest(field, op, word):
            return _comparison_type(op)(this=_field(field.sql), expression=exp.Literal.string(word))
        case Flag(field, expected):
            return exp.Is(this=_field(field.sql), expression=exp.Boolean(this=expected))
        case And(parts):
            return functools.reduce(
                lambda left, right: exp.And(this=left, expression=right), [_operand(part) for part in parts]
            )
        case Or(parts):
            return functools.reduce(
                lambda left, right: exp.Or(this=left, expression=right), [_operand(part) for part in parts]
            )


def _operand(node: Node) -> exp.Expr:
    from sqlglot import exp

    built = _predicate(node)
    return exp.Paren(this=built) if isinstance(node, And | Or) else built


def _comparison_type(op: ComparisonOp) -> type[exp.Binary]:
    from sqlglot import exp

    types: dict[ComparisonOp, type[exp.Binary]] = {
        ">": exp.GT, ">=": exp.GTE, "<": exp.LT, "<=": exp.LTE, "=": exp.EQ, "!=": exp.NEQ,
    }  # fmt: skip
    return types[op]


def _quantity(quantity: Quantity) -> exp.Expr:
    from sqlglot import exp

    match quantity:
        case Number(value):
            literal = exp.Literal.number(plain(abs(value)))
            return exp.Neg(this=literal) if value < 0 else literal
        case Reference(symbol):
            assert isinstance(symbol, FieldSymbol)
            return _value(symbol)
        case Absolute(operand):
            return exp.Abs(this=_quantity(operand))
        case Arithmetic(op, left, right):
            return _arithmetic(op, left, right)


def _arithmetic(op: str, left: Quantity, right: Quantity) -> exp.Expr:
    from sqlglot import exp

    first, second = _term(left), _term(right)
    if op == "/":
        # Whole numbers would be divided to whole numbers, and a zero would fail the query for every alert.
        first = exp.cast(first, "double precision", dialect="postgres")
        divisor = exp.Nullif(this=second, expression=exp.Literal.number("0"))
        return exp.Div(this=first, expression=divisor, typed=True)
    types: dict[str, type[exp.Binary]] = {"+": exp.Add, "-": exp.Sub, "*": exp.Mul}
    return types[op](this=first, expression=second)


def _term(quantity: Quantity) -> exp.Expr:
    from sqlglot import exp

    built = _quantity(quantity)
    return exp.Paren(this=built) if isinstance(built, exp.Binary | exp.Neg) else built


def _value(field: FieldSymbol) -> exp.Expr:
    from sqlglot import exp

    if field.unit == "seconds":
        return exp.Extract(this=exp.var("EPOCH"), expression=_field(field.sql))
    return _field(field.sql)


def _field(sql: str) -> exp.Expr:
    return _parsed(sql).copy()


@functools.lru_cache(maxsize=4096)
def _parsed(sql: str) -> exp.Expr:
    import sqlglot
    from sqlglot import exp

    parsed = sqlglot.parse_one(sql, dialect="postgres")
    return parsed if isinstance(parsed, exp.Column | exp.Paren) else exp.Paren(this=parsed)
