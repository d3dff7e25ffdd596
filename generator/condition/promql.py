"""A condition over metrics as PromQL; matching is always spelled out, so that no later label can break a rule."""

from __future__ import annotations

from collections.abc import Callable

from generator.condition.labels import (
    Labels,
    in_firing_order,
    node_labels,
    quantity_labels,
    reference_labels,
    shared,
)
from generator.condition.tree import (
    Absolute,
    And,
    Arithmetic,
    Comparison,
    Condition,
    MetricSymbol,
    Node,
    Number,
    Or,
    Quantity,
    Reference,
)
from generator.condition.units import plain

Series = Callable[[MetricSymbol], str]

# Prometheus's precedence, loosest first; an atom needs no parentheses anywhere.
_OR, _AND, _COMPARISON, _SUM, _PRODUCT, _ATOM = range(6)
_ARITHMETIC = {"+": _SUM, "-": _SUM, "*": _PRODUCT, "/": _PRODUCT}
_OPS = {"=": "=="}

_ESCAPES = {
    **{code: f"\\x{code:02x}" for code in (*range(32), 127)},
    ord("\n"): "\\n",
    ord('"'): '\\"',
    ord("\\"): "\\\\",
}

Text = tuple[str, int]


def to_promql(condition: Condition, series: Series, by: Labels = ()) -> str:
    """The whole condition; ``series`` names each metric's series, ``by`` the labels that split the alert."""
    return _Writer(series, by).node(condition.root)[0]


def quantity_to_promql(quantity: Quantity, series: Series, by: Labels = ()) -> str:
    """A sum over metrics; ``by`` are the labels that its totals keep."""
    return _Writer(series, by).quantity(quantity)[0]


class _Writer:
    def __init__(self, series: Series, by: Labels) -> None:
        self.series = series
        self.by = by

    def node(self, node: Node) -> Text:
        match node:
            case Comparison():
                return self._comparison(node)
            case And(parts):
                return self._and(in_firing_order(parts, self.by))
            case Or(parts):
                on = f"or on({', '.join(node_labels(node, self.by))})"
                # An AND inside needs no parentheses, but readers do.
                return f" {on} ".join(_within(self.node(part), _COMPARISON) for part in parts), _OR
            case _:
                raise TypeError(f"rows have no PromQL: {node!r}")

    def _and(self, parts: tuple[Node, ...]) -> Text:
        carried = node_labels(parts[0], self.by)
        text = _within(self.node(parts[0]), _AND)
        for part in parts[1:]:
            on = ", ".join(shared(carried, node_labels(part, self.by)))
            text += f" and on({on}) {_within(self.node(part), _COMPARISON)}"
        return text, _AND

    def _comparison(self, node: Comparison) -> Text:
        op = _OPS.get(node.op, node.op)
        text = self._binary(op, node.left, node.right, _COMPARISON)
        if node.op != "!=":
            return text, _COMPARISON
        # NaN differs from everything, itself included: it has to be asked for.
        for side in (node.left, node.right):
            if (labels := quantity_labels(side, self.by)) is not None:
                text += f" and on({', '.join(labels)}) {self._binary('==', side, side, _COMPARISON)}"
        return text, _AND

    def quantity(self, quantity: Quantity) -> Text:
        match quantity:
            case Number(value):
                return plain(value), _ATOM if value >= 0 else _PRODUCT
            case Reference():
                return self._reference(quantity), _ATOM
            case Absolute(operand):
                return f"abs({self.quantity(operand)[0]})", _ATOM
            case Arithmetic(op, left, right):
                return self._binary(op, left, right, _ARITHMETIC[op]), _ARITHMETIC[op]

    def _binary(self, op: str, left: Quantity, right: Quantity, precedence: int) -> str:
        left_labels, right_labels = quantity_labels(left, self.by), quantity_labels(right, self.by)
        right_text = self.quantity(right)
        if op == "/" and right_labels is not None:
            # Nothing divided by nothing is nothing to page for; the series is left out instead.
            right_text = f"({_within(right_text, _SUM)} != 0)", _ATOM
        matching = ""
        if left_labels is not None and right_labels is not None:
            matching = f" on({', '.join(shared(left_labels, right_labels))})"
            # The empty parentheses keep PromQL from reading what follows as a list of labels.
            if len(left_labels) > len(right_labels):
                matching += " group_left()"
            elif len(left_labels) < len(right_labels):
                matching += " group_right()"
        # After a matching clause the right side is hard to read without parentheses, needed or not.
        right_precedence = _ATOM if matching else precedence + 1
        return f"{_within(self.quantity(left), precedence)} {op}{matching} {_within(right_text, right_precedence)}"

    def _reference(self, reference: Reference) -> str:
        symbol = reference.symbol
        assert isinstance(symbol, MetricSymbol)
        matchers = ", ".join(f"{name}{op}{quoted(word)}" for name, op, word in reference.matchers)
        selector = f"{self.series(symbol)}{{{matchers}}}" if matchers else self.series(symbol)
        if symbol.total is None:
            return selector
        kept = reference_labels(reference, self.by)
        return f"{symbol.total} by ({', '.join(kept)}) ({selector})" if kept else f"{symbol.total}({selector})"


def quoted(word: str) -> str:
    """A word as a string of PromQL."""
    return f'"{word.translate(_ESCAPES)}"'


def _within(text: Text, precedence: int) -> str:
    return text[0] if text[1] >= precedence else f"({text[0]})"
