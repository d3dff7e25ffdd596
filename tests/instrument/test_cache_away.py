"""Redis is away: nobody hangs, memory goes on, and what is old does not come back with it."""

import asyncio
import contextlib
import logging
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from exporters.instrument.cache import Cache, Options, redis_from_environment
from exporters.instrument.cache.layout import WRITE
from tests.instrument.caches import PATIENT, cache_on, eventually, listening, series
from tests.instrument.upstreams import run
from tests.redis_servers import RedisServer, redis_server

SHORT: dict[str, Any] = {"timeout_seconds": 0.5, "patience_seconds": 1.0}
ON_DISK = ("--appendonly", "yes", "--appendfsync", "always")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path, *ON_DISK) as running:
        yield running


async def load(key: str) -> str:
    return f"loaded {key}"


async def answers(cache: Cache) -> bool:
    """Whether a cache reaches Redis."""
    return bool(await through(cache, "is it there") == 1)


async def through(cache: Cache, key: str) -> Any:
    """What comes back from Redis, without memory."""
    await cache.set(key, 1)
    cache_memory(cache).clear()
    return await cache.get(key)


def cache_memory(cache: Cache) -> Any:
    return cache._parts.memory


@pytest.mark.parametrize("how", ["killed", "halted"])
def test_while_redis_is_away_nobody_waits_for_it_and_memory_goes_on(server: RedisServer, how: str) -> None:
    registry = CollectorRegistry()

    async def main() -> None:
        async with cache_on(server, registry=registry, **SHORT) as cache:
            await listening(server, cache, registry)
            await eventually(lambda: answers(cache))
            await cache.set("a", 1)
            (server.kill if how == "killed" else server.halt)()
            before = series(registry)
            loop = asyncio.get_running_loop()
            began = loop.time()
            # Who comes now may wait as long as the options say, and all of them at the same time.
            calls = [cache.get(f"other{number}", "nothing") for number in range(300)]
            assert await asyncio.wait_for(asyncio.gather(*calls), 60) == ["nothing"] * 300
            first = loop.time() - began
            began = loop.time()
            for number in range(100):
                assert await cache.get(f"other{number}", "nothing") == "nothing"
                assert await cache.get_or_load(f"new{number}", load) == f"loaded new{number}"
                await cache.set(f"set{number}", number)
                await cache.delete(f"other{number}")
            # Hundreds of waits of a second would be minutes.
            assert loop.time() - began < 60
            assert first < 60
            assert [await cache.get(key) for key in ("a", "new7", "set7")] == [1, "loaded new7", 7]
            found = {name: value - before[name] for name, value in series(registry).items()}
            assert found["operations get error"] == 300 + 200
            assert found["operations set error"] == found["operations delete error"] == 100
            assert found["operations get hit"] == 3
            assert found["operations set ok"] == found["operations delete ok"] == found["operations get miss"] == 0
            (server.start if how == "killed" else server.go_on)()
            await eventually(lambda: answers(cache))
            after = series(registry)
            await cache.set("z", 1)
            assert await cache.get("unknown") is None
            assert series(registry)["operations get error"] == after["operations get error"]
            assert series(registry)["operations get miss"] == after["operations get miss"] + 1

    run(main())


CASES: dict[str, tuple[dict[str, Any], str | None]] = {
    "halted": ({}, "kept"),
    "killed and trusted": ({"keeps_after_restart": True}, "kept"),
    "killed": ({}, None),
    "halted, more changes than are remembered": ({"remembered_changes": 2}, None),
}


@pytest.mark.parametrize("case", CASES)
def test_what_changed_while_redis_was_away_does_not_come_back(server: RedisServer, case: str) -> None:
    options, unchanged = CASES[case]
    registry = CollectorRegistry()

    async def main() -> None:
        async with (
            cache_on(server, registry=registry, **SHORT, **options) as cache,
            cache_on(server, memory_keys=0) as other,
        ):
            await eventually(lambda: answers(cache))
            await cache.set_many(dict.fromkeys(("deleted", "set", "loaded", "unchanged"), "kept"))
            await cache.set("tagged", "kept", tags=["team"])
            (server.kill if "killed" in case else server.halt)()
            await cache.delete("deleted")
            await cache.set("set", "new")
            await cache.invalidate_tag("team")
            assert await cache.get("set") == "new"
            (server.start if "killed" in case else server.go_on)()
            await eventually(lambda: answers(cache))
            for one in (cache, other):
                assert await one.get_many(["deleted", "tagged", "unchanged", "loaded"]) == (
                    {"unchanged": unchanged, "loaded": unchanged} if unchanged else {}
                )
            assert await other.get("set") is None
            # It is an ordinary cache again.
            await cache.set("set", "newer", tags=["team"])
            assert await other.get("set") == "newer"
            await cache.invalidate_tag("team")
            assert await other.get("set") is None

    run(main())


@pytest.mark.parametrize("change", ["set", "delete", "tag"])
def test_what_was_loaded_while_it_changed_is_not_kept_either(server: RedisServer, change: str) -> None:
    async def main() -> None:
        gate = asyncio.Event()
        began = asyncio.Event()

        async def slow(key: str) -> str:
            began.set()
            await gate.wait()
            return "old"

        async with cache_on(server, **SHORT) as cache:
            await eventually(lambda: answers(cache))
            server.kill()
            caller = asyncio.create_task(cache.get_or_load("a", slow, tags=["team"]))
            await began.wait()
            if change == "set":
                await cache.set("a", "new")
            else:
                await (cache.delete("a") if change == "delete" else cache.invalidate_tag("team"))
            gate.set()
            assert await caller == "old"
            assert await cache.get("a") == ("new" if change == "set" else None)

    run(main())


def test_in_the_middle_of_a_load_redis_is_killed_and_comes_back_and_nobody_hangs_or_reads_old_values(
    server: RedisServer,
) -> None:
    registry = CollectorRegistry()

    async def main() -> None:
        async with cache_on(server, registry=registry, memory_keys=50, **SHORT) as cache:
            await eventually(lambda: answers(cache))
            is_over = False
            counts = dict.fromkeys(("get", "set", "load"), 0)

            async def user(number: int) -> None:
                # Each has keys of his own, so that he knows what is in them.
                written = 0
                keys = [f"{number} {one}" for one in range(5)]
                while not is_over:
                    written += 1
                    key = keys[written % 5]
                    await cache.set(key, written)
                    counts["set"] += 1
                    for other in keys:
                        found = await cache.get(other)
                        counts["get"] += 1
                        # What is not there is no error; what is there is the last that was written.
                        last = written - (written - keys.index(other)) % 5
                        assert found in (None, last), (other, found, last)
                    counts["load"] += 1
                    assert await cache.get_or_load(f"{number} loaded", load) == f"loaded {number} loaded"
                    await asyncio.sleep(0)

            async with asyncio.timeout(120), asyncio.TaskGroup() as group:
                for number in range(40):
                    group.create_task(user(number))
                for end, begin in (
                    (server.kill, server.start),
                    (server.halt, server.go_on),
                    (server.kill, server.start),
                ):
                    done = counts["get"]
                    await eventually(lambda done=done: is_more_than(counts, done + 2000))  # type: ignore[misc]
                    errors = series(registry)["operations get error"]
                    end()
                    await eventually(lambda errors=errors: has_more_errors(errors))  # type: ignore[misc]
                    done = counts["get"]
                    await eventually(lambda done=done: is_more_than(counts, done + 500))  # type: ignore[misc]
                    await asyncio.to_thread(begin)
                    await eventually(lambda: answers(cache))
                is_over = True
            found = series(registry)
            assert found["operations set error"] > 0
            assert found["operations get hit"] > 0
            # `answers` asks too.
            results = sum(found[f"operations get {result}"] for result in ("hit", "miss", "error"))
            assert results >= counts["get"] + counts["load"]

    async def is_more_than(counts: dict[str, int], number: int) -> bool:
        return counts["get"] > number

    async def has_more_errors(errors: float) -> bool:
        return series(registry)["operations get error"] > errors

    run(main())


def test_a_redis_that_takes_no_more_keeps_no_old_value_either(server: RedisServer) -> None:
    registry = CollectorRegistry()

    async def main() -> None:
        async with cache_on(server, registry=registry) as cache, cache_on(server, memory_keys=0) as other:
            await cache.set_many({"a": "old", "b": "old"})
            server.client.config_set("maxmemory", 1)
            await cache.set("a", "new")
            await cache.delete("b")
            assert series(registry)["operations set error"] == 1
            await eventually(lambda: is_gone(other))
            assert await cache.get("a") == "new"
            server.client.config_set("maxmemory", 0)
            await cache.set("a", "newer")
            assert await other.get("a") == "newer"

    async def is_gone(other: Cache) -> bool:
        return await other.get_many("ab") == {}

    run(main())


def test_a_cache_that_lost_the_messages_forgets_what_it_has_in_memory(server: RedisServer) -> None:
    registry = CollectorRegistry()

    async def main() -> None:
        async with cache_on(server, registry=registry) as cache:
            await listening(server, cache, registry)
            await cache.set("a", 1)
            assert series(registry)["keys memory"] == 1
            server.client.client_kill_filter(_type="pubsub")
            await eventually(lambda: has_forgotten())
            assert await cache.get("a") == 1

    async def has_forgotten() -> bool:
        return series(registry)["keys memory"] == 0

    run(main())


def test_the_log_tells_what_happens_and_no_values(server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with cache_on(server, **SHORT) as cache:
            await eventually(lambda: answers(cache))
            await cache.set("a", "s3cret", tags=["team"])
            assert await cache.get("missed") is None
            await cache.invalidate_tag("team")
            server.kill()
            await cache.set("a", "s3cret")
            await cache.delete("b")
            server.start()
            await eventually(lambda: answers(cache))

    caplog.set_level(logging.DEBUG, logger="exporters.instrument.cache")
    run(main())
    ours = " | ".join(record.getMessage() for record in caplog.records if record.name.startswith("exporters."))
    for part in ("players: missed is not there", "tag team is invalidated", "1 keys are removed", "Redis is away: ",
                 "Redis is there", "asking Redis again, attempt 2", "Redis was restarted"):  # fmt: skip
        assert part in ours, part
    assert "s3cret" not in ours


def test_a_redis_that_was_never_there(server: RedisServer) -> None:
    server.kill()

    async def main() -> None:
        async with cache_on(server, **SHORT) as cache:
            assert await cache.get_or_load("a", load) == "loaded a"
            assert await cache.get("a") == "loaded a"
            assert await cache.get("b") is None
            server.start()
            await eventually(lambda: answers(cache))
        # And one that goes away for good while it is closed.
        async with cache_on(server, **SHORT) as cache:
            await cache.set("a", 1)
            server.halt()

    run(main())


def test_what_was_loaded_before_a_restart_is_not_kept_after_it(tmp_path: Path) -> None:
    async def main(server: RedisServer) -> None:
        gate = asyncio.Event()
        began: list[object] = []

        async def slow(key: str) -> str:
            began.append(key)
            await gate.wait()
            return "old"

        async def slow_many(keys: Any) -> dict[str, str]:
            began.append(keys)
            await gate.wait()
            return dict.fromkeys(keys, "old")

        async def have_begun() -> bool:
            return len(began) == 2

        async with cache_on(server, **SHORT) as cache, cache_on(server, memory_keys=0, **SHORT) as other:
            await eventually(lambda: answers(cache))
            await eventually(lambda: answers(other))
            server.client.flushall()
            loading = asyncio.create_task(cache.get_or_load("a", slow))
            warming = asyncio.create_task(cache.warm(["b"], slow_many))
            await eventually(have_begun)
            await other.delete("a", "b")
            # An empty one knows nothing of the change.
            server.kill()
            assert await cache.get("c") is None
            server.start()
            await eventually(lambda: answers(cache))
            gate.set()
            assert await loading == "old"
            await warming
            await eventually(lambda: answers(other))
            assert await other.get_many("ab") == {}

    with redis_server(tmp_path) as server:
        run(main(server))


def test_what_was_on_its_way_when_redis_was_emptied_is_not_kept(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with cache_on(server, **SHORT) as cache, cache_on(server, memory_keys=0, **SHORT) as other:
            await eventually(lambda: answers(cache))
            server.client.flushall()
            run_now = cache._parts.link.run_now
            is_first = True

            async def lost(script: Any, keys: Any, arguments: Any) -> Any:
                nonlocal is_first
                if script is WRITE and is_first:
                    is_first = False
                    await other.delete("a")
                    server.client.flushall()
                    raise ConnectionError
                return await run_now(script, keys, arguments)

            monkeypatch.setattr(cache._parts.link, "run_now", lost)
            assert await cache.get_or_load("a", load) == "loaded a"
            await cache.set("b", 1)
            assert not is_first
            assert await other.get_many("ab") == {"b": 1}

    run(main())


def test_what_nobody_expected_is_no_end_of_trying(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with cache_on(server, **SHORT) as cache:
            step = cache._parts._recovery.step
            failures = 2

            async def failing(writes: Any) -> bool:
                nonlocal failures
                failures -= 1
                if failures >= 0:
                    raise KeyError("run_id")
                return await step(writes)

            monkeypatch.setattr(cache._parts._recovery, "step", failing)
            await eventually(lambda: answers(cache))
            assert failures < 0

    run(main())


def test_a_server_that_became_a_replica_is_left_for_the_one_that_took_over(server: RedisServer, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()

    async def main(successor: RedisServer) -> None:
        port = server.port
        pumps: set[asyncio.Task[None]] = set()

        async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                while data := await reader.read(65536):
                    writer.write(data)
                    await writer.drain()
            writer.close()

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # As a name that leads to another address from now on: connections that there are stay where they are.
            there, back = await asyncio.open_connection("127.0.0.1", port)
            pumps.update(asyncio.create_task(pump(*way)) for way in ((reader, back), (there, writer)))

        async with await asyncio.start_server(connected, "127.0.0.1", 0) as proxy:
            redis = redis_from_environment({"REDIS_PORT": str(proxy.sockets[0].getsockname()[1])})
            options = Options(**{**PATIENT, **SHORT})
            async with Cache("players", redis, options, registry=CollectorRegistry()) as cache:
                await eventually(lambda: answers(cache))
                await cache.set("a", "old")
                port = successor.port
                server.client.replicaof("127.0.0.1", str(successor.port))

                async def is_there() -> bool:
                    await cache.set("b", 1)
                    return bool(successor.client.hexists(f"players:10:{zlib.crc32(b'b') % 10}", "b"))

                await eventually(is_there)
                cache_memory(cache).clear()
                assert await cache.get_many("ab") == {"b": 1}
            server.close()
            successor.close()
            await asyncio.wait(pumps)

    with redis_server(tmp_path / "other") as successor:
        run(main(successor))
