"""The page ``/metrics``, as an application that a service mounts: all of a registry, of all workers."""

from wsgiref.types import WSGIApplication

from prometheus_client import REGISTRY, CollectorRegistry, make_asgi_app, make_wsgi_app

from exporters.instrument.interfaces import ASGIApplication, Receive, Scope, Send
from exporters.instrument.runtime import Runtime, measure_runtime
from exporters.instrument.target import Target
from exporters.instrument.workers import Workers, shared_folder


class _Page:
    """An object and no function: Starlette's ``Route`` takes a function for one that is given a request."""

    def __init__(self, app: ASGIApplication) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


def metrics_asgi(registry: CollectorRegistry = REGISTRY) -> ASGIApplication:
    """An ASGI application that answers a scrape at any path: text or OpenMetrics, gzip where it is taken.

    ``registry``: whose series; with ``PROMETHEUS_MULTIPROC_DIR`` those of all workers, whatever their registry.
    """
    return _Page(make_asgi_app(_scraped(registry)))


def metrics_wsgi(registry: CollectorRegistry = REGISTRY) -> WSGIApplication:
    """The same as ``metrics_asgi``, for WSGI."""
    app: WSGIApplication = make_wsgi_app(_scraped(registry))
    return app


def _scraped(registry: CollectorRegistry) -> CollectorRegistry:
    folder = shared_folder()
    if folder is None:
        # A registry of the service's own has nothing of the process.
        if registry is REGISTRY:
            measure_runtime()
        return registry
    measure_runtime()
    shared = CollectorRegistry()
    shared.register(Workers(folder))
    shared.register(Runtime(folder))
    shared.register(Target(registry))
    return shared
