"""Tracing: spans go where OTLP over HTTP is spoken, and every path that has a share of its own can be reached."""

import re
from collections.abc import Iterator

from generator.diagnostics import Problem
from generator.load import Files
from generator.plan.tracing import is_prefix

# OpenTelemetry's default of OTLP over gRPC; what listens there answers no HTTP request.
_GRPC_PORT = re.compile(r"^https?://[^/]*:4317(?=/|$)")
_SIGNAL = re.compile(r"/v1/(traces|metrics|logs)/?$")


def check(files: Files) -> Iterator[Problem]:
    """Endpoints that would take no span, and paths that are excluded already."""
    platform = files.platform
    tracing = platform.model.tracing
    if tracing is None:
        return
    span = platform.span(("tracing", "endpoint"))
    if signal := _SIGNAL.search(tracing.endpoint):
        message = f"{signal[0].rstrip('/')} is added where spans are sent: the address ends before it"
        yield Problem(span, "otlp-endpoint", message, (f"write {tracing.endpoint[: signal.start()]}",))
    if grpc := _GRPC_PORT.search(tracing.endpoint):
        message = "port 4317 is that of OTLP over gRPC; spans go over HTTP"
        yield Problem(span, "otlp-endpoint", message, (f"write {grpc[0].removesuffix('4317')}4318",))
    for name, service in tracing.services.items():
        for path in service.paths:
            if (by := _excluded(path, tracing.exclude_paths)) is not None:
                where = platform.key_span(("tracing", "services", name, "paths", path))
                message = f"nothing of {path} is ever kept: exclude_paths has {by}"
                yield Problem(where, "excluded-path", message, ("delete one of the two",))


def _excluded(path: str, excluded: list[str]) -> str | None:
    """The path of ``excluded`` that takes all of another."""
    return next((by for by in excluded if path == by or (is_prefix(by) and path.startswith(by))), None)
