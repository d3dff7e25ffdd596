"""FastBreak's series in three states: just beside every threshold, beyond it, and right again.

Windows of queries are real time. So counters jump: a few bad observations carry a share over its threshold at once,
very many good ones bring it back. What only time takes back (availability, messages sent, slow queries) was bad in the
past too, at a moment that leaves the window ``FORGOTTEN`` seconds after the start.
"""

import time
from collections.abc import Iterator
from itertools import chain

from demo.addresses import targets
from generator.plan.types import Plan
from tests.end_to_end.scrape_target import Amounts, Target, counter, gauge, histogram

FORGOTTEN = 120
_FIVE_MINUTES, _HOUR, _DAY = 300, 3600, 86400
_LATELY = 60
_SPARSE = 15
_OUTAGE_SECONDS = 15
_MANY = 10_000_000

_HTTP = "http_server_request_duration_seconds"
_QUERY = "db_client_operation_duration_seconds"
_CACHE = "cache_operations_total"
_BUSY = "cache_busy_seconds_total"
_ANALYSIS, _CONFIDENCE = "ai_analysis_duration_seconds", "ai_analysis_confidence_ratio"
_BATCH, _WAIT = "request_batch_size", "request_batch_wait_seconds"
_SCANS = {"datname": "fastbreak", "schemaname": "public", "relname": "moments"}
_SENT = "alertmanager_notifications_total"


class FastBreak:
    """The services, database, hosts and Alertmanager that Prometheus believes to see."""

    def __init__(self, plan: Plan) -> None:
        born = float(int(time.time()))

        def played(job: str) -> list[Target]:
            return [Target(job, address, born) for address in targets(plan, job)]

        # The collector has no series of its own: it is the one that cannot always be reached.
        self.api, self.analyst, self.collector = played("fastbreak-services")
        (self.database,) = played("fastbreak-database")
        self.host, self.idle_host = played("fastbreak-host")
        (self.alertmanager,) = played("alertmanager")
        self.services = [self.api, self.analyst, self.collector]
        self.targets = [*self.services, self.database, self.host, self.idle_host, self.alertmanager]
        self.born = born
        self._just_beside()

    def history(self) -> str:
        """The past of all counters and of the services' reachability, in OpenMetrics with times."""
        recent = [
            *range(-2 * _FIVE_MINUTES - _LATELY, -_FIVE_MINUTES - _SPARSE, _SPARSE),
            *range(-_FIVE_MINUTES - 10, 0),
        ]
        lines = chain(
            self.api.history(recent),
            self.analyst.history(recent),
            self.database.history(recent),
            self.alertmanager.history([*range(-_HOUR - _LATELY, recent[0], _SPARSE), *recent]),
            self._reachability(),
            self._others_reached(),
        )
        return "\n".join([*lines, "# EOF", ""])

    def _reachability(self) -> Iterator[str]:
        """One sample in 15 seconds for a day; the collector's outage of yesterday is sampled every second."""
        outage = range(FORGOTTEN - _DAY - _OUTAGE_SECONDS + 1, FORGOTTEN - _DAY + 1)
        for target in self.services:
            missed = outage if target is self.collector else range(0)
            for moment in sorted({*range(-_DAY, 0, _SPARSE), *missed}):
                yield target.line("up", 0.0 if moment in missed else 1.0, moment)

    def _others_reached(self) -> Iterator[str]:
        """Else they would be blind for the seconds between the first evaluation and the first scrape."""
        for target in self.targets:
            if target not in self.services:
                yield from (target.line("up", 1.0, moment) for moment in range(-_LATELY, 0, _SPARSE))

    # --- just beside every threshold ---

    def _just_beside(self) -> None:
        self._http_beside()
        self._database_beside()
        self._cache_beside()
        self._analyses_beside()
        self._batches_beside()
        self._hosts_beside()
        # 50 messages that the hour forgets soon, and 9 of late; what the webhook gets does not count.
        self.alertmanager.counted(counter(_SENT, 35, integration="email"), _HOUR - FORGOTTEN - 1)
        self.alertmanager.counted(counter(_SENT, 15, integration="slack"), _HOUR - FORGOTTEN - 1)
        for integration, messages in (("email", 4), ("slack", 5), ("webhook", 1000)):
            self.alertmanager.counted(counter(_SENT, messages, integration=integration), _LATELY)

    def _http_beside(self) -> None:
        # 1010 requests per second: mean 0.999 s, 0.99 % failed, 95 % within 0.1 + 0.15 * (959.5 - 861.5) / 148.5 s.
        well = histogram(_HTTP, {"0.1": 861.5, "0.25": 1000.001}, 1000.001, 1008.99, **_status("200"))
        failed = histogram(_HTTP, {"0.1": 0, "0.25": 9.999}, 9.999, 0, **_status("503"))
        self.api.grow({**well, **failed})

    def _database_beside(self) -> None:
        simple, complex_ = {"db_query_kind": "simple"}, {"db_query_kind": "complex"}
        self.api.counted(histogram(_QUERY, {"0.1": 10_000, "1": 10_000}, 10_000, 99.9, **simple), _LATELY)
        self.api.counted(histogram(_QUERY, {"0.1": 500, "1": 991}, 991, 99.9 - 9, **complex_), _LATELY)
        # Nine took longer than a second; the five minutes forget them soon.
        slow = histogram(_QUERY, {"0.1": 0, "1": 0}, 9, 9, **complex_)
        self.api.counted(slow, _FIVE_MINUTES - FORGOTTEN - 1)
        self.api.gauges |= {_connections("used"): 49, _connections("idle"): 51, _PENDING: 0}
        self.database.gauges |= {"pg_up": 1, gauge("pg_stat_user_tables_n_live_tup", **_SCANS): 50_000}
        self.database.counted(_scans(index=9510, sequential=490), _LATELY)

    def _cache_beside(self) -> None:
        self.api.counted(
            {
                **counter(_CACHE, 540_600, operation="get", result="hit"),
                **counter(_CACHE, 59_400, operation="get", result="miss"),
                **counter(_CACHE, 588_120, operation="set", result="ok"),
                **counter(_CACHE, 11_880, operation="set", result="error"),
                **counter(_BUSY, 600_000 / 50_100, operation="get"),
                **counter(_BUSY, 600_000 / 10_010, operation="set"),
            },
            _LATELY,
        )
        self.api.gauges |= {
            gauge("cache_keys", layer="memory"): 50_000,
            gauge("cache_memory_bytes", layer="memory"): 10_000_000,
            gauge("cache_keys", layer="redis"): 1_000_000,
            _REDIS_BYTES: 89_900_000,
        }

    def _analyses_beside(self) -> None:
        # 95 % within 2.5 + 2.5 * (950 - 470) / 500 s.
        self.analyst.counted(
            histogram(_ANALYSIS, {"2.5": 470, "5": 970, "7.5": 1000}, 1000, 4000, model="price"), _LATELY
        )
        self.analyst.counted(histogram(_CONFIDENCE, {"0.5": 100}, 1000, 701, model="price"), _LATELY)
        self.analyst.counted(counter("ai_analysis_errors_total", 49, model="price"), _LATELY)

    def _batches_beside(self) -> None:
        # 95 % within 0.5 + 0.5 * (950 - 460) / 500 s.
        self.api.counted(histogram(_WAIT, {"0.5": 460, "1": 960, "2.5": 1000}, 1000, 600), _LATELY)
        self.api.counted(histogram(_BATCH, {"50": 1000}, 1000, 20_000, upstream="topshot"), _LATELY)
        self.api.counted(counter("request_batch_retries_total", 199, upstream="topshot"), _LATELY)
        self.api.counted(counter("request_batch_errors_total", 49, upstream="topshot"), _LATELY)

    def _hosts_beside(self) -> None:
        self._processor_and_memory(self.host, idle=0.101, used=0.899)
        self._processor_and_memory(self.idle_host, idle=0.95, used=0.2)
        self.disk(79.9)
        for state, space in (("used", 10e9), ("free", 90e9)):
            self.idle_host.gauges[_disk(state)] = space

    def _processor_and_memory(self, host: Target, *, idle: float, used: float) -> None:
        for cpu in ("0", "1"):
            host.gauges[gauge("system_cpu_utilization", cpu=cpu, state="idle")] = idle
        host.gauges[gauge("system_memory_utilization", state="used")] = used

    def disk(self, percent: float) -> None:
        """How full the host's disk is; what is reserved counts neither way."""
        # One update: a scrape sees all of it or nothing.
        self.host.gauges |= {
            _disk("used"): round(percent * 1e9),
            _disk("free"): round((100 - percent) * 1e9),
            _disk("reserved"): 5e9,
        }

    # --- beyond ---

    def break_everything(self) -> None:
        """Carry every series beyond its threshold; the collector is not reached until ``mend_collector``."""
        self.api.stop()
        self.api.add(
            # 3300 requests more, 220 of them failed; 95 % within 0.1 + 0.15 * 32535 / 47850 s.
            histogram(_HTTP, {"0.1": 0, "0.25": 3080}, 3080, 19_000, **_status("200")),
            histogram(_HTTP, {"0.1": 0, "0.25": 220}, 220, 0, **_status("503")),
            # Three slow queries, in both means: 100.13 s / 10,003 and 100.1 s / 1000.
            histogram(_QUERY, {"0.1": 0, "1": 0}, 3, 0.23, db_query_kind="simple"),
            histogram(_QUERY, {"0.1": 0, "1": 0}, 0, 0.2, db_query_kind="complex"),
            counter(_CACHE, 1335, operation="get", result="miss"),
            counter(_CACHE, 300, operation="set", result="error"),
            counter(_BUSY, 601_335 / 49_900 - 600_000 / 50_100, operation="get"),
            counter(_BUSY, 600_300 / 9_990 - 600_000 / 10_010, operation="set"),
            # 95 % within 1 + 1.5 * (969 - 960) / 60 s.
            histogram(_WAIT, {"0.5": 0, "1": 0, "2.5": 20}, 20, 40),
            counter("request_batch_retries_total", 2, upstream="topshot"),
            counter("request_batch_errors_total", 2, upstream="topshot"),
        )
        self.analyst.add(
            # 95 % within 5 + 2.5 * (972.8 - 970) / 54 s.
            histogram(_ANALYSIS, {"2.5": 0, "5": 0, "7.5": 24}, 24, 170, model="price"),
            histogram(_CONFIDENCE, {"0.5": 10}, 24, 1024 * 0.699 - 701, model="price"),
            counter("ai_analysis_errors_total", 4, model="price"),
        )
        self.database.add(_scans(index=0, sequential=21))
        self.alertmanager.add(counter(_SENT, 2, integration="email"), counter(_SENT, 1, integration="slack"))
        self.api.gauges |= {_connections("used"): 50, _PENDING: 1, _REDIS_BYTES: 90_000_000}
        self.database.gauges |= {"pg_up": 0}
        self._processor_and_memory(self.host, idle=0.1, used=0.9)
        self.disk(90)
        self.collector.is_down = True

    def mend_collector(self) -> None:
        """The collector is reached again; what was missed stays in the day's mean."""
        self.collector.is_down = False

    # --- right again ---

    def mend_everything(self) -> None:
        """All right but the disk, and what only time takes back."""
        self.api.add(
            histogram(_HTTP, {"0.1": _MANY, "0.25": _MANY}, _MANY, _MANY / 20, **_status("200")),
            histogram(_QUERY, {"0.1": _MANY, "1": _MANY}, _MANY, _MANY / 1000, db_query_kind="simple"),
            histogram(_QUERY, {"0.1": _MANY, "1": _MANY}, _MANY, _MANY / 100, db_query_kind="complex"),
            counter(_CACHE, _MANY, operation="get", result="hit"),
            counter(_CACHE, _MANY, operation="set", result="ok"),
            histogram(_WAIT, {"0.5": _MANY, "1": _MANY, "2.5": _MANY}, _MANY, _MANY / 10),
            histogram(_BATCH, {"50": _MANY}, _MANY, 20 * _MANY, upstream="topshot"),
        )
        self.analyst.add(
            histogram(_ANALYSIS, {"2.5": _MANY, "5": _MANY, "7.5": _MANY}, _MANY, _MANY, model="price"),
            histogram(_CONFIDENCE, {"0.5": 0}, _MANY, 0.9 * _MANY, model="price"),
        )
        self.database.add(_scans(index=_MANY, sequential=0))
        self.api.gauges |= {_connections("used"): 10, _PENDING: 0, _REDIS_BYTES: 50_000_000}
        self.database.gauges |= {"pg_up": 1}
        self._processor_and_memory(self.host, idle=0.9, used=0.3)


_PENDING = gauge("db_client_connection_pending_requests", db_client_connection_pool_name="main")
_REDIS_BYTES = gauge("cache_memory_bytes", layer="redis")


def _status(code: str) -> dict[str, str]:
    return {"http_route": "/moments", "http_response_status_code": code}


def _connections(state: str) -> str:
    return gauge("db_client_connection_count", db_client_connection_pool_name="main", db_client_connection_state=state)


def _disk(state: str) -> str:
    return gauge("system_filesystem_usage_bytes", device="/dev/sda1", mountpoint="/data", state=state)


def _scans(*, index: float, sequential: float) -> Amounts:
    return {
        **counter("pg_stat_user_tables_idx_scan", index, **_SCANS),
        **counter("pg_stat_user_tables_seq_scan", sequential, **_SCANS),
    }
