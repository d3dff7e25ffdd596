"""Changes reach every process: by key, by tag, and what is expired."""

import asyncio
import subprocess
import sys
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from exporters.instrument.cache import Cache
from exporters.instrument.cache.layout import READ
from tests.compiling import ROOT
from tests.instrument.caches import Clock, cache_on, eventually, listening, series
from tests.instrument.upstreams import run, turns
from tests.redis_servers import RedisServer


@pytest.fixture(autouse=True)
def _is_empty(server: RedisServer) -> None:
    server.client.flushall()


OTHER = """
import asyncio
from exporters.instrument.cache import Cache, Options, redis_from_environment
async def main():
    async with Cache("players", redis_from_environment(), Options(expected_keys=1000)) as cache:
        assert await cache.get_many(["set", "deleted", "tagged", "both", "kept"]) == dict.fromkeys(
            ["set", "deleted", "tagged", "both", "kept"], "old")
        await cache.set("set", "new")
        await cache.delete("deleted")
        await cache.invalidate_tag("team 1")
asyncio.run(main())
"""


def test_another_process_changes_what_this_one_has_in_memory(server: RedisServer) -> None:
    registry = CollectorRegistry()

    async def main() -> None:
        async with cache_on(server, registry=registry) as cache:
            await listening(server, cache, registry)
            await cache.set_many(dict.fromkeys(("set", "deleted", "kept"), "old"))
            await cache.set("tagged", "old", tags=["team 1"])
            await cache.set("both", "old", tags=["team 2", "team 1", "team 1"])
            await asyncio.to_thread(
                subprocess.run, [sys.executable, "-c", OTHER], check=True, timeout=60, cwd=ROOT,
                env={**server.environment, "PYTHONPATH": str(ROOT)},
            )  # fmt: skip
            # Its messages are on their way: first of all is the one about the key that it set.
            await eventually(lambda: is_new(cache))
            await eventually(lambda: is_untagged(cache))
            before = series(registry)["layer_lookups memory hit"]
            assert await cache.get("kept") == "old"
            assert series(registry)["layer_lookups memory hit"] == before + 1

    async def is_new(cache: Cache) -> bool:
        return bool(await cache.get("set") == "new")

    async def is_untagged(cache: Cache) -> bool:
        return await cache.get_many(["deleted", "tagged", "both"]) == {}

    run(main())


@pytest.mark.parametrize("change", ["set", "tag", "set here"])
def test_an_answer_that_was_under_way_when_its_key_changed_is_not_kept(
    server: RedisServer, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = CollectorRegistry()

    async def main() -> None:
        gate = asyncio.Event()
        gate.set()
        async with cache_on(server, registry=registry) as cache, cache_on(server) as other:
            await listening(server, cache, registry)
            answered = cache._parts.link.run
            held = asyncio.Event()

            async def slow(script: Any, keys: Any, arguments: Any) -> Any:
                answer = await answered(script, keys, arguments)
                if "a" in arguments and script is READ:
                    held.set()
                    await gate.wait()
                return answer

            await other.set("a", "old", tags=["team"])
            monkeypatch.setattr(cache._parts.link, "run", slow)
            gate.clear()
            caller = asyncio.create_task(cache.get("a"))
            await held.wait()
            if change == "tag":
                await other.invalidate_tag("team")
            else:
                await (cache if change == "set here" else other).set("a", "new")
            # What comes after the message has come, the message has.
            await listening(server, cache, registry)
            cache._parts.memory.clear()
            gate.set()
            assert await caller == "old"
            assert await cache.get("a") == (None if change == "tag" else "new")

    run(main())


@pytest.mark.parametrize("change", ["delete", "tag", "set"])
def test_what_was_read_while_a_change_was_on_its_way_to_redis_is_forgotten_when_it_is_there(
    server: RedisServer, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        gate = asyncio.Event()
        async with cache_on(server) as cache, cache_on(server) as other:
            await other.set("a", "old", tags=["team"])
            run_now = cache._parts.link.run_now

            async def slow(script: Any, keys: Any, arguments: Any) -> Any:
                if script is not READ:
                    await gate.wait()
                return await run_now(script, keys, arguments)

            await cache.get("b")
            monkeypatch.setattr(cache._parts.link, "run_now", slow)
            calls = {"delete": cache.delete("a"), "tag": cache.invalidate_tag("team"), "set": cache.set("a", "new")}
            changing = asyncio.create_task(calls.pop(change))
            for unused in calls.values():
                unused.close()
            await turns()
            # As when it had to make room.
            cache._parts.memory.clear()
            assert await cache.get("a") == "old"
            gate.set()
            await changing
            assert await cache.get("a") == ("new" if change == "set" else None)

    run(main())


def test_who_hears_late_that_nothing_is_there_finds_what_was_loaded_meanwhile(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = CollectorRegistry()
    loads: list[str] = []

    async def load(key: str) -> int:
        loads.append(key)
        return len(loads)

    async def main() -> None:
        gate = asyncio.Event()
        held = asyncio.Event()
        async with cache_on(server, registry=registry) as cache:
            await listening(server, cache, registry)
            answered = cache._parts.link.run

            async def slow(script: Any, keys: Any, arguments: Any) -> Any:
                answer = await answered(script, keys, arguments)
                if "a" in arguments and script is READ and not held.is_set():
                    held.set()
                    await gate.wait()
                return answer

            monkeypatch.setattr(cache._parts.link, "run", slow)
            late = asyncio.create_task(cache.get_or_load("a", load))
            await held.wait()
            # Who comes after a change asks anew.
            server.client.publish("players:changes", b'["somebody", "keys", "a"]')
            await listening(server, cache, registry)
            assert await cache.get_or_load("a", load) == 1
            # The load is over when its fill is, and that is before this is.
            await cache.set("b", 1)
            gate.set()
            assert await late == 1
            assert loads == ["a"]

    run(main())


def test_a_tag_goes_with_the_entry_that_had_it(server: RedisServer) -> None:
    registry = CollectorRegistry()
    many = {f"key {number}": number for number in range(1300)}

    async def load(key: str) -> str:
        return key

    async def main() -> None:
        async with cache_on(server, registry=registry) as cache, cache_on(server, memory_keys=0) as other:
            # Some hundred are removed at a time, of any of the hashes.
            await cache.set_many(many, tags=["all", "team"])
            await cache.get_or_load("loaded", load, tags=["team"])
            # Written again without it, or with another one.
            await other.set("key 1", "free")
            await other.set("key 2", "other", tags=["other team", "tea", "team2"])
            await other.set("team", "untagged")
            await cache.invalidate_tag("team")
            for one in (cache, other):
                assert await one.get_many([*many, "loaded", "team"]) == {
                    "key 1": "free", "key 2": "other", "team": "untagged",
                }  # fmt: skip
            assert series(registry)["invalidations tag"] == 1299
            await cache.invalidate_tag("nobody has it")
            assert series(registry)["invalidations tag"] == 1299
            # What is written after it has nothing to do with it.
            await cache.set("key 3", 3, tags=["team"])
            assert await other.get("key 3") == 3

    run(main())


def test_the_sweeper_removes_what_is_expired_and_counts_what_is_there(server: RedisServer) -> None:
    registries = [CollectorRegistry(), CollectorRegistry()]
    clock = Clock()
    hashes = [f"players:10:{number}" for number in range(10)]

    def fields() -> int:
        # Each hash has its version beside.
        return sum(max(0, int(str(server.client.hlen(name))) - 1) for name in hashes)

    async def main() -> None:
        one, other = (
            cache_on(server, registry=registry, clock=clock, sweep_seconds=0.3, expected_keys=1000)
            for registry in registries
        )
        async with one, other:
            await one.set_many({f"short {number}": 1 for number in range(700)}, ttl_seconds=50, tags=["team"])
            await one.set_many({f"long {number}": 1 for number in range(300)}, ttl_seconds=500, tags=["team", "x"])
            await other.get("a")
            for registry in registries:
                await eventually(lambda registry=registry: has_keys(registry, 1000))  # type: ignore[misc]
                assert 20_000 < series(registry)["memory_bytes redis"] < 500_000
            assert fields() == 1000
            clock.now += 60
            await eventually(lambda: is_swept())
            for registry in registries:
                await eventually(lambda registry=registry: has_keys(registry, 300))  # type: ignore[misc]
            # One process at a time walks, so that nothing counts twice.
            assert sum(series(registry)["invalidations expired"] for registry in registries) == 700
            assert server.client.scard("players:tag:team") == server.client.scard("players:tag:x") == 300
            # Who walked has left: the other one goes on.
            await one.close()
            await other.delete(*(f"long {number}" for number in range(299)))
            await eventually(lambda: has_keys(registries[1], 1))
            # Who was so slow that another has taken over stops in the middle.
            server.client.set("players:10:sweeper", "somebody")
            assert not await other._parts.sweeper._step(0, b"0")
            server.client.delete("players:10:sweeper")
            await eventually(lambda: is_taken())
        # Who is closed leaves the walk to others at once.
        assert server.client.get("players:10:sweeper") is None

    async def has_keys(registry: CollectorRegistry, number: int) -> bool:
        return series(registry)["keys redis"] == number

    async def is_taken() -> bool:
        return server.client.exists("players:10:sweeper") == 1

    async def is_swept() -> bool:
        return fields() == 300

    run(main())


def test_warming_loads_what_is_missing_and_counts_it(server: RedisServer) -> None:
    registry = CollectorRegistry()
    asked: list[str] = []

    async def load_many(keys: object) -> dict[str, str]:
        assert isinstance(keys, list)
        asked.extend(keys)
        return {key: f"loaded {key}" for key in keys if key != "nobody"}

    async def main() -> None:
        async with cache_on(server, registry=registry, memory_keys=100) as cache, cache_on(server) as other:
            await listening(server, cache, registry)
            await cache.set("used", 1)
            await other.set("known", 1)
            before = series(registry)
            keys = [f"key {number}" for number in range(1200)]
            assert await cache.warm([*keys, "known", "used", "nobody", "key 7"], load_many, tags=["team"]) == 1200
            assert sorted(asked) == sorted([*keys, "nobody"])
            values = {"a": 1, "used": 2, **{f"value {number}": number for number in range(300)}}
            assert await cache.warm(values, ttl_seconds=1000) == 302
            found = {name: value - before[name] for name, value in series(registry).items()}
            assert found["warmed_keys"] == 1502
            # It is no operation of the application, and nothing in use has to go for it.
            assert not any(value for name, value in found.items() if name.startswith(("operations", "busy")))
            assert found["invalidations evicted"] == 0
            for one in (cache, other):
                assert await one.get_many([*keys, *values, "known"]) == {
                    **{key: f"loaded {key}" for key in keys}, **values, "known": 1,
                }  # fmt: skip
            await cache.invalidate_tag("team")
            assert await cache.get_many(keys) == {}

    run(main())


@pytest.mark.parametrize("message", [b"5", b"null", b'["x", "keys", ["a"]]', b'["x", "tag", {}]', b"\xff", b"[]"])
def test_a_message_of_somebody_else_is_no_end_of_listening(server: RedisServer, message: bytes) -> None:
    registry = CollectorRegistry()

    async def main() -> None:
        async with cache_on(server, registry=registry) as cache:
            await listening(server, cache, registry)
            listener = cache._parts._subscription._task
            await cache.set("kept", 1)
            server.client.publish("players:changes", message)
            await cache.set("a", 1)
            server.client.publish("players:changes", b'["somebody", "keys", "a"]')
            await eventually(lambda: has_keys(1))
            assert listener is not None
            assert not listener.done()

    async def has_keys(number: int) -> bool:
        return series(registry)["keys memory"] == number

    run(main())


def test_a_tags_set_has_no_more_members_than_there_are_entries(server: RedisServer) -> None:
    def members() -> Any:
        return sorted({*server.client.smembers("players:tag:team"), *server.client.smembers("players:tag:all")})

    async def main() -> None:
        async with cache_on(server) as cache:
            for end in (
                cache.delete("a"),
                cache.set("a", 2),
                cache.invalidate("a"),
                cache.warm({"a": 1}),
                cache.invalidate_tag("team"),
            ):
                await cache.set("a", 1, tags=["team", "all"])
                assert members() == [b"7:a"]
                await end
                assert members() == []
            # Of two tags one is left.
            await cache.set("a", 1, tags=["team", "all"])
            await cache.set("a", 1, tags=["all"])
            assert server.client.exists("players:tag:team") == 0
            assert 0 < int(str(server.client.ttl("players:tag:all"))) < 4000
            await cache.invalidate_tag("all")
            assert await cache.get("a") is None

    run(main())


def test_what_lives_shorter_than_a_load_takes_is_not_forgotten_before_it_ends(server: RedisServer) -> None:
    async def main() -> None:
        async with cache_on(server, sweep_seconds=0.01) as cache:
            await cache.set("a", 1, ttl_seconds=0.01)
            # Its version has to be there for an hour.
            assert int(str(server.client.pttl("players:10:7"))) > 3_000_000

    run(main())


def test_the_sweeper_goes_on_after_what_it_did_not_expect(server: RedisServer) -> None:
    registry = CollectorRegistry()

    async def main() -> None:
        server.client.set("players:10:size", "nonsense")
        async with cache_on(server, registry=registry, sweep_seconds=0.1) as cache:
            await cache.set("a", 1)
            await eventually(lambda: has_read())
            server.client.delete("players:10:size")
            await eventually(lambda: has_counted())

    reads = 0

    async def has_read() -> bool:
        nonlocal reads
        reads += 1
        return reads > 50

    async def has_counted() -> bool:
        return series(registry)["keys redis"] == 1

    run(main())
