"""A store behind the cache: what is acknowledged is in it, or shown as pending, whatever fails."""

import asyncio
import json
import signal
import subprocess
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from prometheus_client import CollectorRegistry

from exporters.instrument.cache import UnsavedError, WriteBehind
from tests.clusters import Cluster, cluster
from tests.compiling import ROOT
from tests.instrument.caches import Dictionary, cache_on, eventually, series
from tests.instrument.upstreams import run, turns
from tests.programs import until
from tests.redis_servers import RedisServer

SHORT: dict[str, Any] = {"timeout_seconds": 0.5, "patience_seconds": 1.0}
AT_ONCE = WriteBehind(interval_seconds=0, first_delay_seconds=0.001, longest_delay_seconds=0.002)
NEVER = WriteBehind(interval_seconds=1000)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Cluster]:
    with cluster() as running:
        yield running


@pytest.fixture(autouse=True)
def _is_empty(server: RedisServer) -> None:
    server.client.flushall()


class Table:
    """A table as a store."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection
        self._lock = asyncio.Lock()

    async def load_many(self, keys: Sequence[str]) -> Mapping[str, Any]:
        async with self._lock:
            found = await self._connection.execute("SELECT key, value FROM players WHERE key = ANY(%s)", (list(keys),))
            return dict(await found.fetchall())

    async def save_many(self, values: Mapping[str, Any]) -> None:
        async with self._lock, self._connection.cursor() as cursor:
            await cursor.executemany(
                "INSERT INTO players VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                [(key, json.dumps(value)) for key, value in values.items()],
            )

    async def delete_many(self, keys: Sequence[str]) -> None:
        async with self._lock:
            await self._connection.execute("DELETE FROM players WHERE key = ANY(%s)", (list(keys),))


@pytest.mark.parametrize("mode", ["through", "behind"])
def test_no_acknowledged_write_is_lost_while_redis_is_killed_in_the_middle(
    server: RedisServer, postgres: Cluster, mode: str
) -> None:
    registry = CollectorRegistry()

    async def main(dsn: str) -> None:
        connection = await psycopg.AsyncConnection.connect(dsn, autocommit=True)
        write_behind = WriteBehind(interval_seconds=0.05) if mode == "behind" else None
        acknowledged: dict[str, int | None] = {}
        number, is_over = 0, False
        async with (
            connection,
            cache_on(server, store=Table(connection), write_behind=write_behind, registry=registry, **SHORT) as cache,
        ):

            async def writer(own: int) -> None:
                nonlocal number
                while not is_over:
                    number += 1
                    mine = number
                    key = f"{own} {mine % 7}"
                    if mine % 11:
                        await cache.set(key, mine)
                        acknowledged[key] = mine
                    else:
                        await cache.delete(key)
                        acknowledged[key] = None
                    assert await cache.get_or_load(key) == acknowledged[key]

            async def is_more_than(wanted: int) -> bool:
                return number > wanted

            async def trouble() -> None:
                nonlocal is_over
                for end, begin in ((server.kill, server.start), (server.halt, server.go_on)):
                    done = number
                    await eventually(lambda done=done: is_more_than(done + 300))  # type: ignore[misc]
                    end()
                    done = number
                    await eventually(lambda done=done: is_more_than(done + 300))  # type: ignore[misc]
                    await asyncio.to_thread(begin)
                is_over = True

            async with asyncio.timeout(200), asyncio.TaskGroup() as group:
                for own in range(20):
                    group.create_task(writer(own))
                group.create_task(trouble())
            assert series(registry)["operations set error"] > 0
        found = dict(await rows(dsn))
        assert found == {key: value for key, value in acknowledged.items() if value is not None}
        assert series(registry)["write_behind_pending"] == 0

    async def rows(dsn: str) -> list[Any]:
        async with await psycopg.AsyncConnection.connect(dsn) as connection:
            return await (await connection.execute("SELECT key, value FROM players")).fetchall()

    with postgres.database(f"cache_{mode}", "CREATE TABLE players (key text PRIMARY KEY, value jsonb)") as name:
        run(main(postgres.dsn(database=name)))


def test_write_through_fails_as_the_store_does_and_leaves_nothing_old(server: RedisServer) -> None:
    registry = CollectorRegistry()

    async def main() -> None:
        store = Dictionary()
        async with cache_on(server, store=store, registry=registry) as cache, cache_on(server, memory_keys=0) as other:
            await cache.set("a", "old")
            store.refused.add("a")
            with pytest.raises(OSError, match="does not take it"):
                await cache.set("a", "new")
            # At once, in Redis and in memory.
            assert server.client.hkeys("players:10:" + number_of("a")) == [b""]
            assert await cache.get("a") is await other.get("a") is None
            with pytest.raises(OSError, match="does not take it"):
                await cache.get_or_load("a")
            with pytest.raises(OSError, match="does not take it"):
                await cache.delete("a")
            store.refused.clear()
            assert await cache.get_or_load("a") == "old"
            found = series(registry)
            assert [found[f"operations {one}"] for one in ("set ok", "set error", "delete error")] == [1, 1, 1]
            # A caller who leaves in the middle: the store may have it or not, so the cache has nothing.
            store.gate.clear()
            caller = asyncio.create_task(cache.set("a", "new"))
            await turns()
            caller.cancel()
            await asyncio.wait((caller,))
            store.gate.set()
            await eventually(lambda: is_gone(other))
            assert await cache.get("a") is None
            await cache.invalidate("a")
            assert store.values == {"a": "old"}
            assert await cache.get_or_load("nobody") is None
            await cache.delete("a")
            assert store.values == {}

    async def is_gone(other: Any) -> bool:
        return await other.get("a") is None

    run(main())


def number_of(key: str) -> str:
    return str(zlib.crc32(key.encode()) % 10)


def test_a_write_that_the_store_refuses_leaves_nothing_old_while_redis_is_away(server: RedisServer) -> None:
    async def main() -> None:
        store = Dictionary()
        async with cache_on(server, store=store, **SHORT) as cache:
            await cache.get("b")
            await cache.set("a", "old")
            assert await cache.get("a") == "old"
            server.halt()
            store.refused.add("a")
            try:
                with pytest.raises(OSError, match="does not take it"):
                    await cache.set("a", "new")
                assert await cache.get("a") is None
            finally:
                server.go_on()

    run(main())


def test_writes_of_one_key_come_one_after_the_other(server: RedisServer) -> None:
    async def main() -> None:
        store = Dictionary()
        async with cache_on(server, store=store) as cache:
            store.gate.clear()
            first = asyncio.create_task(cache.set_many({"a": 1, "b": 1}))
            await turns()
            second = asyncio.create_task(cache.set_many({"b": 2, "a": 2}))
            other = asyncio.create_task(cache.set("c", 1))
            await turns()
            assert store.calls == [("save", ("a", "b")), ("save", ("c",))]
            store.gate.set()
            await asyncio.gather(first, second, other)
            assert store.values == await cache.get_many("abc") == {"a": 2, "b": 2, "c": 1}

    run(main())


def test_write_behind_writes_the_last_of_each_key_in_batches(server: RedisServer) -> None:
    registry = CollectorRegistry()

    async def main() -> None:
        store = Dictionary(deleted="old", a="old")
        options = WriteBehind(interval_seconds=1000, batch_size=4)
        async with cache_on(server, store=store, write_behind=options, registry=registry) as cache:
            value = ["mine"]
            await cache.set("a", value)
            value.append("changed")
            await cache.delete("deleted")
            await cache.set("b", 1)
            await cache.set("b", 2)
            assert series(registry)["write_behind_pending"] == 3
            assert store.calls == []
            # What is pending is what counts, wherever one looks.
            await cache.invalidate("a", "b")
            assert await cache.get_many(["a", "b", "deleted"]) == {"a": ["mine"], "b": 2}
            assert await cache.get_or_load("deleted") is None
            await cache.set("c", 3)
            await eventually(lambda: is_saved(registry))
            assert store.values == {"a": ["mine"], "b": 2, "c": 3}
            assert store.calls == [("save", ("a", "b", "c")), ("delete", ("deleted",))]
            await cache.set("d", 4)
        assert store.values["d"] == 4
        assert series(registry)["write_behind_pending"] == 0

    async def is_saved(registry: CollectorRegistry) -> bool:
        return series(registry)["write_behind_pending"] == 0

    run(main())


def test_write_behind_goes_on_when_the_store_fails_and_around_what_it_never_takes(server: RedisServer) -> None:
    registry = CollectorRegistry()

    async def main() -> None:
        store = Dictionary()
        cache = cache_on(server, store=store, write_behind=AT_ONCE, registry=registry)
        store.refused.add("poison")
        await cache.set_many({"poison": 1, **{str(number): number for number in range(50)}})
        await eventually(lambda: is_left(1))
        assert len(store.values) == 50
        # Newer than what failed.
        await cache.set("poison", 2)
        with pytest.raises(UnsavedError, match="1 writes are not in the store"):
            await cache.close(timeout_seconds=0.05)
        store.refused.clear()
        async with cache_on(server, store=store, write_behind=AT_ONCE, registry=registry) as cache:
            store.refused.add("a")
            await cache.set("a", 1)
            await eventually(lambda: was_tried(store, 3))
            # While one attempt is under way, which fails.
            store.gate.clear()
            tried = store.keys("save").count("a")
            await eventually(lambda: was_tried(store, tried + 1))
            await cache.set("a", 2)
            store.gate.set()
            await eventually(lambda: was_tried(store, tried + 2))
            store.refused.clear()
        assert store.values["a"] == 2

    async def is_left(number: int) -> bool:
        return series(registry)["write_behind_pending"] == number

    async def was_tried(store: Dictionary, times: int) -> bool:
        return store.keys("save").count("a") >= times

    run(main())


def test_who_writes_more_than_may_be_pending_waits(server: RedisServer) -> None:
    registry = CollectorRegistry()

    async def main() -> None:
        store = Dictionary()
        store.gate.clear()
        options = WriteBehind(interval_seconds=0, most_pending=3, batch_size=2)
        async with cache_on(server, store=store, write_behind=options, registry=registry) as cache:
            writes = [asyncio.create_task(cache.set(str(number), number)) for number in range(10)]
            await eventually(lambda: is_full(writes))
            # One that is pending already needs no room.
            await asyncio.wait_for(cache.set("2", "again"), 60)
            await asyncio.wait_for(cache.set("0", "again"), 60)
            await asyncio.wait_for(cache.set("0", "once more"), 60)
            assert series(registry)["write_behind_pending"] == 3
            store.gate.set()
            await asyncio.gather(*writes)
        assert store.values == {**{str(number): number for number in range(10)}, "2": "again", "0": "once more"}

    async def is_full(writes: list[asyncio.Task[None]]) -> bool:
        return sum(write.done() for write in writes) == 3

    run(main())


CRASHING = """
import asyncio, sys
from pathlib import Path
from exporters.instrument.cache import Cache, WriteBehind, redis_from_environment
from prometheus_client import REGISTRY
class Lines:
    def __init__(self, path):
        self.path = Path(path)
        self.left = 300
    async def save_many(self, values):
        if self.left < len(values):
            await asyncio.Event().wait()
        self.left -= len(values)
        with self.path.open("a") as file:
            file.writelines(f"{key}\\n" for key in values)
async def main():
    cache = Cache("players", redis_from_environment(), store=Lines(sys.argv[1]),
                  write_behind=WriteBehind(batch_size=100, interval_seconds=0.01))
    for number in range(1000):
        await cache.set(str(number), number)
    while cache._parts.behind._leaving == {}:
        await asyncio.sleep(0)
    while True:
        print(REGISTRY.get_sample_value("cache_write_behind_pending"), flush=True)
        await asyncio.sleep(0.1)
asyncio.run(main())
"""


def test_a_crash_loses_exactly_what_is_shown_as_pending(server: RedisServer, tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    environment = {**server.environment, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", CRASHING, str(saved)], env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines: list[str] = []

        def is_settled() -> bool:
            assert process.stdout is not None
            lines.append(process.stdout.readline())
            return len(lines) > 3 and len(set(lines[-3:])) == 1

        try:
            until(is_settled)
        finally:
            process.send_signal(signal.SIGKILL)
    keys = saved.read_text().split()
    pending = float(lines[-1])
    assert pending >= 700
    assert len(set(keys)) == len(keys) == 1000 - pending


def test_write_behind_without_a_store_is_an_error(server: RedisServer) -> None:
    with pytest.raises(ValueError, match="no store"):
        cache_on(server, write_behind=NEVER)


@pytest.mark.parametrize("wrong", [
    {"batch_size": 0}, {"interval_seconds": -1}, {"most_pending": 0}, {"first_delay_seconds": 0},
    {"longest_delay_seconds": 0.01},
])  # fmt: skip
def test_options_that_mean_nothing_are_errors(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        WriteBehind(**wrong)


def test_a_store_that_is_cancelled_from_within_is_one_that_fails(server: RedisServer) -> None:
    class Cancelled(Dictionary):
        async def save_many(self, values: Mapping[str, Any]) -> None:
            await super().save_many(values)
            if len(self.calls) == 1:
                self.values.clear()
                raise asyncio.CancelledError

    async def main() -> None:
        store = Cancelled()
        async with cache_on(server, store=store, write_behind=AT_ONCE) as cache:
            await cache.set("a", 1)
        assert store.values == {"a": 1}

    run(main())


def test_who_waits_for_room_while_the_cache_is_closed_is_in_the_store_too(server: RedisServer) -> None:
    async def main() -> None:
        store = Dictionary()
        store.gate.clear()
        cache = cache_on(server, store=store, write_behind=WriteBehind(interval_seconds=0, most_pending=1))
        writes = [asyncio.create_task(cache.set(str(number % 4), number)) for number in range(8)]
        await eventually(lambda: is_called(store))
        closing = asyncio.create_task(cache.close())
        await turns()
        store.gate.set()
        await closing
        await asyncio.wait_for(asyncio.gather(*writes), 60)
        assert store.values == {str(number % 4): number for number in range(4, 8)}

    run(main())


def test_who_waits_for_room_that_never_comes_is_told_when_the_cache_is_closed(server: RedisServer) -> None:
    async def main() -> None:
        store = Dictionary()
        store.gate.clear()
        cache = cache_on(server, store=store, write_behind=WriteBehind(interval_seconds=0, most_pending=1))
        writes = [asyncio.create_task(cache.set(str(number), number)) for number in range(3)]
        await eventually(lambda: is_called(store))
        with pytest.raises(UnsavedError, match="1 writes are not in the store"):
            await cache.close(timeout_seconds=0.05)
        found = await asyncio.wait_for(asyncio.gather(*writes, return_exceptions=True), 60)
        assert [type(one) for one in found] == [type(None), UnsavedError, UnsavedError]

    run(main())


@pytest.mark.parametrize("call", ["set", "delete"])
def test_a_write_under_way_while_the_cache_is_closed_gets_to_redis(server: RedisServer, call: str) -> None:
    async def main() -> None:
        store = Dictionary()
        async with cache_on(server, memory_keys=0) as other:
            cache = cache_on(server, store=store)
            await cache.set("a", "old")
            store.gate.clear()
            write = asyncio.create_task(cache.set("a", "new") if call == "set" else cache.delete("a"))
            await turns()
            closing = asyncio.create_task(cache.close())
            await turns()
            store.gate.set()
            await asyncio.gather(write, closing)
            assert await other.get("a") == ("new" if call == "set" else None)
            # One that takes longer than the end may take is left alone.
            cache = cache_on(server, store=store)
            store.gate.clear()
            write = asyncio.create_task(cache.set("a", "newer"))
            await turns()
            await asyncio.wait_for(cache.close(timeout_seconds=0.05), 60)
            store.gate.set()
            await asyncio.wait_for(write, 60)

    run(main())


async def is_called(store: Dictionary) -> bool:
    return bool(store.calls)
