"""A server at the end of OTLP over HTTP, which keeps the spans that come."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue


@dataclass(frozen=True)
class Span:
    """A span, with the attributes of the process that it came from."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: int
    attributes: dict[str, str | int]
    resource: dict[str, str | int]


@dataclass
class Receiver:
    """What came so far, and where the server is."""

    url: str
    spans: list[Span] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def paths(self) -> dict[str, int]:
        """How many spans there are of each path of requests."""
        found = [str(span.attributes.get("url.path", "")) for span in self.spans]
        return {path: found.count(path) for path in found}


@contextmanager
def receiver(port: int = 0) -> Iterator[Receiver]:
    """Serve, on a free port unless one is given."""
    with ThreadingHTTPServer(("127.0.0.1", port), BaseHTTPRequestHandler) as server:
        received = Receiver(f"http://127.0.0.1:{server.server_port}")

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path == "/v1/traces":
                    received.spans.extend(_spans(ExportTraceServiceRequest.FromString(body)))
                    received.headers.append(dict(self.headers))
                self.send_response(200 if self.path == "/v1/traces" else 404)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        server.RequestHandlerClass = Handler
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield received
        finally:
            server.shutdown()
            thread.join()


def _spans(request: ExportTraceServiceRequest) -> Iterator[Span]:
    for process in request.resource_spans:
        resource = _values(process.resource.attributes)
        for scope in process.scope_spans:
            for span in scope.spans:
                yield Span(
                    span.name,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.kind,
                    _values(span.attributes),
                    resource,
                )


def _values(attributes: "Iterator[KeyValue] | list[KeyValue]") -> dict[str, str | int]:
    return {each.key: each.value.string_value or each.value.int_value for each in attributes}
