"""With what a service measures itself: standard series for Prometheus, out of the service's own process."""

from exporters.instrument.debug_logs import debug_logs
from exporters.instrument.exposition import metrics_asgi, metrics_wsgi
from exporters.instrument.http.asgi import instrument_asgi
from exporters.instrument.http.measures import DURATION_BUCKETS
from exporters.instrument.http.wsgi import instrument_wsgi
from exporters.instrument.runtime import measure_runtime

__all__ = [
    "DURATION_BUCKETS",
    "debug_logs",
    "instrument_asgi",
    "instrument_wsgi",
    "measure_runtime",
    "metrics_asgi",
    "metrics_wsgi",
]
