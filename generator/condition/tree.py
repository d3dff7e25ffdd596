"""What a condition means once its names are resolved: a small typed tree over metrics or over one record's fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ComparisonOp = Literal[">", ">=", "<", "<=", "=", "!="]
ArithmeticOp = Literal["+", "-", "*", "/"]
Fold = Literal["sum", "max", "min", "avg"]


@dataclass(frozen=True, slots=True)
class Label:
    """A label of a metric; ``values`` is empty where the file does not list them."""

    name: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MetricSymbol:
    """A metric that a condition may name. ``definition`` is the tree of an ``expr:`` metric, else None."""

    domain: str
    name: str
    unit: str
    labels: tuple[Label, ...] = ()
    total: Fold | None = None
    definition: Quantity | None = None


@dataclass(frozen=True, slots=True)
class FieldSymbol:
    """A field of a record: a quantity (``unit``), one of ``values``, or a boolean."""

    record: str
    name: str
    sql: str
    unit: str | None = None
    values: tuple[str, ...] | None = None
    boolean: bool = False


Symbol = MetricSymbol | FieldSymbol


@dataclass(frozen=True, slots=True)
class Number:
    """A constant in base units (seconds, bytes, ratio, usd); ``text`` is how it was written."""

    value: float
    unit: str
    text: str


@dataclass(frozen=True, slots=True)
class Reference:
    """A metric or a quantity field. ``matchers`` are the label words that the condition ANDs to a metric."""

    symbol: Symbol
    unit: str
    matchers: tuple[tuple[str, Literal["=", "!="], str], ...] = ()


@dataclass(frozen=True, slots=True)
class Absolute:
    """``abs(…)``."""

    operand: Quantity
    unit: str


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """``left op right``, units already checked."""

    op: ArithmeticOp
    left: Quantity
    right: Quantity
    unit: str


Quantity = Number | Reference | Absolute | Arithmetic


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two quantities of one unit; never two constants."""

    op: ComparisonOp
    left: Quantity
    right: Quantity


@dataclass(frozen=True, slots=True)
class WordTest:
    """A field with ``values`` against one of its words."""

    field: FieldSymbol
    op: Literal["=", "!="]
    word: str


@dataclass(frozen=True, slots=True)
class Flag:
    """A boolean field that must be ``expected``; NULL is neither."""

    field: FieldSymbol
    expected: bool


@dataclass(frozen=True, slots=True)
class And:
    """All of them."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of them."""

    parts: tuple[Node, ...]


Node = Comparison | WordTest | Flag | And | Or


@dataclass(frozen=True, slots=True)
class Condition:
    """A resolved condition; NOT is pushed down, label words sit in the references as matchers.

    ``kind`` says over what it runs; ``record`` is the record's name for rows, else None. ``symbols`` are those it
    names, in the order in which it names them. ``labels`` are the labels that the result of a metric condition
    carries (always none for rows).
    """

    text: str
    kind: Literal["metrics", "rows"]
    root: Node
    record: str | None
    symbols: tuple[Symbol, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong in the text of a condition: a stretch of it (0-based, end exclusive) and what to say."""

    code: str
    message: str
    start: int
    end: int
    help: tuple[str, ...] = ()
