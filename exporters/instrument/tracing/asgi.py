"""Spans of the requests that an ASGI application answers, by OpenTelemetry's middleware; ours names them."""

from pathlib import Path
from typing import Any

from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.trace import get_current_span

from exporters.instrument.http.starlette_routes import Routes
from exporters.instrument.interfaces import ASGIApplication, Message, Receive, Scope, Send
from exporters.instrument.tracing.configuration import configure_tracing, flush_spans
from exporters.instrument.tracing.naming import method_name, name_by_route

# In the scope of what has its span already: mounted applications may be traced themselves.
_SEEN = "tocsin.trace"
# In the scope that OpenTelemetry sees: the one that the application gets.
_SCOPE = "tocsin.trace.scope"
# Where FastAPI keeps its own span; while the key is there, an application inside begins none.
_FASTAPI = "fastapi.telemetry"


def trace_asgi(app: ASGIApplication, config_file: str | Path | None = None) -> ASGIApplication:
    """The application, with one span for each request and WebSocket: FastAPI inside then begins none itself.

    Where nothing is traced it is the application as it came, at no cost.

    What is left is sent at the end of the lifespan, since uvicorn ends by a signal, after which Python does nothing.
    The arguments after the first, and what is raised, are those of ``configure_tracing``.
    """
    return _Traced(app) if configure_tracing(config_file) else app


class _Traced:
    """An application and its spans; ``app`` as in every ASGI middleware, so that its routes are found."""

    def __init__(self, app: ASGIApplication) -> None:
        self.app = app
        self._routes = Routes()
        self._spans = OpenTelemetryMiddleware(
            self._answer,
            default_span_details=_span_details,
            # Requests are measured by what Prometheus scrapes; a span for each message of an answer says nothing.
            meter_provider=NoOpMeterProvider(),
            exclude_spans=["receive", "send"],
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, _flushing(send))
            return
        if scope["type"] not in ("http", "websocket") or _SEEN in scope or scope.get(_FASTAPI) is not None:
            await self.app(scope, receive, send)
            return
        scope[_SEEN] = True
        scope[_FASTAPI] = None
        # A query may hold what nobody else should read, such as a token.
        await self._spans({**scope, "query_string": b"", _SCOPE: scope}, receive, send)

    async def _answer(self, shown: Scope, receive: Receive, send: Send) -> None:
        scope: Scope = shown[_SCOPE]
        span = get_current_span()
        if not span.is_recording():
            await self.app(scope, receive, send)
            return
        is_named = False

        def name() -> None:
            nonlocal is_named
            if not is_named:
                is_named = True
                name_by_route(span, _method(scope), self._routes.template(scope))

        async def send_named(message: Message) -> None:
            # The span ends with the answer, not with the application.
            name()
            await send(message)

        try:
            await self.app(scope, receive, send_named)
        finally:
            name()


def _flushing(send: Send) -> Send:
    async def send_flushed(message: Message) -> None:
        if message["type"].startswith("lifespan.shutdown."):
            # Nothing else runs any more that would have to wait.
            flush_spans()
        await send(message)

    return send_flushed


def _method(scope: Scope) -> str:
    """The method; a WebSocket begins with a GET."""
    method: str = scope.get("method", "GET")
    return method


def _span_details(scope: Scope) -> tuple[str, dict[str, Any]]:
    return method_name(_method(scope)), {}
