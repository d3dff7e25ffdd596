"""Two layers of cache, memory before Redis, that measure themselves."""

from exporters.instrument.cache.behind import UnsavedError
from exporters.instrument.cache.cache import Cache
from exporters.instrument.cache.codec import JSON, Codec
from exporters.instrument.cache.environment import redis_from_environment
from exporters.instrument.cache.flight import LoadError
from exporters.instrument.cache.options import Options, WriteBehind
from exporters.instrument.cache.store import Store

__all__ = [
    "JSON",
    "Cache",
    "Codec",
    "LoadError",
    "Options",
    "Store",
    "UnsavedError",
    "WriteBehind",
    "redis_from_environment",
]
