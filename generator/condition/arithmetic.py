"""Which units fit together, what comes out of them, and how a constant that does not fit should be written."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from generator.condition import units
from generator.condition.tree import ArithmeticOp, Number, Quantity

_EXAMPLES = {"seconds": "5 minutes", "bytes": "5 MB", "ratio": "5%", "usd": "$5", "rps": "5 rps"}


def fit(left: Quantity, right: Quantity) -> tuple[Quantity, Quantity] | None:
    """Both sides in one unit, a bare number having taken the counted noun beside it; None if they differ."""
    left, right = fitted(left, right.unit), fitted(right, left.unit)
    return (left, right) if left.unit == right.unit else None


def fitted(quantity: Quantity, unit: str) -> Quantity:
    """The quantity, a bare number as so many of a counted noun."""
    if isinstance(quantity, Number) and quantity.unit == "none" and units.is_counted(unit):
        return replace(quantity, unit=unit)
    return quantity


def result_unit(op: ArithmeticOp, left: Quantity, right: Quantity) -> str | None:
    """The unit of a product or quotient; None where it has none that the language knows."""
    if op == "*" and left.unit == "none":
        return right.unit
    if right.unit == "none" and (op == "*" or isinstance(right, Number) or left.unit != "none"):
        return left.unit
    return "ratio" if op == "/" and fit(left, right) else None


def folded(op: ArithmeticOp, left: Number, right: Number) -> float:
    """Arithmetic over constants, in decimals as people calculate."""
    first, second = Decimal(repr(left.value)), Decimal(repr(right.value))
    match op:
        case "+":
            return float(first + second)
        case "-":
            return float(first - second)
        case "*":
            return float(first * second)
        case "/":
            return float(first / second)


def way_to_write(number: Number, unit: str) -> str:
    """How to write a constant of the wrong unit so that it fits."""
    if number.unit == "ratio" and unit == "none":
        return f"write {units.plain(number.value)}"
    if number.unit == "none":
        match unit:
            case "ratio":
                return _percent(number.value)
            case "usd":
                return f"write ${number.text}"
            case "seconds":
                return f"write {number.text} seconds, {number.text} minutes or {number.text} hours"
            case "bytes":
                return f"write {number.text} B, {number.text} MB or {number.text} MiB"
            case "rps":
                return f"write {number.text} rps"
            case _:
                pass
    return f"write {units.in_words(unit)}, such as {example(unit)}"


def example(unit: str) -> str:
    """A constant of a unit."""
    return _EXAMPLES.get(unit, "5")


def _percent(value: float) -> str:
    whole = f"{units.plain(float(Decimal(repr(value)) * 100))}%"
    # From 1 on it may be either, and only the author knows which.
    return f"write {units.plain(value)}% or {whole}" if value >= 1 else f"write {whole}"
