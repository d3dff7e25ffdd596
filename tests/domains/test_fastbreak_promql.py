"""What FastBreak's PromQL says of series whose answer is known by hand, as the real promtool evaluates it."""

import subprocess
from dataclasses import dataclass, field
from math import floor
from pathlib import Path

import yaml

FASTBREAK = Path(__file__).parents[2] / "domains" / "fastbreak"
NOW = "2h"
SCRAPE = 15  # seconds
SAMPLES = 2 * 60 * 60 // SCRAPE
STEP = 2**-20  # values are compared rounded to a power of two, which promtool and Python do alike

HTTP = "http_server_request_duration_seconds"
QUERY = "db_client_operation_duration_seconds"
TABLES = "pg_stat_user_tables"


@dataclass
class Service:
    """Series of one target, counters given by how much they rise in a second."""

    job: str
    instance: str
    series: dict[str, str] = field(default_factory=dict)

    def _add(self, selector: str, values: str) -> None:
        name, _, labels = selector.partition("{")
        own = f'job="{self.job}",instance="{self.instance}"'
        inner = labels.rstrip("}")
        self.series[f"{name}{{{own}{',' if inner else ''}{inner}}}"] = values

    def gauge(self, selector: str, value: float) -> None:
        self._add(selector, f"{value!r}x{SAMPLES}")

    def counter(self, selector: str, per_second: float) -> None:
        self._add(selector, f"0+{per_second * SCRAPE!r}x{SAMPLES}")

    def histogram(self, name: str, labels: str, buckets: dict[str, float], total: float) -> None:
        """``buckets``: upper bound to cumulative observations per second; ``total``: what they sum up to per second."""
        for bound, per_second in buckets.items():
            self.counter(f'{name}_bucket{{{labels}{"," if labels else ""}le="{bound}"}}', per_second)
        self.counter(f"{name}_sum{{{labels}}}", total)
        self.counter(f"{name}_count{{{labels}}}", list(buckets.values())[-1])


def services() -> list[Service]:
    """Two instrumented services, the database's exporter, a host and Alertmanager."""
    api = Service("fastbreak-services", "api:3000")
    collector = Service("fastbreak-services", "collector:3000")
    database = Service("fastbreak-database", "postgres-exporter:9188")
    host = Service("fastbreak-host", "host-metrics:9464")

    # 90 + 10 requests a second to /moments, 1 of them failing, 100 to /users from the other service.
    api.histogram(
        HTTP, 'http_route="/moments",http_response_status_code="200"', {"0.1": 50, "0.25": 80, "+Inf": 99}, 20
    )
    api.histogram(HTTP, 'http_route="/moments",http_response_status_code="503"', {"0.1": 0, "0.25": 0, "+Inf": 1}, 2)
    collector.histogram(
        HTTP, 'http_route="/users",http_response_status_code="200"', {"0.1": 50, "0.25": 100, "+Inf": 100}, 18
    )
    api.gauge('http_server_active_requests{http_request_method="GET"}', 3)
    collector.gauge('http_server_active_requests{http_request_method="GET"}', 4)

    for service in (api, collector):
        service.gauge("up", 1)
        service.histogram(
            QUERY,
            'db_operation_name="SELECT",db_query_kind="simple"',
            {"0.005": 20, "0.01": 40, "1.0": 40, "+Inf": 40},
            0.2,
        )
    api.histogram(
        QUERY,
        'db_operation_name="SELECT",db_query_kind="complex"',
        {"0.005": 0, "0.01": 0, "1.0": 19, "+Inf": 19},
        0.7,
    )
    api.histogram(
        QUERY,
        'db_operation_name="INSERT",db_query_kind="complex",error_type="timeout"',
        {"0.005": 0, "0.01": 0, "1.0": 0.5, "+Inf": 1},
        1.3,
    )
    pool = 'db_client_connection_pool_name="main"'
    for service, used, idle, pending in ((api, 12, 3, 2), (collector, 8, 7, 0)):
        service.gauge(f'db_client_connection_count{{{pool},db_client_connection_state="used"}}', used)
        service.gauge(f'db_client_connection_count{{{pool},db_client_connection_state="idle"}}', idle)
        service.gauge(f"db_client_connection_pending_requests{{{pool}}}", pending)

    api.counter('cache_operations_total{operation="get",result="hit"}', 1800)
    api.counter('cache_operations_total{operation="get",result="miss"}', 100)
    collector.counter('cache_operations_total{operation="get",result="miss"}', 100)
    api.counter('cache_operations_total{operation="set",result="ok"}', 1980)
    api.counter('cache_operations_total{operation="set",result="error"}', 20)
    api.counter('cache_busy_seconds_total{operation="get"}', 0.02)
    collector.counter('cache_busy_seconds_total{operation="get"}', 0.02)
    api.counter('cache_busy_seconds_total{operation="set"}', 0.1)
    api.counter('cache_layer_lookups_total{layer="memory",result="hit"}', 1500)
    api.counter('cache_layer_lookups_total{layer="memory",result="miss"}', 500)
    api.counter('cache_layer_lookups_total{layer="redis",result="hit"}', 300)
    api.counter('cache_layer_lookups_total{layer="redis",result="miss"}', 200)
    api.histogram(
        "cache_operation_duration_seconds", 'operation="get"', {"0.001": 1900, "0.002": 2000, "+Inf": 2000}, 1
    )
    api.histogram(
        "cache_operation_duration_seconds", 'operation="set"', {"0.001": 1000, "0.002": 2000, "+Inf": 2000}, 2
    )
    for service, keys, memory in ((api, 50_000, 10e6), (collector, 30_000, 6e6)):
        service.gauge('cache_keys{layer="memory"}', keys)
        service.gauge('cache_memory_bytes{layer="memory"}', memory)
        service.gauge('cache_keys{layer="redis"}', 1_000_000)
        service.gauge('cache_memory_bytes{layer="redis"}', 36e6)
        service.gauge("cache_write_behind_pending", 5)
    for reason, per_second in (("expired", 4), ("evicted", 0), ("tag", 2), ("key", 1)):
        api.counter(f'cache_invalidations_total{{reason="{reason}"}}', per_second)
    api.counter("cache_warmed_keys_total", 0.5)

    api.histogram("ai_analysis_duration_seconds", 'model="price"', {"1.0": 1, "5.0": 4, "+Inf": 4}, 6)
    api.histogram("ai_analysis_duration_seconds", 'model="image"', {"1.0": 0, "5.0": 1, "+Inf": 1}, 4)
    api.histogram("ai_analysis_confidence_ratio", 'model="price"', {"0.5": 1, "1.0": 4, "+Inf": 4}, 3.4)
    api.histogram("ai_analysis_confidence_ratio", 'model="image"', {"0.5": 0, "1.0": 1, "+Inf": 1}, 0.6)
    api.counter('ai_analysis_errors_total{model="image"}', 0.2)

    api.histogram("request_batch_size", 'upstream="topshot"', {"10": 0, "50": 2, "+Inf": 2}, 60)
    api.histogram("request_batch_size", 'upstream="nba"', {"10": 2, "50": 2, "+Inf": 2}, 20)
    api.histogram("request_batch_wait_seconds", "", {"0.1": 40, "0.2": 80, "+Inf": 80}, 8)
    api.histogram("request_batch_duration_seconds", 'upstream="topshot"', {"0.5": 1, "1.0": 2, "+Inf": 2}, 1)
    api.histogram("request_batch_duration_seconds", 'upstream="nba"', {"0.5": 2, "1.0": 2, "+Inf": 2}, 0.5)
    api.counter('request_batch_deduplicated_total{upstream="topshot"}', 20)
    api.counter('request_batch_retries_total{upstream="nba"}', 0.4)
    api.counter('request_batch_errors_total{upstream="nba"}', 0.1)
    api.counter('request_batch_rate_limited_total{upstream="topshot"}', 3)
    api.gauge('request_batches_in_flight{upstream="topshot"}', 2)
    api.gauge('request_batches_in_flight{upstream="nba"}', 1)

    api.gauge("process_resident_memory_bytes", 200e6)
    collector.gauge("process_resident_memory_bytes", 300e6)
    api.counter('python_gc_collections_total{generation="0"}', 2)
    api.counter('python_gc_collections_total{generation="2"}', 0.25)
    api.counter('python_gc_objects_uncollectable_total{generation="2"}', 0.01)

    database.gauge("pg_up", 1)
    for table, rows, index_scans, sequential_scans, size in (
        ("users", 50_000, 90, 10, 8e9),
        ("moments", 10_000, 99, 1, 4e9),
        ("settings", 20, 0, 100, 8192),
    ):
        labels = f'datname="fastbreak",schemaname="public",relname="{table}"'
        database.gauge(f"{TABLES}_n_live_tup{{{labels}}}", rows)
        database.counter(f"{TABLES}_idx_scan{{{labels}}}", index_scans)
        database.counter(f"{TABLES}_seq_scan{{{labels}}}", sequential_scans)
        if table == "users":  # grows by 1,000 bytes a second
            database.counter(f"{TABLES}_table_size_bytes{{{labels}}}", 1000)
        else:
            database.gauge(f"{TABLES}_table_size_bytes{{{labels}}}", size)
    for user in ("api", "collector"):
        database.counter(f'pg_stat_statements_seconds_total{{user="{user}",queryid="42"}}', 0.5)
        database.counter(f'pg_stat_statements_calls_total{{user="{user}",queryid="42"}}', 20)

    for cpu, idle_share in (("0", 0.9), ("1", 0.5)):
        host.gauge(f'system_cpu_utilization{{cpu="{cpu}",state="idle"}}', idle_share)
        host.gauge(f'system_cpu_utilization{{cpu="{cpu}",state="user"}}', 1 - idle_share)
    host.gauge('system_memory_utilization{state="used"}', 0.75)
    host.gauge('system_memory_utilization{state="free"}', 0.25)
    host.gauge('system_memory_usage_bytes{state="used"}', 12e9)
    host.gauge('system_memory_usage_bytes{state="free"}', 4e9)
    for mountpoint, filled, free in (("/", 30e9, 10e9), ("/data", 450e9, 50e9)):
        for state, space in (("used", filled), ("free", free), ("reserved", 5e9)):
            labels = f'device="{mountpoint}",mountpoint="{mountpoint}",state="{state}"'
            host.gauge(f"system_filesystem_usage_bytes{{{labels}}}", space)
    alertmanager = Service("alertmanager", "alertmanager:9093")
    for integration, messages in (("email", 0.01), ("slack", 0.02), ("webhook", 1)):
        alertmanager.counter(f'alertmanager_notifications_total{{integration="{integration}"}}', messages)
    return [api, collector, database, host, alertmanager]


API, COLLECTOR, HOST = 'instance="api:3000"', 'instance="collector:3000"', 'instance="host-metrics:9464"'
USERS, MOMENTS, SETTINGS = (f'schemaname="public",relname="{table}"' for table in ("users", "moments", "settings"))

# By hand, from the series above: metric to labels to value.
EXPECTED: dict[str, dict[str, float]] = {
    "http.avg_response_time": {"": 40 / 200},
    "http.response_time_p50": {"": 0.1},
    "http.response_time_p95": {"": 0.25},  # rank 190 of 200 lies beyond the last finite bucket
    "http.response_time_p99": {"": 0.25},
    "http.throughput": {"": 200},
    "http.error_rate": {"": 1 / 200},
    "http.active_requests": {"": 7},
    "http.throughput_by_route": {'http_route="/moments"': 100, 'http_route="/users"': 100},
    "http.response_time_p95_by_route": {'http_route="/moments"': 0.25, 'http_route="/users"': 0.1 + 0.15 * 45 / 50},
    "http.error_rate_by_route": {'http_route="/moments"': 0.01, 'http_route="/users"': 0},
    "http.responses_by_status": {'http_response_status_code="200"': 199, 'http_response_status_code="503"': 1},
    "database.simple_query_time": {"": 0.4 / 80},
    "database.complex_query_time": {"": 2 / 20},
    "database.query_time_p95": {"": 0.01 + 0.99 * 15 / 19.5},  # rank 95 of 100, 80 below 10 ms, 19.5 below 1 s
    "database.query_time_by_operation": {'db_operation_name="SELECT"': 1.1 / 99, 'db_operation_name="INSERT"': 1.3},
    "database.query_rate": {"": 100},
    "database.query_error_rate": {"": 1 / 100},
    "database.slow_queries": {"": 0.5 * 300},
    "database.active_connections": {"": 20},
    "database.connections": {
        'db_client_connection_pool_name="main",db_client_connection_state="used"': 20,
        'db_client_connection_pool_name="main",db_client_connection_state="idle"': 10,
    },
    "database.pending_connection_requests": {"": 2},
    "database.database_up": {"": 1},
    "database.index_usage": {"": 189 / 200},  # the small table does not count
    "database.index_usage_by_table": {USERS: 0.9, MOMENTS: 0.99, SETTINGS: 0},
    "database.table_size": {USERS: 7_200_000, MOMENTS: 4e9, SETTINGS: 8192},
    "database.table_growth": {USERS: 3_600_000, MOMENTS: 0, SETTINGS: 0},
    "database.statement_time": {'queryid="42"': 1 / 40},
    "cache.hit_rate": {"": 0.9},
    "cache.hit_rate_by_layer": {'layer="memory"': 0.75, 'layer="redis"': 0.6},
    "cache.read_rate": {"": 2000},
    "cache.write_rate": {"": 2000},
    "cache.read_capacity": {"": 50_000},
    "cache.write_capacity": {"": 20_000},
    "cache.operation_time_p95": {'operation="get"': 0.001, 'operation="set"': 0.0019},
    "cache.error_rate": {"": 20 / 4000},
    "cache.memory_usage": {'layer="memory"': 16e6, 'layer="redis"': 36e6},
    "cache.keys": {'layer="memory"': 80_000, 'layer="redis"': 1_000_000},
    "cache.memory_per_million_keys": {"": 52e6},
    "cache.invalidations": {'reason="expired"': 4, 'reason="evicted"': 0, 'reason="tag"': 2, 'reason="key"': 1},
    "cache.warmed_keys": {"": 1800},
    "cache.write_behind_pending": {"": 10},
    "ai_analysis.processing_time": {"": 2},
    "ai_analysis.processing_time_p95": {"": 1 + 4 * 3.75 / 4},
    "ai_analysis.processing_time_by_model": {'model="price"': 1.5, 'model="image"': 4},
    "ai_analysis.analyses": {"": 5},
    "ai_analysis.confidence": {"": 0.8},
    "ai_analysis.confidence_p10": {"": 0.25},
    "ai_analysis.confidence_by_model": {'model="price"': 0.85, 'model="image"': 0.6},
    "ai_analysis.error_rate": {"": 0.04},
    "batching.batch_size": {"": 20},
    "batching.wait_time_p95": {"": 0.1 + 0.1 * 36 / 40},
    "batching.batch_time_p95": {'upstream="topshot"': 0.95, 'upstream="nba"': 0.475},
    "batching.throughput": {'upstream="topshot"': 60, 'upstream="nba"': 20},
    "batching.batches": {'upstream="topshot"': 2, 'upstream="nba"': 2},
    "batching.deduplicated": {"": 20 / 100},
    "batching.retry_rate": {"": 0.1},
    "batching.error_rate": {"": 0.025},
    "batching.rate_limited": {'upstream="topshot"': 3},
    "batching.concurrent_batches": {"": 3},
    "host.cpu_usage": {HOST: 0.3},
    "host.memory_usage": {HOST: 0.75},
    "host.memory": {f'{HOST},state="used"': 12e9, f'{HOST},state="free"': 4e9},
    "host.disk_usage": {f'{HOST},mountpoint="/"': 0.75, f'{HOST},mountpoint="/data"': 0.9},
    "host.process_memory": {API: 200e6, COLLECTOR: 300e6},
    "host.gc_collections": {f'{API},generation="0"': 2, f'{API},generation="2"': 0.25},
    "host.uncollectable_objects": {API: 36},
    "system.availability": {"": 1},
    "system.services_up": {"": 2},
    "system.sent_messages": {'integration="email"': 36, 'integration="slack"': 72},
}
# With the services idle or their rare series never seen: a rate of errors is 0, a ratio of nothing is no number.
IDLE: dict[str, dict[str, float]] = {
    "http.avg_response_time": {},
    "http.response_time_p95": {},
    "http.error_rate": {},
    "http.throughput": {"": 0},
    "cache.read_capacity": {},
    "cache.memory_per_million_keys": {},
    "ai_analysis.error_rate": {"": 0},
    "batching.deduplicated": {"": 0},
    "batching.retry_rate": {"": 0},
    "batching.error_rate": {"": 0},
    "cache.error_rate": {"": 0},
    "database.query_error_rate": {"": 0},
    "database.slow_queries": {"": 0},
    "system.availability": {"": (1 + 240 / 481) / 2},
}
# Services that never failed and a cache that never hit: the series of what did not happen do not exist yet.
FRESH: dict[str, dict[str, float]] = {
    "http.error_rate": {"": 0},
    "http.error_rate_by_route": {'http_route="/moments"': 0},
    "cache.hit_rate": {"": 0},
    "cache.hit_rate_by_layer": {'layer="memory"': 0},
    "cache.memory_per_million_keys": {"": 100e6},  # without Redis, the memory layers of all processes
}


def idle_services() -> list[Service]:
    """One service that is up and has nothing to do but a few analyses and batches, and one that is half down."""
    api = Service("fastbreak-services", "api:3000")
    api.gauge("up", 1)
    api.histogram(HTTP, 'http_route="/moments",http_response_status_code="200"', {"0.1": 0, "+Inf": 0}, 0)
    api.counter('cache_operations_total{operation="get",result="hit"}', 999)
    api.counter('cache_busy_seconds_total{operation="get"}', 0.5)
    api.gauge('cache_keys{layer="memory"}', 9_999)
    api.gauge('cache_memory_bytes{layer="memory"}', 50e6)
    api.histogram("ai_analysis_duration_seconds", 'model="price"', {"1.0": 1, "+Inf": 1}, 0.5)
    api.histogram("request_batch_size", 'upstream="nba"', {"10": 2, "+Inf": 2}, 20)
    api.histogram(QUERY, 'db_operation_name="SELECT",db_query_kind="simple"', {"1": 5, "+Inf": 5}, 0.1)
    half = Service("fastbreak-services", "collector:3000")
    half._add("up", "0x240 1x239")
    return [api, half]


def fresh_services() -> list[Service]:
    """Two services just after their first start, with some traffic and without Redis."""
    api = Service("fastbreak-services", "api:3000")
    collector = Service("fastbreak-services", "collector:3000")
    for service, keys, memory in ((api, 30_000, 2e6), (collector, 20_000, 3e6)):
        service.gauge('cache_keys{layer="memory"}', keys)
        service.gauge('cache_memory_bytes{layer="memory"}', memory)
    api.histogram(HTTP, 'http_route="/moments",http_response_status_code="200"', {"0.1": 10, "+Inf": 10}, 1)
    api.counter('cache_operations_total{operation="get",result="miss"}', 10)
    api.counter('cache_layer_lookups_total{layer="memory",result="miss"}', 10)
    return [api, collector]


def promql_metrics() -> dict[str, str]:
    """``domain.metric`` to its PromQL."""
    found = {}
    for path in sorted(FASTBREAK.glob("*.yaml")):
        for name, metric in yaml.safe_load(path.read_text()).get("metrics", {}).items():
            if "promql" in metric:
                found[f"{path.stem}.{name}"] = metric["promql"]
    return found


def rule_test(targets: list[Service], expected: dict[str, dict[str, float]]) -> dict[str, object]:
    """One test group of promtool: every series that each metric gives, with its labels and its value."""
    series = {name: values for target in targets for name, values in target.series.items()}
    metrics = promql_metrics()
    return {
        "interval": f"{SCRAPE}s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": f"round({metrics[name]}, {STEP!r})",
                "eval_time": NOW,
                "exp_samples": [
                    {"labels": f"{{{labels}}}", "value": floor(value / STEP + 0.5) * STEP}
                    for labels, value in values.items()
                ],
            }
            for name, values in expected.items()
        ],
    }


def test_every_metric_has_a_case_worked_out_by_hand() -> None:
    """A metric that is added or renamed needs its line in EXPECTED."""
    assert sorted(EXPECTED) == sorted(promql_metrics())


def test_promtool_finds_the_values_worked_out_by_hand(tmp_path: Path) -> None:
    """One run over all metrics: labels and values, busy and idle."""
    groups = [rule_test(services(), EXPECTED), rule_test(idle_services(), IDLE), rule_test(fresh_services(), FRESH)]
    file = tmp_path / "fastbreak.yml"
    file.write_text(yaml.safe_dump({"rule_files": [], "evaluation_interval": f"{SCRAPE}s", "tests": groups}))
    run = subprocess.run(["promtool", "test", "rules", file.name], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
