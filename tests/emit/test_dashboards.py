"""What operators see: each dashboard's panels, in order, with the queries, thresholds and words of the plan."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator import naming
from generator.emit.dashboards import emit, text
from generator.emit.dashboards.layout import OPEN_QUERIES
from generator.emit.dashboards.thresholds import alert_steps, target_steps
from generator.lint.dashboards import lint
from generator.lint.dashboards.whole import MOST_OPEN_QUERIES
from generator.plan.types import Kpi, Plan, Threshold
from tests.compiling import PLATFORMS, planned
from tests.emit import dashboard_plans as plans

PLAN = plans.full_plan()


def dashboards(plan: Plan) -> dict[str, Any]:
    return {
        artefact.path.removeprefix("grafana/dashboards/").removesuffix(".json"): orjson.loads(artefact.content)
        for artefact in emit(plan)
    }


SHOWN = dashboards(PLAN)


def panels(dashboard: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", ())


def panel(key: str, dashboard: dict[str, Any] | None = None) -> dict[str, Any]:
    """The panel with a key, by the id that alerts link to."""
    return next(panel for panel in panels(dashboard or SHOWN["orders"]) if panel["id"] == naming.panel_id(key))


def queries(key: str, dashboard: dict[str, Any] | None = None) -> list[tuple[str, str]]:
    return [(target["expr"], target["legendFormat"]) for target in panel(key, dashboard)["targets"]]


def steps(key: str) -> list[tuple[str, float | None]]:
    found = panel(key)["fieldConfig"]["defaults"]["thresholds"]["steps"]
    return [(step["color"], step["value"]) for step in found]


def test_sections_stand_in_the_order_in_which_they_are_looked_at() -> None:
    rows = [panel["title"] for panel in SHOWN["orders"]["panels"] if panel["type"] == "row"]
    assert rows == ["Targets", "Now", "Breakdowns", "Trends", "Alerts"]
    order = [(panel["gridPos"]["y"], panel["gridPos"]["x"]) for panel in SHOWN["orders"]["panels"]]
    assert order == sorted(order)


@pytest.mark.parametrize(
    ("key", "expected"),
    {
        "kpi/success": [("max without (instance, job) (acme_orders_success_ratio)", "Success rate")],
        "now/pending": [("sum(max without (instance, job) (acme_orders_pending))", "Pending")],
        "now/requests": [("rate(acme_orders_requests_total[$__rate_interval])", "Requests")],
        "breakdown/pending": [("max without (instance, job) (acme_orders_pending)", "{{priority}}")],
        "breakdown/memory": [('acme_orders_memory_bytes{instance=~"$instance"}', "{{instance}}")],
        "trend/pending": [
            ("sum(max without (instance, job) (acme_orders_pending))", "total"),
            ("max without (instance, job) (acme_orders_pending)", "{{priority}}"),
        ],
        "trend/spend": [
            ("max without (instance, job) (acme_orders_spend_usd)", "{{campaign}}"),
            ("max without (instance, job) (acme_orders_budget_usd)", "Budget {{campaign}}"),
        ],
        "trend/latency": [
            (
                f"histogram_quantile({share}, sum by (le, route) "
                "(rate(acme_orders_latency_seconds_bucket[$__rate_interval])))",
                f"{name} {{{{route}}}}",
            )
            for share, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
        ],
        "alert/overdue": [
            ("max without (instance, job) (acme_orders_overdue_matching_rows)", "matching rows"),
            ("max without (instance, job) (acme_orders_overdue_worst_seconds)", "worst"),
        ],
        "alert/fraud": [
            ("max without (instance, job) (acme_orders_fraud_matching_rows)", "{{transaction}}"),
            ("acme_orders:fraud_unlisted_rows:held", "more rows, not listed"),
        ],
        "alert/odd": [
            (
                'count(ALERTS{platform="acme",domain="orders",alertname="OrdersOdd",escalation="",'
                'alertstate="firing"}) or vector(0)',
                "firing",
            )
        ],
    }.items(),
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_queries(key: str, expected: list[tuple[str, str]]) -> None:
    assert queries(key) == expected


def test_an_alert_on_another_domains_metric_shows_that_metric() -> None:
    refunds = SHOWN["refunds"]
    assert queries("alert/orders_wait", refunds)[0][0] == "sum(max without (instance, job) (acme_orders_pending))"


@pytest.mark.parametrize(
    ("key", "expected"),
    {
        "kpi/success": [("red", None), ("green", 0.98)],
        "kpi/speed": [("green", None), ("red", 1800)],
        "now/pending": [("green", None), ("orange", 100), ("red", 500)],
        "trend/pending": [("green", None), ("orange", 100), ("red", 500)],
        "trend/processing_time": [("green", None), ("yellow", 2700)],
        "trend/success": [("red", None), ("green", 0.9)],
        "trend/spend": [("text", None)],
        "alert/overdue": [("green", None), ("red", 1)],
        "alert/fraud": [("green", None), ("orange", 1)],
    }.items(),
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_thresholds_are_those_of_alerts_and_targets(key: str, expected: list[tuple[str, float | None]]) -> None:
    assert steps(key) == expected
    found = panel(key)
    if found["type"] == "timeseries":
        style = found["fieldConfig"]["defaults"]["custom"]["thresholdsStyle"]["mode"]
        assert style == ("line+area" if len(expected) > 1 else "off")


def test_alerts_on_both_sides_leave_green_between() -> None:
    metric = plans.metric("orders", "temperature")
    alerts = [
        plans.metric_alert(metric, "cold", "<", 5, severity="critical"),
        plans.metric_alert(metric, "cool", "<", 10, severity="warning"),
        plans.metric_alert(metric, "hot", ">", 30, severity="high"),
    ]
    ranks = {severity.name: severity.rank for severity in plans.SEVERITIES}
    found = [(step["color"], step["value"]) for step in alert_steps(alerts, ranks.__getitem__)]
    assert found == [("red", None), ("yellow", 5), ("green", 10), ("orange", 30)]


@pytest.mark.parametrize(("op", "above"), [(">", "green"), (">=", "green"), ("<", "red"), ("<=", "red")])
def test_targets_are_green_on_the_side_that_is_wanted(op: Any, above: str) -> None:
    assert target_steps(Threshold(op, 3, "none"))[1] == {"color": above, "value": 3}


def test_gauges_end_where_their_unit_does_else_at_twice_the_target() -> None:
    success = panel("kpi/success")["fieldConfig"]["defaults"]
    assert (success["unit"], success["min"], success["max"]) == ("percentunit", 0, 1)
    speed = panel("kpi/speed")["fieldConfig"]["defaults"]
    assert (speed["unit"], speed["min"], speed["max"]) == ("s", 0, 3600)


def test_the_worst_row_has_an_axis_and_a_unit_of_its_own() -> None:
    (override,) = panel("alert/overdue")["fieldConfig"]["overrides"]
    assert override["matcher"] == {"id": "byFrameRefID", "options": "B"}
    properties = {given["id"]: given["value"] for given in override["properties"]}
    assert (properties["unit"], properties["custom.axisPlacement"]) == ("s", "right")


def test_a_small_share_has_room_on_the_scale_from_0_to_1() -> None:
    errors, uptime = plans.metric("orders", "errors", "ratio"), plans.metric("orders", "uptime", "ratio")
    alerts = (plans.metric_alert(errors, "failing", ">", 0.01), plans.metric_alert(uptime, "down", "<", 0.9))
    shown = dashboards(plans.plan(plans.domain("orders", metrics=(errors, uptime), alerts=alerts)))["orders"]
    scales = [panel(f"trend/{name}", shown)["fieldConfig"]["defaults"]["custom"] for name in ("errors", "uptime")]
    assert scales[0]["scaleDistribution"] == {"type": "symlog", "log": 10, "linearThreshold": 0.001}
    assert scales[1]["scaleDistribution"] == {"type": "linear"}


def test_hidden_metrics_and_those_of_gauges_are_not_shown_as_numbers() -> None:
    ids = {found["id"] for found in panels(SHOWN["orders"])}
    assert naming.panel_id("now/hidden") not in ids
    assert naming.panel_id("now/success") not in ids


def test_descriptions_name_alerts_with_their_conditions() -> None:
    description = panel("trend/pending")["description"]
    assert "What pending means." in description
    assert "Alert `queue_flood` (critical): `pending > 500`" in description
    assert panel("kpi/success")["description"].endswith("Target: `>= 98%`")


def test_the_instance_variable_is_there_only_where_it_is_used() -> None:
    names = {name: [given["name"] for given in shown["templating"]["list"]] for name, shown in SHOWN.items()}
    assert names == {"orders": ["datasource", "instance"], "refunds": ["datasource"], "system": ["datasource"]}
    variable = SHOWN["orders"]["templating"]["list"][1]
    assert variable["query"]["query"] == 'label_values({__name__=~"acme_orders_memory_bytes"}, instance)'


def test_words_of_people_are_not_read_as_variables_legends_or_markup() -> None:
    refunds = SHOWN["refunds"]
    shown = panel("now/amount", plans_without_kpis := dashboards(_without_kpis(PLAN))["refunds"])
    assert shown["title"].replace("\u2060", "") == 'Refunds of "$1,000" ${datasource} {{x}} 💸'
    assert "${datasource}" not in shown["title"]
    assert "$1,000" in shown["title"]
    (legend,) = [target["legendFormat"] for target in shown["targets"]]
    assert "{{" not in legend
    description = panel("trend/amount", plans_without_kpis)["description"]
    assert r"More \*than\* \<b\>" in description
    assert "$instance" not in description
    assert "[[datasource" not in description.replace("\\", "")
    assert "``a `b` > $1000``" in description.replace("`` ", "``").replace(" ``", "``")
    assert refunds["title"] == "Acme: Refunds 💸 $x [\u2060[instance]]"


def _without_kpis(plan: Plan) -> Plan:
    return replace(plan, domains=tuple(replace(domain, kpis=()) for domain in plan.domains))


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("$1,000 of $x", "$1,000 of $x"),
        ("$datasource", "$\u2060datasource"),
        ("${instance:regex}", "$\u2060{instance:regex}"),
        ("$__all", "$\u2060__all"),
        ("[[instance]]", "[\u2060[instance]]"),
        ("$instances", "$instances"),
    ],
)
def test_only_names_that_grafana_knows_are_broken_up(words: str, shown: str) -> None:
    assert text.plain(words) == shown


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_words_arrive(words: str) -> None:
    metric = plans.metric("orders", "count", title=words, help=words)
    alert = plans.metric_alert(metric, "high", ">", 5, text=words, summary=words)
    kpi = Kpi("orders", "count", words, metric, Threshold("<", 5, "none"), words)
    domains = [
        plans.domain(name, title=words, description=words, metrics=(metric,), kpis=(kpi,), alerts=alerts)
        for name, alerts in (("orders", (alert,)), ("system", ()))
    ]
    plan = plans.plan(*domains, title=words)
    shown = dashboards(plan)
    assert panel("trend/count", shown["orders"])["title"].replace("\u2060", "") == words.replace("\u2060", "")
    assert list(lint(plan, emit(plan))) == []


def test_code_keeps_every_letter() -> None:
    assert text.code("a > 1") == "`a > 1`"
    assert text.code("`a` and ``b``") == "``` `a` and ``b`` ```"
    assert text.code("a\n  AND b") == "`a AND b`"


def test_the_overview_shows_every_domain_and_leads_to_it() -> None:
    overview = SHOWN["system"]
    for domain in PLAN.domains:
        tile = panel(f"domain/{domain.name}", overview)
        (link,) = tile["fieldConfig"]["defaults"]["links"]
        assert link["url"].startswith(f"{plans.GRAFANA}/d/{domain.dashboard_uid}?")
        assert f'domain="{domain.name}"' in tile["targets"][0]["expr"]
    targets = panel("domain-targets/orders", overview)
    assert [target["legendFormat"] for target in targets["targets"]] == ["Success rate", "Processing time"]
    thresholds = targets["fieldConfig"]["overrides"][0]["properties"][0]["value"]["steps"]
    assert thresholds == [{"color": "red", "value": None}, {"color": "green", "value": 0.98}]


def test_without_a_system_domain_the_overview_stands_alone() -> None:
    shown = dashboards(plans.plan(plans.orders()))
    assert list(shown) == ["orders", "overview"]
    assert shown["overview"]["uid"] == "acme-overview"
    assert shown["orders"]["links"][1]["url"] == f"{plans.GRAFANA}/d/acme-overview"


def test_an_overview_of_very_many_domains_stays_small() -> None:
    shown = dashboards(plans.plan(*(plans.domain(f"part_{number}") for number in range(200))))
    assert len(list(panels(shown["overview"]))) == 3


def test_links_lead_to_runbook_overview_and_the_other_domains() -> None:
    links = {link["title"]: link for link in SHOWN["orders"]["links"]}
    assert links["Runbook"]["url"] == f"{plans.RUNBOOKS}/orders.md"
    assert links["Overview"]["url"] == f"{plans.GRAFANA}/d/acme-system"
    assert links["Acme dashboards"]["tags"] == ["acme"]
    assert "Overview" not in {link["title"] for link in SHOWN["system"]["links"]}


@pytest.mark.parametrize(
    ("refresh", "shown"), [(30_000, "30s"), (1_000, "15s"), (90_000, "90s"), (3_600_000, "1h"), (1_500, "15s")]
)
def test_refresh_is_one_number_never_below_the_scrape_interval(refresh: int, shown: str) -> None:
    plan = plans.plan(replace(plans.orders(), refresh=refresh))
    found = dashboards(plan)["orders"]
    assert found["refresh"] == shown
    assert shown in found["timepicker"]["refresh_intervals"]


def test_timezone_is_the_platforms() -> None:
    assert SHOWN["orders"]["timezone"] == "utc"
    plan = replace(plans.plan(plans.orders()), timezone="Europe/Stockholm")
    assert dashboards(plan)["orders"]["timezone"] == "Europe/Stockholm"


def test_a_colliding_id_moves_but_never_that_of_an_alerts_panel() -> None:
    first, second = "m4439", "m56799"
    assert naming.panel_id(f"now/{first}") == naming.panel_id(f"trend/{second}")
    shown, watched = plans.metric("orders", first), plans.metric("orders", second)
    domain = plans.domain("orders", metrics=(shown, watched), alerts=(plans.metric_alert(watched, "high", ">", 1),))
    plan = plans.plan(domain)
    found = panel(f"trend/{second}", dashboards(plan)["orders"])
    assert found["type"] == "timeseries"
    assert list(lint(plan, emit(plan))) == []


def test_a_huge_domain_closes_its_last_rows() -> None:
    assert OPEN_QUERIES == MOST_OPEN_QUERIES
    metrics = tuple(plans.metric("orders", f"m{number}") for number in range(100))
    alerts = tuple(plans.metric_alert(metric, f"a{metric.name}", ">", 1) for metric in metrics)
    plan = plans.plan(plans.domain("orders", metrics=metrics, alerts=alerts))
    rows = {found["title"]: found for found in dashboards(plan)["orders"]["panels"] if found["type"] == "row"}
    assert {title: found["collapsed"] for title, found in rows.items()} == {
        "Now": False,
        "Trends": True,
        "Alerts": True,
    }
    assert len(rows["Trends"]["panels"]) == 100
    assert list(lint(plan, emit(plan))) == []


def test_the_bytes_depend_on_the_plan_alone() -> None:
    first, second = list(emit(PLAN)), list(emit(plans.full_plan()))
    assert first == second
    for artefact in first:
        value = orjson.loads(artefact.content)
        again = orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        assert artefact.content == again


@pytest.mark.parametrize(
    "plan",
    [PLAN, plans.plan(plans.orders()), plans.plan(plans.domain("empty")), plans.plan()],
    ids=["full", "without system", "empty domain", "no domain"],
)
def test_the_lint_finds_nothing_in_plans_by_hand(plan: Plan) -> None:
    assert list(lint(plan, emit(plan))) == []


@pytest.mark.parametrize("name", sorted(PLATFORMS))
def test_the_lint_finds_nothing_in_real_platforms(name: str) -> None:
    plan = planned(PLATFORMS[name])
    artefacts = list(emit(plan))
    assert list(lint(plan, artefacts)) == []
    ids = {(shown["uid"], found["id"]) for shown in dashboards(plan).values() for found in panels(shown)}
    for alert in (alert for domain in plan.domains for alert in domain.alerts):
        address = urlsplit(alert.dashboard_url)
        assert (address.path.rpartition("/")[2], int(parse_qs(address.query)["viewPanel"][0])) in ids
