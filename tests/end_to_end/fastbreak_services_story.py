"""A day of FastBreak's services in a few minutes: all is well, everything is slow, everything is away, all is well.

Windows of queries are real time, so the domain files are compiled with short ones; nothing else of them is changed.
"""

import json
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import requests

from demo.fastbreak.outside import Behaviour
from tests.clusters import cluster
from tests.end_to_end.fastbreak_services import DATABASE, SETTINGS, FastBreakServices
from tests.end_to_end.fastbreak_traffic import Traffic
from tests.end_to_end.stacks import overlaid
from tests.programs import until
from tests.redis_servers import redis_server

OVERLAY = Path(__file__).with_name("fastbreak_services_overlay.yaml")
_WINDOW = re.compile(r"\[(?:5m|10m|1h|24h)\]")
_SHORT = "[15s]"
PATIENCE = 150

# Alerts by what brings them about.
FULL_HOST = {"HostHighCpuUsage", "HostHighMemoryUsage", "HostDiskFilling", "HostDiskAlmostFull"}
LOCKED_TABLE = {
    "DatabaseTooManyConnections", "DatabaseConnectionPoolWaits",
    "DatabaseSlowSimpleQueries", "DatabaseSlowComplexQueries", "DatabaseSlowQueriesDetected",
    "HttpSlowResponses", "HttpHighResponseTime",
}  # fmt: skip
SCANS = {"DatabaseLowIndexUsage"}
CLUMSY_CACHE = {
    "CacheLowReadCapacity", "CacheLowWriteCapacity", "CacheHighMemoryPerKey", "CacheLowHitRate"
}  # fmt: skip
QUIET = {"HttpLowThroughput"}
SLOW_OTHERS = {"AiAnalysisSlowAnalyses", "AiAnalysisLowConfidence", "BatchingLongWaits"}
NO_DATABASE = {"DatabaseDatabaseDown", "HttpHighErrorRate"}
NO_REDIS = {"CacheCacheErrors"}
FAILING_OTHERS = {"AiAnalysisFailingAnalyses", "BatchingFailingBatches", "BatchingManyRetries"}
NO_SERVICE = {"SystemLowAvailability"}
FED = (
    FULL_HOST | LOCKED_TABLE | SCANS | CLUMSY_CACHE | QUIET | SLOW_OTHERS
    | NO_DATABASE | NO_REDIS | FAILING_OTHERS | NO_SERVICE
)  # fmt: skip


@dataclass
class Record:
    """The alerts that fired; and before, between and after, what was not right though it should have been."""

    wrong_at_first: set[str] = field(default_factory=set)
    fired: set[str] = field(default_factory=set)
    wrong_afterwards: set[str] = field(default_factory=set)
    wrong_at_last: set[str] = field(default_factory=set)
    spans: set[str] = field(default_factory=set)
    empty_panels: list[str] = field(default_factory=list)


def play(folder: Path) -> Record:
    """Run the whole story."""
    plan, compiled = overlaid("fastbreak", OVERLAY.read_text("utf-8"), folder, edited=_with_short_windows)
    running = folder / "running"
    running.mkdir()
    record = Record()
    with (
        redis_server(running) as redis,
        cluster(**SETTINGS) as database,
        FastBreakServices(plan, compiled, running, database, redis) as services,
        Traffic(services.api, services.analysis) as traffic,
    ):
        story = _Story(record, services, traffic)
        until(services.stack.is_seen, PATIENCE)
        record.wrong_at_first = story.is_well()
        story.everything_is_slow()
        record.wrong_afterwards = story.is_well()
        story.everything_is_away()
        record.wrong_at_last = story.is_well()
        assert services.spans is not None
        record.spans = {span.name for span in services.spans.spans}
        record.empty_panels = story.panels_without_data(compiled / "grafana/dashboards")
    return record


def _with_short_windows(text: str) -> str:
    return _WINDOW.sub(_SHORT, text)


@dataclass
class _Story:
    record: Record
    services: FastBreakServices
    traffic: Traffic
    began: float = field(default_factory=time.time)

    @property
    def url(self) -> str:
        return f"{self.services.plan.links.prometheus}/api/v1"

    def firing(self) -> set[str]:
        """The alerts that fire now."""
        alerts = requests.get(f"{self.url}/alerts", timeout=30).json()["data"]["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def is_well(self) -> set[str]:
        """Wait until nothing fires that is fed here, and every number with a target is known; else what is not so."""
        wrong = {"nothing was seen"}

        def nothing() -> bool:
            nonlocal wrong
            wrong = (self.firing() & FED) | self._unknown()
            return not wrong

        with suppress(AssertionError):
            until(nothing, PATIENCE)
        return wrong

    def fires(self, alerts: set[str]) -> None:
        """Wait until all of these have fired, be it one after the other; what did not is not in the record."""

        def all_seen() -> bool:
            self.record.fired |= self.firing() & FED
            return self.record.fired >= alerts

        with suppress(AssertionError):
            until(all_seen, PATIENCE)

    def everything_is_slow(self) -> None:
        """A table is locked, others take their time and are unsure, a host is full, the cache is used clumsily."""
        services, traffic = self.services, self.traffic
        others = services.outside.behaviour
        services.host_is_full(True)
        others.players_seconds, others.model_seconds, others.confidence = 2.5, 6.0, 0.5
        traffic.is_busy, traffic.is_clumsy, traffic.reads_plays = False, True, True
        self.fires(FULL_HOST | SLOW_OTHERS | SCANS | CLUMSY_CACHE | QUIET)
        traffic.reads_plays = traffic.is_clumsy = False
        owners = [f"{traffic.api}/portfolios/{owner}" for owner in range(80)]
        moments = [f"{traffic.analysis}/moments/{moment}" for moment in range(1, 13)]
        with psycopg.connect(services.cluster.dsn("services", DATABASE)) as connection:
            connection.execute("LOCK TABLE moments IN ACCESS EXCLUSIVE MODE")
            asking = traffic.at_once([*owners, *moments])
            self.fires({"DatabaseTooManyConnections", "DatabaseConnectionPoolWaits"})
            connection.rollback()
        asking.shutdown()
        self.fires(LOCKED_TABLE)
        traffic.forget_quotes()
        services.host_is_full(False)
        services.outside.behaviour = Behaviour()
        traffic.is_busy = True

    def everything_is_away(self) -> None:
        """Database, Redis, one of the services and the host's exporter are killed; the others say no."""
        services = self.services
        services.outside.behaviour.players_status = services.outside.behaviour.model_status = 503
        services.cluster.stop("immediate")
        services.redis.kill()
        services.analysis_process.kill()
        services.host.kill()
        self.fires(NO_DATABASE | NO_REDIS | FAILING_OTHERS | NO_SERVICE)
        until(lambda: "SourceBlindFastbreakHost" in self.firing(), PATIENCE)
        services.cluster.start()
        # A crash costs PostgreSQL its statistics.
        services.cluster.execute("ANALYZE", database=DATABASE)
        services.redis.start()
        services.analysis_process.start()
        services.host.start()
        services.outside.behaviour = Behaviour()
        # Redis keeps nothing here.
        until(self._is_warm, PATIENCE)

    def _is_warm(self) -> bool:
        self.traffic.warm()
        return "fastbreak_cache_memory_per_million_keys_bytes" not in self._unknown()

    def panels_without_data(self, dashboards: Path) -> list[str]:
        """Panels that at no time of the story had anything to show."""
        span: dict[str, float] = {"start": self.began, "end": time.time(), "step": 5}
        return [
            f"{title}: {expr}"
            for title, expr in _queries(dashboards)
            if not self._found("query_range", query=expr, **span)
        ]

    def _unknown(self) -> set[str]:
        """Numbers with a target that nobody knows now."""
        found = self._found("query", query='{__name__=~"fastbreak_[a-z0-9_]+"}')
        known = {one["metric"]["__name__"] for one in found}
        return {kpi.metric.series for domain in self.services.plan.domains for kpi in domain.kpis} - known

    def _found(self, page: str, **parameters: str | float) -> list[dict[str, Any]]:
        answer = requests.get(
            f"{self.url}/{page}", params={name: str(value) for name, value in parameters.items()}, timeout=30
        ).json()
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found


def _queries(dashboards: Path) -> Iterator[tuple[str, str]]:
    """Every query of every panel, with the titles of dashboard and panel."""
    files = sorted(dashboards.glob("*.json"))
    assert len(files) >= 8
    for file in files:
        dashboard = json.loads(file.read_text("utf-8"))
        for panel in dashboard["panels"]:
            for target in panel.get("targets", []):
                yield f"{dashboard['title']}, {panel['title']}", target["expr"].replace("$instance", ".+")
