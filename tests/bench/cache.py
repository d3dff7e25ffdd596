"""What ``python -m tests.bench.cache`` prints of the cache: writes and reads a second, memory, hits.

It starts a redis-server of its own that keeps nothing on disk. Keys have 9 letters and values 16 bytes; who reads asks
for them by Zipf's law, with the exponent 1. Every figure is of one process, with all its metrics.
"""

import argparse
import asyncio
import bisect
import gc
import itertools
import random
import tempfile
from array import array
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from time import perf_counter

import psutil
from prometheus_client import CollectorRegistry

from exporters.instrument.cache import Cache, Options, redis_from_environment
from tests.redis_servers import RedisServer, redis_server

KEYS = 1_000_000
TASKS = 200
SECONDS = 5.0
_AT_ONCE = 1000
_CHANCE = random.Random(7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was measured: rates in operations a second, memory in bytes, the rest in parts of one."""

    keys: int
    writes_rate: float
    writes_many_rate: float
    reads_rate: float
    write_capacity: float
    read_capacity: float
    memory_redis: int
    memory_process: int
    memory_per_million_keys: float
    memory_by_series: float
    memory_layer_hit_rate: float
    hit_rate: float


def measure(keys: int = KEYS, seconds: float = SECONDS) -> Figures:
    """All figures. ``seconds``: how long reads and writes are measured, each."""
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder, redis_server(Path(folder)) as server:
        return asyncio.run(_measured(server, keys, seconds))


async def _measured(server: RedisServer, keys: int, seconds: float) -> Figures:
    registry = CollectorRegistry()
    # Drawn before, so that neither time nor memory of it is measured.
    asked, asked_of_twice = _numbers(keys), _numbers(2 * keys)
    options = Options(expected_keys=keys, sweep_seconds=20)
    redis_before, process_before = _redis_memory(server), 0
    async with Cache("bench", redis_from_environment(server.environment), options, registry=registry) as cache:
        await cache.get(_key(0))
        gc.collect()
        process_before = psutil.Process().memory_info().rss
        began = perf_counter()
        for start in range(0, keys, _AT_ONCE):
            await cache.set_many({_key(number): _value(number) for number in range(start, min(start + _AT_ONCE, keys))})
        writes_many_rate = keys / (perf_counter() - began)

        # So many reads that the memory layer is what it is in the long run.
        await _for(seconds, lambda: cache.get(_key(next(asked))))
        before = _Series(registry)
        reads_rate = await _for(seconds, lambda: cache.get(_key(next(asked))))
        after = _Series(registry)
        read_capacity = after.capacity("get", before)
        memory_layer_hit_rate = after.share_of_memory(before)

        gc.collect()
        memory_redis = _redis_memory(server) - redis_before
        memory_process = psutil.Process().memory_info().rss - process_before
        await _until_counted(registry, keys)
        memory_by_series = _Series(registry).memory()

        before = _Series(registry)
        written = (_CHANCE.randrange(keys) for _ in itertools.count())
        writes_rate = await _for(seconds, lambda: cache.set(_key(number := next(written)), _value(number)))
        write_capacity = _Series(registry).capacity("set", before)

        # Half of what is asked for, the half that is asked for more often, was warmed.
        before = _Series(registry)
        await _for(seconds, lambda: cache.get(_key(next(asked_of_twice))))
        hit_rate = _Series(registry).hit_rate(before)
    return Figures(
        keys=keys,
        writes_rate=writes_rate,
        writes_many_rate=writes_many_rate,
        reads_rate=reads_rate,
        write_capacity=write_capacity,
        read_capacity=read_capacity,
        memory_redis=memory_redis,
        memory_process=memory_process,
        memory_per_million_keys=(memory_redis + memory_process) * 1e6 / keys,
        memory_by_series=memory_by_series * 1e6 / keys,
        memory_layer_hit_rate=memory_layer_hit_rate,
        hit_rate=hit_rate,
    )


class _Series:
    """A scrape, and what the definitions of a cache's domain make of two."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._values = {
            (sample.name, *sorted(sample.labels.values())): sample.value
            for family in registry.collect()
            for sample in family.samples
        }

    def capacity(self, operation: str, before: "_Series") -> float:
        """Operations by seconds of work."""
        results = ("hit", "miss", "ok", "error")
        done = sum(self._growth(before, "cache_operations_total", operation, result) for result in results)
        return done / self._growth(before, "cache_busy_seconds_total", operation)

    def share_of_memory(self, before: "_Series") -> float:
        """Lookups that memory answered."""
        hits, misses = (self._growth(before, "cache_layer_lookups_total", "memory", one) for one in ("hit", "miss"))
        return hits / (hits + misses)

    def hit_rate(self, before: "_Series") -> float:
        """Lookups that some layer answered."""
        hits, misses = (self._growth(before, "cache_operations_total", "get", one) for one in ("hit", "miss"))
        return hits / (hits + misses)

    def memory(self) -> float:
        """Bytes of both layers."""
        return sum(self._values["cache_memory_bytes", layer] for layer in ("memory", "redis"))

    def keys(self) -> float:
        """Keys in Redis."""
        return self._values["cache_keys", "redis"]

    def _growth(self, before: "_Series", *series: str) -> float:
        name, *labels = series
        key = (name, *sorted(labels))
        return self._values.get(key, 0.0) - before._values.get(key, 0.0)


async def _for(seconds: float, call: Callable[[], Awaitable[object]]) -> float:
    """Calls a second, by many tasks for so long."""
    done = 0

    async def one() -> None:
        nonlocal done
        while perf_counter() < until:
            for _ in range(20):
                await call()
            done += 20

    began = perf_counter()
    until = began + seconds
    await asyncio.gather(*(one() for _ in range(TASKS)))
    return done / (perf_counter() - began)


async def _until_counted(registry: CollectorRegistry, keys: int) -> None:
    async with asyncio.timeout(300):
        while _Series(registry).keys() < keys:
            await asyncio.sleep(0.5)


def _numbers(number: int) -> Iterator[int]:
    """Numbers below this one, by Zipf's law, smaller ones more often; after a million again from the beginning."""
    ranks = array("d", itertools.accumulate(1 / rank for rank in range(1, number + 1)))
    drawn = array("l", (bisect.bisect_left(ranks, _CHANCE.random() * ranks[-1]) for _ in range(1_000_000)))
    return (one for _ in itertools.count() for one in drawn)


def _key(number: int) -> str:
    return f"k{number:08d}"


def _value(number: int) -> str:
    # With its quotes in JSON 16 bytes.
    return f"value{number:09d}"


def _redis_memory(server: RedisServer) -> int:
    info = server.client.info("memory")
    assert isinstance(info, dict)
    used: int = info["used_memory"]
    return used


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--keys", type=int, default=KEYS)
    arguments.add_argument("--seconds", type=float, default=SECONDS)
    given = arguments.parse_args()
    figures = measure(given.keys, given.seconds)
    print("| figure | measured |\n|---|---:|")
    for field in fields(figures):
        value = getattr(figures, field.name)
        print(f"| {field.name.replace('_', ' ')} | {value:{',.3f' if value < 1 else ',.0f'}} |")


if __name__ == "__main__":
    main()
