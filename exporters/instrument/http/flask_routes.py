"""Routes and exceptions of Flask, which answers for its exceptions itself, so that none comes out of it.

Flask is not imported: it tells by a signal of its own, and leaves its request in the environment.
"""

import sys
from typing import Any
from wsgiref.types import WSGIEnvironment

from exporters.instrument.http.exchange import Exchange
from exporters.instrument.interfaces import wsgi_text

EXCHANGE = "tocsin.instrument"
# Werkzeug's, while the request lasts.
_REQUEST = "werkzeug.request"


def template(environ: WSGIEnvironment) -> str:
    """The rule that matched, below the path where the application is mounted; empty where none did."""
    rule = getattr(environ.get(_REQUEST), "url_rule", None)
    if rule is None:
        return ""
    return wsgi_text(environ.get("SCRIPT_NAME", "")).rstrip("/") + str(rule.rule)


def listen() -> None:
    """Have Flask, where it is loaded, tell what no handler of its application took; as often as one likes."""
    flask: Any = sys.modules.get("flask")
    if flask is not None:
        flask.got_request_exception.connect(_remember)


def _remember(sender: Any, exception: BaseException, **_: object) -> None:
    environ = sys.modules["flask"].request.environ
    exchange = environ.get(EXCHANGE)
    if isinstance(exchange, Exchange):
        exchange.error = exception
        exchange.route = template(environ)
