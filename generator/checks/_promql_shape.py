"""What a PromQL expression yields, as far as its text says: labels, bounds, and why it can never yield anything."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

import promql_parser as promql
from promql_parser import AggModifierType, LabelModifierType, MatchOp, VectorMatchCardinality

_COMPARISONS = frozenset({">", ">=", "<", "<=", "==", "!="})
_SETS = frozenset({"and", "or", "unless"})
_KEEPING = frozenset({"topk", "bottomk", "limitk", "limit_ratio"})
_RATES = frozenset({"rate", "irate", "increase"})
_ABSENCE = frozenset({"absent", "absent_over_time"})
_FOLDS = frozenset({"sum", "min", "max", "avg", "topk", "bottomk", "quantile"})


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels that a series may have: ``only`` these (None: any), and none of ``without``."""

    only: frozenset[str] | None = None
    without: frozenset[str] = frozenset()

    def may_have(self, label: str) -> bool:
        """Whether a series may have this label."""
        return label not in self.without and (self.only is None or label in self.only)

    def kept(self, labels: frozenset[str]) -> "Labels":
        """With no labels but these."""
        return Labels(frozenset(label for label in labels if self.may_have(label)))

    def dropped(self, labels: frozenset[str]) -> "Labels":
        """Without these."""
        if self.only is not None:
            return Labels(self.only - labels)
        return Labels(None, self.without | labels)

    def added(self, labels: frozenset[str]) -> "Labels":
        """With these beside."""
        return Labels(None if self.only is None else self.only | labels, self.without - labels)

    def joined(self, other: "Labels") -> "Labels":
        """Series of the one or of the other."""
        if self.only is None or other.only is None:
            return Labels(None, self.without & other.without)
        return Labels(self.only | other.only)


@dataclass(frozen=True, slots=True)
class Shape:
    """``kind`` is scalar, vector, matrix or string; ``low`` and ``high`` bound the values."""

    kind: str
    labels: Labels
    low: float = -math.inf
    high: float = math.inf


@dataclass(frozen=True, slots=True)
class Range:
    """A function over a stretch of time of one series."""

    function: str
    metric: str
    window: timedelta


class Reading:
    """One pass over one expression; collects what is wrong on the way up."""

    def __init__(self, expression: promql.Expr, known: Mapping[str, frozenset[str]]) -> None:
        """Read an expression; ``known`` are the labels of the series that are known."""
        self.known = known
        self.faults: list[tuple[str, str]] = []
        self.ranges: list[Range] = []
        self.raw_counters: list[str] = []
        self.jobs: list[str] = []
        self.shape = self._shape(expression)
        self.filters = _filters(expression)

    def _never(self, message: str) -> None:
        self.faults.append(("promql-never-returns", message))

    def _shape(self, node: object) -> Shape:
        match node:
            case promql.NumberLiteral():
                return Shape("scalar", Labels(frozenset()), node.val, node.val)
            case promql.StringLiteral():
                return Shape("string", Labels(frozenset()))
            case promql.ParenExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
                return self._wrapped(node)
            case promql.VectorSelector():
                return self._selector(node)
            case promql.MatrixSelector():
                return replace(self._selector(node.vector_selector), kind="matrix")
            case promql.AggregateExpr():
                return self._aggregate(node)
            case promql.Call():
                return self._call(node)
            case promql.BinaryExpr():
                return self._binary(node)
        return Shape("vector", Labels())

    def _wrapped(self, node: promql.ParenExpr | promql.UnaryExpr | promql.SubqueryExpr) -> Shape:
        inner = self._shape(node.expr)
        if isinstance(node, promql.UnaryExpr):
            return replace(inner, low=-inner.high, high=-inner.low)
        return replace(inner, kind="matrix") if isinstance(node, promql.SubqueryExpr) else inner

    def _selector(self, node: promql.VectorSelector) -> Shape:
        matchers = node.matchers.matchers
        equal: dict[str, str] = {}
        for matcher in matchers:
            if matcher.op == MatchOp.Equal and equal.setdefault(matcher.name, matcher.value) != matcher.value:
                values = f'"{equal[matcher.name]}" and "{matcher.value}"'
                self._never(f"no series has {matcher.name} {values} at once")
        for matcher in matchers:
            value = equal.get(matcher.name)
            if value is not None and matcher.op != MatchOp.Equal and not _matches(matcher, value):
                self._never(f'no series has {matcher.name}="{value}" and {matcher} at once')
        if "job" in equal:
            self.jobs.append(equal["job"])
        low, high = (0.0, 1.0) if node.name == "up" else (-math.inf, math.inf)
        labels = Labels(self.known.get(node.name)) if node.name is not None else Labels()
        empty = frozenset(name for name, value in equal.items() if value == "")
        return Shape("vector", labels.dropped(empty), low, high)

    def _aggregate(self, node: promql.AggregateExpr) -> Shape:
        inner = self._shape(node.expr)
        operation = str(node.op)
        if node.param is not None:
            self._shape(node.param)
        grouping = frozenset(node.modifier.labels) if node.modifier is not None else frozenset()
        by = node.modifier is None or node.modifier.type == AggModifierType.By
        for label in sorted(grouping) if by else ():
            if not inner.labels.may_have(label):
                message = f"{operation} by ({label}) splits by a label that what it folds does not have"
                self.faults.append(("promql-labels", message))
        if operation in _KEEPING:
            return inner
        labels = inner.labels.kept(grouping) if by else inner.labels.dropped(grouping)
        if operation == "count_values" and isinstance(node.param, promql.StringLiteral):
            labels = labels.added(frozenset({node.param.val}))
        if operation in ("min", "max", "avg", "quantile"):
            return Shape("vector", labels, inner.low, inner.high)
        if operation in ("count", "count_values", "group"):
            return Shape("vector", labels, 1, math.inf)
        return Shape("vector", labels, 0 if inner.low >= 0 and operation == "sum" else -math.inf)

    def _call(self, node: promql.Call) -> Shape:
        name = node.func.name
        arguments = [self._shape(argument) for argument in node.args]
        if arguments and arguments[0].kind == "matrix":
            self._range(name, node.args[0])
        if str(node.func.return_type) == "ValueType.Scalar":
            return Shape("scalar", Labels(frozenset()))
        if name in ("vector", "time") or not arguments:
            return replace(arguments[0], kind="vector") if name == "vector" else Shape("vector", Labels(frozenset()))
        if name in _ABSENCE:
            return Shape("vector", Labels(frozenset(_equal_labels(node.args[0]))), 1, 1)
        vector = next((each for each in arguments if each.kind in ("vector", "matrix")), arguments[0])
        labels = vector.labels
        if name == "histogram_quantile":
            if not labels.may_have("le"):
                self._never("histogram_quantile needs the label le, which what it reads does not have")
            return Shape("vector", labels.dropped(frozenset({"le"})))
        if name in ("label_replace", "label_join") and isinstance(node.args[1], promql.StringLiteral):
            return replace(vector, labels=labels.added(frozenset({node.args[1].val})))
        if name in ("sort", "sort_desc", "max_over_time", "min_over_time", "avg_over_time", "last_over_time"):
            return Shape("vector", labels, vector.low, vector.high)
        counted = _RATES | {"count_over_time", "changes", "resets", "abs"}
        return Shape("vector", labels, 0 if name in counted else -math.inf)

    def _range(self, function: str, argument: object) -> None:
        if isinstance(argument, promql.MatrixSelector) and argument.vector_selector.name is not None:
            self.ranges.append(Range(function, argument.vector_selector.name, argument.range))

    def _binary(self, node: promql.BinaryExpr) -> Shape:
        left, right, operator = self._shape(node.lhs), self._shape(node.rhs), str(node.op)
        modifier = node.modifier
        if operator in _COMPARISONS and not (modifier is not None and modifier.return_bool):
            self._comparison(node, operator, left, right)
        if left.kind == "scalar" or right.kind == "scalar":
            return self._with_scalar(operator, left, right)
        matching = modifier.matching if modifier is not None else None
        self._matching(operator, matching, left.labels, right.labels)
        return self._joined(operator, modifier, left, right)

    def _comparison(self, node: promql.BinaryExpr, operator: str, left: Shape, right: Shape) -> None:
        if not _may_hold(operator, left, right):
            self._never(f"{_short(node)} is never true")
        for side, other in ((node.lhs, right), (node.rhs, left)):
            if other.low == other.high and (counter := _raw_counter(side)) is not None:
                self.raw_counters.append(counter)

    @staticmethod
    def _with_scalar(operator: str, left: Shape, right: Shape) -> Shape:
        if left.kind == right.kind:
            return Shape("scalar", Labels(frozenset()))
        vector = left if left.kind != "scalar" else right
        if operator in _COMPARISONS:
            return vector
        number = right if vector is left else left
        nonnegative = operator in ("*", "/", "+") and vector.low >= 0 and number.low >= 0
        return Shape("vector", vector.labels, 0 if nonnegative else -math.inf)

    def _matching(self, operator: str, matching: promql.LabelModifier | None, left: Labels, right: Labels) -> None:
        if operator == "or":
            return
        listed = frozenset(matching.labels) if matching is not None else frozenset()
        if matching is not None and matching.type == LabelModifierType.Include:
            lacking = [label for label in sorted(listed) if left.may_have(label) != right.may_have(label)]
        elif left.only is not None and right.only is not None:
            lacking = sorted((left.only ^ right.only) - listed)
        else:
            lacking = []
        for label in lacking:
            side = "left" if right.may_have(label) else "right"
            self._never(f'the sides of "{operator}" never match: the {side} one has no label {label}')

    @staticmethod
    def _joined(operator: str, modifier: promql.BinModifier | None, left: Shape, right: Shape) -> Shape:
        if operator == "or":
            return Shape(
                "vector", left.labels.joined(right.labels), min(left.low, right.low), max(left.high, right.high)
            )
        if operator in _SETS:
            return left
        matching = modifier.matching if modifier is not None else None
        labels = left.labels
        if modifier is not None and modifier.card == VectorMatchCardinality.ManyToOne:
            labels = left.labels.added(frozenset(modifier.group_labels or ()))
        elif modifier is not None and modifier.card == VectorMatchCardinality.OneToMany:
            labels = right.labels.added(frozenset(modifier.group_labels or ()))
        elif matching is not None:
            listed = frozenset(matching.labels)
            include = matching.type == LabelModifierType.Include
            labels = labels.kept(listed) if include else labels.dropped(listed)
        elif left.labels.only is None and right.labels.only is not None:
            labels = right.labels
        if operator in _COMPARISONS:
            return replace(left, labels=labels)
        nonnegative = operator in ("+", "*", "/") and left.low >= 0 and right.low >= 0
        return Shape("vector", labels, 0 if nonnegative else -math.inf)


def _matches(matcher: promql.Matcher, value: str) -> bool:
    if matcher.op == MatchOp.NotEqual:
        return value != matcher.value
    try:
        found = re.fullmatch(matcher.value, value) is not None
    except re.error:
        return True  # Go's expressions are not quite Python's: nothing is said of those that only Go reads
    return found if matcher.op == MatchOp.Re else not found


def _may_hold(operator: str, left: Shape, right: Shape) -> bool:
    """Whether any values within the bounds of both sides meet the comparison."""
    match operator:
        case ">":
            return left.high > right.low
        case ">=":
            return left.high >= right.low
        case "<":
            return left.low < right.high
        case "<=":
            return left.low <= right.high
        case "==":
            return left.high >= right.low and left.low <= right.high
        case _:
            return not left.low == left.high == right.low == right.high


def _equal_labels(node: object) -> Iterator[str]:
    while isinstance(node, promql.ParenExpr | promql.SubqueryExpr):
        node = node.expr
    if isinstance(node, promql.MatrixSelector):
        node = node.vector_selector
    if isinstance(node, promql.VectorSelector):
        yield from (
            each.name for each in node.matchers.matchers if each.op == MatchOp.Equal and each.name != "__name__"
        )


def _raw_counter(node: object) -> str | None:
    """The counter whose value since its process began an expression is, or folds."""
    while isinstance(node, promql.ParenExpr) or (isinstance(node, promql.AggregateExpr) and str(node.op) in _FOLDS):
        node = node.expr
    if isinstance(node, promql.VectorSelector) and node.name is not None and node.name.endswith("_total"):
        return node.name
    return None


def _filters(node: object) -> bool:
    """Whether an expression yields something only under a condition, as an alert must."""
    match node:
        case promql.ParenExpr() | promql.AggregateExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
            return _filters(node.expr)
        case promql.Call():
            return node.func.name in _ABSENCE or any(_filters(argument) for argument in node.args)
        case promql.BinaryExpr():
            operator = str(node.op)
            if operator in _COMPARISONS:
                return not (node.modifier is not None and node.modifier.return_bool)
            if operator == "or":
                return _filters(node.lhs) and _filters(node.rhs)
            return operator == "unless" or _filters(node.lhs) or _filters(node.rhs)
    return False


def _short(node: promql.BinaryExpr) -> str:
    """A comparison as people read it, its sides cut where they are long."""
    sides = [text if len(text) <= 30 else f"{text[:28]}…" for text in (str(node.lhs), str(node.rhs))]
    return f"{sides[0].replace('{}', '')} {node.op} {sides[1].replace('{}', '')}"
