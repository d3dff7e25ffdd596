"""Calls to another service, many in one: batched, limited, retried, and measured."""

from interlock import CircuitOpenError

from exporters.instrument.batching.batcher import Batcher
from exporters.instrument.batching.options import Breaker, Limits, Retries
from exporters.instrument.batching.requests import BatchError
from exporters.instrument.batching.transience import is_transient

__all__ = ["BatchError", "Batcher", "Breaker", "CircuitOpenError", "Limits", "Retries", "is_transient"]
