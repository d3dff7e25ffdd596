"""Fire22's files against its document: alerts word for word, targets, matrix, playbooks, roles, dashboards."""

import re
from pathlib import Path

import pytest
import yaml

from generator.model import Domain, Platform

FOLDER = Path(__file__).parents[2] / "domains" / "fire22"
DOCUMENT_TEXT = (Path(__file__).parent / "fire22_document_alerts.yaml").read_text(encoding="utf-8")
DOCUMENT = yaml.safe_load(DOCUMENT_TEXT)


def domain(name: str) -> Domain:
    return Domain.model_validate(yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def platform() -> Platform:
    return Platform.model_validate(yaml.safe_load((FOLDER / "platform.yaml").read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", DOCUMENT)
def test_alerts_stand_word_for_word(name: str) -> None:
    """What the document says is there as text, and nothing beside it changes when an alert fires or who hears of it."""
    text = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
    written = yaml.safe_load(text)["alerts"]
    assert list(written) == list(DOCUMENT[name])
    for alert, block in DOCUMENT[name].items():
        added = set(written[alert]) - set(block)
        assert added <= {"summary", "description", "runbook"}
        assert {key: written[alert][key] for key in block} == block
    section = re.search(rf"^{name}:\n((?:  .*\n|\n)+)", DOCUMENT_TEXT, re.MULTILINE)
    assert section is not None
    assert set(section[1].splitlines()) <= set(text.splitlines())


def test_thresholds_of_the_system() -> None:
    alerts = domain("system").alerts
    assert {alert.condition: (alert.severity, alert.notification) for alert in alerts.values()} == {
        "response_time > 2s": ("high", "immediate"),
        "throughput < 100 rps": ("warning", "immediate"),
        "error_rate > 1%": ("critical", "immediate"),
        "uptime < 99.9%": ("critical", "immediate"),
    }


TARGETS = {
    "system": {
        "response_time_p50": "< 200ms",
        "response_time_p95": "< 500ms",
        "response_time_p99": "< 1000ms",
        "uptime": ">= 99.9%",
        "throughput": ">= 150 rps",
        "throughput_peak": "<= 500 rps",
        "throughput_sustained": ">= 200 rps",
        "error_rate": "< 0.1%",
        "collections_error_rate": "< 0.05%",
        "distributions_error_rate": "< 0.08%",
        "free_play_error_rate": "< 0.03%",
        "balance_error_rate": "< 0.02%",
        "adjustment_error_rate": "< 0.05%",
    },
    "collections": {
        "average_processing_time": ">= 92%",
        "success_rate": ">= 98%",
        "customer_satisfaction": ">= 89%",
        "on_time_delivery": ">= 95%",
    },
    "distributions": {
        "payment_success_rate": ">= 96%",
        "on_time_delivery": ">= 88%",
        "recipient_satisfaction": ">= 94%",
        "processing_efficiency": ">= 89%",
    },
    "free_play": {
        "redemption_success_rate": ">= 97%",
        "bonus_utilization": ">= 85%",
        "customer_engagement": ">= 92%",
        "campaign_effectiveness": ">= 89%",
    },
    "balance": {
        "transaction_accuracy": ">= 99.9%",
        "processing_speed": ">= 95%",
        "account_security": ">= 98%",
        "customer_satisfaction": ">= 97%",
    },
    "adjustment": {
        "approval_rate": ">= 94%",
        "processing_efficiency": ">= 89%",
        "accuracy_rate": ">= 96%",
        "customer_satisfaction": ">= 92%",
    },
    "infrastructure": {"connections": "< 50", "index_usage": ">= 95%"},
}


@pytest.mark.parametrize("name", TARGETS)
def test_targets(name: str) -> None:
    assert {key: kpi.target for key, kpi in domain(name).kpis.items()} == TARGETS[name]


@pytest.mark.parametrize(
    ("name", "path", "refresh"),
    [
        ("system", "/monitoring/system", "30s"),
        ("collections", "/monitoring/collections", "15s"),
        ("distributions", "/monitoring/distributions", "15s"),
        ("free_play", "/monitoring/free-play", "30s"),
        ("balance", "/monitoring/balance", "15s"),
        ("adjustment", "/monitoring/adjustment", "30s"),
    ],
)
def test_dashboards(name: str, path: str, refresh: str) -> None:
    dashboard = domain(name).dashboard
    assert (dashboard.path, dashboard.refresh) == (path, refresh)


def test_matrix(platform: Platform) -> None:
    rows = {name: (row.respond_within, row.channels, row.next) for name, row in platform.escalation.items()}
    assert rows["critical"] == ("5m", ["sms", "phone", "slack"], "on-call-engineer")
    assert rows["high"] == ("15m", ["slack", "email"], "team-lead")
    assert rows["medium"] == ("1h", ["slack"], "team-member")
    assert rows["low"] == ("4h", ["slack"], None)
    same = {name: row.same_as for name, row in platform.escalation.items() if row.same_as}
    assert same == {"warning": "medium", "info": "low"}


def test_playbooks(platform: Platform) -> None:
    critical = platform.playbooks["critical_incident_response"]
    assert (len(critical.steps), critical.steps[0]) == (8, "Acknowledge alert within 5 minutes")
    assert list(critical.communication) == ["internal", "external", "customers"]
    performance = platform.playbooks["performance_incident_response"]
    assert (len(performance.steps), len(performance.tools)) == (6, 4)


def test_scrape_jobs(platform: Platform) -> None:
    scrape = platform.scrape
    assert (scrape.interval, scrape.evaluation_interval) == ("15s", "15s")
    assert {name: job.interval for name, job in scrape.jobs.items()} == {
        "fire22-api": "5s",
        "fire22-database": "30s",
        "fire22-business": None,
    }


def test_everybody_who_is_next_can_be_reached(platform: Platform) -> None:
    """Leads and members have the channels over which their severity escalates."""
    for path in sorted(FOLDER.glob("*.yaml")):
        if path.stem == "platform":
            continue
        team = platform.contacts[domain(path.stem).owner]
        lead, member = platform.contacts[team.lead or ""], platform.contacts[team.member or ""]
        assert {"slack", "email"} <= set(lead.model_extra or {})
        assert "slack" in (member.model_extra or {})
