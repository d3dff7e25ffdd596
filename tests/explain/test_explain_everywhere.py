"""Every alert of every platform of the tests: what is shown is true, whole, and fits."""

import json
import re
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from generator import naming
from generator.emit import dashboards, exporter_plan, rule_tests, rules, runbooks
from generator.explain import Explanation, as_json, as_text
from generator.explain.lines import WIDTH
from generator.plan.types import Alert, Plan
from tests.compiling import PLATFORMS
from tests.explain.explaining import alerts, explained, known

ALERTS = [(platform, f"{alert.domain}/{alert.name}") for platform in PLATFORMS for alert in alerts(platform)]
every_alert = pytest.mark.parametrize(("platform", "path"), ALERTS, ids=lambda value: value)


@cache
def output(platform: str) -> dict[str, Any]:
    """What is generated for a platform, read back, by its path below ``output/``."""
    plan = known(platform).plan
    found: dict[str, Any] = {}
    for emitter in (rules.emit, rule_tests.emit, exporter_plan.emit, dashboards.emit, runbooks.emit):
        for artefact in emitter(plan):
            text = artefact.content.decode()
            found[f"output/{plan.directory}/{artefact.path}"] = read(artefact.path, text)
    return found


def read(path: str, text: str) -> Any:
    if path.endswith(".md"):
        return text
    return json.loads(text) if path.endswith(".json") else yaml.safe_load(text)


def alert_of(plan: Plan, it: Explanation) -> Alert:
    return next(
        one for domain in plan.domains for one in domain.alerts if (one.domain, one.name) == (it.domain, it.name)
    )


def squeezed(text: str) -> str:
    return " ".join(text.split())


@every_alert
def test_prose_fits_and_code_is_whole(platform: str, path: str) -> None:
    it = explained(platform, path)
    text = as_text(it)
    codes = [it.written.text, it.rule.text, *(one.text for one in it.numbers), *([it.rows.text] if it.rows else [])]
    for line in text.split("\n"):
        assert line == line.rstrip()
        is_code = any(squeezed(line) in squeezed(code) for code in codes)
        assert len(line) <= WIDTH or is_code or "://" in line, line
    for code in codes:
        assert squeezed(code) in squeezed(text)


@every_alert
def test_promql_is_the_rule_s(platform: str, path: str) -> None:
    it = explained(platform, path)
    found = [
        rule
        for group in output(platform)[it.rule.name]["groups"]
        for rule in group["rules"]
        if rule.get("alert") == it.alertname and "escalation" not in rule["labels"]
    ]
    assert [rule["expr"] for rule in found] == [it.rule.text]
    assert found[0].get("for", "0s") == it.wait
    assert found[0].get("keep_firing_for", "0s") == it.cooldown
    assert found[0]["annotations"] == dict(it.annotations)
    recorded = {
        rule["record"]: rule["expr"]
        for group in output(platform)[it.rule.name]["groups"]
        for rule in group["rules"]
        if "record" in rule
    }
    assert all(recorded[held.name] == held.text for held in it.held)


@every_alert
def test_sql_is_the_exporter_s(platform: str, path: str) -> None:
    it = explained(platform, path)
    plan = known(platform).plan
    queries = output(platform).get(f"output/{plan.directory}/exporter/business.yml", {"queries": []})["queries"]
    asked = {query["name"]: query["sql"].strip() for query in queries}
    shown = {code.name: code.text for code in it.numbers if code.language == "sql"}
    assert shown.items() <= asked.items()
    alert = alert_of(plan, it)
    needs = alert.kind == "rows" or any(leaf.origin == "sql" for leaf in alert.leaves)
    assert bool(shown) == needs
    assert (it.rows is not None) == (alert.kind == "rows")


@every_alert
def test_the_tests_that_are_named_test_the_alert(platform: str, path: str) -> None:
    it = explained(platform, path)
    files = {name: content for name, content in output(platform).items() if "/prometheus/tests/" in name}
    asserted: dict[str, int] = {}
    for name, content in files.items():
        cases = [case for test in content["tests"] for case in test["promql_expr_test"]]
        if count := sum(f'alertname="{it.alertname}"' in case["expr"] for case in cases):
            asserted[name] = count
    assert {one.path: len(one.proves) for one in it.tests} == asserted
    assert bool(it.tests) == (it.untested is None)
    if platform in ("fire22", "fastbreak"):
        assert all(Path(one.path).is_file() for one in it.tests)


@every_alert
def test_the_line_is_the_alert_s(platform: str, path: str) -> None:
    it = explained(platform, path)
    lines = Path(it.written.path).read_text().split("\n")
    key = "monitoring" if it.domain == naming.OWN_DOMAIN else it.name
    if it.written.path.endswith(".py"):
        assert (it.written.line, it.written.text) == (1, "")
    elif it.written.text:
        assert re.match(rf" *{key}:", lines[it.written.line - 1])
        assert "\n".join(lines[it.written.line - 1 :]).startswith(it.written.text)
        block = yaml.safe_load(it.written.text)
        whole = yaml.safe_load(Path(it.written.path).read_text())
        assert block[key] == (whole[key] if key == "monitoring" else whole["alerts"][key])
    else:
        assert it.domain == naming.OWN_DOMAIN  # nobody says who hears of it


@every_alert
def test_addresses_lead_somewhere(platform: str, path: str) -> None:
    it = explained(platform, path)
    directory = known(platform).plan.directory
    anchor = it.runbook.url.rpartition("#")[2]
    assert f'<a id="{anchor}"></a>' in output(platform)[f"output/{directory}/runbooks/{it.domain}.md"]
    board = output(platform)[f"output/{directory}/grafana/dashboards/{it.domain}.json"]
    panels = [inner for panel in board["panels"] for inner in (panel, *panel.get("panels", ()))]
    number = int(it.panel.url.rpartition("=")[2])
    assert [panel["title"] for panel in panels if panel["id"] == number] == [it.panel.title]


@every_alert
def test_people_are_the_plan_s(platform: str, path: str) -> None:
    it = explained(platform, path)
    alert = alert_of(known(platform).plan, it)
    if it.alertname != naming.WATCHDOG:
        assert it.told[0].channels == ", ".join(alert.channels)
        who = [step.title + (": " if step.people else "") for step in alert.escalations]
        assert all(one.who.startswith(start) for one, start in zip(it.told[1:], who, strict=True))
        assert all(
            person in one.who
            for one, step in zip(it.told[1:], alert.escalations, strict=True)
            for person in step.people
        )
    assert all(one.when for one in it.told)


@every_alert
def test_json_has_everything(platform: str, path: str) -> None:
    it = explained(platform, path)
    value = json.loads(as_json(it))
    assert list(value) == list(asdict(it))
    assert value == json.loads(json.dumps({**asdict(it), "annotations": dict(it.annotations)}))
