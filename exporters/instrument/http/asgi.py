"""HTTP measured in an ASGI application: FastAPI, Starlette, or any other, which then has no routes."""

import contextlib
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import REGISTRY, CollectorRegistry

from exporters.instrument.exposition import metrics_asgi
from exporters.instrument.http.exchange import Exchange
from exporters.instrument.http.exclusions import Exclusions
from exporters.instrument.http.measures import Measures, measures_of
from exporters.instrument.http.starlette_routes import Routes, path_below
from exporters.instrument.interfaces import ASGIApplication, Message, Receive, Scope, Send
from exporters.instrument.target import name_target

# In the scope of what is measured, or left out, already: mounted applications may be instrumented themselves.
_SEEN = "tocsin.instrument"


def instrument_asgi(
    app: ASGIApplication,
    *,
    service_name: str,
    exclude_paths: Iterable[str] = (),
    metrics_path: str | None = "/metrics",
    duration_targets: Iterable[float] = (),
    registry: CollectorRegistry = REGISTRY,
) -> ASGIApplication:
    """The application, measured.

    Args:
        app: what to measure; WebSockets and lifespan events pass through.
        service_name: who it is, in ``target_info``.
        exclude_paths: paths that are not measured: exact ones, and all below one that ends in a slash. Paths are those
            below the root path that the server gives.
        metrics_path: where a scrape is answered; None leaves that to the service (``metrics_asgi``).
        duration_targets: seconds that become bucket boundaries beside the standard ones, so that a quantile is exact
            where it is compared with a target.
        registry: where the series go.

    Raises:
        ValueError: one of these cannot be right, or contradicts an earlier call.
        RuntimeError: ``PROMETHEUS_MULTIPROC_DIR`` was set too late.
    """
    exclusions = Exclusions(exclude_paths)
    measures = measures_of(registry, duration_targets)
    name_target(registry, service_name)
    return _Instrumented(app, measures, exclusions, metrics_path, metrics_asgi(registry))


class _Instrumented:
    """An application and what is around it; ``app`` as in every ASGI middleware, so that its routes are found."""

    def __init__(
        self,
        app: ASGIApplication,
        measures: Measures,
        exclusions: Exclusions,
        metrics_path: str | None,
        page: ASGIApplication,
    ) -> None:
        self.app = app
        self._measures = measures
        self._exclusions = exclusions
        self._metrics_path = metrics_path
        self._page = page
        self._routes = Routes()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _SEEN in scope:
            await self.app(scope, receive, send)
            return
        root = scope.get("root_path")
        path = path_below(scope["path"], root) if root else scope["path"]
        if path == self._metrics_path:
            await self._page(scope, receive, send)
            return
        scope[_SEEN] = True
        if path in self._exclusions:
            await self.app(scope, receive, send)
            return
        kind = self._measures.kind(scope["method"], scope.get("scheme", "http"), scope.get("http_version", ""))
        exchange = Exchange(kind)
        between = _Between(exchange, self._routes, scope, receive, send)
        try:
            await self.app(scope, between.receive, between.send)
        except BaseException as error:
            exchange.error = error
            raise
        finally:
            if not exchange.recorded:
                exchange.route = self._routes.template(scope)
                if between.is_ending and not exchange.disconnected and exchange.error is None:
                    exchange.end()
                exchange.close()


class _Between:
    """What passes between the server and the application, for one request."""

    __slots__ = ("_exchange", "_has_body", "_has_trailers", "_receive", "_routes", "_scope", "_send", "is_ending")

    def __init__(self, exchange: Exchange, routes: Routes, scope: Scope, receive: Receive, send: Send) -> None:
        self._exchange = exchange
        self._routes = routes
        self._scope = scope
        self._receive = receive
        self._send = send
        self._has_body = scope["method"] != "HEAD"
        self._has_trailers = self.is_ending = False

    async def receive(self) -> Message:
        message = await self._receive()
        kind = message["type"]
        if kind == "http.request":
            self._exchange.received += len(message.get("body", b""))
        elif kind == "http.disconnect" and not self.is_ending:
            # At the end of an answer this is how servers say that nothing more will come. Streams stop at that, even in
            # the middle of handing over their last part.
            self._exchange.disconnected = True
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.body":
            size = len(message.get("body", b""))
            self.is_ending = not (message.get("more_body", False) or self._has_trailers)
        else:
            size = self._seldom(message)
        exchange = self._exchange
        if not self._has_body or exchange.disconnected:
            size = 0
        exchange.sent += size
        try:
            await self._send(message)
        except OSError:
            exchange.disconnected = True
            exchange.sent -= size
            raise
        if exchange.disconnected:
            return
        if message["type"] == "http.response.start":
            exchange.status = message["status"]
        if self.is_ending:
            exchange.route = self._routes.template(self._scope)
            exchange.end()

    def _seldom(self, message: Message) -> int:
        """The bytes of a body that are in a message of another kind."""
        kind, size = message["type"], 0
        if kind == "http.response.start":
            self._has_trailers = message.get("trailers", False)
        elif kind == "http.response.trailers":
            self.is_ending = not message.get("more_trailers", False)
        elif kind == "http.response.pathsend":
            with contextlib.suppress(OSError):
                size = Path(message["path"]).stat().st_size
            self.is_ending = not self._has_trailers
        return size
