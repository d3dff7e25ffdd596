"""Walks over the typed tree."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from generator.condition.tree import Absolute, And, Arithmetic, Comparison, Node, Or, Quantity, Reference

Replace = Callable[[Reference], Reference]


def references(part: Node | Quantity) -> Iterator[Reference]:
    """Every metric or quantity field of a tree, in the order of the tree."""
    match part:
        case Reference():
            yield part
        case Absolute(operand):
            yield from references(operand)
        case Arithmetic(_, left, right) | Comparison(_, left, right):
            yield from references(left)
            yield from references(right)
        case And(parts) | Or(parts):
            for each in parts:
                yield from references(each)
        case _:
            return


def with_references(node: Node, replace: Replace) -> Node:
    """The same condition, every reference replaced."""
    match node:
        case Comparison(op, left, right):
            return Comparison(op, _quantity(left, replace), _quantity(right, replace))
        case And(parts):
            return And(tuple(with_references(part, replace) for part in parts))
        case Or(parts):
            return Or(tuple(with_references(part, replace) for part in parts))
        case _:
            return node


def _quantity(quantity: Quantity, replace: Replace) -> Quantity:
    match quantity:
        case Reference():
            return replace(quantity)
        case Absolute(operand, unit):
            return Absolute(_quantity(operand, replace), unit)
        case Arithmetic(op, left, right, unit):
            return Arithmetic(op, _quantity(left, replace), _quantity(right, replace), unit)
        case _:
            return quantity
