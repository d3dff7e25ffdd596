"""The address that silences an alert: made by Prometheus's templates, it is the one that Alertmanager's would make."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from generator.condition.promql import quoted
from generator.emit import alertmanager, yaml_text
from generator.emit.annotations import annotations
from generator.plan.types import Alert, Plan
from tests import silences
from tests.compiling import PLATFORMS, planned
from tests.emit import messages
from tests.programs import program, run

HOSTILE = (
    "plain", "two words", "+46 70", "50%", "%2B", "quote \" ' `", "back\\slash \\n", "{{ .Labels }} }} {{ end }}",
    "🔥 é", "<script>&amp;</script>", "#/?a=b&c", "a,b}", "two\nlines\tand a tab", "$1 | x", "~-_.!*()",
)  # fmt: skip


@pytest.fixture(scope="module")
def plan() -> Plan:
    return planned(PLATFORMS["everything"])


def alert(plan: Plan, kind: str, name: str) -> Alert:
    """An alert of a kind, as if it were split by one label."""
    found = next(one for domain in plan.domains for one in domain.alerts if one.kind == kind and one.domain != "tocsin")
    return replace(found, by=(name,))


def made_by_alertmanager(plan: Plan, folder: Path, all_labels: Iterable[dict[str, str]]) -> list[str]:
    """The links for alerts that bring none along."""
    for artefact in alertmanager.emit(plan):
        (folder / artefact.path).parent.mkdir(parents=True, exist_ok=True)
        (folder / artefact.path).write_bytes(artefact.content)
    alerts = [{**messages.alert(), "labels": labels, "annotations": {}} for labels in all_labels]
    (folder / "payload.json").write_text(json.dumps(messages.payload(*alerts)), "utf-8")
    text = '{{ range .Alerts }}{{ template "tocsin.silence" . }}\n{{ end }}'
    return run(
        program("amtool"), "template", "render", f"--template.glob={folder}/alertmanager/templates/*.tmpl",
        f"--template.data={folder}/payload.json", f"--template.text={text}",
    ).split()  # fmt: skip


def check_prometheus(folder: Path, found: Alert, link: str, instances: list[tuple[dict[str, str], str]]) -> None:
    """An alert for each instance: its series' own labels, and the link that Prometheus is to make of ``link``."""
    rules, expected = [], []
    for number, (own, expected_link) in enumerate(instances):
        expr = f"vector({number})"
        for name, value in own.items():
            expr = f'label_replace({expr}, "{name}", {quoted(value.replace("$", "$$"))}, "", "")'
        labels = {**dict(found.labels), "escalation": "anna"} if number % 2 else dict(found.labels)
        told = {"link": link, "number": str(number)}
        rules.append({"alert": found.alertname, "expr": expr, "labels": labels, "annotations": told})
        made = {"link": expected_link, "number": str(number)}
        seen = {name: value for name, value in own.items() if value}
        expected.append({"exp_labels": {**labels, **seen}, "exp_annotations": made})
    (folder / "rules.yml").write_bytes(yaml_text.dump({"groups": [{"name": "any", "rules": rules}]}))
    cases = [{"alertname": found.alertname, "eval_time": "0m", "exp_alerts": expected}]
    test = {"rule_files": ["rules.yml"], "tests": [{"alert_rule_test": cases}]}
    (folder / "test.yml").write_bytes(yaml_text.dump(test))
    run(program("promtool"), "test", "rules", "test.yml", cwd=folder)


@pytest.mark.parametrize("kind", ["metrics", "rows", "promql"])
def test_prometheus_and_alertmanager_make_the_same(plan: Plan, tmp_path: Path, kind: str) -> None:
    found = alert(plan, kind, "account")
    known = {"alertname": found.alertname, **dict(found.labels)}
    theirs = made_by_alertmanager(plan, tmp_path, [{**known, "account": value} for value in HOSTILE])
    for value, link in zip(HOSTILE, theirs, strict=True):
        assert silences.matchers(link) == {**known, "account": value}
    instances = [({"account": value}, link) for value, link in zip(HOSTILE, theirs, strict=True)]
    check_prometheus(tmp_path, found, annotations(plan, found)["silence_url"], instances)


def test_an_instance_without_the_label_is_silenced_alone(plan: Plan, tmp_path: Path) -> None:
    found = alert(plan, "metrics", "zone")
    known = {"alertname": found.alertname, **dict(found.labels)}
    (bare,) = made_by_alertmanager(plan, tmp_path, [known])
    expected = bare.replace("%7D", "%2C%20zone%3D%22%22%7D")
    assert silences.matchers(expected) == {**known, "zone": ""}
    check_prometheus(tmp_path, found, annotations(plan, found)["silence_url"], [({"zone": ""}, expected)])
