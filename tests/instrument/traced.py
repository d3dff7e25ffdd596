"""Services that are traced, each in a process of its own: OpenTelemetry is set up once for a process.

``python -m tests.instrument.traced <service> <what to ask, as JSON>`` asks in the process; what Prometheus would read
is printed. ``app`` is a service for a server.
"""

import asyncio
import contextlib
import json
import sys
from collections.abc import Callable
from typing import Any, cast

from fastapi import FastAPI, WebSocket
from flask import Flask
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.propagate import inject
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.util.http import get_excluded_urls
from prometheus_client import CollectorRegistry, generate_latest
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from exporters.instrument import instrument_asgi, instrument_wsgi
from exporters.instrument.interfaces import ASGIApplication, Receive, Scope, Send
from exporters.instrument.tracing import configure_tracing, trace_asgi, trace_wsgi
from tests.instrument.calls import answering, asked, body, call, environ, scope, start
from tests.instrument.services import EXCLUDED, _fastapi, _flask, _starlette

REGISTRY = CollectorRegistry()
OPTIONS: dict[str, Any] = {"service_name": "shop", "exclude_paths": EXCLUDED, "registry": REGISTRY}
Ask = Callable[[str, int, dict[str, str]], None]


def _asking(app: ASGIApplication) -> Ask:
    async def repeat(path: str, times: int, headers: dict[str, str]) -> None:
        given = [(name.encode(), value.encode()) for name, value in headers.items()]
        path, _, query = path.partition("?")
        for _ in range(times):
            with contextlib.suppress(LookupError, asyncio.CancelledError):
                await asked(app, scope(path, query_string=query.encode(), headers=given))

    return lambda path, times, headers: asyncio.run(repeat(path, times, headers))


def _calling(app: Any) -> Ask:
    def repeat(path: str, times: int, headers: dict[str, str]) -> None:
        given: dict[str, Any] = {f"HTTP_{name.upper()}": value for name, value in headers.items()}
        path, _, query = path.partition("?")
        for _ in range(times):
            call(app, environ(path, **given, QUERY_STRING=query))

    return repeat


def _plain() -> Ask:
    return _asking(trace_asgi(answering(start(), body())))


def _by_variables() -> Ask:
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    app = answering(start(), body())
    return _asking(
        OpenTelemetryMiddleware(app, excluded_urls=get_excluded_urls("ASGI"), exclude_spans=["send", "receive"])
    )


def _fastapi_outside() -> Ask:
    app = _fastapi()

    @app.get("/cancelled")
    async def cancelled() -> None:
        raise asyncio.CancelledError

    return _asking(instrument_asgi(trace_asgi(app), **OPTIONS))


def _fastapi_inside() -> Ask:
    app = _fastapi()
    app.add_middleware(cast(Any, trace_asgi))
    return _asking(instrument_asgi(app, **OPTIONS))


def _fastapi_alone() -> Ask:
    configure_tracing()
    return _asking(instrument_asgi(_fastapi(), **OPTIONS))


def _twice() -> Ask:
    app = _fastapi()
    app.mount("/inner", trace_asgi(_starlette()))
    return _asking(instrument_asgi(trace_asgi(app), **OPTIONS))


def _mounted() -> Ask:
    shop = trace_wsgi(instrument_wsgi(trace_wsgi(_flask()), **OPTIONS))
    return _calling(DispatcherMiddleware(Flask("outer"), {"/shop": shop}))


SERVICES: dict[str, Callable[[], Ask]] = {
    "plain": _plain,
    "variables": _by_variables,
    "fastapi": _fastapi_outside,
    "fastapi inside": _fastapi_inside,
    "fastapi alone": _fastapi_alone,
    "starlette": lambda: _asking(trace_asgi(instrument_asgi(_starlette(), **OPTIONS))),
    "flask": lambda: _calling(instrument_wsgi(trace_wsgi(_flask()), **OPTIONS)),
    "flask mounted": _mounted,
    "twice": _twice,
}


def app() -> ASGIApplication:
    """A service that says what it would send to the next one."""
    shop = FastAPI()

    @shop.get("/next/{call}")
    async def call_next(call: str) -> dict[str, str]:
        headers: dict[str, str] = {}
        inject(headers)
        return headers

    @shop.websocket("/talk/{room}")
    async def talk(websocket: WebSocket, room: str) -> None:
        await websocket.accept()
        await websocket.close()

    traced = trace_asgi(shop)

    async def with_lifespan(scope: Scope, receive: Receive, send: Send) -> None:
        await traced(scope, receive, send)

    return with_lifespan


if __name__ == "__main__":
    ask = SERVICES[sys.argv[1]]()
    for path, times, headers in json.loads(sys.argv[2]):
        ask(path, times, headers)
    cast(TracerProvider, trace.get_tracer_provider()).shutdown()
    sys.stdout.write(generate_latest(REGISTRY).decode())
