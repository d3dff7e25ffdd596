"""What Prometheus would make of a condition at given values, in the same double arithmetic."""

from __future__ import annotations

import math
from collections.abc import Callable

from generator.condition.tree import Absolute, And, Arithmetic, Comparison, Node, Number, Or, Quantity, Reference

Values = Callable[[Reference], float]


def evaluate(node: Node, value: Values) -> bool:
    """Whether a condition over metrics is met; NaN stands for a value that is absent, which meets nothing."""
    match node:
        case Comparison(op, left, right):
            first, second = quantity_value(left, value), quantity_value(right, value)
            return _compare(op, first, second)
        case And(parts):
            return all(evaluate(part, value) for part in parts)
        case Or(parts):
            return any(evaluate(part, value) for part in parts)
        case _:
            raise TypeError(f"rows are compared by the database: {node!r}")


def quantity_value(quantity: Quantity, value: Values) -> float:
    """A sum's value; a division by zero has none (NaN)."""
    match quantity:
        case Number(constant):
            return constant
        case Reference():
            return float(value(quantity))
        case Absolute(operand):
            return abs(quantity_value(operand, value))
        case Arithmetic(op, left, right):
            return _calculate(op, quantity_value(left, value), quantity_value(right, value))


def _compare(op: str, first: float, second: float) -> bool:
    match op:
        case ">":
            return first > second
        case ">=":
            return first >= second
        case "<":
            return first < second
        case "<=":
            return first <= second
        case "=":
            return first == second
        case _:
            return first != second and not math.isnan(first) and not math.isnan(second)


def _calculate(op: str, first: float, second: float) -> float:
    match op:
        case "+":
            return first + second
        case "-":
            return first - second
        case "*":
            return first * second
        case _:
            return first / second if second != 0 else math.nan
