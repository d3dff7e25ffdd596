"""The monitoring API's pages: what is asked for, what is refused, and that its description is true."""

import asyncio
import json
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter
from starlette.applications import Starlette
from starlette.routing import Mount

from exporters.instrument import instrument_asgi
from exporters.instrument.api import Limits, information, monitoring_api
from exporters.instrument.api.metrics import POINTS, steps
from exporters.instrument.api.parameters import HistoryParameters, read
from exporters.instrument.api.problems import Refusal
from tests.instrument.described import faults
from tests.instrument.pages import Played, api, ask, asked, nothing, played, whole
from tests.programs import program

SECRET = "correct-horse-battery"
PAGES = ["/metrics", "/api/metrics/current", "/api/metrics/history", "/api/system/info", "/health", "/openapi.json"]


@pytest.mark.parametrize(("query", "wrong"), [
    ("hours=0", ["hours"]),
    ("hours=-1", ["hours"]),
    ("hours=168.01", ["hours"]),
    ("hours=1e999", ["hours"]),
    ("hours=nan", ["hours"]),
    ("hours=1_0", ["hours"]),
    ("hours=%D9%A3", ["hours"]),
    ("hours=true", ["hours"]),
    ('hours="5"', ["hours"]),
    ("hours=%205", ["hours"]),
    ("hours=", ["hours"]),
    ("hours=1&hours=1", ["hours"]),
    ("step=0", ["step"]),
    ("step=1.5", ["step"]),
    ("step=604801", ["step"]),
    ('metric=a"} or up{x="', ["metric"]),
    ("metric=a|b", ["metric"]),
    ("metric=a%0A", ["metric"]),
    ("metric=shop:a:held", ["metric"]),
    ("metric=", ["metric"]),
    ("&".join(["metric=a"] * 51), ["metric"]),
    (f"metric={'a' * 201}", ["metric"]),
    ("hour=1", ["hour"]),
    ("hour=1&hours=x&step=y", ["hour", "hours", "step"]),
])  # fmt: skip
def test_a_wrong_parameter_is_named_and_prometheus_is_not_asked(query: str, wrong: list[str]) -> None:
    with played(nothing) as prometheus:
        answer = ask(api(prometheus.url), f"/api/metrics/history?{query}")
        assert prometheus.asked == []
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    problem = answer.json()
    assert [error["parameter"] for error in problem["errors"]] == wrong
    assert problem["detail"].startswith(f"{wrong[0]}: ")
    assert problem["status"] == 422


TEXT = st.text() | st.floats().map(str) | st.integers().map(str) | st.from_regex(r"-?[0-9_.eE+ ]{1,12}")


@given(st.lists(st.tuples(st.sampled_from(["hours", "step", "metric", "metrics"]), TEXT)))
def test_whatever_is_asked_is_within_bounds_or_refused(items: list[tuple[str, str]]) -> None:
    try:
        found = read(HistoryParameters, items)
    except Refusal as refusal:
        assert {error.parameter for error in refusal.errors} <= {name for name, _ in items}
        return
    assert 0 < found.hours <= 168
    assert all(name.isascii() and name.isidentifier() for name in found.metric)
    step, seconds = steps(found.hours, found.step)
    assert step >= (found.step or 1)
    assert seconds % step == 0
    assert seconds / step + 1 <= POINTS
    assert seconds <= found.hours * 3600 < seconds + step


@pytest.mark.parametrize(("hours", "step", "found"), [
    (24, None, (180, 86400)),
    (1, None, (15, 3600)),
    (168, None, (1215, 604800 // 1215 * 1215)),
    (0.001, None, (15, 0)),
    (1, 1, (8, 3600)),
    (1, 7, (8, 3600)),
    (1, 60, (60, 3600)),
    (1, 5000, (5000, 0)),
])  # fmt: skip
def test_steps_are_whole_scrapes_and_points_are_few(hours: float, step: int | None, found: tuple[int, int]) -> None:
    assert steps(hours, step) == found


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "NONSENSE"])
def test_other_methods_are_told_which_there_are(path: str, method: str) -> None:
    answer = ask(api(), path, method)
    assert answer.status_code == 405
    assert {one.strip() for one in answer.headers["allow"].split(",")} == {"GET", "HEAD"}
    assert answer.json()["status"] == 405


@pytest.mark.parametrize("path", ["/", "/health/", "/api", "/api/metrics/current/", "/metrics/x"])
def test_other_pages_are_a_problem_and_no_redirect(path: str) -> None:
    answer = ask(api(), path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_head_is_answered_like_get() -> None:
    with played(nothing) as prometheus:
        app = api(prometheus.url)
        for path in PAGES:
            assert ask(app, path, "HEAD").status_code == 200, path


def test_promtool_has_no_complaint() -> None:
    registry = CollectorRegistry()
    Counter("sales", "What was sold.", registry=registry).inc()
    answer = ask(api(registry=registry), "/metrics")
    assert "sales_total 1.0" in answer.text
    done = subprocess.run(
        [program("promtool"), "check", "metrics"], input=answer.content, capture_output=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    openmetrics = ask(api(registry=registry), "/metrics", accept="application/openmetrics-text; version=1.0.0")
    assert openmetrics.headers["content-type"].startswith("application/openmetrics-text")


@pytest.mark.parametrize("psutil", [True, False])
def test_the_system_says_who_and_on_what_and_nothing_that_is_secret(
    psutil: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TILL_PASSWORD", SECRET)
    if not psutil:
        monkeypatch.setattr(information, "psutil", None)
    before = datetime.now(UTC)
    app = api(service_version="1.2")
    answer = ask(app, "/api/system/info")
    found = answer.json()
    assert found["service"] == {"name": "till", "version": "1.2", "platform": "shop"}
    assert before <= datetime.fromisoformat(found["started_at"]) <= datetime.now(UTC)
    assert found["uptime_seconds"] < ask(app, "/api/system/info").json()["uptime_seconds"]
    assert found["memory"]["total_bytes"] > 2**20
    assert (found["memory"]["process_bytes"] is not None) == psutil
    assert found.keys() == {
        "service", "python", "operating_system", "started_at", "uptime_seconds", "processors", "memory"
    }  # fmt: skip
    for secret in (SECRET, str(Path.cwd()), subprocess.check_output(["hostname"], text=True).strip()):
        assert secret not in answer.text


@pytest.mark.parametrize(("options", "said"), [
    ({"service_name": ""}, "service_name"),
    ({"platform": 'a"} or {'}, "platform"),
    ({"platform": ""}, "platform"),
    ({"prometheus_url": f"user:{SECRET}@prometheus:9090"}, "no URL"),
    ({"prometheus_url": f"ftp://user:{SECRET}@prometheus"}, "http://HOST:PORT"),
    ({"prometheus_url": f"http://user:{SECRET}@prometheus:x"}, "port"),
    ({"prometheus_url": f"http://user:{SECRET}@prometheus/?a=b"}, "query"),
    ({"prometheus_url": f"http://user:{SECRET}@prometheus", "prometheus_auth_file": "f"}, "one of the two"),
    ({"prometheus_auth_file": "nowhere"}, "cannot be read"),
    ({"health": {"a b": dict}}, "check's name"),
    ({"limits": {"check_seconds": 0}}, "more than 0"),
    ({"limits": {"keep_seconds": float("inf")}}, "keep_seconds"),
])  # fmt: skip
def test_what_cannot_be_used_is_said_at_the_start_without_its_secrets(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said) as raised:
        if "limits" in options:
            options = {"limits": Limits(**options["limits"])}
        api(**options)
    assert SECRET not in str(raised.value)


def test_the_environment_names_prometheus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROMETHEUS_URL", raising=False)
    with pytest.raises(ValueError, match="PROMETHEUS_URL"):
        monitoring_api(service_name="till", platform="shop")
    with played(nothing) as prometheus:
        monkeypatch.setenv("PROMETHEUS_URL", prometheus.url)
        answer = ask(monitoring_api(service_name="till", platform="shop"), "/api/metrics/current")
    assert answer.json()["metrics"] == []


def test_a_domain_whose_name_begins_with_anothers_keeps_its_metrics() -> None:
    def answer(handler: BaseHTTPRequestHandler, known: Played) -> None:
        groups = [{"name": name} for name in ("shop_cart", "shop_cart_items", "other", "shopping_cart")]
        result = [
            {"metric": {"__name__": f"shop_{name}"}, "value": [1, "2"]} for name in ("cart_items_all", "cart_x", "y")
        ]
        data = {"groups": groups} if "rules" in handler.path else {"resultType": "vector", "result": result}
        whole(handler, 200, json.dumps({"status": "success", "data": data}).encode())

    with played(answer) as prometheus:
        found = ask(api(prometheus.url), "/api/metrics/current").json()["metrics"]
    assert {one["name"]: one["domain"] for one in found} == {
        "shop_cart_items_all": "cart_items", "shop_cart_x": "cart", "shop_y": None
    }  # fmt: skip


def test_mounted_and_measured_it_is_the_same() -> None:
    registry = CollectorRegistry()
    inner = api(registry=registry)
    app = Starlette(routes=[Mount("/inner", inner)])
    measured = instrument_asgi(app, service_name="till", registry=registry, metrics_path=None)
    found = asyncio.run(asked(measured, "/inner/openapi.json", "/inner/nowhere", "/inner/api/system/info"))  # type: ignore[arg-type]
    assert found[0].json()["servers"] == [{"url": "/inner"}]
    assert found[1].headers["content-type"] == "application/problem+json"
    assert 'http_route="/inner/api/system/info"' in ask(inner, "/metrics").text


def test_a_fault_of_ours_says_nothing_of_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: object) -> None:
        raise LookupError(SECRET)

    monkeypatch.setattr(information.Information, "read", broken)
    sent: list[Mapping[str, Any]] = []

    async def run() -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "GET", "path": "/api/system/info", "headers": [], "query_string": b""}
        with pytest.raises(LookupError):
            await api()(scope, receive, send)

    asyncio.run(run())
    assert sent[0]["status"] == 500
    assert json.loads(sent[1]["body"])["status"] == 500
    assert SECRET.encode() not in sent[1]["body"]


def test_the_description_is_true_where_prometheus_is_away() -> None:
    tried, found = faults(api(), expected=[503])
    assert found == []
    assert tried > 100
