"""Whatever callers and upstream do: everybody gets his own result or an error, and no batch breaks its limits."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from exporters.instrument.batching import Batcher, BatchError, Breaker, CircuitOpenError, Limits
from tests.instrument.upstreams import AT_ONCE, Answered, run, says_no, series

Answer = Literal["fine", "unavailable", "refused", "short", "cancelled", "one fails"]
ANSWERS: tuple[Answer, ...] = ("fine", "unavailable", "refused", "short", "cancelled", "one fails")


@dataclass(frozen=True)
class Caller:
    """Comes after so many turns of the loop, and leaves after so many more, if at all."""

    key: int
    comes: int
    leaves: int | None


CALLERS = st.lists(
    st.builds(Caller, st.integers(0, 6), st.integers(0, 25), st.none() | st.integers(0, 12)), min_size=1, max_size=30
)
LIMITS = st.builds(
    Limits,
    batch_size=st.integers(1, 5),
    wait_seconds=st.sampled_from((0, 0.001)),
    concurrent_batches=st.integers(1, 3),
    calls_per_second=st.none() | st.just(2000.0),
)
CALLS = st.lists(st.tuples(st.sampled_from(ANSWERS), st.integers(0, 10)), max_size=20)
BREAKERS = st.none() | st.builds(Breaker, failures=st.integers(1, 3), open_seconds=st.just(0.001))


class Script:
    """An upstream that answers by a script, and sees that the limits are kept."""

    def __init__(self, calls: list[tuple[Answer, int]], limits: Limits) -> None:
        self._calls = list(calls)
        self._limits = limits
        self._running = 0
        self.asked = 0

    async def fetch(self, keys: Sequence[int]) -> Sequence[tuple[int, int] | Exception]:
        assert 1 <= len(keys) <= self._limits.batch_size
        assert len(set(keys)) == len(keys)
        self._running += 1
        self.asked += 1
        number = self.asked
        try:
            assert self._running <= self._limits.concurrent_batches
            answer, turns = self._calls.pop(0) if self._calls else ("fine", 0)
            for _ in range(turns):
                await asyncio.sleep(0)
        finally:
            self._running -= 1
        if answer == "unavailable":
            raise says_no(503)
        if answer == "refused":
            raise says_no(404)
        if answer == "cancelled":
            raise asyncio.CancelledError
        results: list[tuple[int, int] | Exception] = [(key, number) for key in keys]
        if answer == "one fails":
            results[0] = KeyError(keys[0])
        return results[1:] if answer == "short" else results


@settings(max_examples=300, deadline=None)
@given(CALLERS, LIMITS, CALLS, BREAKERS)
def test_everybody_gets_his_own_result_or_an_error_and_nobody_hangs(
    callers: list[Caller], limits: Limits, calls: list[tuple[Answer, int]], breaker: Breaker | None
) -> None:
    registry = CollectorRegistry()
    script = Script(calls, limits)

    async def call(players: Batcher[int, tuple[int, int]], caller: Caller) -> None:
        for _ in range(caller.comes):
            await asyncio.sleep(0)
        asked_before = script.asked
        load = asyncio.create_task(players.load(caller.key))
        if caller.leaves is not None:
            for _ in range(caller.leaves):
                await asyncio.sleep(0)
            load.cancel()
        try:
            key, number = await load
        except asyncio.CancelledError:
            assert caller.leaves is not None
        except KeyError as error:
            assert error.args == (caller.key,)
        except (Answered, BatchError, CircuitOpenError):
            pass
        else:
            assert key == caller.key
            # Nobody gets what was asked before he came.
            assert number > asked_before

    async def main() -> None:
        players = Batcher("players", script.fetch, limits=limits, retries=AT_ONCE, breaker=breaker, registry=registry)
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            for caller in callers:
                group.create_task(call(players, caller))
        async with asyncio.timeout(20):
            await players.close()

    run(main())
    measured = series(registry)
    assert measured["request_batches_in_flight"] == 0
    assert measured["size_count"] == measured["duration_seconds_count"]
    assert script.asked == measured["size_count"] + measured["retries_total"]
    assert measured["wait_seconds_count"] == measured["size_sum"] + measured["deduplicated_total"]
    assert measured["errors_total"] <= measured["size_count"]
