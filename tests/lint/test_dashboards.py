"""Faults of every kind, planted one at a time in a dashboard without any: each is found, and it alone."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest

from generator.diagnostics import Span
from generator.emit.artefact import Artefact
from generator.emit.dashboards import emit
from generator.lint.dashboards import PlanIndex, lint, lint_dashboard
from generator.plan.types import Plan
from tests.emit import dashboard_plans as plans

PLAN = plans.full_plan()
ARTEFACTS = {artefact.path: artefact.content for artefact in emit(PLAN)}
ORDERS = "grafana/dashboards/orders.json"
SYSTEM = "grafana/dashboards/system.json"


def _panels(dashboard: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [panel for panel in dashboard["panels"] if panel["type"] == kind]


def _titled(dashboard: dict[str, Any], title: str, kind: str = "timeseries") -> dict[str, Any]:
    return next(panel for panel in _panels(dashboard, kind) if panel["title"] == title)


def _defaults(panel: dict[str, Any]) -> dict[str, Any]:
    defaults: dict[str, Any] = panel["fieldConfig"]["defaults"]
    return defaults


def _steps(panel: dict[str, Any]) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = _defaults(panel)["thresholds"]["steps"]
    return steps


def _variable(dashboard: dict[str, Any], name: str) -> dict[str, Any]:
    return next(variable for variable in dashboard["templating"]["list"] if variable["name"] == name)


Plant = Callable[[dict[str, Any]], object]
FAULTS: dict[str, tuple[str, Plant]] = {}


def fault(code: str) -> Callable[[Plant], Plant]:
    """Register a fault under its function's name."""

    def register(plant: Plant) -> Plant:
        FAULTS[plant.__name__.strip("_")] = (code, plant)
        return plant

    return register


# 1, 2: identity and form


@fault("uid-length")
def _uid_too_long(dashboard: dict[str, Any]) -> None:
    dashboard["uid"] = "acme-" + "o" * 40


@fault("uid-unexpected")
def _uid_of_another(dashboard: dict[str, Any]) -> None:
    dashboard["uid"] = "acme-refunds"


@fault("dashboard-title-missing")
def _dashboard_without_title(dashboard: dict[str, Any]) -> None:
    dashboard["title"] = ""


@fault("tag-missing")
def _owner_not_tagged(dashboard: dict[str, Any]) -> None:
    dashboard["tags"].remove("orders-team")


@fault("editable")
def _editable(dashboard: dict[str, Any]) -> None:
    dashboard["editable"] = True


@fault("editable")
def _editable_by_default(dashboard: dict[str, Any]) -> None:
    del dashboard["editable"]


@fault("schema-version")
def _old_schema(dashboard: dict[str, Any]) -> None:
    dashboard["schemaVersion"] = 12


@fault("unknown-key")
def _legacy_key_of_dashboard(dashboard: dict[str, Any]) -> None:
    dashboard["sharedCrosshair"] = False


@fault("unknown-key")
def _legacy_key_of_panel(dashboard: dict[str, Any]) -> None:
    dashboard["panels"][1]["span"] = 4


@fault("unknown-key")
def _legacy_key_of_query(dashboard: dict[str, Any]) -> None:
    dashboard["panels"][1]["targets"][0]["step"] = 10


@fault("null-value")
def _null(dashboard: dict[str, Any]) -> None:
    dashboard["panels"][1]["transparent"] = None


# 3, 4: data source and variables


@fault("datasource-literal")
def _literal_uid_of_panel(dashboard: dict[str, Any]) -> None:
    dashboard["panels"][1]["datasource"]["uid"] = "PBFA97CFB590B2093"


@fault("datasource-literal")
def _literal_uid_of_query(dashboard: dict[str, Any]) -> None:
    dashboard["panels"][1]["targets"][0]["datasource"]["uid"] = "acme-prometheus"


@fault("datasource-literal")
def _literal_uid_of_annotation(dashboard: dict[str, Any]) -> None:
    dashboard["annotations"]["list"][0]["datasource"]["uid"] = "acme-prometheus"


@fault("datasource-literal")
def _literal_uid_of_variable(dashboard: dict[str, Any]) -> None:
    _variable(dashboard, "instance")["datasource"]["uid"] = "acme-prometheus"


@fault("datasource-missing")
def _no_datasource(dashboard: dict[str, Any]) -> None:
    del dashboard["panels"][1]["datasource"]


@fault("datasource-variable")
def _second_datasource_variable(dashboard: dict[str, Any]) -> None:
    dashboard["templating"]["list"].append({**_variable(dashboard, "datasource"), "name": "other"})


@fault("variable-undefined")
def _undefined_variable(dashboard: dict[str, Any]) -> None:
    dashboard["panels"][1]["targets"][0]["expr"] = 'acme_orders_success_ratio{region="$region"}'


@fault("variable-undefined")
def _repeat_by_undefined_variable(dashboard: dict[str, Any]) -> None:
    dashboard["panels"][1]["repeat"] = "region"


@fault("variable-unused")
def _unused_variable(dashboard: dict[str, Any]) -> None:
    dashboard["templating"]["list"].append({**_variable(dashboard, "instance"), "name": "host"})


@fault("variable-label")
def _variable_without_label(dashboard: dict[str, Any]) -> None:
    del _variable(dashboard, "instance")["label"]


@fault("variable-incomplete")
def _variable_read_once(dashboard: dict[str, Any]) -> None:
    _variable(dashboard, "instance")["refresh"] = 1


@fault("unknown-metric")
def _variable_of_unknown_metric(dashboard: dict[str, Any]) -> None:
    _variable(dashboard, "instance")["query"]["query"] = "label_values(node_load1, instance)"


# 5: panels complete


@fault("title-missing")
def _panel_without_title(dashboard: dict[str, Any]) -> None:
    dashboard["panels"][1]["title"] = ""


@fault("description-missing")
def _panel_without_description(dashboard: dict[str, Any]) -> None:
    del dashboard["panels"][1]["description"]


@fault("unit-missing")
def _panel_without_unit(dashboard: dict[str, Any]) -> None:
    _defaults(_panels(dashboard, "stat")[0]).update(mappings=[])
    del _defaults(_panels(dashboard, "stat")[0])["unit"]


@fault("unit-unknown")
def _bad_unit(dashboard: dict[str, Any]) -> None:
    _defaults(_panels(dashboard, "stat")[0])["unit"] = "bananas"


@fault("unit-differs")
def _unit_of_another_kind(dashboard: dict[str, Any]) -> None:
    _defaults(_titled(dashboard, "Processing time"))["unit"] = "bytes"


@fault("target-missing")
def _no_query(dashboard: dict[str, Any]) -> None:
    _titled(dashboard, "Processing time")["targets"] = []


@fault("panel-type")
def _dead_panel_type(dashboard: dict[str, Any]) -> None:
    _panels(dashboard, "bargauge")[0]["type"] = "graph"


@fault("unknown-transformation")
def _unknown_transformation(dashboard: dict[str, Any]) -> None:
    dashboard["panels"][1]["transformations"] = [{"id": "organise", "options": {}}]


@fault("unknown-override")
def _unknown_override(dashboard: dict[str, Any]) -> None:
    panel = _titled(dashboard, "Overdue")
    panel["fieldConfig"]["overrides"][0]["properties"].append({"id": "custom.axisPosition", "value": "left"})


@fault("unknown-matcher")
def _unknown_matcher(dashboard: dict[str, Any]) -> None:
    _titled(dashboard, "Overdue")["fieldConfig"]["overrides"][0]["matcher"]["id"] = "byQuery"


@fault("override-target")
def _override_of_missing_query(dashboard: dict[str, Any]) -> None:
    _titled(dashboard, "Overdue")["fieldConfig"]["overrides"][0]["matcher"]["options"] = "C"


# 6: queries


@fault("promql")
def _promql_does_not_parse(dashboard: dict[str, Any]) -> None:
    dashboard["panels"][1]["targets"][0]["expr"] = "sum by (acme_orders_success_ratio"


@fault("promql")
def _no_promql(dashboard: dict[str, Any]) -> None:
    del dashboard["panels"][1]["targets"][0]["expr"]


@fault("unknown-metric")
def _unknown_metric(dashboard: dict[str, Any]) -> None:
    dashboard["panels"][1]["targets"][0]["expr"] = "max(acme_orders_sucess_ratio)"


@fault("rate-interval")
def _rate_of_a_fixed_window(dashboard: dict[str, Any]) -> None:
    target = _titled(dashboard, "Requests", "stat")["targets"][0]
    target["expr"] = target["expr"].replace("$__rate_interval", "5m")


@fault("rate-interval")
def _increase_of_a_fixed_window(dashboard: dict[str, Any]) -> None:
    _titled(dashboard, "Requests", "stat")["targets"][0]["expr"] = "increase(acme_orders_requests_total[1h])"


@fault("raw-counter")
def _raw_counter(dashboard: dict[str, Any]) -> None:
    _titled(dashboard, "Requests", "stat")["targets"][0]["expr"] = 'acme_orders_requests_total{code="500"}'


@fault("raw-counter")
def _raw_buckets(dashboard: dict[str, Any]) -> None:
    expr = "histogram_quantile(0.5, sum by (le) (acme_orders_latency_seconds_bucket))"
    _titled(dashboard, "Latency")["targets"][0]["expr"] = expr


# 7: ids


@fault("panel-id-twice")
def _duplicate_id(dashboard: dict[str, Any]) -> None:
    panels = _panels(dashboard, "bargauge")
    _panels(dashboard, "row")[0]["id"] = panels[0]["id"]


@fault("panel-id")
def _id_zero(dashboard: dict[str, Any]) -> None:
    _panels(dashboard, "row")[0]["id"] = 0


@fault("reference-twice")
def _duplicate_reference(dashboard: dict[str, Any]) -> None:
    _titled(dashboard, "Latency")["targets"][1]["refId"] = "A"


# 8: grid


@fault("grid-bounds")
def _beyond_the_grid(dashboard: dict[str, Any]) -> None:
    dashboard["panels"][1]["gridPos"]["w"] = 25


@fault("grid-bounds")
def _no_place(dashboard: dict[str, Any]) -> None:
    del dashboard["panels"][1]["gridPos"]


@fault("grid-overlap")
def _overlap(dashboard: dict[str, Any]) -> None:
    dashboard["panels"][1]["gridPos"]["h"] += 1


@fault("grid-gap")
def _gap(dashboard: dict[str, Any]) -> None:
    dashboard["panels"][1]["gridPos"]["w"] -= 1


# 9: thresholds


@fault("threshold-order")
def _thresholds_do_not_rise(dashboard: dict[str, Any]) -> None:
    steps = _steps(_titled(dashboard, "Pending"))
    steps[1], steps[2] = steps[2], steps[1]


@fault("threshold-base")
def _first_threshold_not_null(dashboard: dict[str, Any]) -> None:
    _steps(_titled(dashboard, "Pending"))[0]["value"] = 0


@fault("threshold-differs")
def _threshold_differs_from_alert(dashboard: dict[str, Any]) -> None:
    _steps(_titled(dashboard, "Pending"))[1]["value"] = 99


@fault("threshold-differs")
def _threshold_differs_from_target(dashboard: dict[str, Any]) -> None:
    _steps(_titled(dashboard, "Success rate", "gauge"))[1]["value"] = 0.95


@fault("threshold-differs")
def _threshold_of_rows(dashboard: dict[str, Any]) -> None:
    _steps(_titled(dashboard, "Overdue"))[1]["value"] = 2


@fault("threshold-not-red")
def _worst_not_red(dashboard: dict[str, Any]) -> None:
    _steps(_titled(dashboard, "Pending"))[2]["color"] = "orange"


@fault("threshold-colour")
def _no_colour(dashboard: dict[str, Any]) -> None:
    _steps(_titled(dashboard, "Pending"))[0]["color"] = "grün"


@fault("threshold-hidden")
def _threshold_not_drawn(dashboard: dict[str, Any]) -> None:
    _defaults(_titled(dashboard, "Pending"))["custom"]["thresholdsStyle"]["mode"] = "off"


# 10, 11: axes and legends


@fault("ratio-range")
def _ratio_without_ends(dashboard: dict[str, Any]) -> None:
    del _defaults(_titled(dashboard, "Success"))["max"]


@fault("stacked")
def _stacked(dashboard: dict[str, Any]) -> None:
    _defaults(_titled(dashboard, "Pending"))["custom"]["stacking"]["mode"] = "normal"


@fault("axis-shared")
def _two_units_on_one_axis(dashboard: dict[str, Any]) -> None:
    override = _titled(dashboard, "Overdue")["fieldConfig"]["overrides"][0]
    override["properties"] = [given for given in override["properties"] if given["id"] != "custom.axisPlacement"]


@fault("unknown-calc")
def _unknown_calc(dashboard: dict[str, Any]) -> None:
    _panels(dashboard, "gauge")[0]["options"]["reduceOptions"]["calcs"] = ["average"]


@fault("unknown-calc")
def _unknown_calc_of_legend(dashboard: dict[str, Any]) -> None:
    _titled(dashboard, "Pending")["options"]["legend"]["calcs"].append("latest")


@fault("legend-missing")
def _no_legend(dashboard: dict[str, Any]) -> None:
    _titled(dashboard, "Pending")["targets"][1]["legendFormat"] = ""


@fault("tooltip-single")
def _tooltip_of_one(dashboard: dict[str, Any]) -> None:
    _titled(dashboard, "Pending")["options"]["tooltip"]["mode"] = "single"


# 12, 13: links and load


@fault("dead-link")
def _dead_runbook(dashboard: dict[str, Any]) -> None:
    dashboard["links"][0]["url"] = f"{plans.RUNBOOKS}/order.md"


@fault("dead-link")
def _dead_dashboard(dashboard: dict[str, Any]) -> None:
    dashboard["links"][1]["url"] = f"{plans.GRAFANA}/d/acme-sistem"


@fault("dead-link")
def _dead_tag(dashboard: dict[str, Any]) -> None:
    dashboard["links"][-1]["tags"] = ["other"]


@fault("link-forgets")
def _link_forgets_the_time(dashboard: dict[str, Any]) -> None:
    dashboard["links"][1]["keepTime"] = False


@fault("alert-panel")
def _alert_without_panel(dashboard: dict[str, Any]) -> None:
    _titled(dashboard, "Odd")["id"] = 7


@fault("refresh")
def _refresh_below_scrape(dashboard: dict[str, Any]) -> None:
    dashboard["refresh"] = "5s"


@fault("refresh")
def _no_refresh(dashboard: dict[str, Any]) -> None:
    dashboard["refresh"] = ""


@fault("purpose-missing")
def _no_purpose(dashboard: dict[str, Any]) -> None:
    dashboard["description"] = ""


@fault("too-much-open")
def _too_many_queries(dashboard: dict[str, Any]) -> None:
    targets = _titled(dashboard, "Pending")["targets"]
    targets.extend({**targets[0], "refId": f"Z{number}"} for number in range(120))


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_each_fault_is_found_and_nothing_else(name: str) -> None:
    code, plant = FAULTS[name]
    dashboard = orjson.loads(ARTEFACTS[ORDERS])
    plant(dashboard)
    assert [finding.code for finding in lint_dashboard(PlanIndex.of(PLAN), ORDERS, dashboard)] == [code]


def test_a_dead_link_of_a_value_is_found() -> None:
    dashboard = orjson.loads(ARTEFACTS[SYSTEM])
    link = _defaults(_panels(dashboard, "stat")[0])["links"][0]
    link["url"] = link["url"].replace("acme-orders", "acme-gone")
    assert [finding.code for finding in lint_dashboard(PlanIndex.of(PLAN), SYSTEM, dashboard)] == ["dead-link"]


def test_a_fault_inside_a_closed_row_is_found() -> None:
    dashboard = orjson.loads(ARTEFACTS[ORDERS])
    row = _panels(dashboard, "row")[-1]
    start = dashboard["panels"].index(row) + 1
    row["collapsed"], row["panels"] = True, dashboard["panels"][start:]
    del dashboard["panels"][start:]
    index = PlanIndex.of(PLAN)
    assert list(lint_dashboard(index, ORDERS, dashboard)) == []
    row["panels"][1]["targets"][0]["expr"] = "nothing("
    row["panels"][2]["gridPos"]["w"] = 2
    assert {finding.code for finding in lint_dashboard(index, ORDERS, dashboard)} == {"promql", "grid-gap"}


def test_two_dashboards_of_one_title() -> None:
    index = PlanIndex.of(PLAN)
    first, second = orjson.loads(ARTEFACTS[ORDERS]), orjson.loads(ARTEFACTS[SYSTEM])
    second["title"] = first["title"]
    assert list(lint_dashboard(index, ORDERS, first)) == []
    assert [finding.code for finding in lint_dashboard(index, SYSTEM, second)] == ["dashboard-title-twice"]


def test_a_threshold_that_was_edited_in_the_plan_alone_is_found() -> None:
    """The panel must show what the rule says, whatever it showed before."""

    def edited(plan: Plan) -> Iterator[Any]:
        for domain in plan.domains:
            alerts = tuple(
                replace(alert, threshold=replace(alert.threshold, value=123.0))
                if alert.name == "queue_backup" and alert.threshold
                else alert
                for alert in domain.alerts
            )
            yield replace(domain, alerts=alerts)

    plan = replace(PLAN, domains=tuple(edited(PLAN)))
    codes = {problem.code for problem in lint(plan, emit(PLAN))}
    assert codes == {"dashboard-threshold-differs"}


def test_problems_stand_at_the_file_of_the_domain() -> None:
    dashboard = orjson.loads(ARTEFACTS[ORDERS])
    dashboard["editable"] = True
    (problem,) = lint(PLAN, [Artefact(ORDERS, orjson.dumps(dashboard))])
    assert (problem.span, problem.code) == (Span("orders.yaml"), "dashboard-editable")
    assert ORDERS in problem.message


def test_other_files_are_not_linted() -> None:
    assert list(lint(PLAN, [Artefact("prometheus/rules/orders.yml", b"groups: []\n")])) == []


@pytest.mark.parametrize("broken", [{}, {"panels": [{}]}, {"panels": None, "templating": [], "links": "x"}])
def test_what_is_no_dashboard_is_found_without_a_crash(broken: dict[str, Any]) -> None:
    assert list(lint_dashboard(PlanIndex.of(PLAN), ORDERS, broken))
