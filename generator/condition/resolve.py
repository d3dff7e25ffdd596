"""Text and the names in scope to a typed tree, or everything that is wrong with the text."""

from __future__ import annotations

from generator.condition import arithmetic, units
from generator.condition.context import choose, mentions
from generator.condition.grammar import Syntax, Target, parse
from generator.condition.labels import Part, conflicts, node_labels, part_labels
from generator.condition.scope import Scope
from generator.condition.tree import ComparisonOp, Condition, Fault, Number, Quantity
from generator.condition.typed import Typing, key
from generator.condition.walk import references


def resolve(text: str, scope: Scope, by: tuple[str, ...] = ()) -> Condition | tuple[Fault, ...]:
    """Read a condition; ``by`` are the labels that split the alert."""
    syntax = parse(text, "condition")
    if isinstance(syntax, Fault):
        return (syntax,)
    assert not isinstance(syntax, Target)
    typing = _typing(text, scope, syntax)
    if _is_ambiguous(typing):
        return tuple(typing.faults)
    root = typing.condition(syntax)
    record = typing.context.record
    if root is not None and record is None and not typing.faults:
        _check_labels(typing, root, by)
    if root is None or typing.faults:
        return _in_text_order(typing.faults)
    return Condition(
        text=text,
        kind="metrics" if record is None else "rows",
        root=root,
        record=record,
        symbols=tuple(typing.symbols.values()),
        labels=node_labels(root, by) if record is None else (),
    )


def resolve_quantity(text: str, scope: Scope, by: tuple[str, ...] = ()) -> Quantity | tuple[Fault, ...]:
    """Read what an ``expr:`` metric is made of: a sum over metrics; ``by`` are the labels that it keeps."""
    syntax = parse(text, "quantity")
    if isinstance(syntax, Fault):
        return (syntax,)
    assert not isinstance(syntax, Target)
    typing = _typing(text, scope, syntax, only_metrics=True)
    quantity = typing.quantity(syntax)
    if isinstance(quantity, Number):
        typing.fault("constant-comparison", "this names no metric, so it never changes", syntax)
    if quantity is not None and not typing.faults:
        _check_labels(typing, quantity, by)
    return _in_text_order(typing.faults) if quantity is None or typing.faults else quantity


def parse_target(text: str, unit: str) -> tuple[ComparisonOp, Number] | tuple[Fault, ...]:
    """Read a KPI's target (``>= 98%``) against a metric of a unit."""
    target = parse(text, "target")
    if isinstance(target, Fault):
        return (target,)
    assert isinstance(target, Target)
    scope = Scope("", {}, {}, {})
    if names := mentions(target.operand).all_names():
        return (Fault("condition-syntax", "a target is a constant", names[0].start, names[0].end),)
    typing = _typing(text, scope, target.operand, nouns=frozenset((unit,)))
    number = typing.quantity(target.operand)
    if isinstance(number, Number):
        fitted = arithmetic.fitted(number, unit)
        if isinstance(fitted, Number) and fitted.unit == unit:
            return target.op, fitted
        message = f"the metric is {units.in_words(unit)}, {number.text} is {units.in_words(number.unit)}"
        typing.fault("unit-mismatch", message, target.operand, arithmetic.way_to_write(number, unit))
    return _in_text_order(typing.faults)


def _typing(
    text: str, scope: Scope, syntax: Syntax, *, nouns: frozenset[str] = frozenset(), only_metrics: bool = False
) -> Typing:
    context, faults = choose(scope, mentions(syntax), only_metrics=only_metrics)
    return Typing(text, context, faults, nouns)


def _is_ambiguous(typing: Typing) -> bool:
    """Which record is meant is not known, so nothing more can be said."""
    return any(fault.code == "ambiguous-name" for fault in typing.faults)


def _check_labels(typing: Typing, root: Part, by: tuple[str, ...]) -> None:
    for conflict in conflicts(root, by):
        sides = [
            f"{next(references(side)).symbol.name} has {_in_words(part_labels(side, by))}"
            for side in (conflict.left, conflict.right)
        ]
        place = typing.places[key(next(references(conflict.right)).symbol)]
        hint = (
            "the sides of OR have the same labels"
            if conflict.is_or
            else "the labels of one side contain those of the other; `total` and `by` say what is folded"
        )
        typing.fault("label-mismatch", ", ".join(sides), place, hint)
    if not typing.faults and (missing := [name for name in by if name not in part_labels(root, by)]):
        message = f"nothing here has the label {' or '.join(missing)}"
        typing.faults.append(Fault("label-mismatch", message, 0, max(len(typing.text), 1)))


def _in_words(names: tuple[str, ...]) -> str:
    return f"the label{'s' if len(names) > 1 else ''} {', '.join(names)}" if names else "no labels"


def _in_text_order(faults: list[Fault]) -> tuple[Fault, ...]:
    return tuple(sorted(faults, key=lambda fault: (fault.start, fault.end, fault.code, fault.message)))
