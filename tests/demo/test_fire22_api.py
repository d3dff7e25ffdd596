"""Fire22's API as a real Prometheus sees it with the committed rules: from a day's history on, and in each incident."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from demo.fire22 import INCIDENTS, World
from demo.fire22.api import Api
from tests.compiling import ROOT
from tests.programs import free_port, program, prometheus, run, until

RULES = ROOT / "output/fire22/prometheus/rules/system.yml"
CONFIG = """
global: {{scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms}}
rule_files: [rules.yml]
scrape_configs:
  - job_name: fire22-api
    static_configs: [{{targets: [{targets}]}}]
"""
ALERTS = {
    "SystemHighResponseTime": "system/high_response_time",
    "SystemLowThroughput": "system/low_throughput",
    "SystemHighErrorRate": "system/high_error_rate",
    "SystemLowUptime": "system/low_uptime",
}


class Watched:
    """A world's API, and a Prometheus that watches it twice a second."""

    def __init__(self, world: World, url: str) -> None:
        self.world = world
        self.url = url

    def value(self, query: str, **more: str) -> float | None:
        """The one value of a query, None where there is none."""
        answer = requests.get(f"{self.url}/api/v1/query", {"query": query, **more}, timeout=10).json()
        found = answer["data"]["result"]
        return float(found[0]["value"][1]) if found else None

    def until(self, query: str, holds: Callable[[float], bool], seconds: float = 20) -> float:
        """Wait until a query's value is as it should be; the value."""
        last: list[float | None] = []

        def fulfilled() -> tuple[float] | None:
            last[:] = [self.value(query)]
            return (last[0],) if last[0] is not None and holds(last[0]) else None

        try:
            return until(fulfilled, seconds)[0]
        except AssertionError:
            raise AssertionError(f"{query} is {last}") from None

    def firing(self) -> set[str]:
        """The alerts on the API that fire."""
        answer = requests.get(f"{self.url}/api/v1/query", {"query": 'ALERTS{alertname=~"System.*"}'}, timeout=10).json()
        return {
            ALERTS[each["metric"]["alertname"]]
            for each in answer["data"]["result"]
            if each["metric"]["alertstate"] == "firing" and not each["metric"].get("escalation")
        }

    def until_firing(self, alerts: set[str], seconds: float = 25) -> None:
        """Wait until these alerts fire, and no others."""
        until(lambda: self.firing() == alerts, seconds)


def about(value: float) -> Callable[[float], bool]:
    return lambda found: abs(found - value) < 0.05 * value


def described(world: World, without: str, *, outage_leaves_after: float, requests_per_second: float | None) -> str:
    """A history without what a test has no need of, which promtool reads sooner."""
    lines = world.history(outage_leaves_after=outage_leaves_after, requests_per_second=requests_per_second)
    return "".join(line for line in lines if not without or without not in line)


@contextmanager
def watched(
    folder: Path,
    *,
    without: str = "_bucket",
    outage_leaves_after: float = 110,
    requests_per_second: float | None = None,
) -> Iterator[Watched]:
    """A world's API from its history on, with the rules evaluated twice a second and alerts with hardly a delay."""
    world = World("", [free_port(), free_port()])
    world.start(workload=False)
    try:
        targets = ", ".join(f'"{instance}"' for instance in world.api.instances)
        (folder / "prometheus.yml").write_text(CONFIG.format(targets=targets))
        rules = RULES.read_text(encoding="utf-8")
        (folder / "rules.yml").write_text(
            rules.replace("interval: 15s", "interval: 500ms").replace("for: 30s", "for: 500ms")
        )
        (folder / "history.txt").write_text(
            described(world, without, outage_leaves_after=outage_leaves_after, requests_per_second=requests_per_second)
        )
        # In one block, which takes a tenth of the time.
        command = (program("promtool"), "tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=24h")
        run(*command, folder / "history.txt", folder / "data")
        with prometheus(folder / "prometheus.yml", folder) as url:
            yield Watched(world, url)
    finally:
        world.stop()


def test_prometheus_sees_calm_times_from_the_start(tmp_path: Path) -> None:
    with watched(tmp_path, without="") as seen:
        seen.until("fire22_system_throughput_per_second", about(210))
        seen.until("fire22_system_response_time_seconds", about(0.09))
        seen.until("fire22_system_response_time_p50_seconds", lambda seconds: 0.03 < seconds < 0.2)
        seen.until("fire22_system_response_time_p95_seconds", lambda seconds: 0.1 < seconds < 0.5)
        seen.until("fire22_system_response_time_p99_seconds", lambda seconds: 0.2 < seconds < 1)
        seen.until("fire22_system_error_rate_ratio", lambda ratio: 0 < ratio < 0.0005)
        seen.until("fire22_system_uptime_ratio", lambda ratio: 0.999 < ratio < 0.9993)
        seen.until("count(fire22_system_area_requests_per_second > 5)", about(5))
        assert seen.firing() == set()


def test_slow_answers_and_errors_are_seen_at_once_and_made_good(tmp_path: Path) -> None:
    with watched(tmp_path) as seen:
        seen.until("fire22_system_throughput_per_second", about(210))
        for alert in ("system/high_response_time", "system/high_error_rate"):
            INCIDENTS[alert].begin(seen.world)
            seen.until_firing({alert})
            INCIDENTS[alert].end(seen.world)
            seen.until_firing(set())


def test_a_second_outage_within_a_day_is_too_much_until_the_first_is_forgotten(tmp_path: Path) -> None:
    # Far enough away that it is still there however slow this machine is; Prometheus is asked about later, not awaited.
    with watched(tmp_path, outage_leaves_after=600) as seen:
        later = time.time() + 601
        seen.until("fire22_system_uptime_ratio", lambda ratio: 0.999 < ratio < 0.9992)
        INCIDENTS["system/low_uptime"].begin(seen.world)
        seen.until_firing({"system/low_uptime"})
        INCIDENTS["system/low_uptime"].end(seen.world)
        uptime = 'avg(avg_over_time(up{job="fire22-api"}[24h]))'
        assert (seen.value(uptime, time=f"{later - 20}") or 1) < 0.999
        assert (seen.value(uptime, time=f"{later}") or 0) > 0.9993


def test_silence_is_seen_and_made_good(tmp_path: Path) -> None:
    with watched(tmp_path, requests_per_second=103) as seen:
        seen.until("fire22_system_throughput_per_second", about(103))
        INCIDENTS["system/low_throughput"].begin(seen.world)
        seen.until_firing({"system/low_throughput"}, 40)
        INCIDENTS["system/low_throughput"].end(seen.world)
        seen.until_firing(set())


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def answering(clock: Clock) -> Api | None:
    """An API on two ports that were free a moment ago, None where somebody else was quicker."""
    found = Api([free_port(), free_port()], clock=clock)
    try:
        found.start()
    except OSError:
        return None
    return found


@pytest.fixture
def api(clock: Clock) -> Iterator[Api]:
    found = until(lambda: answering(clock))
    yield found
    found.stop()


def scraped(api: Api, index: int, sum_of: str = "http_server_request_duration_seconds_count") -> float:
    text = requests.get(f"http://{api.instances[index]}/metrics", timeout=5).text
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(sum_of))


def test_counters_move_with_the_clock_alone(api: Api, clock: Clock) -> None:
    before = scraped(api, 0)
    assert scraped(api, 0) == before
    clock.now += 10
    assert scraped(api, 0) - before == pytest.approx(1050, abs=26)
    api.requests_per_second = 420
    before = scraped(api, 1)
    clock.now += 10
    assert scraped(api, 1) - before == pytest.approx(2100, abs=26)


def test_the_window_knows_the_last_five_minutes(api: Api, clock: Clock) -> None:
    assert api.window().requests == pytest.approx(210 * 300, rel=0.01)
    api.surge(1000, latency=30, error_ratio=0.5)
    assert api.window().requests == pytest.approx(210 * 300 + 1000, rel=0.01)
    assert api.window().errors == pytest.approx(500 + 63000 * 0.0002, rel=0.01)
    assert api.window().seconds == pytest.approx(30000 + 63000 * 0.09, rel=0.01)
    for _ in range(301):
        clock.now += 1
        api.requests_per_second = 210
    assert api.window().seconds == pytest.approx(63000 * 0.09, rel=0.01)


def test_an_instance_that_is_down_refuses_and_keeps_its_counters(api: Api, clock: Clock) -> None:
    before, other = scraped(api, 0), scraped(api, 1)
    api.down(0)
    with pytest.raises(requests.ConnectionError):
        scraped(api, 0)
    clock.now += 10
    assert scraped(api, 1) - other == pytest.approx(2100, abs=26)
    assert api.missed_scrapes == 1
    api.up(0)
    assert scraped(api, 0) == before
    clock.now += 10
    assert scraped(api, 0) - before == pytest.approx(1050, abs=26)


def test_an_exposition_is_prometheus_text(api: Api, tmp_path: Path) -> None:
    answer = requests.get(f"http://{api.instances[0]}/metrics", timeout=5)
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    (tmp_path / "metrics").write_text(answer.text)
    with (tmp_path / "metrics").open("rb") as text:
        run("sh", "-c", f"{program('promtool')} check metrics < {text.name}")
    assert requests.get(f"http://{api.instances[0]}/healthz", timeout=5).text == "ok\n"
    assert requests.get(f"http://{api.instances[0]}/", timeout=5).status_code == 404
    assert "python_info" not in answer.text


def test_controls_may_be_used_from_many_threads(api: Api) -> None:
    def press() -> None:
        for number in range(20):
            api.latency_seconds = 0.05 + number / 1000
            api.surge(10)
            scraped(api, number % 2)

    threads = [threading.Thread(target=press) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert api.scrapes == 80
    assert api.window().requests == pytest.approx(63000 + 800, rel=0.01)


def test_a_port_that_is_taken_is_said_and_nothing_stays_open(api: Api, clock: Clock) -> None:
    taken, free = int(api.instances[0].rpartition(":")[2]), free_port()
    with pytest.raises(OSError, match="in use"):
        Api([free, taken], clock=clock).start()
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://127.0.0.1:{free}/healthz", timeout=5)
