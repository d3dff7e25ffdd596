"""Each convention finds the fault that is planted for it, and nothing in an exposition without one."""

from functools import cache

import pytest

from exporters.business.exposition import Format, encode
from exporters.business.plan import Plan, Query, Series, Source
from exporters.business.snapshot import DatabaseState, Histogram, QueryState, Snapshot, Values
from tests.exporters.conventions import Exempt, parsed, problems, same

FORMATS: tuple[Format, ...] = ("text", "openmetrics")


def series(name: str, type_: str = "gauge", **fields: object) -> Series:
    """A series without labels, unless the fields say otherwise."""
    return Series.model_validate({"name": name, "help": "Help.", "type": type_, "column": "value", **fields})


SERIES = (
    series("shop_waiting", labels={"priority": ()}),
    series("shop_sold_total", "counter"),
    series("shop_full_ratio"),
    series("shop_build_info", labels={"version": ()}),
    series("shop_took_seconds", "histogram", labels={"depot": ()}, buckets=(1.0,)),
)
VALUES: Values = {
    "shop_waiting": {("high",): 1.0, ("low",): 2.0},
    "shop_sold_total": {(): 5.0},
    "shop_full_ratio": {(): 0.5},
    "shop_build_info": {("7",): 1.0},
    "shop_took_seconds": {("north",): Histogram((1.0,), 2.0, 3.0)},
}
QUERY = Query(name="shop/all", file="f.yaml", source="shop", sql="SELECT", series=SERIES, row_limit=2)
PLAN = Plan(
    version=1,
    platform="shop",
    query_success="shop_query_success",
    interval_seconds=15,
    sources={"shop": Source(type="postgres", dsn_env="SHOP_DSN")},
    queries=(QUERY,),
)
STATE = QueryState(QUERY, True, VALUES, 0.25, 1.7e9, {"null": 2})
SNAPSHOT = Snapshot(PLAN, (DatabaseState("shop", True, True, 0.5, 1.7e9),), (STATE,), 13.5, True, 1.7e9)
HELP = "# HELP shop_waiting Help. Query shop/all, asked at most every 13.5 s.\n"


FURTHER = ('priority="low"} 2.0\n', 'priority="low"} 2.0\nshop_waiting{priority="odd"} 2.0\n')


@cache
def exposition(format_: Format = "text") -> str:
    """An exposition without a fault, always the same one: the CPU time of the process would rise."""
    return encode(SNAPSHOT, format_).decode()


def family(name: str, type_: str = "gauge") -> str:
    """The text of a family with one sample."""
    return f"# HELP {name} Words.\n# TYPE {name} {type_}\n{name} 1.0\n"


def renamed(name: str) -> Plan:
    """The plan with another name for its first series."""
    first = SERIES[0].model_copy(update={"name": name})
    return PLAN.model_copy(update={"queries": (QUERY.model_copy(update={"series": (first, *SERIES[1:])}),)})


@pytest.mark.parametrize("format_", FORMATS)
def test_an_exposition_without_a_fault_has_no_problems(format_: Format) -> None:
    assert problems(exposition(format_), PLAN) == []
    assert same(exposition(format_), exposition(format_), PLAN) == []


REPLACED = [
    ("promtool: shop_waiting: no help text", HELP, ""),
    ("names: shop_Waiting: a name has lower case letters", "shop_waiting", "shop_Waiting"),
    ("names: shop:waiting: a name has lower case letters", "shop_waiting", "shop:waiting"),
    ("names: waiting: a name begins with shop_", "shop_waiting", "waiting"),
    ("names: scrape_waiting: the prefix belongs to", "shop_waiting", "scrape_waiting"),
    ("names: process_waiting: the prefix belongs to", "shop_waiting", "process_waiting"),
    ("suffixes: shop_waiting_total: counters end", "shop_waiting", "shop_waiting_total"),
    ("suffixes: shop_sold: counters end", "shop_sold_total", "shop_sold"),
    ("suffixes: shop_waiting_count: only histograms", "shop_waiting", "shop_waiting_count"),
    ("suffixes: shop_waiting_bucket: only histograms", "shop_waiting", "shop_waiting_bucket"),
    ("units: shop_waiting_ms: ms is not", "shop_waiting", "shop_waiting_ms"),
    ("units: shop_waiting_percent: percent is not", "shop_waiting", "shop_waiting_percent"),
    ("units: shop_waiting_kb: kb is not", "shop_waiting", "shop_waiting_kb"),
    ("units: shop_waiting_second: second is not", "shop_waiting", "shop_waiting_second"),
    ("units: shop_waiting_age_seconds: give the time", "shop_waiting", "shop_waiting_age_seconds"),
    ("units: shop_waiting_timestamp: a timestamp", "shop_waiting", "shop_waiting_timestamp"),
    ("units: shop_full_ratio: a ratio lies", "shop_full_ratio 0.5", "shop_full_ratio 50.0"),
    ("infos: shop_build_info: an _info is 1", 'version="7"} 1.0', 'version="7"} 7.0'),
    ("help: shop_waiting: no HELP", HELP, "# HELP shop_waiting \n"),
    ("help: shop_waiting: more than one HELP", HELP, HELP * 2),
    ("help: shop_waiting: HELP does not name", "Help. Query shop/all, asked", "Help. Asked"),
    ("help: shop_waiting: HELP does not say how old", ", asked at most every 13.5 s.", "."),
    ("labels: shop_waiting: label instance is", 'waiting{priority="', 'waiting{instance="'),
    ("labels: shop_waiting: label env is", 'waiting{priority="', 'waiting{env="'),
    ("labels: shop_waiting: its name contains its label", 'waiting{priority="', 'waiting{waiting="'),
    ("labels: shop_waiting: label priority has the value total", 'priority="low"', 'priority="total"'),
    ("sets: shop_waiting: its samples have different labels", 'waiting{priority="low"} 2.0', "waiting 2.0"),
    ("sets: shop_waiting: two samples have the same labels", 'priority="low"', 'priority="high"'),
    ("cardinality: shop_waiting: more than 2 series", *FURTHER),
    ("timestamps: shop_waiting: a sample has", 'priority="low"} 2.0', 'priority="low"} 2.0 1700000000000'),
    ("timestamps: shop_took_seconds: a sample has", 'sum{depot="north"} 3.0', 'sum{depot="north"} 3.0 17'),
    ("scrape: shop_scrape_duration_seconds: it is a gauge", "duration_seconds gauge", "duration_seconds untyped"),
]


@pytest.mark.parametrize(("fault", "right", "wrong"), REPLACED)
def test_a_planted_fault_is_found(fault: str, right: str, wrong: str) -> None:
    assert right in exposition()
    found = problems(exposition().replace(right, wrong), PLAN)
    assert any(line.startswith(fault) for line in found), found


@pytest.mark.parametrize(
    ("fault", "added"),
    [
        ("names: shop_stranger: the plan does not name it", family("shop_stranger")),
        ("scrape: shop_scrape_errors_total: how scrapes went", family("shop_scrape_errors_total", "counter")),
        ("promtool: shop_sold_gauge: metric name should not include type", family("shop_sold_gauge")),
    ],
)
def test_a_family_too_many_is_found(fault: str, added: str) -> None:
    found = problems(exposition() + added, PLAN)
    assert any(line.startswith(fault) for line in found), found


def test_a_label_that_is_the_same_everywhere_is_found() -> None:
    text = exposition()
    for given in SERIES:
        for kind in ("", "_bucket", "_sum", "_count"):
            text = text.replace(f"\n{given.name}{kind}{{", f'\n{given.name}{kind}{{site="one",')
            text = text.replace(f"\n{given.name}{kind} ", f'\n{given.name}{kind}{{site="one"}} ')
    assert problems(text, PLAN) == [
        "labels: all: label site is constant over all series: it belongs into the scrape configuration"
    ]


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("# TYPE shop_waiting gauge\n", '# TYPE shop_waiting gauge\nshop_waiting{priority="no} 1\n'),
        ("# HELP shop_up", "shop_waiting 5.0\n# HELP shop_up"),
    ],
)
def test_what_cannot_be_read_is_a_problem(right: str, wrong: str) -> None:
    [found] = problems(exposition().replace(right, wrong), PLAN)
    assert found.startswith("parse: ")


def test_openmetrics_is_read_by_its_own_parser() -> None:
    text = exposition("openmetrics")
    assert parsed(text)["shop_sold"].type == "counter"
    [found] = problems(text.replace("shop_sold_total 5.0", "shop_sold 5.0"), PLAN)
    assert found.startswith("parse: ")
    for right, wrong, rule in (
        ('priority="low"} 2.0', 'priority="low"} 2.0 1700000000', "timestamps: shop_waiting"),
        ("shop_full_ratio 0.5", "shop_full_ratio 50.0", "units: shop_full_ratio"),
    ):
        assert [line for line in problems(text.replace(right, wrong), PLAN) if line.startswith(rule)]


def test_only_what_is_exempt_may_break_a_rule() -> None:
    text = exposition().replace("shop_waiting", "pg_waiting_ms")
    plan = renamed("pg_waiting_ms")
    known = [Exempt("names", "pg_.*", "people know it"), Exempt("units", "pg_.*_ms", "people know it")]
    promtool = [Exempt("promtool", "pg_waiting_ms", "as units")]
    assert {line.split(": ")[0] for line in problems(text, plan)} == {"names", "units", "promtool"}
    assert problems(text, plan, known) != []
    assert problems(text, plan, known + promtool) == []


@pytest.mark.parametrize(
    ("rule", "name", "right", "wrong"),
    [
        ("samples", "shop_waiting", 'priority="low"} 2.0', 'priority="low"} 3.0'),
        ("samples", "shop_waiting", 'shop_waiting{priority="low"} 2.0\n', ""),
        ("samples", "shop_took_seconds", 'le="1.0"} 1.0', 'le="1.0"} 2.0'),
        ("families", "shop_waiting", HELP, HELP.replace("Help", "Other")),
        ("families", "shop_waiting", "# TYPE shop_waiting gauge", "# TYPE shop_waiting untyped"),
        ("fallen", "shop_sold_total", "shop_sold_total 5.0", "shop_sold_total 4.0"),
        ("fallen", "shop_query_irregularities_total", '"shop/all"} 2.0', '"shop/all"} 1.0'),
    ],
)
def test_a_difference_between_two_scrapes_is_found(rule: str, name: str, right: str, wrong: str) -> None:
    assert right in exposition()
    changed = exposition().replace(right, wrong)
    found = same(exposition(), changed, PLAN)
    assert any(line.startswith(f"{rule}: {name}: ") for line in found), found
    every = [Exempt(which, ".*", "a test") for which in ("samples", "families", "fallen")]
    assert same(exposition(), changed, PLAN, every) == []


def test_a_counter_may_rise_and_a_family_that_goes_is_found() -> None:
    risen = exposition().replace('"shop/all"} 2.0', '"shop/all"} 3.0')
    assert same(exposition(), risen, PLAN) == []
    gone = exposition().partition("# HELP shop_up")[0]
    assert "families: shop_up: it came, went, or changed its type or HELP" in same(exposition(), gone, PLAN)
