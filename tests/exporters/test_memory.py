"""What outlives a refresh: windows that widen after a gap, counters that never fall, and all of it over a restart."""

from pathlib import Path

import pytest

from exporters.business import memory as remembering
from exporters.business.irregularities import Irregularity
from exporters.business.memory import Memory
from exporters.business.plan import Query, Series
from exporters.business.snapshot import Values

HOUR = 3600.0
EVENTS = Query(
    name="shop/payment",
    file="shop.yaml",
    source="shop",
    within_seconds=HOUR,
    sql="SELECT count(*) AS value FROM payments WHERE at > now() - make_interval(secs => $1)",
    series=(Series(name="shop_payment", help="Payments.", type="gauge", column="value"),),
)
TOTAL = Query(
    name="shop/orders",
    file="shop.yaml",
    source="shop",
    sql="SELECT shop, count(*) AS value FROM orders GROUP BY shop",
    series=(Series(name="shop_orders_total", help="Orders.", type="counter", column="value", labels={"shop": ()}),),
)


def memory(seen: float | None = None) -> Memory:
    found = Memory(15)
    if seen is not None:
        found.succeeded(EVENTS, seen, seen)
    return found


def test_the_first_window_is_the_declared_one() -> None:
    assert memory().window(EVENTS, 1_000_000) == HOUR


@pytest.mark.parametrize("late", [0, 15, 30])
def test_refreshes_that_follow_each_other_widen_nothing(late: float) -> None:
    assert memory(1_000_000).window(EVENTS, 1_000_000 + late) == HOUR


def test_the_first_window_after_a_gap_begins_where_the_last_one_began() -> None:
    assert memory(1_000_000).window(EVENTS, 1_000_000 + 600) == HOUR + 600


def test_what_happened_in_a_gap_counts_as_long_as_any_other_event() -> None:
    known = memory(1_000_000)
    known.succeeded(EVENTS, 1_000_600, 1_000_600)
    assert known.window(EVENTS, 1_000_615) == HOUR + 615
    assert known.window(EVENTS, 1_000_600 + HOUR - 1) == 2 * HOUR + 600 - 1
    assert known.window(EVENTS, 1_000_600 + HOUR) > HOUR  # nobody looked since: a gap of its own
    for second in range(1_000_600, 1_000_600 + int(HOUR) + 1, 15):
        known.succeeded(EVENTS, second, second)
    assert known.window(EVENTS, 1_000_600 + HOUR + 15) == HOUR


def test_scrapes_that_are_always_too_far_apart_widen_without_end_no_more_than_twice() -> None:
    known = memory(0)
    for second in range(60, 100_000, 60):
        assert known.window(EVENTS, second) <= 2 * HOUR + 60
        known.succeeded(EVENTS, second, second)
    assert len(known.of(EVENTS).gaps) <= HOUR / 60


def test_a_clock_that_goes_back_is_no_gap() -> None:
    assert memory(1_000_000).window(EVENTS, 999_000) == HOUR


def test_what_another_replica_sees_is_no_gap() -> None:
    known = memory(1_000_000)
    known.seen_elsewhere([EVENTS], 1_000_600, 1_000_590)
    assert known.window(EVENTS, 1_000_610) == HOUR
    assert known.window(EVENTS, 1_000_700) == HOUR + 100 + 10


def test_who_holds_the_lock_and_reads_nothing_leaves_a_gap() -> None:
    known = memory(1_000_000)
    for now in range(1_000_015, 1_000_600, 15):
        known.seen_elsewhere([EVENTS], now, 1_000_005)
    assert known.window(EVENTS, 1_000_600) == HOUR + 595


def test_an_outage_that_another_replica_had_too_is_a_gap() -> None:
    known = memory(1_000_000)
    known.seen_elsewhere([EVENTS], 1_000_600, 1_000_599, after_outage=True)
    known.seen_elsewhere([EVENTS], 1_000_615, 1_000_614)
    assert known.window(EVENTS, 1_000_620) == HOUR + 620


def fell(known: Memory, value: float, resets: bool = False) -> tuple[float, tuple[Irregularity, ...]]:
    series = TOTAL.series[0].model_copy(update={"resets": resets})
    query = TOTAL.model_copy(update={"series": (series,)})
    values, found = known.steady(query, {"shop_orders_total": {("north",): value}})
    number = values["shop_orders_total"][("north",)]
    assert isinstance(number, float)
    return number, found


def test_a_counter_goes_on_from_its_highest_value() -> None:
    known = memory()
    assert fell(known, 1000.0) == (1000.0, ())
    lower = Irregularity("counter_fell", "series shop_orders_total: 1 of 1")
    assert fell(known, 990.0) == (1000.0, (lower,))
    assert fell(known, 990.0) == (1000.0, ())
    assert fell(known, 995.0) == (1005.0, ())
    assert fell(known, 0.0) == (1005.0, (lower,))
    assert fell(known, 7.0) == (1012.0, ())


def test_a_counter_of_statistics_resets_as_it_does_in_the_database() -> None:
    known = memory()
    assert fell(known, 1000.0, resets=True) == (1000.0, ())
    assert fell(known, 5.0, resets=True) == (5.0, ())


@pytest.mark.parametrize("absent", [{"shop_orders_total": {}}, {}])
def test_a_counter_that_was_absent_goes_on(absent: Values) -> None:
    known = memory()
    fell(known, 1000.0)
    assert known.steady(TOTAL, absent) == (absent, ())
    lower = Irregularity("counter_fell", "series shop_orders_total: 1 of 1")
    assert fell(known, 980.0) == (1000.0, (lower,))


def test_absent_counters_are_not_remembered_without_end() -> None:
    known, query = memory(), TOTAL.model_copy(update={"row_limit": 2})
    for number in range(9):
        known.steady(query, {"shop_orders_total": {(f"shop {number}",): 5.0}})
    assert list(known.of(query).counters["shop_orders_total"]) == [(f"shop {number}",) for number in range(5, 9)]


def test_a_clock_that_was_wrong_once_widens_nothing_for_ever() -> None:
    known = memory(1_000_000)
    known.succeeded(EVENTS, 33_000_000, 1_000_015)
    known.succeeded(EVENTS, 1_000_030, 1_000_030)
    assert known.window(EVENTS, 1_000_045) == HOUR


def test_a_restart_forgets_nothing(tmp_path: Path) -> None:
    known = memory(1_000_000)
    known.succeeded(EVENTS, 1_000_600, 1_000_600)
    fell(known, 1000.0)
    fell(known, 990.0)
    remembering.save(tmp_path / "new" / "state.json", known.dump([EVENTS, TOTAL]))
    again = Memory(15)
    again.restore((tmp_path / "new" / "state.json").read_bytes())
    assert again.window(EVENTS, 1_000_615) == known.window(EVENTS, 1_000_615) == HOUR + 615
    assert fell(again, 991.0) == (1001.0, ())
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["state.json"]


def test_what_needs_no_memory_is_not_written() -> None:
    known = Memory(15)
    known.succeeded(TOTAL, 5, 5)
    assert known.dump([EVENTS, TOTAL]) == b""


@pytest.mark.parametrize(
    "text",
    [b"{", b"[]", b"1", b'{"version": 2, "queries": {}}', b'{"version": 1}',
     b'{"version": 1, "queries": {"a": {}}}',
     b'{"version": 1, "queries": {"a": {"seen": "x", "gaps": [], "counters": {}}}}',
     b'{"version": 1, "queries": {"a": {"seen": 1, "gaps": [[1]], "counters": {}}}}', b"\xff",
     b'{"version": 1, "queries": {"a": {"seen": 1%s, "gaps": [], "counters": {}}}}' % (b"0" * 400), b"[" * 100_000],
)  # fmt: skip
def test_a_state_that_is_none_is_refused_and_changes_nothing(text: bytes) -> None:
    known = memory(1_000_000)
    with pytest.raises(ValueError):
        known.restore(text)
    assert known.window(EVENTS, 1_000_600) == HOUR + 600


def test_a_state_that_cannot_be_written_leaves_no_half(tmp_path: Path) -> None:
    (tmp_path / "state.json").mkdir()
    with pytest.raises(OSError, match=r"."):
        remembering.save(tmp_path / "state.json", b"{}")
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]
