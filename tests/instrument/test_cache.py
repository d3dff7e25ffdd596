"""What is read is what was written, from both layers; who loads, and what is kept of it; what is counted."""

import asyncio
import os
import subprocess
import sys
import zlib
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from exporters.instrument.cache import Cache, LoadError, Options, measures, redis_from_environment
from exporters.instrument.workers import Workers
from tests.compiling import ROOT
from tests.instrument.caches import Clock, Dictionary, cache_on, eventually, listening, series
from tests.instrument.upstreams import run, turns
from tests.programs import program, until
from tests.redis_servers import RedisServer


@pytest.fixture(autouse=True)
def _is_empty(server: RedisServer) -> None:
    server.client.flushall()


VALUES: list[Any] = [None, 7, "", "ü\0", [1, {"a": None}], {"name": "Ada", "tags": ["x"]}, "long " * 1000]


@pytest.mark.parametrize("memory_keys", [0, 1000], ids=["redis", "memory"])
def test_what_is_read_is_what_was_written_and_nobody_elses(server: RedisServer, memory_keys: int) -> None:
    async def main() -> None:
        async with cache_on(server, memory_keys=memory_keys) as cache:
            keys = {f"key {number} ü": value for number, value in enumerate(VALUES)}
            for key, value in keys.items():
                await cache.set(key, value)
            assert [await cache.get(key, "nothing") for key in keys] == VALUES
            assert await cache.get_many([*keys, "other"]) == keys
            assert await cache.get("other", 5) == 5
            (await cache.get("key 4 ü")).append("mine")
            assert await cache.get("key 4 ü") == VALUES[4]
            await cache.delete("key 4 ü", "other")
            assert await cache.get("key 4 ü") is None
            await cache.set_many(dict.fromkeys(keys, 1))
            assert set((await cache.get_many(keys)).values()) == {1}

    run(main())


def test_another_cache_reads_the_same_and_one_with_another_prefix_does_not(server: RedisServer) -> None:
    async def main() -> None:
        async with cache_on(server) as one, cache_on(server) as same, cache_on(server, key_prefix="other") as other:
            await one.set("a", 1)
            assert [await cache.get("a") for cache in (same, other)] == [1, None]

    run(main())


def test_values_are_compressed_where_that_makes_them_smaller(server: RedisServer) -> None:
    random = zlib.compress(bytes(range(256)) * 9).hex()
    values = {"short": "a" * 900, "long": "a" * 9000, "random": random[:1100]}

    async def main() -> None:
        async with cache_on(server, memory_keys=0, expected_keys=100) as cache:
            await cache.set_many(values)
            sizes = {key: server.client.hstrlen("players:1:0", key) for key in values}
            assert sizes["short"] > 900
            assert sizes["long"] < 100
            assert await cache.get_many(values) == values
        async with cache_on(server, memory_keys=0, expected_keys=100, compress_from_bytes=None) as cache:
            assert await cache.get_many(values) == values
            await cache.set_many(values)
            assert server.client.hstrlen("players:1:0", "long") > 9000

    run(main())


def test_a_codec_of_ones_own_and_bytes_that_are_no_entry(server: RedisServer) -> None:
    class Bytes:
        def encode(self, value: bytes) -> bytes:
            return value

        def decode(self, data: bytes) -> bytes:
            return data

    async def main() -> None:
        async with cache_on(server, codec=Bytes(), expected_keys=100, memory_keys=0) as cache:
            await cache.set("a", b"\xff\x00")
            assert await cache.get("a") == b"\xff\x00"
            # What does not get smaller lies there as it is, behind seven bytes.
            await cache.set("b", os.urandom(2000))
            assert server.client.hstrlen("players:1:0", "b") == 2007
            for nonsense in (b"x", b"\xff" * 7, b"\xff" * 6 + b"\x01nothing"):
                server.client.hset("players:1:0", "a", nonsense)
                assert await cache.get("a", "nothing") in ("nothing", b"")

    run(main())


def test_entries_expire_in_both_layers_and_somewhat_apart(server: RedisServer) -> None:
    clock = Clock()

    async def main() -> None:
        one = cache_on(server, clock=clock, ttl_seconds=100, memory_seconds=1000)
        async with one, cache_on(server, clock=clock, memory_keys=0) as other:
            await one.set("a", 1)
            await one.set("b", 2, ttl_seconds=50)
            clock.now += 49.9
            assert await one.get_many("ab") == await other.get_many("ab") == {"a": 1, "b": 2}
            clock.now += 0.2
            assert await one.get_many("ab") == await other.get_many("ab") == {"a": 1}
            clock.now += 50
            assert await one.get_many("ab") == await other.get_many("ab") == {}
        async with cache_on(server, clock=clock, ttl_seconds=100, ttl_jitter=0.1, memory_seconds=1000) as cache:
            many = {f"key{number}": number for number in range(200)}
            await cache.set_many(many)
            # Deadlines are in whole milliseconds.
            clock.now += 89.9
            assert await cache.get_many(many) == many
            clock.now += 5.1
            assert 40 < len(await cache.get_many(many)) < 160
            clock.now += 5
            assert await cache.get_many(many) == {}

    run(main())


def test_a_short_time_to_live_does_not_shorten_that_of_others_in_the_hash(server: RedisServer) -> None:
    async def main() -> None:
        async with cache_on(server, expected_keys=100, sweep_seconds=1) as cache:
            await cache.set("long", 1, ttl_seconds=5000)
            await cache.set("short", 1, ttl_seconds=10)
            await cache.delete("other")
            lives = server.client.ttl("players:1:0")
            assert isinstance(lives, int)
            assert 4990 <= lives <= 5002

    run(main())


def test_memory_keeps_what_was_used_last_within_its_limits_and_for_its_time(server: RedisServer) -> None:
    clock = Clock()
    registry = CollectorRegistry()

    async def main() -> None:
        async with cache_on(server, memory_keys=2, clock=clock, memory_seconds=10, registry=registry) as cache:
            await listening(server, cache, registry)
            await cache.set_many({"a": 1, "b": 2})
            await cache.get("a")
            await cache.set("c", 3)
            before = series(registry)
            assert before["keys memory"] == 2
            assert before["invalidations evicted"] == 1
            assert await cache.get_many("abc") == {"a": 1, "b": 2, "c": 3}
            after = series(registry)
            assert after["layer_lookups memory hit"] - before["layer_lookups memory hit"] == 2
            assert after["layer_lookups redis hit"] - before["layer_lookups redis hit"] == 1
            clock.now += 10
            await cache.get("b")
            assert series(registry)["layer_lookups redis hit"] == after["layer_lookups redis hit"] + 1
        assert series(registry)["memory_bytes memory"] == 0
        big = CollectorRegistry()
        async with cache_on(server, memory_bytes=5000, registry=big) as cache:
            for number in range(30):
                await cache.set(f"big{number}", "x" * 1000)
            assert 0 < series(big)["memory_bytes memory"] <= 5000
            assert series(big)["keys memory"] == 3

    run(main())


def test_one_load_for_all_who_wait_and_one_who_leaves_harms_nobody(server: RedisServer) -> None:
    async def main() -> None:
        loads: list[str] = []
        gate = asyncio.Event()

        async def load(key: str) -> list[str]:
            loads.append(key)
            await gate.wait()
            return [key]

        async with cache_on(server) as cache:
            callers = [asyncio.create_task(cache.get_or_load("a", load)) for _ in range(50)]
            await eventually(lambda: has(loads))
            # Those who come while the load is under way, and those who leave.
            callers += [asyncio.create_task(cache.get_or_load("a", load)) for _ in range(50)]
            await turns()
            callers[0].cancel()
            callers[70].cancel()
            await turns()
            gate.set()
            results = await asyncio.gather(*callers, return_exceptions=True)
            assert [index for index, one in enumerate(results) if isinstance(one, asyncio.CancelledError)] == [0, 70]
            found = [one for one in results if isinstance(one, list)]
            assert found == [["a"]] * 98
            assert len({id(one) for one in found}) == 98
            assert await cache.get_or_load("a", load) == ["a"]
            assert loads == ["a"]

    run(main())


async def has(loads: list[str]) -> bool:
    return bool(loads)


def test_a_load_that_nobody_waits_for_is_cancelled_and_one_who_comes_then_loads_anew(server: RedisServer) -> None:
    async def main() -> None:
        began: list[str] = []
        cancelled: list[str] = []

        async def hang(key: str) -> None:
            began.append(key)
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(key)
                raise

        async def load(key: str) -> int:
            return 7

        async with cache_on(server) as cache:
            callers = [asyncio.create_task(cache.get_or_load("a", hang)) for _ in range(3)]
            await eventually(lambda: has(began))
            for caller in callers:
                caller.cancel()
            await eventually(lambda: has(cancelled))
            assert await cache.get_or_load("a", load) == 7
            assert began == cancelled == ["a"]

    run(main())


def test_a_load_that_fails_raises_for_all_and_is_not_kept(server: RedisServer) -> None:
    async def main() -> None:
        outcomes: list[Any] = [OSError("no"), asyncio.CancelledError(), {1, 2}, None]

        async def load(key: str) -> Any:
            await turns()
            outcome = outcomes.pop(0)
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome

        async with cache_on(server) as cache:
            for kind in (OSError, LoadError, TypeError):
                callers = (cache.get_or_load("a", load) for _ in range(3))
                results = await asyncio.gather(*callers, return_exceptions=True)
                assert [type(one) for one in results] == [kind] * 3
            # None is a value.
            assert await cache.get_or_load("a", load) is None
            assert await cache.get_or_load("a", load) is None
            assert outcomes == []

    run(main())


@pytest.mark.parametrize("change", ["set", "delete", "tag", "set elsewhere", "delete elsewhere", "tag elsewhere"])
def test_what_was_loaded_while_it_changed_is_not_kept(server: RedisServer, change: str) -> None:
    async def main() -> None:
        gate = asyncio.Event()
        began: list[str] = []

        async def load(key: str) -> str:
            began.append(key)
            await gate.wait()
            return "old"

        async with cache_on(server) as cache, cache_on(server) as other:
            await other.get("a")
            caller = asyncio.create_task(cache.get_or_load("a", load, tags=["team"]))
            await eventually(lambda: has(began))
            kind, _, where = change.partition(" ")
            who = other if where else cache
            if kind == "set":
                await who.set("a", "new")
            elif kind == "delete":
                await who.delete("a")
            else:
                await who.invalidate_tag("team")
            gate.set()
            # Who asked before the change may be told what was so before it.
            assert await caller == "old"
            await eventually(lambda: is_loaded(cache))
            for one in (cache, other):
                assert await one.get("a") == ("new" if kind == "set" else None)

    async def is_loaded(cache: Cache) -> bool:
        # The fill is in the queue before this deletion.
        await cache.delete("something else")
        return True

    run(main())


def test_what_redis_refuses_because_it_changed_is_not_in_memory_either(server: RedisServer) -> None:
    async def load(key: str) -> str:
        # As another process would, whose message is late.
        server.client.hset("players:1:0", "", "another version")
        return "old"

    async def main() -> None:
        async with cache_on(server, expected_keys=100) as cache:
            assert await cache.get_or_load("a", load) == "old"
            # The fill is done before this is.
            await cache.set("b", 1)
            assert await cache.get("a") is None

    run(main())


def test_series_count_calls_by_key_and_layers_by_question(server: RedisServer) -> None:
    registry = CollectorRegistry()

    async def load(key: str) -> int:
        return 1

    async def main() -> None:
        async with (
            cache_on(server, registry=registry) as cache,
            cache_on(server, "second", registry=registry) as second,
        ):
            assert not any(series(registry).values())
            await listening(server, cache, registry)
            await listening(server, second, registry, "second")
            before = series(registry)
            await cache.set_many({"a": 1, "b": 2}, tags=["t"])
            await second.set("a", 1)
            await cache.get_many("abc")
            await cache.get("a")
            await cache.get_or_load("d", load)
            await cache.delete("a", "x")
            await cache.invalidate_tag("t")
            found = {name: value - before[name] for name, value in series(registry).items()}
            counted = {name: value for name, value in found.items() if not name.startswith(("busy", "operation_dur"))}
            assert counted.pop("memory_bytes memory") > 100
            counted.pop("memory_bytes redis")
            counted.pop("keys redis")
            assert counted == {
                "operations get hit": 3, "operations get miss": 2, "operations get error": 0,
                "operations set ok": 3, "operations set error": 0,
                "operations delete ok": 3, "operations delete error": 0,
                "layer_lookups memory hit": 3, "layer_lookups memory miss": 2,
                "layer_lookups redis hit": 0, "layer_lookups redis miss": 2,
                "keys memory": 2,
                "invalidations expired": 0, "invalidations evicted": 0, "invalidations tag": 1, "invalidations key": 1,
                "warmed_keys": 0, "write_behind_pending": 0,
            }  # fmt: skip
            assert {name: found[f"operation_duration_seconds_count {name}"] for name in ("get", "set", "delete")} == {
                "get": 3, "set": 2, "delete": 2,
            }  # fmt: skip
            assert found["busy_seconds get"] > 0
            for operation in ("set", "delete"):
                assert 0 < found[f"busy_seconds {operation}"] <= found[f"operation_duration_seconds_sum {operation}"]
        done = subprocess.run(
            [program("promtool"), "check", "metrics"], input=generate_latest(registry), capture_output=True, timeout=60
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")

    run(main())


def test_work_that_overlaps_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter((10.0, 14.0, 20.0, 21.0))
    monkeypatch.setattr(measures, "perf_counter", lambda: next(times))
    operation = measures.Operation()
    operation.begin()
    operation.begin()
    operation.worked(1.0)
    operation.hit_at_once(1.0)
    operation.end()
    operation.end()
    assert operation.busy_seconds == 4
    operation.begin()
    operation.end()
    operation.worked(0.5)
    operation.hit_at_once(0.25)
    assert operation.busy_seconds == 5.75


def test_seconds_of_work_count_once_however_many_share_them(server: RedisServer) -> None:
    registry = CollectorRegistry()

    async def main() -> None:
        async with cache_on(server, registry=registry, memory_keys=0) as cache:
            await cache.set_many({str(number): number for number in range(500)})
            loop = asyncio.get_running_loop()
            before, began = series(registry), loop.time()
            await asyncio.gather(*(cache.get(str(number)) for number in range(500)))
            passed, after = loop.time() - began, series(registry)
            assert 0 < after["busy_seconds get"] - before["busy_seconds get"] <= passed
            waited = "operation_duration_seconds_sum get"
            assert after[waited] - before[waited] > 20 * passed

    run(main())


SHARED = """
import asyncio, sys
from exporters.instrument.cache import Cache, redis_from_environment
async def main():
    cache = Cache("players", redis_from_environment())
    await cache.set("a", 1)
    assert [await cache.get("a") for _ in range(1000)] == [1] * 1000
    if sys.argv[1] == "close":
        await cache.close()
asyncio.run(main())
"""


def test_worker_processes_count_together_however_they_end(server: RedisServer, tmp_path: Path) -> None:
    folder = tmp_path / "counted"
    environment = {**server.environment, "PROMETHEUS_MULTIPROC_DIR": str(folder), "PYTHONPATH": str(ROOT)}
    for how in ("close", "just end"):
        subprocess.run([sys.executable, "-c", SHARED, how], env=environment, check=True, timeout=60, cwd=ROOT)
    text = scraped(folder)
    assert 'cache_operations_total{operation="get",result="hit"} 2000.0' in text
    assert 'cache_operation_duration_seconds_count{operation="get"} 2000.0' in text


STAYING = """
import asyncio
import os
from exporters.instrument.cache import Cache, Options, redis_from_environment
async def main():
    cache = Cache("players", redis_from_environment(), Options(expected_keys=1000, sweep_seconds=0.3))
    await cache.set_many({"a": 1, "b": 2})
    while not cache._tally.redis_keys:
        await asyncio.sleep(0.01)
    await cache.get_many(["a", "b"])
    print("ready", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


def test_of_all_worker_processes_one_tells_how_much_there_is_in_redis(server: RedisServer, tmp_path: Path) -> None:
    environment = {**server.environment, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", STAYING]
    with ExitStack() as stack:
        workers = []
        for _ in range(2):
            worker = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE)
            stack.callback(worker.wait, 60)
            stack.callback(worker.kill)
            workers.append(worker)
        for worker in workers:
            assert worker.stdout is not None
            stack.enter_context(worker.stdout)
            assert worker.stdout.readline() == b"ready\n"
        until(lambda: 'cache_keys{layer="redis"} 2.0' in scraped(tmp_path))
        until(lambda: 'cache_keys{layer="memory"} 4.0' in scraped(tmp_path))
        assert 'cache_keys{layer="redis"} 2.0' in scraped(tmp_path)
        # Whichever of them is gone, the other one tells.
        for worker in workers[:1]:
            worker.kill()
            worker.wait(60)
        until(lambda: 'cache_keys{layer="memory"} 2.0' in scraped(tmp_path))
        until(lambda: 'cache_keys{layer="redis"} 2.0' in scraped(tmp_path))


def scraped(folder: Path) -> str:
    """What a worker that counts into a folder would answer."""
    registry = CollectorRegistry()
    registry.register(Workers(folder))
    return generate_latest(registry).decode()


@pytest.mark.parametrize("wrong", [
    {"ttl_seconds": 0}, {"ttl_jitter": 1}, {"memory_keys": -1}, {"expected_keys": 0}, {"key_prefix": ""},
    {"retries": -1}, {"timeout_seconds": float("inf")}, {"compress_from_bytes": -1},
])  # fmt: skip
def test_options_that_mean_nothing_are_errors(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Options(**wrong)


def test_calls_that_mean_nothing_are_errors(server: RedisServer) -> None:
    async def main() -> None:
        cache = cache_on(server)
        for call in (cache.get(""), cache.set("", 1), cache.delete("a", ""), cache.set("a", 1, ttl_seconds=-1),
                     cache.set("a", 1, tags=[""]), cache.invalidate_tag(""), cache.get_or_load("a"),
                     cache.warm(["a"])):  # fmt: skip
            with pytest.raises(ValueError, match=r"empty|ttl_seconds|needs? load"):
                await call
        for wrong in (cache.set("a", object()), cache.set("a", 1, tags="team")):
            with pytest.raises(TypeError):
                await wrong
        assert await cache.get("a") is None
        await cache.close()
        await cache.close()
        with pytest.raises(RuntimeError, match="closed"):
            await cache.get("a")

    run(main())
    with pytest.raises(ValueError, match="name is empty"):
        cache_on(server, "")
    decoding = redis_from_environment(server.environment)
    decoding.connection_pool.connection_kwargs["decode_responses"] = True
    with pytest.raises(ValueError, match="decode_responses"):
        Cache("players", decoding, registry=CollectorRegistry())


@pytest.mark.parametrize("wrong", ["", "half a pair \ud800"])
def test_a_key_or_tag_that_is_none_fails_alone(server: RedisServer, wrong: str) -> None:
    async def main() -> None:
        async with cache_on(server) as cache, cache_on(server, memory_keys=0) as other:
            await cache.set("a", 1)

            async def load(key: str) -> str:
                return key

            async def load_many(keys: object) -> dict[str, str]:
                return {}

            calls = [
                cache.get(wrong), cache.get_many(["a", wrong]), cache.get_or_load(wrong, load), cache.set(wrong, 1),
                cache.set_many({"a": 2, wrong: 1}), cache.delete(wrong), cache.invalidate("a", wrong),
                cache.warm({wrong: 1}), cache.warm([wrong], load_many), cache.invalidate_tag(wrong),
                cache.set("a", 2, tags=[wrong]), cache.get_or_load("b", load, tags=[wrong]),
            ]  # fmt: skip
            good = cache.set("b", 1)
            answers = await asyncio.gather(*calls, good, return_exceptions=True)
            assert [
                type(answer) for answer in answers if answer is not None and not isinstance(answer, ValueError)
            ] == []
            assert answers[-1] is None
            # Redis is not taken for away because of it, now or later.
            assert await other.get_many("ab") == {"a": 1, "b": 1}
            assert await cache.get_many("ab") == {"a": 1, "b": 1}
            assert cache._parts.link.is_ready

    run(main())


@pytest.mark.parametrize("wrong", [{"ttl_seconds": 1e13}, {"tags": ["a" * 40_000, "b" * 40_000]}])
def test_what_cannot_be_an_entry_does_not_get_to_the_store_either(server: RedisServer, wrong: dict[str, Any]) -> None:
    async def main() -> None:
        store = Dictionary()
        async with cache_on(server, store=store) as cache:
            await cache.set("a", "old")
            with pytest.raises(ValueError, match=r"ttl_seconds is 1|longer than 64 KiB"):
                await cache.set("a", "new", **wrong)
            assert store.values == {"a": "old"}
            assert await cache.get("a") == "old"

    run(main())


FORKED = """
import asyncio, os, redis
from types import SimpleNamespace
from prometheus_client import REGISTRY
from exporters.instrument.cache import Cache, Options, redis_from_environment
from tests.instrument.caches import listening
options = Options(memory_seconds=10_000, timeout_seconds=20, patience_seconds=20)
cache = Cache("players", redis_from_environment(), options)
begun, begin = os.pipe()
async def worker():
    async with cache:
        await asyncio.to_thread(os.read, begun, 1)
        await cache.set("a", "new")
async def main():
    async with cache:
        await listening(SimpleNamespace(client=redis.Redis(port=int(os.environ["REDIS_PORT"]))), cache, REGISTRY)
        await cache.set("a", "old")
        assert await cache.get("a") == "old"
        os.write(begin, b".")
        async with asyncio.timeout(20):
            while await cache.get("a") == "old":
                await asyncio.sleep(0.01)
        print(await cache.get("a"))
if os.fork():
    asyncio.run(main())
else:
    asyncio.run(worker())
    os._exit(0)
os.wait()
"""


def test_processes_that_were_forked_with_one_cache_object_hear_each_other(server: RedisServer) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKED], capture_output=True, text=True, timeout=120, cwd=ROOT,
        env={**server.environment, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stdout == "new\n", done.stderr
