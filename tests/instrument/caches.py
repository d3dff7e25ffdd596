"""Caches as tests use them: on a real Redis, with what they measure at hand."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry

from exporters.instrument.cache import Cache, Options, redis_from_environment
from tests.instrument.measured import Measured
from tests.redis_servers import RedisServer

# A machine under load may not answer within half a second; who tests that waits on purpose says so.
PATIENT: dict[str, Any] = {"timeout_seconds": 20.0, "patience_seconds": 20.0, "expected_keys": 1000, "ttl_jitter": 0.0}


class Clock:
    """Time that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 1_750_000_000.0

    def __call__(self) -> float:
        return self.now


class Dictionary:
    """A store that forgets nothing, and fails when it is told to."""

    def __init__(self, **values: Any) -> None:
        self.values: dict[str, Any] = dict(values)
        self.calls: list[tuple[str, tuple[str, ...]]] = []
        self.refused: set[str] = set()
        self.gate = asyncio.Event()
        self.gate.set()

    async def load_many(self, keys: Sequence[str]) -> Mapping[str, Any]:
        await self._call("load", keys)
        return {key: self.values[key] for key in keys if key in self.values}

    async def save_many(self, values: Mapping[str, Any]) -> None:
        await self._call("save", tuple(values))
        self.values.update(values)

    async def delete_many(self, keys: Sequence[str]) -> None:
        await self._call("delete", keys)
        for key in keys:
            self.values.pop(key, None)

    def keys(self, kind: str) -> list[str]:
        """The keys of all calls of a kind, in their order."""
        return [key for name, keys in self.calls for key in keys if name == kind]

    async def _call(self, kind: str, keys: Sequence[str]) -> None:
        self.calls.append((kind, tuple(keys)))
        await self.gate.wait()
        if not self.refused.isdisjoint(keys):
            raise OSError("the store does not take it")


def cache_on(server: RedisServer, name: str = "players", **wanted: Any) -> Cache:
    """A cache with a registry of its own; what is no option of ``Cache`` is one of ``Options``."""
    own = {one: wanted.pop(one) for one in ("store", "write_behind", "registry", "clock") if one in wanted}
    own.setdefault("registry", CollectorRegistry())
    return Cache(name, redis_from_environment(server.environment), Options(**{**PATIENT, **wanted}), **own)


def series(registry: CollectorRegistry) -> dict[str, float]:
    """What was counted, by ``get hit`` and so on: the name without ``cache_`` and ``_total``, and the labels."""
    return {
        " ".join([sample.name.removeprefix("cache_").removesuffix("_total"), *sample.labels.values()]): sample.value
        for sample in Measured.of(registry).samples
        if "le" not in sample.labels and not sample.name.endswith("_created")
    }


async def listening(server: RedisServer, cache: Cache, registry: CollectorRegistry, name: str = "players") -> None:
    """Wait until a cache hears what other processes tell. It sets a key and forgets it."""
    before = series(registry)["keys memory"]
    # Its memory is emptied once when it begins to listen, and the second time because of what it heard.
    for _ in range(2):
        await cache.set("probe", 1)

        async def is_forgotten() -> bool:
            server.client.publish(f"{name}:changes", b'["somebody", "keys", "probe"]')
            return series(registry)["keys memory"] <= before

        await eventually(is_forgotten)


async def eventually(what: Callable[[], Awaitable[object]], seconds: float = 60) -> None:
    """Wait until something is true."""
    async with asyncio.timeout(seconds):
        while not await what():
            await asyncio.sleep(0.01)
