"""Families of series belong to a registry, which refuses a second of the same name: each kind is made once."""

import threading
from collections.abc import Callable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from prometheus_client import CollectorRegistry

T = TypeVar("T")
_made: WeakKeyDictionary[CollectorRegistry, dict[Callable[[CollectorRegistry], Any], Any]] = WeakKeyDictionary()
_lock = threading.Lock()


def families_of(registry: CollectorRegistry, make: Callable[[CollectorRegistry], T]) -> T:
    """What ``make`` makes in a registry: at the first call, and the same ever after."""
    with _lock:
        made = _made.setdefault(registry, {})
        if make not in made:
            made[make] = make(registry)
        found: T = made[make]
        return found
