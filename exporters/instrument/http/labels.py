"""Label values out of what a client sent: words of the semantic conventions, and nothing that a client can make up."""

import os
from collections.abc import Mapping

# RFC 9110, PATCH (RFC 5789) and QUERY, which the semantic conventions count among them.
_METHODS = ("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE")
# The conventions' own variable: a full list, separated by commas, in place of the one above.
_METHODS_VARIABLE = "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS"
OTHER = "_OTHER"

VERSIONS: Mapping[str, str] = {"1.0": "1.0", "1.1": "1.1", "2": "2", "2.0": "2", "3": "3", "3.0": "3"}
SCHEMES: Mapping[str, str] = {"http": "http", "https": "https"}


def known_methods() -> Mapping[str, str]:
    """The methods that are shown by their names; names are case-sensitive."""
    listed = os.environ.get(_METHODS_VARIABLE, "")
    names = [name.strip() for name in listed.split(",") if name.strip()] or _METHODS
    return {name: name for name in names}


def error_name(error: BaseException) -> str:
    """An exception's qualified name, as OpenTelemetry's Python SDK writes it: without a module for built-in ones."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
