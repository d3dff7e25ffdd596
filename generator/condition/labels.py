"""Which labels every part of a metric condition carries; the union where label sets contradict each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from generator.condition.tree import (
    Absolute,
    And,
    Arithmetic,
    Comparison,
    MetricSymbol,
    Node,
    Number,
    Or,
    Quantity,
    Reference,
)

Labels = tuple[str, ...]
Part = Quantity | Node


def reference_labels(reference: Reference, by: Labels = ()) -> Labels:
    """All declared labels; with a total only those that ``by`` names or that are matched by ``=``."""
    symbol = reference.symbol
    assert isinstance(symbol, MetricSymbol)
    declared = tuple(label.name for label in symbol.labels)
    if symbol.total is None:
        return declared
    matched = {name for name, op, _ in reference.matchers if op == "="}
    return tuple(name for name in declared if name in by or name in matched)


def quantity_labels(quantity: Quantity, by: Labels = ()) -> Labels | None:
    """The labels of a quantity's series, in the order of the larger side; None for a constant."""
    match quantity:
        case Number():
            return None
        case Reference():
            return reference_labels(quantity, by)
        case Absolute(operand):
            return quantity_labels(operand, by)
        case Arithmetic(_, left, right):
            return _merged(quantity_labels(left, by), quantity_labels(right, by))


def node_labels(node: Node, by: Labels = ()) -> Labels:
    """The labels with which a condition's part fires."""
    match node:
        case Comparison(_, left, right):
            return _merged(quantity_labels(left, by), quantity_labels(right, by)) or ()
        case And(parts) | Or(parts):
            merged: Labels | None = None
            for part in parts:
                merged = _merged(merged, node_labels(part, by))
            return merged or ()
        case _:
            return ()


def in_firing_order(parts: tuple[Node, ...], by: Labels = ()) -> tuple[Node, ...]:
    """The parts of an AND, the first of those with the most labels in front: its labels and value are the result's."""
    if len({frozenset(node_labels(part, by)) for part in parts}) == 1:
        return parts
    leading = max(parts, key=lambda part: len(node_labels(part, by)))
    return (leading, *(part for part in parts if part is not leading))


def leading_comparisons(node: Node, by: Labels = ()) -> tuple[Comparison, ...]:
    """The comparisons whose left sides may be the value with which the condition fires: one, but one per part of an
    OR."""
    match node:
        case Comparison():
            return (node,)
        case And(parts):
            return leading_comparisons(in_firing_order(parts, by)[0], by)
        case Or(parts):
            return tuple(each for part in parts for each in leading_comparisons(part, by))
        case _:
            return ()


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two parts that cannot be matched with each other."""

    left: Part
    right: Part
    is_or: bool = False


def conflicts(part: Part, by: Labels = ()) -> Iterator[Conflict]:
    """Where neither side's labels contain the other's, or where the parts of an OR differ in theirs."""
    match part:
        case Absolute(operand):
            yield from conflicts(operand, by)
        case Arithmetic(_, left, right) | Comparison(_, left, right):
            yield from conflicts(left, by)
            yield from conflicts(right, by)
            if not _contains(quantity_labels(left, by), quantity_labels(right, by)):
                yield Conflict(left, right)
        case And(parts):
            for each in parts:
                yield from conflicts(each, by)
            leading = in_firing_order(parts, by)[0]
            carried = set(node_labels(leading, by))
            outside = (each for each in parts if not carried.issuperset(node_labels(each, by)))
            yield from (Conflict(leading, each) for each in outside)
        case Or(parts):
            for each in parts:
                yield from conflicts(each, by)
            carried = set(node_labels(parts[0], by))
            others = (each for each in parts[1:] if carried != set(node_labels(each, by)))
            yield from (Conflict(parts[0], each, is_or=True) for each in others)
        case _:
            return


def part_labels(part: Part, by: Labels = ()) -> Labels:
    """The labels of a condition's part or of a quantity; a constant has none."""
    if isinstance(part, Number | Reference | Absolute | Arithmetic):
        return quantity_labels(part, by) or ()
    return node_labels(part, by)


def shared(left: Labels, right: Labels) -> Labels:
    """The labels that both have, in the order of the left."""
    return tuple(name for name in left if name in right)


def _merged(left: Labels | None, right: Labels | None) -> Labels | None:
    if left is None or right is None:
        return right if left is None else left
    larger, smaller = (left, right) if len(left) >= len(right) else (right, left)
    return larger + tuple(name for name in smaller if name not in larger)


def _contains(left: Labels | None, right: Labels | None) -> bool:
    if left is None or right is None:
        return True
    return set(left) <= set(right) or set(right) <= set(left)
