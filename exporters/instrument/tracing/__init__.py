from exporters.instrument.tracing.asgi import trace_asgi
from exporters.instrument.tracing.configuration import configure_tracing
from exporters.instrument.tracing.wsgi import trace_wsgi

__all__ = ["configure_tracing", "trace_asgi", "trace_wsgi"]
