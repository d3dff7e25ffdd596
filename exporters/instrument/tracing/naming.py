"""What a span of a request is called: the method, and the route as soon as it is known."""

from opentelemetry.trace import Span
from opentelemetry.util.http import sanitize_method

_ROUTE = "http.route"


def method_name(method: str) -> str:
    """The name without a route: never the path, of which there are as many as clients make up."""
    known = sanitize_method(method)
    return "HTTP" if known == "_OTHER" else known


def name_by_route(span: Span, method: str, route: str) -> None:
    """Name a span by its route, https://opentelemetry.io/docs/specs/semconv/http/http-spans/#name; empty is none."""
    if route and span.is_recording():
        span.update_name(f"{method_name(method)} {route}")
        span.set_attribute(_ROUTE, route)
