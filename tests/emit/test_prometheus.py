"""What Prometheus is told, judged by promtool and by the values themselves."""

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import ryaml

from generator import naming
from generator.emit import prometheus
from generator.plan.types import Plan
from tests.emit import plans

PLAN = plans.plan()
RULES = """groups:
- name: fire22_collections
  rules:
  - alert: CollectionsQueueBackup
    expr: vector(1)
"""


def configuration(plan: Plan) -> Any:
    """The configuration as plain values."""
    (artefact,) = prometheus.emit(plan)
    assert artefact.path == "prometheus/prometheus.yml"
    return ryaml.loads(artefact.content.decode())


@pytest.mark.parametrize("plan", [PLAN, replace(PLAN, jobs=()), replace(PLAN, scrape_interval=1500)])
def test_promtool_accepts_it_and_finds_the_rules(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "collections.yml").write_text(RULES, "utf-8")
    config = tmp_path / "prometheus.yml"
    config.write_bytes(next(iter(prometheus.emit(plan))).content)
    done = subprocess.run(["promtool", "check", "config", str(config)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 rules found" in done.stdout


def test_jobs() -> None:
    api, host = configuration(PLAN)["scrape_configs"]
    assert api == {
        "job_name": "fire22-api",
        "scrape_interval": "5s",
        "scrape_timeout": "5s",
        "metrics_path": "/metrics",
        "scheme": "http",
        "static_configs": [{"targets": ["api:8000"]}],
    }
    assert host["scheme"] == "https"
    assert host["static_configs"] == [{"targets": ["a:9100", "b:9100"], "labels": {"site": 'on: "{{x}}"'}}]


def test_every_alertmanager_is_told() -> None:
    (told,) = configuration(PLAN)["alerting"]["alertmanagers"]
    assert told["static_configs"] == [{"targets": ["alertmanager-0:9093", "alertmanager-1:9093"]}]


def test_a_timeout_never_exceeds_its_interval() -> None:
    assert configuration(replace(PLAN, scrape_interval=5000))["global"]["scrape_timeout"] == "5s"
    assert configuration(replace(PLAN, scrape_interval=60_000))["global"]["scrape_timeout"] == "10s"


def test_no_label_of_the_platform_overwrites_one_of_an_alert() -> None:
    labels = configuration(PLAN)["global"].get("external_labels", {})
    assert not set(labels) & naming.RESERVED_LABELS
