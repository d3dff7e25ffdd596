"""What ``make bench`` prints of the HTTP instrument: processor time of a request, without any, with ours, with others.

It runs on the Python that ``.ci/setup bench`` sets up for it, whose pins are not ours. FastAPI applications with 1, 30
and 300 routes are called in one process, without a server, always the last route. Every round calls each of them, so
that what else the machine does meets all alike; what is shown are medians of the rounds.
"""

import asyncio
import gc
import os
import random
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median
from time import process_time
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "http"

from fastapi import FastAPI
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import CollectorRegistry
from prometheus_fastapi_instrumentator import Instrumentator

from exporters.instrument import instrument_asgi, instrument_wsgi

ROUTES = (1, 30, 300)
ROUNDS = 121
CALLS = 25
Application = Callable[..., Any]
_SPANS: list[Any] = ["send", "receive"]
_CHANCE = random.Random(5)


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds of a request, how many of them the instrument added, and the part of the throughput that is left."""

    whole: float
    added: float
    ratio: float

    def __str__(self) -> str:
        return f"{self.whole:.0f} / {self.added:.1f} / {self.ratio:.2f}"


def service(routes: int, **options: Any) -> FastAPI:
    """A service with that many routes, which all answer at once."""
    app = FastAPI(openapi_url=None, **options)
    for number in range(routes):

        @app.get(f"/r{number}/{{item}}")
        async def answer(item: int) -> int:
            return item

    return app


def _bare(routes: int) -> Application:
    return service(routes)


def _ours(routes: int) -> Application:
    return instrument_asgi(service(routes), service_name="bench", registry=CollectorRegistry())


def _instrumentator(routes: int) -> Application:
    app = service(routes)
    Instrumentator(registry=CollectorRegistry()).instrument(app)
    return app


def _provider() -> MeterProvider:
    return MeterProvider([PrometheusMetricReader()])


def _opentelemetry_asgi(routes: int) -> Application:
    app: Application = OpenTelemetryMiddleware(service(routes), meter_provider=_provider(), exclude_spans=_SPANS)
    return app


def _opentelemetry_fastapi(routes: int) -> Application:
    app = service(routes)
    FastAPIInstrumentor.instrument_app(app, meter_provider=_provider(), exclude_spans=_SPANS)
    return app


def _fastapi_itself(routes: int) -> Application:
    return service(routes, telemetry={"meter_provider": _provider(), "tracing": False, "logs": False})


OURS, BARE = "exporters.instrument", "none"
OTHERS = {
    "prometheus-fastapi-instrumentator 8.1.0": _instrumentator,
    "OpenTelemetry's ASGI 0.66b2 (no routes)": _opentelemetry_asgi,
    "OpenTelemetry's FastAPI 0.66b2": _opentelemetry_fastapi,
    "FastAPI 0.165's own, by OpenTelemetry": _fastapi_itself,
}
INSTRUMENTS: dict[str, Callable[[int], Application]] = {BARE: _bare, OURS: _ours, **OTHERS}


def main() -> None:
    """Measure and print."""
    print(
        "| instrument |",
        " | ".join(f"{routes} route{'s' * (routes > 1)}: µs / added / ratio" for routes in ROUTES),
        "|",
    )
    print("|---|" + "---:|" * len(ROUTES), flush=True)
    columns: list[dict[str, Cost]] = []
    for routes in ROUTES:
        apps = {name: make(routes) for name, make in INSTRUMENTS.items()}
        columns.append(asyncio.run(_measured(apps, f"/r{routes - 1}/5")))
    for name in INSTRUMENTS:
        print(f"| {name} | {' | '.join(str(column[name]) for column in columns)} |")
    asgi, wsgi = asyncio.run(_measured({BARE: _nothing, OURS: _around_nothing()}, "/")), _wsgi()
    print()
    print(f"Around an application that does nothing: {asgi[OURS].added:.1f} µs over ASGI, {wsgi:.1f} µs over WSGI")
    if behind := {name for column in columns for name in OTHERS if column[name].added <= column[OURS].added}:
        sys.exit(f"bench: {OURS} is not ahead of {', '.join(sorted(behind))}")


async def _measured(apps: dict[str, Application], path: str) -> dict[str, Cost]:
    for app in apps.values():
        await _calls(app, path, CALLS)
    # The routes of all applications together are much for the garbage collector, and no service has as many.
    gc.collect()
    gc.freeze()
    rounds: list[dict[str, float]] = []
    for _ in range(ROUNDS):
        # Each comes as often after each other one.
        order = _CHANCE.sample(list(apps), len(apps))
        rounds.append({name: await _calls(apps[name], path, CALLS) for name in order})
    gc.unfreeze()
    return {
        name: Cost(
            median(one[name] for one in rounds),
            median(one[name] - one[BARE] for one in rounds),
            median(one[BARE] / one[name] for one in rounds),
        )
        for name in apps
    }


async def _calls(app: Application, path: str, number: int) -> float:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message.get("status", 200) != 200:
            sys.exit(f"bench: {path} was answered with {message['status']}")

    scopes = [
        {
            "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": "GET",
            "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
            "headers": [(b"host", b"bench"), (b"accept", b"*/*"), (b"user-agent", b"bench")],
            "client": ("127.0.0.1", 40000), "server": ("127.0.0.1", 80),
        } for _ in range(number)
    ]  # fmt: skip
    begun = process_time()
    for scope in scopes:
        await app(scope, receive, send)
    return (process_time() - begun) / number * 1e6


async def _nothing(scope: object, receive: object, send: Callable[[dict[str, object]], Any]) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


def _around_nothing() -> Application:
    return instrument_asgi(_nothing, service_name="bench", registry=CollectorRegistry())


def _wsgi() -> float:
    def nothing(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [])
        return [b"ok"]

    def start_response(status: str, headers: object, exc_info: object = None) -> Callable[[bytes], object]:
        return len

    environ = {
        "REQUEST_METHOD": "GET", "PATH_INFO": "/", "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.url_scheme": "http",
    }  # fmt: skip

    def calls(app: Application) -> float:
        begun = process_time()
        for _ in range(CALLS):
            b"".join(app(dict(environ), start_response))
        return (process_time() - begun) / CALLS * 1e6

    measured = instrument_wsgi(nothing, service_name="bench", registry=CollectorRegistry())
    return median(calls(measured) - calls(nothing) for _ in range(ROUNDS))


if __name__ == "__main__":
    main()
