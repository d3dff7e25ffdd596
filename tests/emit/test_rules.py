"""Every rule of four platforms: labels, order, what they read, and that no match can break them."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import ryaml

from generator import durations, naming
from generator.emit import dashboards, rules, runbooks, yaml_text
from generator.emit.annotations import annotations, human, literal
from generator.plan.recordings import facts
from generator.plan.types import Alert, Domain, JobHealth, Plan
from tests.compiling import PLATFORMS, planned
from tests.programs import program, run

LABELS = ("platform", "domain", "subject", "source", "severity", "owner", "notification", "channels", "escalation")
ANNOTATIONS = (
    "summary", "description", "value", "threshold", "runbook_url", "dashboard_url", "silence_url",
    "escalated_after", "escalated_from", "resolved",
)  # fmt: skip
CASES = [*((name, None) for name in PLATFORMS), ("everything", "demo")]
Rule = dict[str, Any]


@dataclass(frozen=True)
class Compiled:
    """A platform's plan and, by domain, the group that came out."""

    plan: Plan
    groups: dict[str, dict[str, Any]]

    def alerts(self) -> Iterator[tuple[Domain, Alert, list[Rule]]]:
        """Every alert with its rules: the base and its escalated copies, as they stand."""
        for domain in self.plan.domains:
            found = [rule for rule in self.groups[domain.name]["rules"] if "alert" in rule]
            for alert in domain.alerts:
                yield domain, alert, [rule for rule in found if rule["alert"] == alert.alertname]


@lru_cache
def compiled(name: str, environment: str | None) -> Compiled:
    plan = planned(PLATFORMS[name], environment)
    groups = {}
    for artefact in rules.emit(plan):
        (group,) = ryaml.loads(artefact.content.decode())["groups"]
        groups[artefact.path.removeprefix("prometheus/rules/").removesuffix(".yml")] = group
    return Compiled(plan, groups)


@pytest.fixture(params=CASES, ids=lambda case: "-".join(filter(None, case)))
def platform(request: pytest.FixtureRequest) -> Compiled:
    return compiled(*request.param)


def nodes(text: str) -> list[Any]:
    """Every node of an expression."""
    found: list[Any] = []

    def visit(node: object) -> bool:
        found.append(node)
        return True

    promql_parser.walk(promql_parser.parse(text), visit)
    return found


def names(text: str) -> set[str]:
    """The series that an expression names."""
    return set(facts(text).names)


def test_one_group_per_domain_with_the_interval_of_the_platform(platform: Compiled) -> None:
    groups = platform.groups
    assert set(groups) == {domain.name for domain in platform.plan.domains if domain.alerts or domain.recordings}
    assert len({group["name"] for group in groups.values()}) == len(groups)
    for domain in platform.plan.domains:
        if domain.name in groups:
            assert groups[domain.name]["name"] == domain.group
            assert groups[domain.name]["interval"] == durations.text(platform.plan.evaluation_interval)


def test_labels_are_those_of_the_contract_in_its_order(platform: Compiled) -> None:
    for domain, alert, found in platform.alerts():
        for rule in found:
            labels = rule["labels"]
            optional = {"source"} if alert.source is None else set()
            optional |= set() if "escalation" in labels else {"escalation"}
            optional |= {"channels"} if alert.severity == "none" else set()
            assert list(labels) == [name for name in LABELS if name not in optional], alert.alertname
            assert labels["platform"] == platform.plan.platform
            assert labels["domain"] == domain.name
            assert labels["severity"] == alert.severity
            assert labels.get("channels", "") == ",".join(alert.channels)
            assert labels["subject"] in {record.name for record in domain.records} | {alert.subject}
            assert not set(alert.by) & set(labels)
            assert not [value for value in labels.values() if "{{" in value or "$" in value]


def test_annotations_are_those_of_the_contract(platform: Compiled) -> None:
    for _, alert, found in platform.alerts():
        for rule in found:
            written = rule["annotations"]
            optional = set() if "escalation" in rule["labels"] else {"escalated_after", "escalated_from"}
            optional |= {"resolved"} if alert.within is None else set()
            assert list(written) == [name for name in ANNOTATIONS if name not in optional]
            assert all(text.strip() for text in written.values()), alert.alertname


def test_escalated_copies_come_right_after_the_base_each_later(platform: Compiled) -> None:
    times = {severity.name: severity.respond_within for severity in platform.plan.severities}
    for domain, alert, found in platform.alerts():
        everything = platform.groups[domain.name]["rules"]
        first = everything.index(found[0])
        assert everything[first : first + len(found)] == found
        base, *copies = found
        assert [rule["labels"].get("escalation") for rule in found] == [
            None, *(step.contact for step in alert.escalations),
        ]  # fmt: skip
        assert durations.milliseconds(base.get("for", "0s")) == alert.for_
        for count, (copy, step) in enumerate(zip(copies, alert.escalations, strict=True), start=1):
            respond = times[alert.severity]
            assert respond is not None
            assert step.after == count * respond
            assert copy["labels"] == {**base["labels"], "escalation": step.contact}
            assert copy.get("keep_firing_for") == base.get("keep_firing_for")
            wait = alert.for_ + count * respond
            if alert.keep_firing_for:
                assert "for" not in copy
                assert copy["expr"].startswith(f"({base['expr']})\nand on({', '.join(alert.by)}) (time() - ALERTS_FOR")
                assert f'alertname="{alert.alertname}"' in copy["expr"]
                assert 'escalation=""' in copy["expr"]
                (limit,) = re.findall(r">= ([\d.]+)\)$", copy["expr"])
                assert float(limit) * 1000 == wait
            else:
                assert durations.milliseconds(copy["for"]) == wait
                assert copy["expr"] == base["expr"]


def test_what_is_recorded_stands_before_what_reads_it(platform: Compiled) -> None:
    for group in platform.groups.values():
        place = {rule["record"]: index for index, rule in enumerate(group["rules"]) if "record" in rule}
        assert len(place) == sum("record" in rule for rule in group["rules"])
        for index, rule in enumerate(group["rules"]):
            for name in names(rule["expr"]) & place.keys():
                held = name == rule.get("record") and name.endswith(":held")
                assert place[name] < index or held, (rule.get("alert") or rule["record"], name)
            for text in rule.get("annotations", {}).values():
                for name in re.findall(r"[a-z0-9_]+:[a-z0-9_]+:[a-z_]+", text):
                    assert name in place, (rule["alert"], name)


def test_alerts_read_only_what_is_held(platform: Compiled) -> None:
    plan = platform.plan
    on_up = {
        metric.series
        for domain in plan.domains
        for metric in domain.metrics
        if metric.promql is not None and facts(metric.promql).only_up
    }
    current = {metric.series for domain in plan.domains for metric in domain.metrics if metric.origin == "promql"}
    for domain, alert, found in platform.alerts():
        if alert.kind == "promql":
            continue
        recorded = {rule["record"] for rule in platform.groups[domain.name]["rules"] if "record" in rule}
        raw = {series.name for query in domain.queries for series in query.series}
        for rule in found:
            read = names(rule["expr"]) - {"ALERTS_FOR_STATE"}
            if alert.no_data == "alert":
                read -= {"up", naming.query_success(plan.platform)}
            if alert.no_data == "ok":
                assert read <= recorded | raw | current, alert.alertname
                continue
            assert read <= recorded | on_up, alert.alertname
            assert not read & (current - on_up), f"{alert.alertname} reads what nothing holds"


def test_what_is_held_is_guarded_by_the_health_of_where_it_comes_from(platform: Compiled) -> None:
    for domain in platform.plan.domains:
        others = {
            recording.record for other in platform.plan.domains if other is not domain for recording in other.recordings
        }
        for held in domain.held:
            rule = next(rule for rule in platform.groups[domain.name]["rules"] if rule.get("record") == held.record)
            read = names(rule["expr"])
            assert held.record in read
            assert held.series in read
            assert read & {"up", naming.query_success(platform.plan.platform)}
            # Another group may be evaluated later than this one sees its source again.
            assert not read & others, f"{held.record} reads what another group records"


def test_rates_see_at_least_four_scrapes(platform: Compiled) -> None:
    plan = platform.plan
    intervals = {job.name: job.interval for job in plan.jobs}
    for group in platform.groups.values():
        for rule in group["rules"]:
            for node in nodes(rule["expr"]):
                if not isinstance(node, promql_parser.Call) or node.func.name not in ("rate", "irate", "increase"):
                    continue
                for argument in node.args:
                    selector = argument.vector_selector
                    (job,) = [each.value for each in selector.matchers.matchers if each.name == "job"]
                    least = timedelta(milliseconds=4 * intervals.get(job, plan.scrape_interval))
                    assert argument.range >= least, rule


def test_matching_is_spelled_out(platform: Compiled) -> None:
    for domain in platform.plan.domains:
        as_written = {metric.promql for other in platform.plan.domains for metric in other.metrics} | {
            alert.expr for alert in domain.alerts if alert.kind == "promql" and domain.name != naming.OWN_DOMAIN
        }
        for rule in platform.groups.get(domain.name, {"rules": []})["rules"]:
            if rule["expr"] in as_written:
                continue
            for node in nodes(rule["expr"]):
                if not isinstance(node, promql_parser.BinaryExpr) or _scalar(node.lhs) or _scalar(node.rhs):
                    continue
                matching = node.modifier and node.modifier.matching
                # A held series has the labels of what it holds, and blindness has none: `or` cannot go wrong there.
                whole = rule.get("record", "").endswith(":held") or "absent(" in rule["expr"]
                if str(node.op).lower().endswith("or") and whole and matching is None:
                    continue
                assert matching is not None, rule["expr"]
                assert str(matching.type).endswith(("On", "Include")), rule["expr"]


def _scalar(node: object) -> bool:
    if isinstance(node, promql_parser.ParenExpr):
        return _scalar(node.expr)
    if isinstance(node, promql_parser.UnaryExpr):
        return _scalar(node.expr)
    if isinstance(node, promql_parser.Call):
        return bool(node.func.name in ("time", "scalar"))
    return isinstance(node, promql_parser.NumberLiteral)


def test_links_lead_somewhere(platform: Compiled) -> None:
    plan = platform.plan
    sections: dict[str, set[str]] = {}
    for artefact in runbooks.emit(plan):
        if artefact.path.startswith("runbooks/"):
            headings = re.findall(r"^#+ (.+)$", artefact.content.decode(), re.MULTILINE)
            sections[artefact.path.removeprefix("runbooks/")] = {heading.lower() for heading in headings}
    panels: dict[str, set[int]] = {}
    for artefact in dashboards.emit(plan):
        if artefact.path.endswith(".json"):
            board = json.loads(artefact.content)
            panels[board["uid"]] = set(_panel_ids(board["panels"]))
    for _, alert, found in platform.alerts():
        for rule in found:
            runbook, anchor = rule["annotations"]["runbook_url"].removeprefix(f"{plan.links.runbooks}/").split("#")
            assert anchor in sections[runbook], alert.alertname
            address = rule["annotations"]["dashboard_url"].removeprefix(f"{plan.links.grafana}/d/")
            uid, panel = address.split("?viewPanel=")
            assert int(panel) in panels[uid], alert.alertname


def _panel_ids(panels: list[dict[str, Any]]) -> Iterator[int]:
    for panel in panels:
        yield panel["id"]
        yield from _panel_ids(panel.get("panels", []))


def test_an_escalated_copy_says_after_what_time_and_who_was_silent(platform: Compiled) -> None:
    titles = {contact.name: contact.title for contact in platform.plan.contacts}
    for _, alert, (_, *copies) in platform.alerts():
        told = [titles[alert.owner]]
        for copy, step in zip(copies, alert.escalations, strict=True):
            said = copy["annotations"]
            assert durations.milliseconds(said["escalated_after"]) == step.after
            assert said["escalated_from"] == literal(" and ".join(dict.fromkeys(told)))
            told.append(titles[step.contact])


def test_texts_arrive_literally() -> None:
    found = compiled("everything", None)
    stuck = next(rules for _, alert, rules in found.alerts() if alert.name == "parcel_stuck")
    for rule in stuck:
        assert rule["annotations"]["summary"] == 'A parcel does not move: {{ "{{" }} "look" }} 🚚'


@pytest.mark.parametrize("text", ["plain", "{{ x }}", "{{{ x", "{", "a {{", "}} {", "{{{{", "{{{"])
def test_a_literal_text_is_shown_as_it_stands(text: str) -> None:
    """What Go's lexer makes of it: an action from each ``{{`` to the next ``}}``, whatever follows."""
    written = literal(text) + "{{ $value }}"
    shown, rest = "", written
    while "{{" in rest:
        before, _, rest = rest.partition("{{")
        action, _, rest = rest.partition("}}")
        string = re.fullmatch(r'\s*"(\{+)"\s*', action)
        assert string or action == " $value ", written
        shown += before + (string.group(1) if string else "")
    assert shown + rest == text


def test_windows_of_guards_are_those_of_the_rates() -> None:
    for name in PLATFORMS:
        for domain in compiled(name, None).plan.domains:
            for metric in domain.metrics:
                if isinstance(metric.health, JobHealth) and metric.promql is not None:
                    assert metric.health.window == facts(metric.promql).window


@pytest.mark.parametrize(
    ("unit", "condition", "number", "shown"),
    [
        ("none", "fraud_score > 0.8", 0.93, "0.93"),
        ("none", "balance < -0.5", -0.75, "-0.75"),
        ("none", "score > 5", 12.5, "12.5"),
        ("none", "score > 5", 12500, "12.5k"),
        ("rps", "throughput < 100 rps", 0.5, "0.5 requests/s"),
        ("rps", "throughput < 100 rps", 98.58, "98.58 requests/s"),
        ("bytes", "memory >= 100MB", 100_000_000, "100MB"),
        ("bytes", "memory >= 100 MiB", 104_857_600, "100MiB"),
        ("orders", "open_orders > 3", 4, "4 orders"),
    ],
)
def test_numbers_are_shown_as_people_read_them(
    tmp_path: Path, unit: str, condition: str, number: float, shown: str
) -> None:
    """As Prometheus's own templates show them."""
    said = {"value": human("$value", unit, condition)}
    rule = {"alert": "Any", "expr": f"vector({number})", "annotations": said}
    (tmp_path / "rules.yml").write_bytes(yaml_text.dump({"groups": [{"name": "any", "rules": [rule]}]}))
    expected = {"alertname": "Any", "eval_time": "1m", "exp_alerts": [{"exp_annotations": {"value": shown}}]}
    test = {"rule_files": ["rules.yml"], "tests": [{"alert_rule_test": [expected]}]}
    (tmp_path / "test.yml").write_bytes(yaml_text.dump(test))
    run(program("promtool"), "test", "rules", "test.yml", cwd=tmp_path)


@pytest.mark.parametrize(
    ("dropped", "fires"),
    [
        pytest.param("0x8 4x60", False, id="once, as at a reload"),
        pytest.param("0x8 0+1x60", True, id="again and again"),
    ],
)
def test_only_lasting_trouble_with_alertmanager_is_told(tmp_path: Path, dropped: str, fires: bool) -> None:
    plan = planned(PLATFORMS["minimal"])
    for artefact in rules.emit(plan):
        (tmp_path / Path(artefact.path).name).write_bytes(artefact.content)
    (alert,) = (one for domain in plan.domains for one in domain.alerts if one.alertname == "NotificationsDropped")
    labels = dict(alert.labels)
    series = [{"series": 'prometheus_notifications_dropped_total{job="prometheus"}', "values": dropped}]
    alerts = [{"exp_labels": labels, "exp_annotations": annotations(plan, alert)}] if fires else []
    wanted = [
        *({"eval_time": time, "alertname": alert.alertname, "exp_alerts": []} for time in ("2m", "4m", "6m")),
        *({"eval_time": time, "alertname": alert.alertname, "exp_alerts": alerts} for time in ("10m", "14m")),
    ]
    test = {"interval": "15s", "input_series": series, "alert_rule_test": wanted}
    (tmp_path / "test.yml").write_bytes(yaml_text.dump({"rule_files": ["tocsin.yml"], "tests": [test]}))
    run(program("promtool"), "test", "rules", "test.yml", cwd=tmp_path)


def test_the_domain_of_a_file() -> None:
    what = planned(PLATFORMS["everything"])
    named = [domain.name for domain in what.domains if domain.alerts or domain.recordings]
    assert [rules.domain_of(artefact.path) for artefact in rules.emit(what)] == named
    others = ["prometheus/tests/fleet.yml", "prometheus/rules/fleet.md", "prometheus/rules/old/fleet.yml", "fleet.yml"]
    assert [rules.domain_of(path) for path in others] == [None] * len(others)
