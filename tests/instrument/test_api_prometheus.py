"""The monitoring API before a real Prometheus that runs a platform's compiled rules."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import requests
from starlette.applications import Starlette

from demo.addresses import targets
from exporters.instrument.api import Limits, metrics, monitoring_api
from tests.compiling import ROOT
from tests.end_to_end.scrape_target import Target, gauge, histogram, served
from tests.end_to_end.stacks import overlaid
from tests.instrument.described import faults
from tests.instrument.pages import ask
from tests.programs import prometheus, until

OVERLAY = (ROOT / "tests/end_to_end/fastbreak_overlay.yaml").read_text("utf-8")
pytestmark = pytest.mark.timeout(240)
ODD = "fastbreak_ai_analysis_odd"
# What the platform's metrics are not: the rules' own names, and others' series.
OTHERS = ("fastbreak_cache:odd:held", "fastbreakfast_cache_keys", "up")


@dataclass(frozen=True)
class Watched:
    """A Prometheus, and the API of what it watches."""

    url: str
    app: Starlette

    def values(self, query: str) -> dict[tuple[str, ...], str]:
        """What Prometheus itself answers, by name and labels."""
        found = requests.get(f"{self.url}/api/v1/query", params={"query": query}, timeout=10).json()["data"]["result"]
        return {
            tuple(sorted(f"{key}={value}" for key, value in one["metric"].items())): one["value"][1] for one in found
        }

    def get(self, path: str) -> Any:
        """What the API answers."""
        answer = ask(self.app, path)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("api")
    plan, output = overlaid("fastbreak", OVERLAY, folder)
    (running := folder / "running").mkdir()
    target = Target("fastbreak-services", targets(plan, "fastbreak-services")[0], time.time())
    target.grow(
        histogram(
            "http_server_request_duration_seconds", {"0.1": 10, "0.25": 20}, 20, 3,
            http_request_method="GET", http_route="/a", http_response_status_code="200",
        )
    )  # fmt: skip
    odd = {gauge(ODD, kind=kind): float(kind) for kind in ("nan", "inf", "-inf", "0.5")}
    target.show(
        {**odd, **dict.fromkeys(OTHERS, 1.0), gauge("http_server_active_requests", http_request_method="GET"): 3}
    )
    with served([target]), prometheus(output / "prometheus/prometheus.yml", running) as url:
        app = monitoring_api(
            service_name="collector", platform="fastbreak", prometheus_url=url, limits=Limits(keep_seconds=0)
        )
        found = Watched(url, app)
        until(lambda: len(found.values('{__name__=~"fastbreak_http_.*rate_ratio|fastbreak_http_throughput_.*"}')) >= 3)
        target.stop()
        yield found


def test_current_shows_the_very_values_of_prometheus(watched: Watched) -> None:
    def agree() -> bool:
        before = watched.values('{__name__=~"fastbreak_.+"}')
        found = watched.get("/api/metrics/current")
        # Rules run each second: what did not change around the question was the same in it.
        if watched.values('{__name__=~"fastbreak_.+"}') != before:
            return False
        shown = {
            tuple(sorted([f"__name__={metric['name']}", *(f"{k}={v}" for k, v in one["labels"].items())])): (
                one["non_finite"] if one["value"] is None else one["value"]
            )
            for metric in found["metrics"]
            for one in metric["series"]
        }
        assert not found["truncated"]
        assert abs(found["time"] - time.time()) < 60
        assert shown == {
            labels: float(value) if math.isfinite(float(value)) else value
            for labels, value in before.items()
            if not any(":" in part and part.startswith("__name__=") for part in labels)
        }
        return len(shown) > 10

    until(agree)


def test_domains_are_those_of_the_rules_and_odd_values_are_said(watched: Watched) -> None:
    found = {metric["name"]: metric for metric in watched.get("/api/metrics/current")["metrics"]}
    assert list(found) == sorted(found)
    assert not found.keys() & set(OTHERS)
    assert found["fastbreak_http_throughput_per_second"]["domain"] == "http"
    assert found["fastbreak_system_services_up"]["domain"] == "system"
    assert found[ODD]["domain"] == "ai_analysis"
    values = {one["labels"]["kind"]: (one["value"], one["non_finite"]) for one in found[ODD]["series"]}
    assert values == {"nan": (None, "NaN"), "inf": (None, "+Inf"), "-inf": (None, "-Inf"), "0.5": (0.5, None)}


@pytest.mark.parametrize(("query", "names"), [
    (f"metric={ODD}", {ODD}),
    (f"metric={ODD}&metric=fastbreak_http_active_requests", {ODD, "fastbreak_http_active_requests"}),
    ("metric=up", set()),
    ("metric=fastbreakfast_cache_keys", set()),
    ("metric=fastbreak_ai_analysis", set()),
])  # fmt: skip
def test_only_the_platforms_own_metrics_can_be_named(watched: Watched, query: str, names: set[str]) -> None:
    for path in (f"/api/metrics/current?{query}", f"/api/metrics/history?hours=0.02&step=1&{query}"):
        until(partial(lambda path: _names(watched.get(path)) == names, path))


def _names(found: Any) -> set[str]:
    return {metric["name"] for metric in found["metrics"]}


def test_history_is_what_prometheus_says_at_the_same_times(watched: Watched) -> None:
    name = "fastbreak_http_throughput_per_second"

    def both() -> Any:
        found = watched.get(f"/api/metrics/history?hours=1&step=1&metric={name}&metric={ODD}")
        return found if _names(found) == {name, ODD} else None

    found = until(both)
    assert (found["step_seconds"], found["end"] - found["start"]) == (8, 3600)
    assert found["end"] % 8 == 0
    series = {metric["name"]: metric["series"] for metric in found["metrics"]}
    assert {one["labels"]["kind"]: one["points"][-1][1] for one in series[ODD]} == {
        "nan": None, "inf": None, "-inf": None, "0.5": 0.5
    }  # fmt: skip
    (one,) = series[name]
    assert one["labels"] == {}
    for when, value in one["points"]:
        answer = requests.get(f"{watched.url}/api/v1/query", params={"query": name, "time": when}, timeout=10).json()
        assert float(answer["data"]["result"][0]["value"][1]) == value
        assert when % 8 == 0


def test_too_many_series_are_cut_and_it_is_said(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "SERIES", 3)
    for path in ("/api/metrics/current", "/api/metrics/history?hours=0.02&step=1"):
        found = until(partial(lambda path: (answer := watched.get(path))["truncated"] and answer, path))
        assert sum(len(metric["series"]) for metric in found["metrics"]) == 3
    found = watched.get("/api/metrics/current?metric=fastbreak_http_active_requests")
    assert not found["truncated"]


def test_the_description_is_true_where_prometheus_answers(watched: Watched) -> None:
    tried, found = faults(watched.app)
    assert found == []
    assert tried > 100
