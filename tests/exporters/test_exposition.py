import random
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.business import exposition
from exporters.business.exposition import Format, Names
from exporters.business.plan import Plan, Query, Series, Source
from exporters.business.snapshot import DatabaseState, Histogram, Labels, QueryState, Snapshot, Values
from tests.exporters.conventions import PROCESS, parsed, problems, same
from tests.programs import program

NASTY = [
    'a "quoted" word',
    "back\\slash",
    "two\nlines",
    "🎲 ünïcode",
    "",
    " padded ",
    "{}=,#",
    "# EOF",
    "\\n",
    'x"} 1\n',
]
FORMATS: tuple[Format, ...] = ("text", "openmetrics")

WAITING = Series(
    name="shop_waiting", help="What waits.", type="gauge", column="value", labels={"size": (), "priority": ()}
)
SOLD = Series(name="shop_sold_total", help='Sold: "ever" \\ and\nsince then.', type="counter", column="value")
TOOK = Series(
    name="shop_took_seconds",
    help="How long it took.",
    type="histogram",
    column="value",
    labels={"depot": ()},
    buckets=(0.5, 3600.0, 10000000.0),
)
KNOWN = Series(name="shop_known", help="A name that others chose.", type="unknown", column="value")
KNOWN_LABELLED = KNOWN.model_copy(update={"labels": {"table": ()}})


def query(*series: Series, name: str = "shop/query", **fields: Any) -> Query:
    """A query of these series."""
    return Query(name=name, file="shop.yaml", source="shop", sql="SELECT", series=series, **fields)


def state(of: Query, values: Values | None, **fields: Any) -> QueryState:
    """A query that gave these values, or failed."""
    given_fields = {
        "success": values is not None,
        "duration_seconds": 0.25,
        "last_success": 1.7e9,
        "irregularities": {},
    }
    return QueryState(query=of, values=values, **{**given_fields, **fields})


def snapshot(*queries: QueryState, **fields: Any) -> Snapshot:
    """All is well but for what the queries say."""
    plan = Plan(
        version=1,
        platform="shop",
        query_success="shop_query_success",
        interval_seconds=15,
        sources={"shop": Source(type="postgres", dsn_env="SHOP_DSN")},
        queries=tuple(query.query for query in queries),
    )
    database = DatabaseState("shop", up=True, reads=True, duration_seconds=0.5, last_refresh=1.7e9)
    return Snapshot(
        **{
            "plan": plan,
            "databases": (database,),
            "queries": queries,
            "lifetime_seconds": 13.5,
            "reload_success": True,
            "last_reload": 1.6e9,
            **fields,
        }
    )


def everything() -> Snapshot:
    """Every type of series, some labels that try to break out, and one query that failed."""
    waiting: dict[Labels, float] = {(text, "high"): float(index) for index, text in enumerate(NASTY)}
    took: dict[Labels, Histogram] = {
        ("north",): Histogram((1.0, 3.0, 4.0), 6.0, 12345.5),
        ("south",): Histogram((0.0, 0.0, 0.0), 0.0, 0.0),
    }
    return snapshot(
        state(query(WAITING, name="shop/waiting"), {"shop_waiting": waiting}, irregularities={"null": 3, "no_rows": 1}),
        state(query(SOLD, name="shop/sold", interval_seconds=60), {"shop_sold_total": {(): 12345678.0}}),
        state(query(TOOK, name="shop/took"), {"shop_took_seconds": took}),
        state(query(KNOWN, name="shop/known"), None, irregularities={"timeout": 2}),
    )


def text(of: Snapshot, format_: Format = "text") -> str:
    """The exposition as text."""
    return exposition.encode(of, format_).decode()


def samples(of: Snapshot, format_: Format, name: str) -> dict[tuple[str, ...], float]:
    """A family's samples as the library's parser sees them: name and label values, sorted by label name."""
    family = parsed(text(of, format_)).get(name)
    if family is None:
        return {}
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value for sample in family.samples
    }


@pytest.mark.parametrize("format_", FORMATS)
def test_values_come_back_from_the_librarys_parser(format_: Format) -> None:
    shown = everything()
    # Labels are sorted by name: priority, then size.
    assert samples(shown, format_, "shop_waiting") == {
        ("shop_waiting", "high", text): float(index) for index, text in enumerate(NASTY)
    }
    assert samples(shown, format_, "shop_sold") == {("shop_sold_total",): 12345678.0}
    assert samples(shown, format_, "shop_took_seconds") == {
        ("shop_took_seconds_bucket", "north", "0.5"): 1.0,
        ("shop_took_seconds_bucket", "north", "3600.0"): 3.0,
        ("shop_took_seconds_bucket", "north", "1e+07"): 4.0,
        ("shop_took_seconds_bucket", "north", "+Inf"): 6.0,
        ("shop_took_seconds_count", "north"): 6.0,
        ("shop_took_seconds_sum", "north"): 12345.5,
        ("shop_took_seconds_bucket", "south", "0.5"): 0.0,
        ("shop_took_seconds_bucket", "south", "3600.0"): 0.0,
        ("shop_took_seconds_bucket", "south", "1e+07"): 0.0,
        ("shop_took_seconds_bucket", "south", "+Inf"): 0.0,
        ("shop_took_seconds_count", "south"): 0.0,
        ("shop_took_seconds_sum", "south"): 0.0,
    }
    assert samples(shown, format_, "shop_known") == {}
    assert samples(shown, format_, "shop_query_success") == {
        ("shop_query_success", "shop/waiting"): 1.0,
        ("shop_query_success", "shop/sold"): 1.0,
        ("shop_query_success", "shop/took"): 1.0,
        ("shop_query_success", "shop/known"): 0.0,
    }
    assert samples(shown, format_, "shop_query_irregularities") == {
        ("shop_query_irregularities_total", "no_rows", "shop/waiting"): 1.0,
        ("shop_query_irregularities_total", "null", "shop/waiting"): 3.0,
        ("shop_query_irregularities_total", "timeout", "shop/known"): 2.0,
    }


@pytest.mark.parametrize("format_", FORMATS)
def test_help_names_the_query_and_how_often_it_is_asked(format_: Format) -> None:
    shown = {name: family.documentation for name, family in parsed(text(everything(), format_)).items()}
    assert shown["shop_waiting"] == "What waits. Query shop/waiting, asked at most every 13.5 s."
    assert shown["shop_sold"] == 'Sold: "ever" \\ and\nsince then. Query shop/sold, asked at most every 60 s.'


def test_the_conventions_hold() -> None:
    shown = everything()
    for format_ in FORMATS:
        assert problems(text(shown, format_), shown.plan) == []
        assert same(text(shown, format_), text(shown, format_), shown.plan) == []


def test_promtool_has_nothing_to_say() -> None:
    everywhere = snapshot(state(query(KNOWN), {"shop_known": {(): 1.0}}), *everything().queries[:3])
    for shown in (everything(), everywhere, before_the_first_refresh()):
        done = subprocess.run(
            [program("promtool"), "check", "metrics"], input=exposition.encode(shown, "text"), capture_output=True
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def before_the_first_refresh() -> Snapshot:
    """Nothing was asked yet."""
    queries = everything().queries
    never = [replace(it, success=False, values=None, duration_seconds=None, last_success=None) for it in queries]
    database = DatabaseState("shop", up=False, reads=False, duration_seconds=None, last_refresh=None)
    return snapshot(*(replace(it, irregularities={}) for it in never), databases=(database,))


@pytest.mark.parametrize("format_", FORMATS)
def test_before_the_first_refresh_no_query_has_succeeded_and_nothing_else_is_claimed(format_: Format) -> None:
    shown = before_the_first_refresh()
    assert set(samples(shown, format_, "shop_query_success").values()) == {0.0}
    assert len(samples(shown, format_, "shop_query_success")) == len(shown.queries)
    assert samples(shown, format_, "shop_up") == {("shop_up", "shop"): 0.0}
    assert samples(shown, format_, "shop_reading") == {("shop_reading", "shop"): 0.0}
    names = {name.removesuffix("_total") for name in PROCESS}
    assert parsed(text(shown, format_)).keys() - names == {
        "shop_up",
        "shop_reading",
        "shop_query_success",
        "shop_config_last_reload_successful",
        "shop_config_last_reload_success_timestamp_seconds",
    }


def test_own_metrics_say_how_it_went() -> None:
    shown = everything()
    names = Names.of(shown.plan)
    assert samples(shown, "text", names.up) == {("shop_up", "shop"): 1.0}
    assert samples(shown, "text", names.scrape_duration) == {("shop_scrape_duration_seconds", "shop"): 0.5}
    assert samples(shown, "text", names.last_refresh) == {("shop_last_refresh_timestamp_seconds", "shop"): 1.7e9}
    assert samples(shown, "text", names.query_duration)["shop_query_duration_seconds", "shop/took"] == 0.25
    last = ("shop_query_last_success_timestamp_seconds", "shop/took")
    assert samples(shown, "text", names.query_last_success)[last] == 1.7e9
    assert samples(shown, "text", names.reload_success) == {("shop_config_last_reload_successful",): 1.0}
    loaded = "shop_config_last_reload_success_timestamp_seconds"
    assert samples(replace(shown, reload_success=False), "text", names.reload_success)[names.reload_success,] == 0.0
    assert samples(shown, "text", names.last_reload) == {(loaded,): 1.6e9}


def test_the_standard_metrics_of_a_process_are_there() -> None:
    assert {name.removesuffix("_total") for name in PROCESS} <= parsed(text(everything())).keys()
    assert "python_" not in text(everything())


def test_families_and_samples_have_one_order() -> None:
    shown = everything()
    turned = replace(
        shown,
        queries=tuple(replace(it, values=_shuffled(it.values)) for it in reversed(shown.queries)),
    )
    for format_ in FORMATS:
        lines = _business(text(shown, format_))
        assert lines == _business(text(turned, format_))
        families = [line.split()[2] for line in lines if line.startswith("# TYPE")]
        assert families == sorted(families)


def test_what_two_queries_give_is_one_family() -> None:
    older = KNOWN_LABELLED.model_copy(update={"help": "The older way."})
    new = query(KNOWN_LABELLED, name="shop/new").model_copy(update={"when": "SELECT true"})
    old = query(older, name="shop/old").model_copy(update={"when": "SELECT false"})
    first = state(new, {"shop_known": {("a",): 1.0}})
    second = state(old, {"shop_known": {("a",): 9.0, ("b",): 2.0}})
    for format_ in FORMATS:
        shown = snapshot(first, second)
        assert samples(shown, format_, "shop_known") == {("shop_known", "a"): 1.0, ("shop_known", "b"): 2.0}
        assert text(shown, format_).count("# HELP shop_known ") == text(shown, format_).count("# TYPE shop_known ") == 1
        help_ = "A name that others chose. Query shop/new or shop/old, asked at most every 13.5 s."
        assert parsed(text(shown, format_))["shop_known"].documentation == help_
        # The one that does not apply changes no byte of HELP.
        alone = snapshot(replace(first, values={}), second)
        assert parsed(text(alone, format_))["shop_known"].documentation == help_
        assert samples(alone, format_, "shop_known") == {("shop_known", "a"): 9.0, ("shop_known", "b"): 2.0}


def test_a_histogram_with_a_negative_bound_has_no_sum() -> None:
    of = TOOK.model_copy(update={"buckets": (-1.0, 1.0)})
    shown = snapshot(state(query(of), {of.name: {("north",): Histogram((1.0, 2.0), 3.0, -5.0)}}))
    for format_ in FORMATS:
        assert samples(shown, format_, of.name) == {
            ("shop_took_seconds_bucket", "north", "-1.0"): 1.0,
            ("shop_took_seconds_bucket", "north", "1.0"): 2.0,
            ("shop_took_seconds_bucket", "north", "+Inf"): 3.0,
        }


def test_only_openmetrics_has_an_end_and_neither_has_timestamps() -> None:
    shown = everything()
    assert text(shown, "openmetrics").endswith("\n# EOF\n")
    assert not text(shown).endswith("# EOF\n")
    assert "# TYPE shop_sold_total counter\n" in text(shown)
    assert "# TYPE shop_sold counter\n" in text(shown, "openmetrics")
    for format_ in FORMATS:
        families = parsed(text(shown, format_)).values()
        assert all(sample.timestamp is None for family in families for sample in family.samples)


def test_what_nobody_typed_is_untyped_in_text_and_unknown_in_openmetrics() -> None:
    shown = snapshot(state(query(KNOWN), {"shop_known": {(): 7.0}}))
    assert "# TYPE shop_known untyped\nshop_known 7.0\n" in text(shown)
    assert "# TYPE shop_known unknown\nshop_known 7.0\n" in text(shown, "openmetrics")


def test_the_content_types() -> None:
    assert exposition.content_type("text") == "text/plain; version=0.0.4; charset=utf-8"
    assert exposition.content_type("openmetrics") == "application/openmetrics-text; version=1.0.0; charset=utf-8"


LABELS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(NASTY)


@given(
    st.dictionaries(st.tuples(LABELS, LABELS), st.floats(allow_nan=False, allow_infinity=False), max_size=5),
    st.sampled_from(FORMATS),
)
def test_any_label_and_any_finite_value_come_back(values: Mapping[Labels, float], format_: Format) -> None:
    shown = snapshot(state(query(WAITING), {"shop_waiting": values}))
    wanted = {("shop_waiting", priority, size): value for (size, priority), value in values.items()}
    assert samples(shown, format_, "shop_waiting") == wanted


def _business(exposed: str) -> list[str]:
    return [line for line in exposed.splitlines() if "process_" not in line]


def _shuffled(values: Values | None) -> Values | None:
    if values is None:
        return None
    order = random.Random(7)
    return {name: dict(order.sample(sorted(of.items()), len(of))) for name, of in values.items()}
