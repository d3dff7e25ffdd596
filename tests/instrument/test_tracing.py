"""Services traced by what the generator compiles for them, with the real SDK, and what arrives at the other end."""

import json
import math
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import requests
from flask import Flask
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Proto
from websockets.sync.client import connect

from exporters.instrument.tracing import configure_tracing, trace_asgi, trace_wsgi
from exporters.instrument.tracing.naming import method_name
from generator.emit import opentelemetry
from generator.plan.types import TracedService
from tests.compiling import PLATFORMS, ROOT, planned
from tests.emit import plans
from tests.instrument.calls import answering, body, start
from tests.instrument.measured import Measured
from tests.programs import free_port, started, until
from tests.spans import Receiver, receiver

TRACES = 2000
# That a share is outside of its bounds by chance: each of a dozen of them.
RISK = 1e-10
SAMPLED = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
LEFT = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"}
SERVER = Proto.SPAN_KIND_SERVER


@pytest.fixture
def otlp() -> Iterator[Receiver]:
    with receiver() as received:
        yield received


@cache
def fire22() -> TracedService:
    (service,) = planned(PLATFORMS["fire22"]).traced
    return service


def compiled(service: TracedService, folder: Path, endpoint: str) -> dict[str, str]:
    """The variables that point a process at its file, and those that stand for it."""
    plan = replace(plans.plan(), traced=(replace(service, endpoint=endpoint),))
    for artefact in opentelemetry.emit(plan):
        path = folder / Path(artefact.path).name
        path.write_bytes(artefact.content)
    return {"OTEL_CONFIG_FILE": str(folder / f"{service.name}.yaml")}


def variables(service: TracedService, folder: Path, endpoint: str) -> dict[str, str]:
    compiled(service, folder, endpoint)
    lines = (folder / f"{service.name}.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


def run(service: str, asked: list[tuple[str, int, dict[str, str]]], environment: dict[str, str]) -> str:
    """Ask a service in a process of its own, which must have nothing to say; what Prometheus would read of it."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.instrument.traced", service, json.dumps(asked)],
        env={**{name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    if "flask" in service:  # Flask logs its exceptions
        assert "opentelemetry" not in done.stderr, done.stderr
    else:
        assert done.stderr == ""
    return done.stdout


def bounds(share: float) -> tuple[int, int]:
    """Between which counts of ``TRACES`` all but ``RISK`` of binomial draws lie."""
    chances = [
        math.exp(
            math.lgamma(TRACES + 1)
            - math.lgamma(count + 1)
            - math.lgamma(TRACES - count + 1)
            + count * math.log(share)
            + (TRACES - count) * math.log(1 - share)
        )
        for count in range(TRACES + 1)
    ]
    low, tail = 0, chances[0]
    while tail < RISK / 2:
        low += 1
        tail += chances[low]
    high, tail = TRACES, chances[TRACES]
    while tail < RISK / 2:
        high -= 1
        tail += chances[high]
    return low, high


def test_the_bounds_are_about_six_deviations() -> None:
    low, high = bounds(0.1)
    deviation = math.sqrt(TRACES * 0.1 * 0.9)
    assert (200 - low) / deviation == pytest.approx(6.4, abs=0.4)
    assert (high - 200) / deviation == pytest.approx(6.6, abs=0.4)


def test_shares_are_those_of_the_platform_file(otlp: Receiver, tmp_path: Path) -> None:
    shares = {"/payments": 0.1, "/collections/7": 0.5, "/collections": 0.5, "/distributions/payment": 0.3}
    none = ["/health", "/metrics"]
    asked = [(path, TRACES, dict[str, str]()) for path in (*shares, *none)]
    asked += [("/collections/left", 100, LEFT), ("/health", 100, SAMPLED)]
    run("plain", asked, compiled(fire22(), tmp_path, otlp.url))
    counts = otlp.paths()
    assert counts.pop("/health") == 100
    assert counts.keys() == shares.keys()
    for path, share in shares.items():
        low, high = bounds(share)
        assert low <= counts[path] <= high, path
    assert {span.trace_id for span in otlp.spans if span.attributes["url.path"] == "/health"} == {
        SAMPLED["traceparent"].split("-")[1]
    }
    resources = {(span.resource["service.name"], span.resource["service.version"]) for span in otlp.spans}
    assert resources == {("fire22-api", "2.1.0")}


def test_variables_give_the_same_but_for_paths(otlp: Receiver, tmp_path: Path) -> None:
    asked = [("/collections/7", TRACES, dict[str, str]()), ("/health", TRACES, {}), ("/payments", 100, LEFT)]
    run("variables", [*asked, ("/kept", 100, SAMPLED)], variables(fire22(), tmp_path, otlp.url))
    counts = otlp.paths()
    low, high = bounds(0.1)
    assert low <= counts.pop("/collections/7") <= high
    assert counts == {"/kept": 100}
    resources = {(span.resource["service.name"], span.resource["service.version"]) for span in otlp.spans}
    assert resources == {("fire22-api", "2.1.0")}


@pytest.mark.parametrize(
    "service", ["fastapi", "fastapi inside", "fastapi alone", "starlette", "flask", "flask mounted", "twice"]
)
def test_spans_and_metrics_of_one_service_agree(service: str, otlp: Receiver, tmp_path: Path) -> None:
    everything = replace(fire22(), ratio=1.0, paths=())
    prefix = "/shop" if service == "flask mounted" else ""
    paths = ["/items/7", "/items/7?token=s3cret", "/sub/x/1", "/nothing/here", "/health", "/metrics", "/fails"]
    paths += ["/cancelled"] if service == "fastapi" else []
    paths += ["/inner/items/7"] if service == "twice" else []
    scraped = run(service, [(prefix + path, 1, {}) for path in paths], compiled(everything, tmp_path, otlp.url))
    servers = [span for span in otlp.spans if span.kind == SERVER]
    # What a platform excludes is the whole path; what the metrics leave out is below the mount.
    aside = [span for span in servers if str(span.attributes["url.path"]).endswith(("/health", "/metrics"))]
    traced = {
        (
            span.attributes["http.request.method"],
            span.attributes.get("http.route", ""),
            str(span.attributes.get("http.response.status_code", "")),
        ): span.name
        for span in servers
        if span not in aside
    }
    assert len(aside) == (2 if prefix else 0)
    measured = {(kind.method, kind.route, kind.status): n for kind, n in Measured(scraped).counts().items() if n}
    assert traced.keys() == measured.keys()
    assert len(servers) - len(aside) == sum(measured.values())
    assert set(traced.values()) == {" ".join(filter(None, kind[:2])) for kind in measured}
    item = "/items/<item>" if "flask" in service else "/items/{item}"
    assert measured["GET", prefix + item, "200"] == 2
    if service not in ("fastapi alone", "fastapi inside"):
        assert len(servers) == len(otlp.spans)
        assert "s3cret" not in repr(otlp.spans)


@pytest.fixture
def served(otlp: Receiver, tmp_path: Path) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--factory", "--no-access-log", "--port", str(port),
               "tests.instrument.traced:app"]  # fmt: skip
    secret = {"OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer x", "PYTHONPATH": str(ROOT)}
    everything = replace(fire22(), ratio=1.0, paths=())
    environment = {**compiled(everything, tmp_path, otlp.url), **secret}
    with started(command, tmp_path / "log", environment) as process:
        url = f"http://127.0.0.1:{port}"
        until(lambda: requests.get(f"{url}/health", timeout=10).status_code == 404)
        yield url, process


def test_a_server_passes_its_trace_on_and_sends_the_rest_when_it_stops(
    otlp: Receiver, served: tuple[str, "subprocess.Popen[bytes]"]
) -> None:
    url, process = served
    passed_on = requests.get(f"{url}/next/7", headers=SAMPLED, timeout=10).json()["traceparent"]
    with connect(url.replace("http", "ws") + "/talk/hall"):
        pass
    process.send_signal(signal.SIGTERM)
    process.wait(60)
    request, talk = sorted(otlp.spans, key=lambda span: span.name)
    assert (request.name, talk.name) == ("GET /next/{call}", "GET /talk/{room}")
    assert request.parent_id == SAMPLED["traceparent"].split("-")[2]
    assert passed_on == f"00-{request.trace_id}-{request.span_id}-01"
    assert otlp.headers[0]["authorization"] == "Bearer x"


def test_without_a_file_an_application_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_CONFIG_FILE", raising=False)
    app = answering(start(), body())
    assert trace_asgi(app) is app
    flask = Flask("shop")
    assert trace_wsgi(flask) is flask


def test_a_method_that_somebody_made_up_names_no_span() -> None:
    assert [method_name(method) for method in ("GET", "QUERY", "MADE-UP")] == ["GET", "QUERY", "HTTP"]


def test_http_left_out_of_the_stable_conventions_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "database")
    with pytest.raises(ValueError, match=re.escape("leaves out http")):
        configure_tracing()
