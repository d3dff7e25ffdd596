"""The exporter's plan: it fits its schema, carries every query, and says nothing where nothing is asked."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ryaml

from generator.emit import exporter_plan
from generator.plan.types import ExporterSeries, Plan, Query
from tests.bench.synthetic import write_platform
from tests.compiling import planned

SCHEMA = json.loads((Path(__file__).parents[2] / "exporters" / "business_plan.schema.json").read_text())


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return planned(write_platform(tmp_path_factory.mktemp("domains"), 2))


def business(plan: Plan) -> Any:
    (artefact,) = exporter_plan.emit(plan)
    assert artefact.path == "exporter/business.yml"
    return ryaml.loads(artefact.content.decode())


def valid(value: Any) -> bool:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    return jsonschema.Draft202012Validator(SCHEMA).is_valid(value)


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


def test_the_plan_fits_its_schema_and_has_every_query(synthetic: Plan) -> None:
    value = business(synthetic)
    assert valid(value)
    planned = [query for domain in synthetic.domains for query in domain.queries]
    assert [query["name"] for query in value["queries"]] == [query.name for query in planned]
    assert [query["sql"] for query in value["queries"]] == [query.sql for query in planned]
    assert value["query_success"] == "synthetic_query_success"
    assert value["interval_seconds"] == 15
    assert value["sources"] == {"warehouse": {"type": "postgres", "dsn_env": "WAREHOUSE_DSN"}}


def test_series_that_alerts_hold_are_exported(synthetic: Plan) -> None:
    value = business(synthetic)
    exported = {series["name"] for query in value["queries"] for series in query["series"]}
    asked = {query["name"] for query in value["queries"]}
    held = [held for domain in synthetic.domains for held in domain.held if held.source == "warehouse"]
    assert held
    assert {found.series for found in held} <= exported
    assert {found.health.query for found in held if hasattr(found.health, "query")} <= asked


def test_words_that_yaml_misreads_arrive_as_text(synthetic: Plan) -> None:
    (query,) = business(with_queries(synthetic, QUERY))["queries"]
    assert query["sql"] == QUERY.sql
    assert query["within_seconds"] == 90.5
    assert query["file"] == QUERY.file
    assert tuple(query["series"][0]["labels"]["state"]) == QUERY.series[0].labels[0][1]


def test_a_platform_without_queries_has_no_plan(synthetic: Plan) -> None:
    assert not list(exporter_plan.emit(with_queries(synthetic)))


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        (("version",), 2),
        (("sources", "warehouse"), {"type": "postgres", "dsn": "postgres://user:secret@host/db"}),
        (("queries", 0, "within"), 5),
        (("queries", 0, "series", 0, "type"), "summary"),
        (("queries", 0, "series", 0, "buckets"), [1, 2]),
        (("queries", 0, "series"), []),
    ],
    ids=["version", "inline secret", "unknown key", "type", "buckets of a gauge", "no series"],
)
def test_the_schema_refuses(synthetic: Plan, path: tuple[str | int, ...], wrong: Any) -> None:
    value = business(synthetic)
    holder = value
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = wrong
    assert not valid(value)
