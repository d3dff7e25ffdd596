"""What a condition means, held against a naive reading of it, SQL on a database and PromQL on promtool."""

import itertools
import json
import math
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import promql_parser
import pytest
import sqlglot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from generator.condition import Scope, evaluate, references, resolve, row_predicate, to_promql
from generator.condition.labels import reference_labels
from generator.condition.tree import Condition, FieldSymbol, Label, MetricSymbol, Reference
from tests.condition.random_conditions import Test, Value, comparisons, conditions, flags, word_tests

AMOUNTS = ["first", "second", "third"]
WORDS = ["low", "high", "it's", 'a "b"', "naïve\\"]
FIELDS = {
    **{name: FieldSymbol("row", name, name, unit="usd") for name in AMOUNTS},
    "level": FieldSymbol("row", "level", "level", values=tuple(WORDS)),
    "odd": FieldSymbol("row", "odd", "odd", boolean=True),
}
CAMPAIGN, METHOD = Label("campaign", ("x", "y")), Label("method", ("p", "q"))
METRICS = {
    **{name: MetricSymbol("d", name, "usd") for name in AMOUNTS},
    "spend": MetricSymbol("d", "spend", "usd", (CAMPAIGN,)),
    "budget": MetricSymbol("d", "budget", "usd", (CAMPAIGN,)),
    "detail": MetricSymbol("d", "detail", "usd", (CAMPAIGN, METHOD), "sum"),
}
ROWS = Scope("d", {}, {}, {"row": FIELDS})
SERIES = Scope("d", METRICS, {}, {})

_PLAIN = st.sampled_from([None, math.nan, -3.0, -1.0, 0.0, 0.5, 1.0, 2.0, 4.0])
_ROW_TESTS = conditions(st.one_of(comparisons(AMOUNTS), word_tests("level", WORDS[:3]), flags("odd")))
_QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _resolved(text: str, scope: Scope) -> Condition:
    condition = resolve(text, scope)
    assert isinstance(condition, Condition), (text, condition)
    return condition


@_QUICK
@given(test=conditions(comparisons(AMOUNTS)), values=st.lists(_PLAIN, min_size=3, max_size=3))
def test_evaluation_agrees_with_a_naive_reading(test: Test, values: list[float | None]) -> None:
    row = dict(zip(AMOUNTS, values, strict=True))
    condition = _resolved(test.text, SERIES)

    def value(reference: Reference) -> float:
        found = row[reference.symbol.name]
        return math.nan if found is None else found

    assert evaluate(condition.root, value) is (test.met(row) is True)


@_QUICK
@given(test=conditions(comparisons([*AMOUNTS, "spend", "budget", "detail"])))
def test_every_condition_over_metrics_is_promql(test: Test) -> None:
    condition = resolve(test.text, SERIES)
    if isinstance(condition, tuple):
        assert {fault.code for fault in condition} == {"label-mismatch"}, (test.text, condition)
    else:
        promql_parser.parse(to_promql(condition, lambda symbol: f"d:{symbol.name}:held"))


@_QUICK
@given(word=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), min_size=1, max_size=20))
def test_words_reach_promql_and_sql_unharmed(word: str) -> None:
    if '"' in word and "'" in word:
        return  # neither quote can hold it
    written = f"'{word}'" if '"' in word else f'"{word}"'
    metric = MetricSymbol("d", "m", "none", (Label("l"),))
    condition = _resolved(f"m > 1 AND l = {written}", Scope("d", {"m": metric}, {}, {}))
    parsed = promql_parser.parse(to_promql(condition, lambda symbol: symbol.name))
    assert isinstance(parsed, promql_parser.BinaryExpr)
    selector = parsed.lhs
    assert isinstance(selector, promql_parser.VectorSelector)
    assert [matcher.value for matcher in selector.matchers.matchers] == [word]
    field = FieldSymbol("r", "f", "f", values=(word,))
    sql = row_predicate(_resolved(f"f = {written}", Scope("d", {}, {}, {"r": {"f": field}})))
    assert sql == "f = '" + word.replace("'", "''") + "'"


@_QUICK
@given(
    test=_ROW_TESTS,
    numbers=st.lists(st.sampled_from([None, -3.0, -1.0, 0.0, 0.5, 1.0, 2.0, 4.0]), min_size=3, max_size=3),
    level=st.sampled_from([None, *WORDS[:3]]),
    odd=st.sampled_from([None, True, False]),
)
def test_sql_agrees_with_a_naive_reading(
    test: Test, numbers: list[float | None], level: str | None, odd: bool | None
) -> None:
    row: Mapping[str, Value] = {**dict(zip(AMOUNTS, numbers, strict=True)), "level": level, "odd": odd}
    predicate = row_predicate(_resolved(test.text, ROWS))
    sqlglot.parse_one(predicate, dialect="postgres")
    columns = ", ".join(f":{name} AS {name}" for name in row)
    database = sqlite3.connect(":memory:")
    try:
        (count,) = database.execute(f"SELECT count(*) FROM (SELECT {columns}) WHERE {predicate}", row).fetchone()
    finally:
        database.close()
    assert (count == 1) is (test.met(row) is True), predicate


# One series is (labels, value); None is a series that is not there.
World = dict[str, list[tuple[dict[str, str], float | None]]]
_VALUE = st.sampled_from([2.0, 1.0, 0.5, 0.0, -1.0, math.nan, None])


def _world(values: list[float | None]) -> World:
    remaining = iter(values)
    world: World = {name: [({}, next(remaining))] for name in AMOUNTS}
    for name in ("spend", "budget"):
        world[name] = [({"campaign": campaign}, next(remaining)) for campaign in ("x", "y")]
    pairs = itertools.product(("x", "y"), ("p", "q"))
    world["detail"] = [({"campaign": campaign, "method": method}, next(remaining)) for campaign, method in pairs]
    return world


def _at(world: World, group: dict[str, str], by: tuple[str, ...]) -> Callable[[Reference], float]:
    """The value of a reference for one firing group: matched, folded, NaN where there is none."""

    def value(reference: Reference) -> float:
        kept = reference_labels(reference, by)
        found = [
            number
            for labels, number in world[reference.symbol.name]
            if number is not None
            and all((labels[name] == word) is (op == "=") for name, op, word in reference.matchers)
            and all(labels[name] == group.get(name, labels[name]) for name in kept)
        ]
        return sum(found) if found else math.nan

    return value


def _firing(condition: Condition, world: World, by: tuple[str, ...]) -> int:
    values = {"campaign": ("x", "y"), "method": ("p", "q")}
    combinations = itertools.product(*(values[name] for name in condition.labels))
    groups = [dict(zip(condition.labels, combination, strict=True)) for combination in combinations]
    return sum(evaluate(condition.root, _at(world, group, by)) for group in groups)


_METRIC_TESTS = conditions(comparisons(["first", "second", "spend", "budget", "detail"]))


@st.composite
def _labelled(draw: st.DrawFn) -> tuple[str, tuple[str, ...]]:
    text = draw(_METRIC_TESTS).text
    tail = draw(st.sampled_from(["", "", " AND campaign = x", " AND campaign != y AND method = p"]))
    return (f"({text}){tail}" if tail else text), draw(st.sampled_from([(), ("campaign",)]))


def _matchers(labels: dict[str, str]) -> str:
    return ",".join(f'{label}="{word}"' for label, word in labels.items())


def _promtool_test(text: str, by: tuple[str, ...], world: World) -> dict[str, object] | None:
    """How many groups fire, as promtool is to find it, too."""
    condition = resolve(text, SERIES, by)
    if isinstance(condition, tuple):
        assert {fault.code for fault in condition} <= {"label-mismatch", "unknown-name"}, (text, condition)
        return None
    expr = f"count({to_promql(condition, lambda symbol: symbol.name, by)}) or vector(0)"
    firing = _firing(condition, world, by)
    series = [
        {"series": f"{name}{{{_matchers(labels)}}}", "values": str(value)}
        for name, members in world.items()
        for labels, value in members
        if value is not None
    ]
    test = {"expr": expr, "eval_time": "0s", "exp_samples": [{"labels": "{}", "value": firing}]}
    return {"interval": "1m", "input_series": series, "promql_expr_test": [test]}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_prometheus_agrees_with_the_evaluation(tmp_path: Path) -> None:
    tests: list[dict[str, object]] = []

    @settings(_QUICK, max_examples=200, database=None)
    @given(case=_labelled(), values=st.lists(_VALUE, min_size=11, max_size=11))
    def collect(case: tuple[str, tuple[str, ...]], values: list[float | None]) -> None:
        if test := _promtool_test(*case, _world(values)):
            tests.append(test)

    collect()
    file = tmp_path / "test.json"
    file.write_text(json.dumps({"tests": tests}))
    run = subprocess.run(["promtool", "test", "rules", str(file)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    # The comparison says something only while enough of the conditions are met.
    assert sum('"value": 0' not in json.dumps(test) for test in tests) > 20


def test_references_in_the_order_of_the_text() -> None:
    condition = _resolved("abs(first - second) > $1 AND (third > $1 OR second > $1 AND first > $1)", SERIES)
    names = [reference.symbol.name for reference in references(condition.root)]
    assert names == ["first", "second", "third", "second", "first"]
