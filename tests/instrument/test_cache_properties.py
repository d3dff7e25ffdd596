"""Whatever is done in whatever order: both layers say what a dictionary would say."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.instrument.cache import Cache
from tests.instrument.caches import Clock, cache_on
from tests.instrument.upstreams import run
from tests.redis_servers import RedisServer

KEYS = ("a", "b", "c", "ü d")
TAGS = ("x", "y", "x y")


@dataclass(frozen=True)
class Step:
    """Something that is done: to which keys, with which tags, for how many seconds."""

    kind: str
    keys: frozenset[str]
    tags: tuple[str, ...]
    seconds: float
    at_once: bool


STEPS = st.lists(
    st.builds(
        Step,
        st.sampled_from(
            ("set", "set", "load", "load", "delete", "invalidate", "tag", "warm", "later", "forget", "away")
        ),
        st.frozensets(st.sampled_from(KEYS), min_size=1, max_size=3),
        st.lists(st.sampled_from(TAGS), max_size=2).map(tuple),
        st.sampled_from((5.0, 10.0, 20.0)),
        st.booleans(),
    ),
    min_size=1,
    max_size=25,
)


class Model:
    """Values with their expiry and tags."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: dict[str, tuple[int, float, tuple[str, ...]]] = {}

    def take(self, step: Step, number: int) -> None:
        """What a step changes; ``number`` is the value that it brings."""
        gone: set[str] = set()
        if step.kind in ("set", "warm", "load"):
            there = self.values() if step.kind == "load" else {}
            entry = number, self._clock.now + step.seconds, step.tags
            self._entries.update(dict.fromkeys(step.keys - there.keys(), entry))
        elif step.kind in ("delete", "invalidate", "away"):
            gone.update(step.keys)
        elif step.kind == "tag":
            gone.update(key for key, (_, _, tags) in self._entries.items() if not set(tags).isdisjoint(step.tags))
        for key in gone:
            self._entries.pop(key, None)

    def values(self) -> dict[str, int]:
        return {key: value for key, (value, until, _) in self._entries.items() if until > self._clock.now}


def calls(cache: Cache, clock: Clock, step: Step, number: int) -> list[Coroutine[Any, Any, Any]]:
    """A step as calls, which are made at the same time."""

    async def load(key: str) -> int:
        return number

    values = dict.fromkeys(step.keys, number)
    how: dict[str, Any] = {"ttl_seconds": step.seconds, "tags": step.tags}
    match step.kind:
        case "set" if step.at_once:
            return [cache.set_many(values, **how)]
        case "set":
            return [cache.set(key, number, **how) for key in step.keys]
        case "warm":
            return [cache.warm(values, **how)]
        case "load":
            return [cache.get_or_load(key, load, **how) for key in (*step.keys, *step.keys)]
        case "delete":
            return [cache.delete(*step.keys)]
        case "invalidate":
            return [cache.invalidate(*step.keys)]
        case "tag":
            return [cache.invalidate_tag(tag) for tag in step.tags]
        case "later":
            clock.now += step.seconds / 2
        case "forget":
            cache._parts.memory.clear()
        case "away":
            # As when a round trip failed: what it changed is not known, and is removed.
            cache._parts.nearby.changed(step.keys)
            cache._parts.missed(step.keys)
    return []


@settings(max_examples=80, deadline=None)
@given(steps=STEPS, memory_keys=st.sampled_from((1, 2, 100)), expected_keys=st.sampled_from((1, 1000)))
def test_both_layers_say_what_a_dictionary_would_say(
    server: RedisServer, steps: list[Step], memory_keys: int, expected_keys: int
) -> None:
    server.client.flushall()
    clock = Clock()
    model = Model(clock)

    async def main() -> None:
        cache = cache_on(server, clock=clock, memory_keys=memory_keys, memory_seconds=8, expected_keys=expected_keys)
        fresh = cache_on(server, clock=clock, memory_keys=0, expected_keys=expected_keys)
        async with asyncio.timeout(60), cache, fresh:
            for number, step in enumerate(steps):
                model.take(step, number)
                await asyncio.gather(*calls(cache, clock, step, number))
                assert await cache.get_many(KEYS) == model.values(), step
                assert await fresh.get_many(KEYS) == model.values(), step
                for key in step.keys:
                    assert await cache.get(key) == model.values().get(key), step

    run(main())
