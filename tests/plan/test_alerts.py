"""Alerts planned from platforms that are odd on purpose: what would be wrong at three in the morning."""

import json
from pathlib import Path

import pytest

from generator.emit import rule_tests, rules
from generator.emit.annotations import annotations
from generator.load import Files, load
from generator.plan.types import Alert, Plan
from tests import programs
from tests.compiling import planned, problems

PLATFORM = """
platform: odd
title: Odd
sources:
  main: {type: postgres, dsn_env: MAIN_DSN}
  other: {type: postgres, dsn_env: OTHER_DSN}
scrape:
  jobs:
    exporter: {targets: ["exporter:9187"], labels: {zone: north}}
    main: {targets: ["service:9100"]}
    hosts: {targets: ["one:9100", "two:9100"]}
channels:
  hook: {type: webhook, url: "http://localhost/hook"}
severities: [high, low]
escalation:
  high: {respond_within: 2w, channels: [hook], next: ada}
  low: {channels: [hook]}
contacts: {ops: {}, ada: {hook: "http://localhost/ada"}}
links: {prometheus: "http://p", alertmanager: "http://a", grafana: "http://g", runbooks: "http://r"}
"""

ALPHA = """
domain: alpha
title: Alpha
owner: ops
source: main
records:
  visit:
    table: visits
    fields: {stay: {sql: left_at - came_at, unit: seconds}, open: {sql: open, boolean: true}}
metrics:
  spend: {help: Spend., unit: usd, by: [campaign], sql: "SELECT campaign, 1 AS value FROM s"}
  limit: {help: Limit., unit: usd, source: other, sql: "SELECT 1 AS value"}
  wait: {help: Wait., unit: seconds, sql: "SELECT 1 AS value"}
  traffic: {help: Traffic., unit: rps, job: main, absent: zero, promql: 'sum(rate(requests_total{job="main"}[5m]))'}
  open: {help: Open., unit: connections, job: main, promql: 'sum(connections{job="main"})'}
  spare:
    help: Room that is left.
    unit: ratio
    per: instance
    by: {disk: [a, b]}
    total: min
    job: hosts
    promql: min by (instance, disk) (spare_ratio{job="hosts"})
  sizes: {help: Sizes., unit: bytes, type: histogram, buckets: [1048576, 3000000000], sql: "SELECT 1 AS value"}
alerts:
  over: {condition: spend > limit * 1.1, severity: low}
  many: {condition: limit > $3 AND spend > $7, severity: low}
  either: {condition: wait > 5s OR limit > $3, severity: low}
  long: {condition: wait > 9s, severity: high, for: 15s, cooldown: 1h}
  idle: {condition: traffic < 1rps, severity: low, no_data: ok}
  crowded: {condition: open > 5 AND traffic > 1rps, severity: low, cooldown: 5m}
  idle_alert: {condition: traffic < 1rps, severity: low, no_data: alert}
  full: {condition: spare < 10%, severity: low, by: [disk, instance], no_data: alert}
  any_full: {condition: spare < 5%, severity: low}
  wait_ok: {condition: wait > 5s, severity: low, no_data: ok, for: 0s}
  wait_kept: {condition: wait > 5s, severity: low, for: 0s}
  stay_ok: {condition: stay > 5s, severity: low, no_data: ok}
  stay_kept: {condition: stay > 5s, severity: low}
  open_ok: {condition: visit.open, severity: low, no_data: ok}
"""

BETA = """
domain: beta
title: Beta
owner: ops
metrics:
  twice: {help: Twice., unit: rps, expr: alpha.traffic * 2}
alerts:
  busy: {condition: alpha.traffic > 5rps AND twice < 100rps, severity: low}
  busy_ok: {condition: twice > 50rps, severity: low, no_data: ok}
"""


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    folder = tmp_path_factory.mktemp("odd")
    for name, text in {"platform": PLATFORM, "alpha": ALPHA, "beta": BETA}.items():
        (folder / f"{name}.yaml").write_text(text, "utf-8")
    files = load(folder)
    assert isinstance(files, Files), files
    assert problems(files) == []
    return planned(folder)


def alert(plan: Plan, alertname: str) -> Alert:
    (found,) = [one for domain in plan.domains for one in domain.alerts if one.alertname == alertname]
    return found


def recorded(plan: Plan, domain: str, record: str) -> str:
    (found,) = [one.recordings for one in plan.domains if one.name == domain]
    return {one.record: one.expr for one in found}[record]


def test_labels_of_scrape_jobs_do_not_reach_alerts(odd: Plan) -> None:
    assert recorded(odd, "alpha", "odd_alpha:spend:held").startswith(
        "(max by (campaign) (odd_alpha_spend_usd) and on()"
    )
    assert recorded(odd, "alpha", "odd_alpha:limit:held").startswith("(max(odd_alpha_limit_usd) and on()")


def test_the_threshold_that_is_told_is_the_one_of_the_value(odd: Plan) -> None:
    many = alert(odd, "AlphaMany")
    assert many.expr.startswith("odd_alpha:spend:held > 7 and ")
    assert many.threshold_text == "> $7"
    assert many.threshold is not None
    assert many.threshold.value == 3, "panels show the first metric's"


def test_a_value_of_which_the_unit_is_not_known_has_none(odd: Plan) -> None:
    either = alert(odd, "AlphaEither")
    assert either.value_unit == "none"
    assert either.threshold_text == "wait > 5s OR limit > $3"


def test_no_data_ok_still_takes_a_service_without_series_for_zero(odd: Plan) -> None:
    assert alert(odd, "AlphaIdle").expr == "odd_alpha:traffic:filled < 1"
    assert recorded(odd, "alpha", "odd_alpha:traffic:filled") == (
        'odd_alpha_traffic_per_second\nor on() (0 * (max(min_over_time(up{job="main"}[5m])) == 1))'
    )
    assert recorded(odd, "beta", "odd_beta:twice:current") == "odd_beta:alpha_traffic:filled * 2"


def test_no_data_ok_takes_old_values_beside_a_failure_for_no_data(odd: Plan, tmp_path: Path) -> None:
    """A source with ``max_age`` goes on showing them, to people."""
    assert recorded(odd, "alpha", "odd_alpha:wait:max") == (
        'max(odd_alpha_wait_seconds) and on() (max(odd_query_success{query="alpha/wait"}) == 1)'
    )
    assert alert(odd, "AlphaStayOk").expr == (
        'max(odd_alpha_stay_ok_matching_rows) > 0 and on() (max(odd_query_success{query="alpha/visit"}) == 1)'
    )
    values = {
        "odd_alpha_wait_seconds": "9x9",
        "odd_alpha_stay_ok_matching_rows": "1x9",
        "odd_alpha_stay_kept_matching_rows": "1x9",
        'odd_query_success{query="alpha/wait"}': "1x4 0x4",
        'odd_query_success{query="alpha/visit"}': "1x4 0x4",
    }
    firing = "count by (alertname) (ALERTS{alertname=~'Alpha(Wait|Stay).*', alertstate='firing'})"
    names = {"4m": ["StayKept", "StayOk", "WaitKept", "WaitOk"], "5m": ["StayKept", "WaitKept"]}
    written = {
        "rule_files": ["alpha.yml"],
        "evaluation_interval": "1m",
        "tests": [{
            "interval": "1m",
            "input_series": [{"series": name, "values": value} for name, value in values.items()],
            "promql_expr_test": [
                {
                    "expr": firing,
                    "eval_time": time,
                    "exp_samples": [{"labels": f'{{alertname="Alpha{name}"}}', "value": 1} for name in found],
                }
                for time, found in names.items()
            ],
        }],
    }  # fmt: skip
    (rule_file,) = [artefact for artefact in rules.emit(odd) if artefact.path.endswith("/alpha.yml")]
    (tmp_path / "alpha.yml").write_bytes(rule_file.content)
    (tmp_path / "test.yml").write_text(json.dumps(written))
    programs.run("promtool", "test", "rules", tmp_path / "test.yml")


def test_want_of_data_has_no_number(odd: Plan) -> None:
    idle = alert(odd, "AlphaIdleAlert")
    assert idle.expr.endswith('\nor absent(max(min_over_time(up{job="main"}[5m])) == 1) * NaN')
    assert "{{ else }}unknown{{ end }}" in annotations(odd, idle)["value"]


def test_an_alert_per_target_looks_at_its_own_target(odd: Plan) -> None:
    full = alert(odd, "AlphaFull")
    assert full.expr.endswith(
        'or max by (instance) (up{job="hosts"} == 0) * NaN\nor absent(up{job="hosts"} == 1) * NaN'
    )
    assert r'(printf "(up{job=\"hosts\",instance=%q} == 1)" $labels.instance)' in annotations(odd, full)["value"]
    assert r'with query "max(up{job=\"hosts\"} == 1)"' in annotations(odd, alert(odd, "AlphaAnyFull"))["value"]


def test_another_domains_service_is_recorded_beside_its_health(odd: Plan) -> None:
    assert recorded(odd, "beta", "odd_beta:alpha_traffic:current") == 'sum(rate(requests_total{job="main"}[5m]))'
    assert recorded(odd, "beta", "odd_beta:alpha_traffic:held").startswith("(odd_beta:alpha_traffic:current and on()")


def test_a_job_and_a_database_of_one_name_are_both_watched(odd: Plan) -> None:
    database, job = alert(odd, "SourceBlindMain"), alert(odd, "SourceBlindJobMain")
    assert "odd_query_success" in database.expr
    assert "Blind: AlphaOver, AlphaMany, AlphaEither, AlphaLong, AlphaWaitKept, AlphaStayKept." in database.description
    assert job.expr == 'absent(max(up{job="main"}) == 1)'
    assert "Blind: AlphaCrowded, AlphaIdleAlert, BetaBusy." in job.description
    assert "Blind: AlphaFull, AlphaAnyFull." in alert(odd, "InstanceBlindHosts").description


def test_long_times_and_large_bounds_are_written_out(odd: Plan) -> None:
    written = "".join(artefact.content.decode() for artefact in rules.emit(odd))
    assert 'escalation=""} >= 1209615)' in written
    (query,) = [query for domain in odd.domains for query in domain.queries if query.name == "alpha/sizes"]
    assert "WHERE value <= 1048576)" in query.sql
    assert "WHERE value <= 3000000000)" in query.sql


def test_the_rule_tests_pass(odd: Plan, tmp_path: Path) -> None:
    for artefact in (*rules.emit(odd), *rule_tests.emit(odd)):
        path = tmp_path / artefact.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(artefact.content)
    assert rule_tests.untested(odd) == ()
    programs.run("promtool", "check", "rules", "--lint=all", *sorted((tmp_path / "prometheus/rules").iterdir()))
    programs.run("promtool", "test", "rules", *sorted((tmp_path / "prometheus/tests").iterdir()))
