"""A platform of 2,000 alerts: amtool loads its tree; the plan, our tree and amtool agree on who is told."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from generator.emit import alertmanager
from generator.plan.types import Alert, Plan
from generator.routing.evaluation import Configuration, configuration
from generator.routing.steps import alert_labels
from tests import programs
from tests.bench.synthetic import write_platform
from tests.compiling import planned

DOMAINS = 100


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Path]:
    folder = tmp_path_factory.mktemp("large")
    plan = planned(write_platform(folder, DOMAINS))
    for artefact in alertmanager.emit(plan):
        path = folder / artefact.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(artefact.content)
    return plan, folder / alertmanager.PATH


def written(plan: Plan) -> Iterator[Alert]:
    return (alert for domain in plan.domains if domain.name != "tocsin" for alert in domain.alerts)


def test_amtool_loads_the_tree(platform: tuple[Plan, Path]) -> None:
    plan, path = platform
    assert len(list(written(plan))) == 20 * DOMAINS
    assert "SUCCESS" in programs.run("amtool", "check-config", path)


def test_everybody_is_told_whom_the_plan_names(platform: tuple[Plan, Path]) -> None:
    plan, path = platform
    tree: Configuration = configuration(alertmanager.configuration(plan))
    slots = {cadence.name for cadence in plan.cadences if cadence.at is not None}
    asked: dict[tuple[str, ...], list[str]] = {}
    for alert in written(plan):
        for step in (None, *alert.escalations):
            labels = alert_labels(alert) | ({"escalation": step.contact} if step is not None else {})
            ours = [route.receiver for route in tree.route.match(labels)]
            kind = "digest" if alert.notification in slots else "channel"
            expected = [f"{kind}-{name}" for name in sorted(alert.channels)]
            assert ours == (expected if step is None else [f"contact-{step.contact}-{alert.severity}"]), labels
            asked.setdefault((alert.severity, alert.notification, *alert.channels, step.contact if step else ""), ours)
    # amtool answers for one label set at a time, so it is asked once for each kind.
    assert len(asked) == 5
    for (severity, notification, *channels, contact), ours in asked.items():
        labels = {
            "alertname": "Any",
            "severity": severity,
            "notification": notification,
            "channels": ",".join(channels),
        }
        labels |= {"escalation": contact} if contact else {}
        pairs = [f"{name}={value}" for name, value in labels.items()]
        answer = programs.run("amtool", "config", "routes", "test", f"--config.file={path}", *pairs)
        assert answer.splitlines()[-1].split(",") == ours, labels
