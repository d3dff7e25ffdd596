"""Every line of FastBreak's "Performance Benchmarks" is a KPI and a default alert, and the example rule is there."""

from pathlib import Path
from typing import Any

import pytest
import yaml

FASTBREAK = Path(__file__).parents[2] / "domains" / "fastbreak"
OPPOSITE = {"<": ">=", ">": "<="}
# The document's targets, in its order: domain, KPI, operator, number, alert.
BENCHMARKS = [
    ("cache", "write_capacity", ">", "10000 rps", "low_write_capacity"),
    ("cache", "read_capacity", ">", "50000 rps", "low_read_capacity"),
    ("cache", "memory_per_million_keys", "<", "100MB", "high_memory_per_key"),
    ("cache", "hit_rate", ">", "90%", "low_hit_rate"),
    ("database", "simple_query_time", "<", "10ms", "slow_simple_queries"),
    ("database", "complex_query_time", "<", "100ms", "slow_complex_queries"),
    ("database", "active_connections", "<", "50", "too_many_connections"),
    ("database", "index_usage", ">", "95%", "low_index_usage"),
    ("http", "response_time_p95", "<", "200ms", "high_response_time"),
    ("http", "throughput", ">", "1000 rps", "low_throughput"),
    ("http", "error_rate", "<", "1%", "high_error_rate"),
    ("system", "availability", ">", "99.9%", "low_availability"),
]


def written(name: str) -> dict[str, Any]:
    """What stands in one of FastBreak's files."""
    value: dict[str, Any] = yaml.safe_load((FASTBREAK / f"{name}.yaml").read_text())
    return value


@pytest.mark.parametrize(("domain", "kpi", "op", "number", "alert"), BENCHMARKS, ids=lambda value: str(value))
def test_a_benchmark_is_a_kpi_and_its_opposite_an_alert(
    domain: str, kpi: str, op: str, number: str, alert: str
) -> None:
    """The gauge turns red exactly where the alert fires, but for the traffic that some alerts also ask for."""
    file = written(domain)
    metric = file["kpis"][kpi]["metric"]
    assert file["kpis"][kpi]["target"] == f"{op} {number}"
    assert file["alerts"][alert]["condition"].split(" AND ")[0] == f"{metric} {OPPOSITE[op]} {number}"


def test_the_example_rule_is_the_documents() -> None:
    """``avgResponseTime > threshold``, 1000, warning, cooldown 5 minutes, email alone."""
    rule = written("http")["alerts"]["slow_responses"]
    assert rule["condition"] == "avg_response_time > 1000ms"
    assert (rule["severity"], rule["cooldown"], rule["channels"]) == ("warning", "5m", ["email"])


def test_every_alert_has_the_documents_severities_channels_and_cooldown() -> None:
    """Nothing of another platform's vocabulary, and no alert that could spam."""
    platform = written("platform")
    assert platform["severities"] == ["critical", "warning", "info"]
    assert sorted(platform["channels"]) == ["email", "slack", "webhook"]
    for path in FASTBREAK.glob("*.yaml"):
        for name, alert in written(path.stem).get("alerts", {}).items():
            assert alert["cooldown"] == "5m", name
            assert alert["severity"] in platform["severities"], name
            assert alert["channels"], name


def test_troubleshooting_is_a_playbook_that_alerts_use() -> None:
    """Each of the four sections has its steps, and at least one alert sends people there."""
    used = {
        alert["runbook"]
        for path in FASTBREAK.glob("*.yaml")
        for alert in written(path.stem).get("alerts", {}).values()
        if isinstance(alert["runbook"], str)
    }
    assert used == set(written("platform")["playbooks"])
    assert used == {"high_memory_usage", "slow_database_queries", "cache_misses", "alert_spam"}
