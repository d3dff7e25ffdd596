"""The exporter's plan: the exporter loads it, every value arrives as written, and nothing asked means nothing said."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
import ryaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporters.business import exposition
from exporters.business import plan as exporter
from exporters.business.problems import Invalid
from generator import naming
from generator.emit import exporter_plan
from generator.emit.artefact import Artefact
from generator.model import base
from generator.plan.types import Domain, ExporterSeries, Plan, Query, Source
from tests.bench.synthetic import write_platform
from tests.compiling import PLATFORMS, planned


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return planned(write_platform(tmp_path_factory.mktemp("domains"), 2))


@pytest.fixture
def business(tmp_path: Path) -> Callable[[Plan], exporter.Plan]:
    """A plan as the exporter reads it from the file that is written."""
    return lambda plan: loaded(plan, tmp_path)


def emitted(plan: Plan) -> Artefact:
    (artefact,) = exporter_plan.emit(plan)
    assert artefact.path == "exporter/business.yml"
    return artefact


def loaded(plan: Plan, folder: Path) -> exporter.Plan:
    path = folder / "business.yml"
    path.write_bytes(emitted(plan).content)
    return exporter.load(path)


def with_queries(plan: Plan, *queries: Query) -> Plan:
    first, *others = plan.domains
    return replace(plan, domains=(replace(first, queries=queries), *(replace(other, queries=()) for other in others)))


QUERY = Query(
    name="shop/orders",
    source="warehouse",
    sql="SELECT 'yes' AS state, 1 AS value -- \"quoted\": {a}\n",
    series=(
        ExporterSeries(
            name="synthetic_shop_orders",
            help="Orders: all of them, #1 first.",
            type="gauge",
            column="value",
            labels=(("state", ("yes", "no", "on", "1.0", "null", "0777", "18:00", "a: b", "")),),
            absent="zero",
        ),
    ),
    within=90_500,
    file="shop.yaml",
)


def same(read: exporter.Plan, plan: Plan) -> None:
    """Everything that the generator planned is what the exporter reads, and nothing else."""
    queries = [query for domain in plan.domains for query in domain.queries]
    asked = {query.source for query in queries}
    assert read == exporter.Plan(
        version=1,
        platform=plan.platform,
        query_success=naming.query_success(plan.platform),
        interval_seconds=plan.scrape_interval / 1000,
        sources={source.name: _source(source) for source in plan.sources if source.name in asked},
        queries=tuple(_query(query) for query in queries),
    )
    # An equal mapping may be in another order, and the order of labels is that of the values of a row.
    assert [list(series.labels) for query in read.queries for series in query.series] == [
        [name for name, _ in series.labels] for query in queries for series in query.series
    ]


def _source(source: Source) -> exporter.Source:
    return exporter.Source(
        type="postgres",
        dsn_env=source.dsn_env,
        dsn_file=source.dsn_file,
        max_age_seconds=source.max_age / 1000,
    )


def _query(query: Query) -> exporter.Query:
    return exporter.Query(
        name=query.name,
        file=query.file,
        source=query.source,
        within_seconds=None if query.within is None else query.within / 1000,
        sql=query.sql,
        series=tuple(
            exporter.Series(
                name=series.name,
                help=series.help,
                type=series.type,
                column=series.column,
                labels=dict(series.labels),
                grouping_set=series.grouping,
                absent=series.absent,
                buckets=series.buckets,
            )
            for series in query.series
        ),
    )


@pytest.mark.parametrize("name", PLATFORMS)
def test_the_exporter_loads_what_every_platform_emits(name: str, business: Callable[[Plan], exporter.Plan]) -> None:
    folder = PLATFORMS[name]
    for environment in (None, *(path.stem for path in sorted((folder / "environments").glob("*.yaml")))):
        plan = planned(folder, environment)
        if any(domain.queries for domain in plan.domains):
            same(business(plan), plan)
        else:
            assert not list(exporter_plan.emit(plan))


def test_the_plan_has_every_query(synthetic: Plan, business: Callable[[Plan], exporter.Plan]) -> None:
    read = business(synthetic)
    same(read, synthetic)
    assert len(read.queries) > 20
    assert read.query_success == "synthetic_query_success"
    assert read.interval_seconds == 15
    assert ryaml.loads(emitted(synthetic).content.decode())["sources"] == {
        "warehouse": {"type": "postgres", "dsn_env": "WAREHOUSE_DSN"}
    }


def test_series_that_alerts_hold_are_exported(synthetic: Plan, business: Callable[[Plan], exporter.Plan]) -> None:
    read = business(synthetic)
    exported = {series.name for query in read.queries for series in query.series}
    asked = {query.name for query in read.queries}
    held = [held for domain in synthetic.domains for held in domain.held if held.source == "warehouse"]
    assert held
    assert {found.series for found in held} <= exported
    assert {found.health.query for found in held if hasattr(found.health, "query")} <= asked


def test_words_that_yaml_misreads_arrive_as_text(synthetic: Plan, business: Callable[[Plan], exporter.Plan]) -> None:
    plan = with_queries(synthetic, QUERY)
    read = business(plan)
    same(read, plan)
    (query,) = read.queries
    assert query.sql == QUERY.sql
    assert query.within_seconds == 90.5
    assert query.file == QUERY.file
    assert query.series[0].labels["state"] == QUERY.series[0].labels[0][1]


def test_a_platform_without_queries_has_no_plan(synthetic: Plan) -> None:
    assert not list(exporter_plan.emit(with_queries(synthetic)))


# --- max_age ---


def test_max_age_stands_where_it_is_declared_alone(tmp_path: Path) -> None:
    plan = planned(PLATFORMS["everything"])
    sources = ryaml.loads(emitted(plan).content.decode())["sources"]
    assert sources["books"] == {"type": "postgres", "dsn_file": "/run/secrets/books-dsn", "max_age_seconds": 600}
    assert sources["parcels"] == {"type": "postgres", "dsn_env": "PARCELS_DSN"}
    assert loaded(plan, tmp_path).sources["parcels"].max_age_seconds == 0


def test_no_environment_scales_max_age(tmp_path: Path) -> None:
    demo = loaded(planned(PLATFORMS["everything"], "demo"), tmp_path)
    assert demo.interval_seconds == 1
    assert demo.sources["books"].max_age_seconds == 600


# --- what both sides allow ---


def pattern(of: Any) -> str:
    """The pattern of one of the model's named types."""
    return next(str(constraint.pattern) for constraint in get_args(of)[1:])


names = st.from_regex(pattern(base.Name), fullmatch=True).map(lambda name: name[:60].rstrip("_"))
# Whatever the model takes: a Python module may say what no YAML file can.
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
words = st.sampled_from(
    ["yes", "no", "on", "null", "~", "true", "0777", "0x1f", "1e3", ".inf", "18:00", "2026-01-01", "=", "<<", "- a",
     "'", '"', "a: b", "#", "{", "[x]", "*a", "&a", "!b", "|", ">", "%", "@", "`", " a ", "\n", "a\n\n b", "\t", "\\n"]
)  # fmt: skip
values = texts | words
# Milliseconds, as the plan has them: up to a year, and to a day.
windows = st.none() | st.integers(1, 366 * 86_400_000)
numbers = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def series(draw: st.DrawFn, name: str) -> ExporterSeries:
    buckets = tuple(sorted(draw(st.sets(numbers, max_size=5))))
    return ExporterSeries(
        name=name,
        help=draw(values),
        type="histogram" if buckets else draw(st.sampled_from(["gauge", "counter"])),
        column=draw(names | names.map("{}_matching_rows".format)),
        labels=tuple(draw(st.dictionaries(names | words.filter(str.isalpha), known, max_size=3)).items()),
        absent=draw(st.sampled_from(["zero", "gone", "error"])),
        buckets=buckets,
        grouping=draw(st.none() | st.integers(0, 2**31 - 1)),
    )


known = st.lists(values, max_size=4, unique=True).map(tuple)


@st.composite
def queries(draw: st.DrawFn, platform: str, domain: str, sources: list[str]) -> tuple[Query, ...]:
    found: list[Query] = []
    for parts in draw(st.lists(st.lists(names, min_size=1, max_size=2).map(tuple), max_size=3, unique=True)):
        # The checks see to it that no name comes out twice: here a number does.
        given_ = [f"{draw(names)}_{len(found)}_{index}" for index in range(draw(st.integers(1, 2)))]
        found.append(
            Query(
                name="/".join((domain, *parts)),
                source=draw(st.sampled_from(sources)),
                sql=draw(values),
                series=tuple(draw(series(f"{platform}_{domain}_{'_'.join(parts)}_{name}")) for name in given_),
                within=draw(windows),
                file=f"{domain}.yaml",
            )
        )
    return tuple(found)


@st.composite
def sources(draw: st.DrawFn) -> Source:
    in_file = draw(st.booleans())
    return Source(
        name=draw(st.from_regex(pattern(base.DashedName), fullmatch=True)),
        dsn_env=None if in_file else draw(st.from_regex(pattern(base.EnvironmentVariable), fullmatch=True)),
        dsn_file=draw(st.from_regex(pattern(base.FilePath), fullmatch=True)) if in_file else None,
        max_age=draw(st.integers(0, 86_400_000)),
    )


@st.composite
def plans(draw: st.DrawFn, template: Plan, domain: Domain) -> Plan:
    declared = draw(st.lists(sources(), min_size=1, max_size=3, unique_by=lambda source: source.name))
    platform = draw(names)
    domains = tuple(
        replace(domain, name=name, queries=draw(queries(platform, name, [source.name for source in declared])))
        for name in draw(st.lists(names, min_size=1, max_size=3, unique=True))
    )
    return replace(
        template,
        platform=platform,
        scrape_interval=draw(st.integers(1, 300_000)),
        sources=tuple(declared),
        domains=domains,
    )


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_whatever_the_model_accepts_the_exporter_loads(
    synthetic: Plan, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    plan = data.draw(plans(synthetic, synthetic.domains[0]))
    if any(domain.queries for domain in plan.domains):
        same(loaded(plan, tmp_path_factory.mktemp("plan")), plan)


def test_the_exporter_says_nothing_of_itself_under_a_name_that_a_metric_may_have(
    synthetic: Plan, business: Callable[[Plan], exporter.Plan]
) -> None:
    own = exposition.Names.of(business(synthetic))
    assert {getattr(own, field) for field in own.__dataclass_fields__} == set(naming.exporter_series("synthetic"))


# --- what the exporter refuses ---


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        (("version",), 2),
        (("sources", "warehouse"), {"type": "postgres", "dsn": "postgres://user:secret@host/db"}),
        (("sources", "warehouse", "max_age_seconds"), -1),
        (("queries", 0, "within"), 5),
        (("queries", 0, "source"), "elsewhere"),
        (("queries", 1, "name"), "shop/orders"),
        (("queries", 0, "series", 0, "type"), "summary"),
        (("queries", 0, "series", 0, "buckets"), [1, 2]),
        (("queries", 0, "series", 0, "labels"), {"state": ["yes", True]}),
        (("queries", 0, "series"), []),
    ],
    ids=[
        "version", "inline secret", "max age", "unknown key", "unknown source", "name twice", "type",
        "buckets of a gauge", "label that is no text", "no series",
    ],
)  # fmt: skip
def test_the_exporter_refuses(synthetic: Plan, path: tuple[str | int, ...], wrong: Any, tmp_path: Path) -> None:
    series = tuple(replace(series, name=f"{series.name}_other") for series in QUERY.series)
    other = replace(QUERY, name="shop/others", series=series)
    value = ryaml.loads(emitted(with_queries(synthetic, QUERY, other)).content.decode())
    holder = value
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = wrong
    (tmp_path / "business.yml").write_text(ryaml.dumps(value))
    with pytest.raises(Invalid) as caught:
        exporter.load(tmp_path / "business.yml")
    (problem,) = caught.value.problems
    assert problem.line is not None
    assert "secret" not in str(caught.value)
