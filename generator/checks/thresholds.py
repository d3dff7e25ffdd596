"""Thresholds: within what a number can be, not at odds with each other, and the worse severity at the worse value."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from operator import attrgetter

from generator import durations
from generator.condition import format_quantity, parse_target
from generator.condition.tree import (
    And,
    Comparison,
    ComparisonOp,
    Condition,
    Fault,
    FieldSymbol,
    MetricSymbol,
    Node,
    Number,
    Or,
    Reference,
    WordTest,
)
from generator.condition.units import is_counted
from generator.diagnostics import Problem, Span
from generator.load import DomainFile, Files
from generator.plan.resolution import resolve

_MIRRORED: dict[ComparisonOp, ComparisonOp] = {">": "<", ">=": "<=", "<": ">", "<=": ">=", "=": "=", "!=": "!="}


@dataclass(frozen=True, slots=True)
class _Bound:
    """``reference op number``: a comparison of one name with a constant."""

    reference: Reference
    op: ComparisonOp
    number: Number


@dataclass(frozen=True, slots=True)
class _Threshold:
    """The threshold of one alert, with what it takes to compare it with another alert's; ``rank`` 0 is the worst."""

    name: str
    severity: str
    rank: int
    bound: _Bound
    wait: int


def check(files: Files) -> Iterator[Problem]:
    """Thresholds that a number never or always meets, and severities the wrong way round."""
    conditions = resolve(files).conditions
    for file in files.domains:
        domain = file.model.domain
        found = {
            name: condition
            for name in file.model.alerts
            if isinstance(condition := conditions.get((domain, name)), Condition)
        }
        for name, condition in found.items():
            yield from _ranges(file, ("alerts", name, "condition"), condition)
            yield from _contradictions(file, ("alerts", name, "condition"), condition)
        yield from _targets(file)
        yield from _order(files, file, found)


def _bound(comparison: Comparison) -> _Bound | None:
    if isinstance(comparison.left, Reference) and isinstance(comparison.right, Number):
        return _Bound(comparison.left, comparison.op, comparison.right)
    if isinstance(comparison.right, Reference) and isinstance(comparison.left, Number):
        return _Bound(comparison.right, _MIRRORED[comparison.op], comparison.left)
    return None


def _bounds(node: Node) -> Iterator[_Bound]:
    if isinstance(node, Comparison) and (bound := _bound(node)):
        yield bound
    elif isinstance(node, And | Or):
        for part in node.parts:
            yield from _bounds(part)


def _possible(unit: str) -> tuple[float, float]:
    """What a number of a unit can be; durations, amounts and plain numbers may be negative."""
    if unit == "ratio":
        return 0.0, 1.0
    return (0.0 if is_counted(unit) or unit in ("bytes", "rps") else -math.inf), math.inf


def _verdict(op: ComparisonOp, value: float, unit: str) -> str | None:
    """``never`` or ``always``, where no possible number makes a difference."""
    low, high = _possible(unit)
    match op:
        case ">":
            return "never" if value >= high else "always" if value < low else None
        case ">=":
            return "never" if value > high else "always" if value <= low else None
        case "<":
            return "never" if value <= low else "always" if value > high else None
        case "<=":
            return "never" if value < low else "always" if value >= high else None
        case "=":
            return None if low <= value <= high else "never"
        case _:
            return None if low <= value <= high else "always"


def _limits(unit: str) -> str:
    return "a ratio is between 0% and 100%" if unit == "ratio" else "it is never less than 0"


def _number_span(file: DomainFile, path: tuple[str, ...], text: str, number: Number) -> Span:
    """Where a constant stands in a condition, as far as its words say."""
    match = re.search(rf"(?<![\w.$]){re.escape(number.text)}(?![\w.])", text)
    return file.text_span(path, *match.span()) if match else file.span(path)


def _ranges(file: DomainFile, path: tuple[str, ...], condition: Condition) -> Iterator[Problem]:
    for bound in _bounds(condition.root):
        symbol = bound.reference.symbol
        # What is calculated of other metrics may be anything: spend by budget is a ratio above 1 when it is overdrawn.
        if isinstance(symbol, MetricSymbol) and symbol.definition is not None:
            continue
        verdict = _verdict(bound.op, bound.number.value, bound.reference.unit)
        if verdict is not None:
            message = f"{symbol.name} is {verdict} {_said(bound)}"
            span = _number_span(file, path, condition.text, bound.number)
            yield Problem(span, "threshold-range", message, (_limits(bound.reference.unit),))


def _targets(file: DomainFile) -> Iterator[Problem]:
    for name, kpi in file.model.kpis.items():
        metric = file.model.metrics.get(kpi.metric)
        if metric is None or metric.expr is not None:
            continue
        target = parse_target(kpi.target, metric.unit)
        if isinstance(target[0], Fault):
            continue
        op, number = target
        if (verdict := _verdict(op, number.value, metric.unit)) is not None:
            message = f"{kpi.metric} is {verdict} {op} {format_quantity(number.value, metric.unit)}"
            yield Problem(file.span(("kpis", name, "target")), "threshold-range", message, (_limits(metric.unit),))


def _contradictions(file: DomainFile, path: tuple[str, ...], condition: Condition) -> Iterator[Problem]:
    """Parts of one AND that no number and no word can meet together."""
    parts = condition.root.parts if isinstance(condition.root, And) else ()
    words: dict[FieldSymbol, str] = {}
    lows: dict[Reference, _Bound] = {}
    highs: dict[Reference, _Bound] = {}
    for part in parts:
        if isinstance(part, WordTest) and part.op == "=" and words.setdefault(part.field, part.word) != part.word:
            message = f"{part.field.name} is never {words[part.field]} and {part.word} at once"
            yield Problem(file.span(path), "never-met", message, ("OR may be meant",))
        bound = _bound(part) if isinstance(part, Comparison) else None
        if bound is not None and bound.op in (">", ">="):
            lows.setdefault(bound.reference, bound)
        elif bound is not None and bound.op in ("<", "<="):
            highs.setdefault(bound.reference, bound)
    for reference, low in lows.items():
        high = highs.get(reference)
        if high is None or low.number.value < high.number.value:
            continue
        if low.number.value > high.number.value or low.op == ">" or high.op == "<":
            said = " and ".join(f"{b.op} {format_quantity(b.number.value, reference.unit)}" for b in (low, high))
            message = f"{reference.symbol.name} is never {said} at once"
            yield Problem(file.span(path), "never-met", message, ("OR may be meant",))


def _order(files: Files, file: DomainFile, found: dict[str, Condition]) -> Iterator[Problem]:
    """Alerts that differ only in threshold and severity, the worst last: each must be beyond all that came before."""
    groups: dict[object, list[_Threshold]] = {}
    ranks = {severity: rank for rank, severity in enumerate(files.platform.model.severities)}
    for name, condition in found.items():
        alert = file.model.alerts[name]
        key = _key(condition, tuple(alert.by))
        if key is not None and alert.severity in ranks:
            wait = durations.milliseconds(alert.for_) if alert.for_ is not None else 0
            threshold = _Threshold(name, alert.severity, ranks[alert.severity], key[1], wait)
            groups.setdefault(key[0], []).append(threshold)
    for group in groups.values():
        extreme: _Threshold | None = None
        for each in sorted(group, key=attrgetter("rank"), reverse=True):
            beyond = extreme is None or _beyond(each.bound, extreme.bound)
            # One that waits longer may be worse at a lower number: it lasts.
            if extreme is not None and not beyond and extreme.rank != each.rank and each.wait <= extreme.wait:
                yield _wrong_way_round(file, each, extreme)
            if beyond:
                extreme = each


def _key(condition: Condition, by: tuple[str, ...]) -> tuple[object, _Bound] | None:
    """What two alerts share that differ only in their threshold: everything but one comparison's number."""
    parts = condition.root.parts if isinstance(condition.root, And) else (condition.root,)
    bounds = [(part, bound) for part in parts if isinstance(part, Comparison) and (bound := _bound(part))]
    if len(bounds) != 1 or bounds[0][1].op in ("=", "!="):
        return None
    part, bound = bounds[0]
    return (bound.reference, bound.op[0], frozenset(other for other in parts if other is not part), by), bound


def _beyond(one: _Bound, other: _Bound) -> bool:
    """Whether whatever meets ``one`` meets ``other``, too, but not the other way round."""
    mine, theirs = one.number.value, other.number.value
    if mine == theirs:
        return one.op in (">", "<") and other.op in (">=", "<=")
    return mine > theirs if one.op[0] == ">" else mine < theirs


def _said(bound: _Bound) -> str:
    return f"{bound.op} {format_quantity(bound.number.value, bound.reference.unit)}"


def _wrong_way_round(file: DomainFile, worse: _Threshold, milder: _Threshold) -> Problem:
    when = "just when" if worse.bound.number.value == milder.bound.number.value else "before"
    message = (
        f'"{worse.name}" ({worse.severity}) fires at {_said(worse.bound)}, '
        f'{when} "{milder.name}" ({milder.severity}) does at {_said(milder.bound)}'
    )
    line = file.span(("alerts", milder.name, "severity")).line
    hint = f"the worse severity belongs to the more extreme number; the other alert's stands in line {line}"
    return Problem(file.span(("alerts", worse.name, "severity")), "severity-order", message, (hint,))
