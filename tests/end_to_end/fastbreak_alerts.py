"""What is expected of every alert of FastBreak, by hand from its document and its domain files."""

import re
from dataclasses import dataclass
from typing import Literal

from demo.addresses import Inbox

Severity = Literal["critical", "warning", "info"]

# The document's two recipients, its webhook and its Slack channel.
INBOXES: dict[str, tuple[Inbox, ...]] = {
    "email": (("email", "admin@fastbreak.example"), ("email", "ops@fastbreak.example")),
    "webhook": (("webhook", "alerts"),),
    "slack": (("slack", "#fastbreak-alerts"),),
}


@dataclass(frozen=True)
class Between:
    """A value that moves on while the alert fires: a number within bounds, and its unit."""

    low: float
    high: float
    unit: str

    def __eq__(self, other: object) -> bool:
        found = re.fullmatch(r"([\d.]+)(.*)", other) if isinstance(other, str) else None
        return found is not None and found[2] == self.unit and self.low < float(found[1]) < self.high

    def __hash__(self) -> int:
        return hash((self.low, self.high, self.unit))


@dataclass(frozen=True)
class Expected:
    """One alert: ``key`` as its domain file calls it, ``metric`` as Prometheus keeps what it looks at.

    ``beside`` is the metric's value just beside the threshold; ``value`` is what messages say beyond it.
    """

    domain: str
    key: str
    name: str
    severity: Severity
    channels: str
    summary: str
    threshold: str
    value: str | Between
    metric: str
    beside: float

    @property
    def inboxes(self) -> list[Inbox]:
        """Who is told, each once."""
        return sorted(inbox for channel in self.channels.split() for inbox in INBOXES[channel])

    def observed(self, values: list[float]) -> float:
        """What the alert compares, of its metric's series: the worst host, or all messages."""
        return max(values) if self.domain == "host" else sum(values)


def _alert(
    where: str, severity: Severity, channels: str, summary: str, threshold: str, value: str | Between, metric: str,
    beside: float,
) -> Expected:  # fmt: skip
    domain, key = where.split("/")
    name = "".join(word.capitalize() for word in f"{domain}_{key}".split("_"))
    return Expected(domain, key, name, severity, channels, summary, threshold, value, metric, beside)


ALERTS = (
    _alert(
        "http/slow_responses", "warning", "email", "The services answer slowly on average.",
        "> 1s", Between(1.02, 1.5, "s"), "fastbreak_http_avg_response_time_seconds", 0.999,
    ),
    _alert(
        "http/high_response_time", "warning", "email slack", "One request in twenty takes longer than the target.",
        ">= 200ms", Between(200.5, 230, "ms"), "fastbreak_http_response_time_p95_seconds", 0.1 + 0.15 * 98 / 148.5,
    ),
    _alert(
        "http/low_throughput", "info", "slack", "The services answer fewer requests than the target.",
        "<= 1,000 rps", Between(500, 1000, " requests/s"), "fastbreak_http_throughput_per_second", 1010,
    ),
    _alert(
        "http/high_error_rate", "critical", "email webhook slack",
        "The services answer too many requests with server errors.",
        ">= 1%", Between(1.02, 1.5, "%"), "fastbreak_http_error_rate_ratio", 0.0099,
    ),
    _alert(
        "database/slow_simple_queries", "warning", "email slack",
        "Simple queries take longer on average than the target.",
        ">= 10ms", "10.01ms", "fastbreak_database_simple_query_time_seconds", 0.00999,
    ),
    _alert(
        "database/slow_complex_queries", "warning", "email slack",
        "Complex queries take longer on average than the target.",
        ">= 100ms", "100.1ms", "fastbreak_database_complex_query_time_seconds", 0.0999,
    ),
    _alert(
        "database/too_many_connections", "warning", "email slack",
        "More connections are in use than the target allows.",
        ">= 50 connections", "50 connections", "fastbreak_database_active_connections", 49,
    ),
    _alert(
        "database/low_index_usage", "warning", "email", "Too many scans of large tables use no index.",
        "<= 95%", "94.9%", "fastbreak_database_index_usage_ratio", 0.951,
    ),
    _alert(
        "database/slow_queries_detected", "warning", "email slack", "Several queries took longer than one second.",
        "> 10 queries", Between(11.9, 12.5, " queries"), "fastbreak_database_slow_queries", 9,
    ),
    _alert(
        "database/connection_pool_waits", "warning", "email slack",
        "Requests keep waiting for a database connection.",
        "> 0 requests", "1 requests", "fastbreak_database_pending_connection_requests", 0,
    ),
    _alert(
        "database/database_down", "critical", "email webhook slack", "The exporter cannot reach the database.",
        "< 1", "0", "fastbreak_database_database_up", 1,
    ),
    _alert(
        "cache/low_write_capacity", "info", "slack", "The cache writes slower than the target.",
        "<= 10,000 rps", "9.99k requests/s", "fastbreak_cache_write_capacity_per_second", 10_010,
    ),
    _alert(
        "cache/low_read_capacity", "info", "slack", "The cache reads slower than the target.",
        "<= 50,000 rps", "49.9k requests/s", "fastbreak_cache_read_capacity_per_second", 50_100,
    ),
    _alert(
        "cache/high_memory_per_key", "warning", "email slack",
        "The cache needs more memory for its keys than the target.",
        ">= 100 MB", "100MB", "fastbreak_cache_memory_per_million_keys_bytes", 99_900_000,
    ),
    _alert(
        "cache/low_hit_rate", "warning", "email slack", "The cache misses more lookups than the target.",
        "<= 90%", "89.9%", "fastbreak_cache_hit_rate_ratio", 0.901,
    ),
    _alert(
        "cache/cache_errors", "critical", "email webhook slack", "Cache operations fail.",
        "> 1%", "1.014%", "fastbreak_cache_error_rate_ratio", 0.0099,
    ),
    _alert(
        "ai_analysis/slow_analyses", "warning", "email slack", "One analysis in twenty takes too long.",
        ">= 5s", "5.13s", "fastbreak_ai_analysis_processing_time_p95_seconds", 4.9,
    ),
    _alert(
        "ai_analysis/low_confidence", "warning", "email", "The analyses are less sure than usual.",
        "< 70%", "69.9%", "fastbreak_ai_analysis_confidence_ratio", 0.701,
    ),
    _alert(
        "ai_analysis/failing_analyses", "critical", "email webhook slack", "Too many analyses fail.",
        ">= 5%", "5.176%", "fastbreak_ai_analysis_error_rate_ratio", 0.049,
    ),
    _alert(
        "batching/long_waits", "warning", "email slack", "Requests wait too long for their batch.",
        ">= 1s", "1.225s", "fastbreak_batching_wait_time_p95_seconds", 0.99,
    ),
    _alert(
        "batching/many_retries", "info", "slack", "Many batches need a retry.",
        ">= 20%", "20.1%", "fastbreak_batching_retry_rate_ratio", 0.199,
    ),
    _alert(
        "batching/failing_batches", "critical", "email webhook slack",
        "Batches to external APIs fail after all retries.",
        ">= 5%", "5.1%", "fastbreak_batching_error_rate_ratio", 0.049,
    ),
    _alert(
        "host/high_cpu_usage", "warning", "email slack", "A host has hardly any CPU time left.",
        ">= 90%", "90%", "fastbreak_host_cpu_usage_ratio", 0.899,
    ),
    _alert(
        "host/high_memory_usage", "critical", "email webhook slack", "A host has hardly any memory left.",
        ">= 90%", "90%", "fastbreak_host_memory_usage_ratio", 0.899,
    ),
    # Muted while the disk is almost full, and told when that is over: as Prometheus last sent it, at 90 %.
    _alert(
        "host/disk_filling", "warning", "email slack", "A file system fills up.",
        ">= 80%", "90%", "fastbreak_host_disk_usage_ratio", 0.799,
    ),
    _alert(
        "host/disk_almost_full", "critical", "email webhook slack", "A file system is almost full.",
        ">= 90%", "90%", "fastbreak_host_disk_usage_ratio", 0.799,
    ),
    _alert(
        "system/low_availability", "critical", "email webhook slack",
        "The services were not reachable for too long today.",
        "<= 99.9%", Between(99.7, 99.9, "%"), "fastbreak_system_availability_ratio", 0.99913,
    ),
    _alert(
        "system/alert_spam", "warning", "email", "Alerts send more messages than anybody can read.",
        "> 60 messages", Between(61.9, 63, " messages"), "fastbreak_system_sent_messages", 59,
    ),
)  # fmt: skip
