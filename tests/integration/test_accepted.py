"""What comes out is accepted by the programs that it is for: promtool, amtool, Prometheus, Alertmanager."""

import subprocess
from pathlib import Path

import pytest
import requests

from generator.plan.types import Plan
from tests import programs
from tests.compiling import PLATFORMS, compiled, planned


@pytest.fixture(scope="module", params=PLATFORMS)
def platform(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Path]:
    plan = planned(PLATFORMS[request.param])
    return plan, compiled(plan, tmp_path_factory.mktemp(request.param))


def test_promtool_has_nothing_to_say_about_configuration_and_rules(platform: tuple[Plan, Path]) -> None:
    _, output = platform
    checked = programs.run("promtool", "check", "config", "prometheus/prometheus.yml", cwd=output)
    rules = sorted((output / "prometheus/rules").glob("*.yml"))
    checked += programs.run("promtool", "check", "rules", "--lint=all", "--lint-fatal", *rules)
    assert "WARN" not in checked
    assert "FAILED" not in checked
    assert "duplicate" not in checked


def test_generated_rule_tests_pass(platform: tuple[Plan, Path]) -> None:
    _, output = platform
    files = sorted((output / "prometheus/tests").glob("*.yml"))
    done = programs.run("promtool", "test", "rules", *files)
    assert done.count("SUCCESS") == len(files)


def test_amtool_accepts_routes_and_templates(platform: tuple[Plan, Path]) -> None:
    _, output = platform
    checked = programs.run("amtool", "check-config", output / "alertmanager/alertmanager.yml")
    assert "SUCCESS" in checked
    assert "warn" not in checked.lower()


def test_every_alert_is_routed_to_the_receivers_of_its_plan(platform: tuple[Plan, Path]) -> None:
    plan, output = platform
    seen: dict[tuple[tuple[str, str], ...], str] = {}
    cadences = {cadence.name: cadence for cadence in plan.cadences}
    for domain in plan.domains:
        for alert in domain.alerts:
            labels = dict(alert.labels)
            if alert.severity == "none":
                continue
            routed = {key: labels[key] for key in ("notification", "channels", "severity")}
            slot = cadences[alert.notification].at is not None
            expected = {f"{'digest' if slot else 'channel'}-{channel}" for channel in alert.channels}
            assert _receivers(output, {**routed, "alertname": alert.alertname}, seen) == expected, alert.alertname
            for escalation in alert.escalations:
                copy = {**routed, "escalation": escalation.contact, "alertname": alert.alertname}
                receivers = _receivers(output, copy, seen)
                assert len(receivers) == max(1, len(escalation.people)), alert.alertname
                if not escalation.people:
                    assert receivers.pop().startswith(f"contact-{escalation.contact}"), alert.alertname


def _receivers(output: Path, labels: dict[str, str], seen: dict[tuple[tuple[str, str], ...], str]) -> set[str]:
    """amtool's word on who is told; alerts that differ in their name alone are asked for once."""
    key = tuple(sorted((name, value) for name, value in labels.items() if name != "alertname"))
    if key not in seen:
        config = f"--config.file={output / 'alertmanager/alertmanager.yml'}"
        pairs = [f"{name}={value}" for name, value in labels.items()]
        seen[key] = programs.run("amtool", "config", "routes", "test", config, *pairs)
    return set(seen[key].splitlines()[-1].split(","))  # Debian's settings of amtool make it warn before that


def test_prometheus_and_alertmanager_load_it_and_every_rule_is_healthy(
    platform: tuple[Plan, Path], tmp_path: Path
) -> None:
    plan, output = platform
    with programs.alertmanager(output / "alertmanager/alertmanager.yml", tmp_path) as alertmanager:
        status = requests.get(f"{alertmanager}/api/v2/status", timeout=10).json()
        assert "channel-" in status["config"]["original"]
    quick = tmp_path / "prometheus.yml"
    text = (output / "prometheus/prometheus.yml").read_text()
    quick.write_text(text.replace("rules/", f"{output}/prometheus/rules/"))
    for rules in (output / "prometheus/rules").glob("*.yml"):
        rules.write_text(rules.read_text().replace("interval: 15s", "interval: 1s"))
    with programs.prometheus(quick, tmp_path) as prometheus:

        def evaluated() -> list[dict[str, str]] | None:
            groups = requests.get(f"{prometheus}/api/v1/rules", timeout=10).json()["data"]["groups"]
            rules = [rule for group in groups for rule in group["rules"]]
            return rules if rules and all(rule["health"] != "unknown" for rule in rules) else None

        found = programs.until(evaluated)
        assert [rule for rule in found if rule["health"] != "ok"] == []
        names = {rule["name"] for rule in found if rule["type"] == "alerting"}
        assert names == {alert.alertname for domain in plan.domains for alert in domain.alerts}


def test_rule_tests_find_what_is_planted(tmp_path: Path) -> None:
    """A wrong operator, threshold, unit or time in any one rule makes the tests of its domain fail."""
    plan = planned(PLATFORMS["fire22"])
    output = compiled(plan, tmp_path)
    faults = [
        ("collections", "> 100", ">= 100"),
        ("collections", "> 100", "> 101"),
        ("collections", "> 100", "< 100"),
        (
            "collections",
            "sum(fire22_collections:pending_settlements:held)",
            "max(fire22_collections:pending_settlements:held)",
        ),
        ("collections", "> 2700", "> 45"),
        ("collections", "> 2700", "> 2701"),
        ("collections", "> 0.01", "> 1"),
        ("collections", "settlement_overdue_matching_rows:held > 0", "settlement_overdue_matching_rows:held > 1"),
        ("collections", "for: 30s", "for: 45s"),
        ("collections", "for: 15m30s", "for: 30m"),
        ("collections", "escalation: anna", "escalation: bo"),
        ("collections", "severity: critical", "severity: high"),
        ("collections", "unless on() (max(fire22_query_success", "and on() (max(fire22_query_success"),
        ("free_play", "allocated_budget:held * 1.1", "allocated_budget:held * 1.2"),
        ("free_play", "< 0.4", "<= 0.4"),
        ("system", "< 100", "< 99"),
        ("system", "> 2", "> 2000"),
        ("tocsin", "== 1)", "== 0)"),
    ]
    for domain, right, wrong in faults:
        rules = output / f"prometheus/rules/{domain}.yml"
        text = rules.read_text()
        assert right in text, right
        rules.write_text(text.replace(right, wrong, 1 if right.startswith(("unless", "sev", "for")) else -1))
        tests = sorted((output / "prometheus/tests").glob(f"{domain}.*.yml"))
        done = subprocess.run(["promtool", "test", "rules", *tests], capture_output=True, text=True, timeout=300)
        assert done.returncode != 0, f"{domain}: {right} as {wrong} went unnoticed"
        rules.write_text(text)
