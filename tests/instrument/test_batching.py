"""What leaves together and when, who gets what, and what nobody waits for."""

import asyncio
import math
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any, assert_type

import pytest
from prometheus_client import CollectorRegistry

from exporters.instrument.batching import Batcher, BatchError, Breaker, Limits, Retries
from tests.compiling import ROOT
from tests.instrument.upstreams import AT_ONCE, Upstream, run, says_no, turns, until

NEVER = 1000.0
Load = asyncio.Task[str]


def batcher(fetch: Any, retries: Retries = AT_ONCE, **limits: Any) -> Batcher[str, str]:
    # A test that relies on the longest wait says so; the others would rather hang than leave by it.
    limits = {"wait_seconds": NEVER, **limits}
    return Batcher("players", fetch, limits=Limits(**limits), retries=retries, registry=CollectorRegistry())


def loads(players: Batcher[str, str], keys: str) -> list[Load]:
    return [asyncio.create_task(players.load(key)) for key in keys]


async def outcomes(tasks: Sequence[Load]) -> list[str | BaseException]:
    async with asyncio.timeout(20):
        return await asyncio.gather(*tasks, return_exceptions=True)


def test_a_full_batch_leaves_at_once_and_everybody_gets_the_result_of_his_key() -> None:
    async def main() -> None:
        upstream = Upstream()
        players = batcher(upstream.fetch, batch_size=3)
        assert await outcomes(loads(players, "bacfed")) == list("BACFED")
        assert upstream.calls == [("b", "a", "c"), ("f", "e", "d")]

    run(main())


def test_the_longest_wait_sends_what_there_is_and_not_before() -> None:
    async def main() -> None:
        upstream = Upstream()
        players = batcher(upstream.fetch, wait_seconds=0.05)
        began = asyncio.get_running_loop().time()
        assert await outcomes(loads(players, "ab")) == ["A", "B"]
        assert upstream.calls == [("a", "b")]
        assert 0.049 < upstream.times[0] - began < 5
        # The first to come counts, and a timer of those who left does not send others early.
        assert await players.load("c") == "C"
        assert upstream.times[1] - upstream.times[0] > 0.049

    run(main())


def test_only_so_many_batches_at_once_and_meanwhile_the_next_one_fills() -> None:
    async def main() -> None:
        upstream = Upstream(is_open=False)
        players = batcher(upstream.fetch, batch_size=4, wait_seconds=0, concurrent_batches=2)
        first = [*loads(players, "a"), *loads(players, "b")]
        await upstream.is_called(2)
        later = loads(players, "cdefg")
        await turns()
        assert upstream.calls == [("a",), ("b",)]
        upstream.gate.set()
        assert await outcomes([*first, *later]) == list("ABCDEFG")
        assert upstream.calls[2:] == [("c", "d", "e", "f"), ("g",)]
        assert upstream.most_at_once == 2

    run(main())


def test_one_key_is_asked_once_until_it_left_and_again_after_that() -> None:
    async def main() -> None:
        upstream = Upstream(is_open=False)
        players = batcher(upstream.fetch, batch_size=2)
        tasks = loads(players, "aaab")
        await upstream.is_called(1)
        # What was asked before this call may be old by now.
        tasks += loads(players, "ac")
        await upstream.is_called(2)
        upstream.gate.set()
        assert await outcomes(tasks) == list("AAABAC")
        assert upstream.calls == [("a", "b"), ("a", "c")]

    run(main())


def test_a_batch_that_the_rate_limit_holds_back_can_still_be_joined() -> None:
    async def main() -> None:
        upstream = Upstream()
        players = batcher(upstream.fetch, batch_size=1, calls_per_second=10)
        tasks = loads(players, "ab")
        await turns()
        assert upstream.calls == [("a",)]
        tasks += loads(players, "b")
        assert await outcomes(tasks) == ["A", "B", "B"]
        assert upstream.calls == [("a",), ("b",)]

    run(main())


def test_calls_are_spaced_by_the_rate_retries_among_them() -> None:
    async def main() -> None:
        upstream = Upstream(says_no(503))
        players = batcher(upstream.fetch, batch_size=1, concurrent_batches=5, calls_per_second=20)
        assert await outcomes(loads(players, "abcd")) == list("ABCD")
        assert len(upstream.calls) == 5
        gaps = [after - before for before, after in zip(upstream.times, upstream.times[1:], strict=False)]
        # A timer may be early by the resolution of its clock, which the next gap makes up for.
        assert min(gaps) > 0.045

    run(main())


def test_a_result_that_is_an_exception_is_raised_for_its_key_alone() -> None:
    async def main() -> None:
        async def fetch(keys: Sequence[str]) -> Sequence[str | BaseException]:
            return [{"b": KeyError("no b"), "c": asyncio.CancelledError()}.get(key, key) for key in keys]

        found = await outcomes(loads(batcher(fetch, batch_size=3), "abbc"))
        assert found[0] == "a"
        assert [repr(error) for error in found[1:3]] == ["KeyError('no b')"] * 2
        # An exception that would say that the caller was cancelled does not come as itself.
        assert repr(found[3]) == "BatchError('the call for this key was cancelled')"

    run(main())


@pytest.mark.parametrize(("answer", "says"), [
    (["A"], "the call for 2 keys returned 1 results"),
    (["A", "B", "C"], "the call for 2 keys returned 3 results"),
    ("AB", "the call for 2 keys returned a str, not a list of results"),
    ({"a": "A", "b": "B"}, "the call for 2 keys returned a dict, not a list of results"),
    (None, "the call for 2 keys returned a NoneType, not a list of results"),
])  # fmt: skip
def test_an_answer_that_does_not_fit_fails_the_batch_without_a_retry(answer: Any, says: str) -> None:
    async def main() -> None:
        calls = 0

        async def fetch(keys: Sequence[str]) -> Any:
            nonlocal calls
            calls += 1
            return answer

        found = await outcomes(loads(batcher(fetch, batch_size=2), "ab"))
        assert [(type(error), str(error)) for error in found] == [(BatchError, says)] * 2
        assert calls == 1

    run(main())


def test_a_call_that_was_cancelled_from_within_is_an_error_of_the_batch() -> None:
    async def main() -> None:
        async def fetch(keys: Sequence[str]) -> Sequence[str]:
            raise asyncio.CancelledError

        found = await outcomes(loads(batcher(fetch, batch_size=2), "ab"))
        assert [repr(error) for error in found] == ["BatchError('the call was cancelled')"] * 2

    run(main())


@pytest.mark.parametrize("has_left", [False, True])
def test_whoever_cancels_the_work_from_outside_leaves_nobody_waiting(has_left: bool) -> None:
    async def main() -> None:
        upstream = Upstream(is_open=False)
        players = batcher(upstream.fetch, batch_size=2)
        tasks = loads(players, "ab")
        while len(asyncio.all_tasks()) < 4:
            await turns(1)
        if has_left:
            await upstream.is_called(1)
        cancel([task for task in asyncio.all_tasks() if task not in (*tasks, asyncio.current_task())])
        assert [repr(error) for error in await outcomes(tasks)] == ["BatchError('the call was cancelled')"] * 2
        upstream.gate.set()
        assert await outcomes(loads(players, "ab")) == ["A", "B"]
        assert len(upstream.calls) == 1 + has_left

    run(main())


def cancel(tasks: Sequence[Load]) -> None:
    for task in tasks:
        task.cancel()


@pytest.mark.parametrize("left", ["before", "meanwhile"])
def test_a_cancelled_caller_harms_no_other(left: str) -> None:
    async def main() -> None:
        upstream = Upstream(is_open=False)
        players = batcher(upstream.fetch, batch_size=3)
        tasks = loads(players, "aab")
        await turns()
        if left == "meanwhile":
            tasks += loads(players, "c")
            await upstream.is_called(1)
        cancel([tasks[0], tasks[2]])
        await turns()
        if left == "before":
            tasks += loads(players, "cd")
            await upstream.is_called(1)
        upstream.gate.set()
        found = await outcomes(tasks)
        assert [str(one) for one in found] == ["", "A", "", "C", "D"][: len(tasks)]
        # Who left before the batch did left it to others.
        assert upstream.calls == [("a", "c", "d") if left == "before" else ("a", "b", "c")]

    run(main())


@pytest.mark.parametrize(("keys", "limits"), [
    ("ab", {"wait_seconds": 0.02}),                                        # while it fills
    ("abc", {"batch_size": 3}),                                            # in the moment when it is full
    ("xabc", {"batch_size": 1, "calls_per_second": 20, "concurrent_batches": 9}),   # while the rate limit holds it back
])  # fmt: skip
def test_what_nobody_waits_for_is_not_sent(keys: str, limits: dict[str, Any]) -> None:
    async def main() -> None:
        upstream = Upstream()
        players = batcher(upstream.fetch, **limits)
        tasks = loads(players, keys)
        await turns(20 if "x" in keys else 1)
        gone = [task for task, key in zip(tasks, keys, strict=True) if key != "x"]
        cancel(gone)
        assert all(isinstance(found, asyncio.CancelledError) for found in await outcomes(gone))
        await asyncio.sleep(0.15)
        assert upstream.calls == ([("x",)] if "x" in keys else [])
        # It works on: who comes now does not join what is gone.
        again = loads(players, keys)
        assert await outcomes(again) == list(keys.upper())

    run(main())


def test_who_comes_in_the_moment_in_which_the_others_leave_gets_his_result() -> None:
    async def main() -> None:
        upstream = Upstream()
        players = batcher(upstream.fetch, batch_size=2, calls_per_second=20)
        first = loads(players, "xy")
        held = loads(players, "ab")
        await turns()
        assert upstream.calls == [("x", "y")]
        # Both callers are gone, but only the first has said so yet when two others come.
        cancel(held)
        late: list[Load] = []
        held[0].add_done_callback(lambda task: late.extend(loads(players, "ba")))
        await until(lambda: bool(late))
        assert await outcomes([*first, *late]) == list("XYBA")

    run(main())


def test_a_batch_that_leaves_without_a_key_lets_those_who_wait_for_it_again_be_joined() -> None:
    async def main() -> None:
        upstream = Upstream()
        players = batcher(upstream.fetch, batch_size=2, calls_per_second=20)
        tasks = loads(players, "xyab")
        await turns()
        cancel(tasks[2:3])
        await turns()
        tasks += loads(players, "a")
        await upstream.is_called(2)
        tasks += loads(players, "ac")
        assert [str(one) for one in await outcomes(tasks)] == ["X", "Y", "", "B", "A", "A", "C"]
        assert upstream.calls == [("x", "y"), ("b",), ("a", "c")]

    run(main())


@pytest.mark.parametrize("retries", [AT_ONCE, Retries(on=lambda error: True)], ids=["default", "on anything"])
def test_a_call_that_nobody_waits_for_any_more_is_stopped(retries: Retries) -> None:
    async def main() -> None:
        upstream = Upstream(is_open=False)
        players = batcher(upstream.fetch, retries, batch_size=2)
        tasks = loads(players, "ab")
        await upstream.is_called(1)
        cancel(tasks[:1])
        await turns()
        assert (upstream.running, upstream.cancelled) == (1, 0)
        cancel(tasks[1:])
        await until(lambda: upstream.running == 0)
        assert (upstream.cancelled, len(upstream.calls)) == (1, 1)

    run(main())


def test_close_sends_what_waits_comes_back_when_it_was_answered_and_refuses_more() -> None:
    async def main() -> None:
        calls: list[Sequence[str]] = []
        answers = asyncio.Semaphore(0)

        async def fetch(keys: Sequence[str]) -> Sequence[str]:
            calls.append(keys)
            await answers.acquire()
            return [key.upper() for key in keys]

        players = batcher(fetch, batch_size=3, concurrent_batches=1)
        tasks = loads(players, "abcde")
        await turns()
        closing = asyncio.create_task(players.close())
        await turns()
        with pytest.raises(RuntimeError, match="players is closed"):
            await players.load("f")
        assert (calls, closing.done()) == ([("a", "b", "c")], False)
        answers.release()
        await turns()
        assert (calls[1:], closing.done()) == ([("d", "e")], False)
        answers.release()
        await asyncio.wait_for(closing, 20)
        assert await outcomes(tasks) == list("ABCDE")
        await players.close()

    run(main())


def test_as_a_context_it_is_closed_at_its_end() -> None:
    async def main() -> None:
        upstream = Upstream()
        async with batcher(upstream.fetch) as players:
            (task,) = loads(players, "a")
            await turns(1)
        assert await task == "A"
        with pytest.raises(RuntimeError, match="closed"):
            await players.load("b")

    run(main())


def test_it_works_in_one_event_loop_after_the_other() -> None:
    async def fetch(keys: Sequence[str]) -> Sequence[str]:
        return [key.upper() for key in keys]

    players = batcher(fetch, batch_size=2, calls_per_second=1000)

    async def whole() -> list[str | BaseException]:
        return await outcomes(loads(players, "abcd"))

    async def broken_off() -> None:
        loads(players, "a")
        await turns()
        cancel([task for task in asyncio.all_tasks() if task is not asyncio.current_task()])

    for main in (whole, broken_off, whole):
        found = run(main())
        assert found is None or found == list("ABCD")


def test_two_loops_at_once_are_refused() -> None:
    async def main() -> None:
        upstream = Upstream()
        players = batcher(upstream.fetch, wait_seconds=0)
        await players.load("a")
        with pytest.raises(RuntimeError, match="another thread's event loop"):
            await asyncio.to_thread(asyncio.run, players.load("b"))

    run(main())


@pytest.mark.parametrize(("kind", "options"), [
    (Limits, {"batch_size": 0}), (Limits, {"wait_seconds": -1}), (Limits, {"wait_seconds": math.nan}),
    (Limits, {"concurrent_batches": 0}), (Limits, {"calls_per_second": 0}), (Limits, {"batch_size": math.inf}),
    (Retries, {"attempts": -1}), (Retries, {"first_delay_seconds": 2, "longest_delay_seconds": 1}),
    (Breaker, {"failures": 0}), (Breaker, {"open_seconds": 0}),
])  # fmt: skip
def test_limits_that_nothing_could_be_sent_with_are_refused(kind: Callable[..., object], options: Any) -> None:
    with pytest.raises(ValueError, match=f"{list(options)[-1]} is {list(options.values())[-1]}, "):
        kind(**options)


def test_the_types_of_key_and_result_are_those_of_the_call() -> None:
    async def fetch(keys: Sequence[int]) -> list[bytes]:
        return [bytes(key) for key in keys]

    async def main() -> None:
        sizes = Batcher("sizes", fetch, limits=Limits(wait_seconds=0), registry=CollectorRegistry())
        assert assert_type(await sizes.load(2), bytes) == b"\0\0"

    run(main())


def test_who_measures_http_alone_needs_none_of_its_libraries() -> None:
    told = "import sys, exporters.instrument; print(*{'aiolimiter', 'interlock', 'tenacity'} & set(sys.modules))"
    found = subprocess.run(
        [sys.executable, "-c", told], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert found.stdout == "\n"
