"""Point 6: every query parses, asks for what exists, and asks for rates where only rates mean anything."""

import re
from collections.abc import Iterator
from datetime import timedelta

import promql_parser

from generator.lint.dashboards.index import PlanIndex

Fault = tuple[int, str, str]

# A length that nobody writes stands for Grafana's interval while the query is parsed.
_MARK = timedelta(milliseconds=7_777_777)
_MARK_TEXT = "7777777ms"
_RATES = frozenset({"rate", "irate", "increase"})
_OF_COUNTERS = _RATES | {"resets"}
_AROUND = (
    promql_parser.AggregateExpr,
    promql_parser.ParenExpr,
    promql_parser.SubqueryExpr,
    promql_parser.UnaryExpr,
)
_LABEL_VALUES = re.compile(r"label_values\((.*),\s*\w+\)")
_NAME_MATCHER = re.compile(r'\{__name__=~"([^"]*)"\}')


def promql(index: PlanIndex, expr: str) -> Iterator[Fault]:
    """The faults of one query."""
    try:
        tree = promql_parser.parse(expr.replace("$__rate_interval", _MARK_TEXT))
    except ValueError as error:
        yield 6, "promql", f"{expr!r} does not parse: {error}"
        return
    yield from _walk(index, tree, "")


def variable_query(index: PlanIndex, query: str) -> Iterator[Fault]:
    """The faults of a variable's query: it lists a label of metrics that exist."""
    match = _LABEL_VALUES.fullmatch(query)
    if match is None:
        yield 6, "promql", f"{query!r} is not label_values(metric, label)"
        return
    names = _NAME_MATCHER.fullmatch(match[1])
    for name in names[1].split("|") if names else [match[1]]:
        yield from _known(index, name)


def _walk(index: PlanIndex, node: promql_parser.Expr, function: str) -> Iterator[Fault]:
    """Down the tree; ``function`` is the call directly around."""
    if isinstance(node, promql_parser.VectorSelector):
        yield from _known(index, node.name)
        if node.name in index.rising:
            yield 6, "raw-counter", f"{node.name} only rises: show its rate"
    elif isinstance(node, promql_parser.MatrixSelector):
        name = node.vector_selector.name
        yield from _known(index, name)
        if function in _RATES and node.range != _MARK:
            yield 6, "rate-interval", f"{function} of {name} must take $__rate_interval"
        if name in index.rising and function not in _OF_COUNTERS:
            yield 6, "raw-counter", f"{name} only rises: show its rate"
    elif isinstance(node, promql_parser.Call):
        for argument in node.args:
            yield from _walk(index, argument, node.func.name)
    elif isinstance(node, promql_parser.BinaryExpr):
        yield from _walk(index, node.lhs, "")
        yield from _walk(index, node.rhs, "")
    elif isinstance(node, _AROUND):
        yield from _walk(index, node.expr, "")


def _known(index: PlanIndex, name: str | None) -> Iterator[Fault]:
    if name not in index.series:
        yield 6, "unknown-metric", f"nothing gives the metric {name!r}"
