"""Families of series belong to a registry, which refuses a second of the same name: each kind is made once."""

import threading
from collections.abc import Callable
from typing import Any, TypeVar, TypeVarTuple
from weakref import WeakKeyDictionary

from prometheus_client import CollectorRegistry

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
_made: WeakKeyDictionary[CollectorRegistry, dict[Callable[..., Any], Any]] = WeakKeyDictionary()
_lock = threading.Lock()


def families_of(registry: CollectorRegistry, make: Callable[[CollectorRegistry, *Ts], T], *given: *Ts) -> T:
    """What ``make`` makes in a registry: at the first call, of what that one gives it, and the same ever after."""
    with _lock:
        made = _made.setdefault(registry, {})
        if make not in made:
            made[make] = make(registry, *given)
        found: T = made[make]
        return found
