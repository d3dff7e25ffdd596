"""What Fire22's ``promql:`` metrics say of series worked out by hand, by promtool."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import yaml

from generator import naming
from generator.model import Domain

FOLDER = Path(__file__).parents[2] / "domains" / "fire22"
API = 'job="fire22-api",instance="api:8000"'
REQUESTS = "http_server_request_duration_seconds"


def recordings() -> list[dict[str, str]]:
    """A recording rule for every ``promql:`` metric, under the name that it gets."""
    rules = []
    for name in ("system", "infrastructure"):
        domain = Domain.model_validate(yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8")))
        for metric_name, metric in domain.metrics.items():
            assert metric.promql is not None
            record = naming.metric("fire22", name, metric_name, metric.unit)
            rules.append({"record": record, "expr": metric.promql})
    return rules


def hold(folder: Path, step: str, series: Mapping[str, str], expected: Mapping[tuple[str, str], list[object]]) -> None:
    """Let promtool check that at ``(time, expression)`` there are these samples, or none."""
    (folder / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "fire22", "rules": recordings()}]}))
    tests = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": step,
        "tests": [
            {
                "interval": step,
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "promql_expr_test": [
                    {"eval_time": time, "expr": expression, "exp_samples": _samples(values)}
                    for (time, expression), values in expected.items()
                ],
            }
        ],
    }
    (folder / "tests.yml").write_text(yaml.safe_dump(tests))
    done = subprocess.run(
        ["promtool", "test", "rules", str(folder / "tests.yml")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _samples(values: list[object]) -> list[dict[str, object]]:
    """A number stands for a sample without labels, a pair for one with them."""
    return [
        {"labels": value[0], "value": value[1]} if isinstance(value, tuple) else {"labels": "{}", "value": value}
        for value in values
    ]


def of(route: str, status: str) -> str:
    """The series of the requests to a route with a status."""
    return f'{REQUESTS}_count{{{API},http_route="{route}",http_response_status_code="{status}"}}'


def bucket(le: str) -> str:
    """The series of the requests that took at most ``le`` seconds."""
    return f'{REQUESTS}_bucket{{{API},le="{le}"}}'


def system(metric: str) -> str:
    """A metric of the system domain, rounded to what was worked out."""
    return f"round(fire22_system_{metric}, 0.000001)"


def test_traffic(tmp_path: Path) -> None:
    """201 + 0.2 requests per second to Collections, 100 to Free Play, 1 + 0.8 elsewhere; 0.2 + 0.8 of them fail."""
    series = {
        f"up{{{API}}}": "1x60",
        of("/collections/{id}", "200"): "0+3000x60",
        of("/collections/{id}", "404"): "0+15x60",
        of("/collections", "500"): "0+3x60",
        of("/free-play/bonuses", "200"): "0+1500x60",
        of("/health", "404"): "0+15x60",
        of("/collections-archive", "503"): "0+12x60",  # begins like Collections, belongs to nobody
        f"{REQUESTS}_sum{{{API}}}": "0+2272.5x60",
        bucket("0.1"): "0+1500x60",
        bucket("0.2"): "0+2272.5x60",  # half of 4545
        bucket("0.5"): "0+4317.75x60",  # 95%
        bucket("1"): "0+4499.55x60",  # 99%
        bucket("+Inf"): "0+4545x60",
    }
    expected: dict[tuple[str, str], list[object]] = {
        ("10m", system("throughput_per_second")): [303],
        ("10m", system("failures_per_second")): [1],
        ("10m", system("error_rate_ratio")): [0.0033],
        ("10m", system("daily_error_rate_ratio")): [0.0033],
        ("10m", system("response_time_seconds")): [0.5],
        ("10m", system("response_time_p50_seconds")): [0.2],
        ("10m", system("response_time_p95_seconds")): [0.5],
        ("10m", system("response_time_p99_seconds")): [1],
        ("10m", system("area_requests_per_second")): [('{area="collections"}', 201.2), ('{area="free-play"}', 100)],
        ("10m", system("area_failures_per_second")): [('{area="collections"}', 0.2), ('{area="free-play"}', 0)],
        ("10m", system("collections_error_rate_ratio")): [0.000994],
        ("10m", system("free_play_error_rate_ratio")): [0],
        ("10m", system("balance_error_rate_ratio")): [],
        ("10m", system("throughput_peak_per_second")): [303],
        ("10m", system("uptime_ratio")): [1],
    }
    hold(tmp_path, "15s", series, expected)


def test_nobody_comes(tmp_path: Path) -> None:
    """An API that serves nobody has a throughput of 0, and no error rate or response time."""
    series = {f"up{{{API}}}": "1x60", of("/health", "200"): "5x60"}
    expected: dict[tuple[str, str], list[object]] = {
        ("10m", system("throughput_per_second")): [0],
        ("10m", system("failures_per_second")): [0],
        ("10m", system("error_rate_ratio")): [],
        ("10m", system("daily_error_rate_ratio")): [],
        ("10m", system("response_time_seconds")): [],
        ("10m", system("response_time_p95_seconds")): [],
    }
    hold(tmp_path, "15s", series, expected)
    # Before the first request there is no series at all: then `absent: zero` counts for the alert.
    hold(tmp_path, "15s", {f"up{{{API}}}": "1x60"}, {key: [] for key in expected})


def test_api_down(tmp_path: Path) -> None:
    """What nobody can see has no value; uptime does."""
    series = {f"up{{{API}}}": "1x29 0x29", of("/health", "200"): "0+15x29 stale"}
    expected: dict[tuple[str, str], list[object]] = {
        ("14m", system("throughput_per_second")): [],
        ("14m", system("error_rate_ratio")): [],
        ("14m45s", system("uptime_ratio")): [0.5],
    }
    hold(tmp_path, "15s", series, expected)


def _hour_then(first: int, later: int) -> str:
    """A counter that grows by ``first`` per two minutes for an hour, then by ``later``."""
    return f"0+{first}x30 {30 * first + later}+{later}x800"


def test_windows_of_a_day(tmp_path: Path) -> None:
    """An hour of errors, high traffic and table scans is remembered for a day, not for longer."""
    areas = [*enumerate(("collections", "distributions", "free-play", "balance", "adjustment"), start=1)]
    table = 'job="fire22-database",relname="settlements",schemaname="public"'
    series = {
        f"up{{{API}}}": "0x29 1x800",
        f"pg_stat_user_tables_idx_scan{{{table}}}": "0+10x800",
        f"pg_stat_user_tables_seq_scan{{{table}}}": "0+10x30 300x800",
        **{of(f"/{area}/{{id}}", "200"): _hour_then(n * (480 - 24 * n), n * 120) for n, area in areas},
        **{of(f"/{area}/{{id}}", "500"): _hour_then(n * 24 * n, 0) for n, area in areas},
    }
    error_rates = [f"{area.replace('-', '_')}_error_rate_ratio" for _, area in areas]
    expected: dict[tuple[str, str], list[object]] = {
        ("12h", system("error_rate_ratio")): [0],
        ("12h", system("throughput_per_second")): [15],
        ("12h", "round(fire22_system_throughput_peak_per_second)"): [60],
        ("1h20m", "fire22_system_throughput_sustained_per_second > bool 24"): [1],
        ("12h", "round(fire22_system_throughput_sustained_per_second)"): [15],
        # One hour of 12 had four times the usual requests, and n in 20 of them failed: n * 0.2 / (4 + 11).
        **{
            ("12h", f"round(fire22_system_{name}, 0.01)"): [rate]
            for name, rate in zip(error_rates, (0.01, 0.03, 0.04, 0.05, 0.07), strict=True)
        },
        ("12h", "round(fire22_system_daily_error_rate_ratio, 0.01)"): [0.05],
        ("12h", "round(fire22_system_uptime_ratio, 0.01)"): [0.92],
        ("12h", "round(fire22_infrastructure_index_usage_ratio, 0.01)"): [0.92],
        **{("26h", system(name)): [0] for name in ("daily_error_rate_ratio", *error_rates)},
        ("26h", system("throughput_peak_per_second")): [15],
        ("26h", system("uptime_ratio")): [1],
        ("26h", "round(fire22_infrastructure_index_usage_ratio, 0.01)"): [1],
    }
    hold(tmp_path, "2m", series, expected)


def test_database(tmp_path: Path) -> None:
    """Tables, connections, and the ten statements with the most time out of twelve."""
    job = 'job="fire22-database",instance="postgres-exporter:9188"'
    table = f'{job},datname="fire22",schemaname="public",relname="settlements"'
    other = f'{job},datname="fire22",schemaname="public",relname="payments"'
    series = {
        f"pg_stat_user_tables_idx_scan{{{table}}}": "0+9x60",
        f"pg_stat_user_tables_seq_scan{{{table}}}": "0+1x60",
        f"pg_stat_user_tables_idx_scan{{{other}}}": "0+7x60",
        f"pg_stat_user_tables_seq_scan{{{other}}}": "0+3x60",
        f"pg_stat_user_tables_n_tup_ins{{{table}}}": "0+2x60",
        f"pg_stat_user_tables_n_tup_upd{{{table}}}": "0+5x60",
        f"pg_stat_user_tables_n_tup_del{{{table}}}": "0+8x60",
        f'pg_stat_activity_count{{{job},datname="fire22",state="active"}}': "5x60",
        f'pg_stat_activity_count{{{job},datname="postgres",state="active"}}': "1x60",
        f'pg_stat_activity_count{{{job},datname="fire22",state="idle"}}': "20x60",
        **{
            f'pg_stat_statements_{what}{{{job},datname="fire22",queryid="{n}"}}': f"0+{each}x60"
            for n in range(1, 13)
            for what, each in (("seconds_total", n), ("calls_total", 2), ("rows_total", 4))
        },
    }
    expected: dict[tuple[str, str], list[object]] = {
        ("30m", "round(fire22_infrastructure_index_usage_ratio, 0.01)"): [0.8],
        ("30m", 'round(fire22_infrastructure_index_scans{relname="settlements"})'): [
            ('{relname="settlements",schemaname="public"}', 90)
        ],
        ("30m", "round(sum(fire22_infrastructure_sequential_scans))"): [40],
        ("30m", "round(sum(fire22_infrastructure_rows_inserted))"): [20],
        ("30m", "round(sum(fire22_infrastructure_rows_updated))"): [50],
        ("30m", "round(sum(fire22_infrastructure_rows_deleted))"): [80],
        ("30m", "fire22_infrastructure_connections"): [
            ('fire22_infrastructure_connections{state="active"}', 6),
            ('fire22_infrastructure_connections{state="idle"}', 20),
        ],
        ("30m", "count(fire22_infrastructure_statement_time_seconds)"): [10],
        ("30m", "round(min(fire22_infrastructure_statement_time_seconds))"): [30],
        ("30m", "count(fire22_infrastructure_statement_calls)"): [10],
        ("30m", "count(fire22_infrastructure_statement_rows)"): [10],
        ("30m", 'round(fire22_infrastructure_statement_rows{queryid="12"})'): [('{queryid="12"}', 40)],
        ("30m", 'round(fire22_infrastructure_statement_mean_time_seconds{queryid="12"})'): [('{queryid="12"}', 6)],
        ("30m", 'fire22_infrastructure_statement_mean_time_seconds{queryid="2"}'): [],
    }
    hold(tmp_path, "30s", series, expected)
