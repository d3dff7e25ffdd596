"""Spans of the requests that a WSGI application answers, by OpenTelemetry's middleware; ours names them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.trace import Span

from exporters.instrument.http import flask_routes
from exporters.instrument.interfaces import wsgi_text
from exporters.instrument.tracing.configuration import configure_tracing
from exporters.instrument.tracing.naming import method_name, name_by_route

# In the environment of what has its span already: mounted applications may be traced themselves.
_SEEN = "tocsin.trace"
# In the environment that OpenTelemetry sees: the one that the application gets.
_ENVIRON = "tocsin.trace.environ"


def trace_wsgi(app: WSGIApplication, config_file: str | Path | None = None) -> WSGIApplication:
    """The application, with a span for each request; as it came, where nothing is traced.

    The arguments after the first, and what is raised, are those of ``configure_tracing``.
    """
    if not configure_tracing(config_file):
        return app

    def answer(shown: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return app(shown[_ENVIRON], start_response)

    spans: WSGIApplication = OpenTelemetryMiddleware(
        answer,
        request_hook=lambda span, shown: span.update_name(method_name(shown["REQUEST_METHOD"])),
        response_hook=lambda span, shown, status, headers: _name(span, shown),
        # Requests are measured by what Prometheus scrapes.
        meter_provider=NoOpMeterProvider(),
    )

    def traced(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if _SEEN in environ:
            return app(environ, start_response)
        environ[_SEEN] = True
        return spans(_shown(environ), start_response)

    return traced


def _shown(environ: WSGIEnvironment) -> WSGIEnvironment:
    """What spans are made of: the whole path, also where no server says it, and no query, which may hold a secret."""
    path = wsgi_text(environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""))
    shown: dict[str, Any] = {**environ, "PATH_INFO": path, "QUERY_STRING": "", "RAW_URI": path, _ENVIRON: environ}
    return shown


def _name(span: Span, shown: WSGIEnvironment) -> None:
    name_by_route(span, shown["REQUEST_METHOD"], flask_routes.template(shown[_ENVIRON]))
