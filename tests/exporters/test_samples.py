import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.postgres import types

from exporters.business import samples
from exporters.business.answer import Answer, Column
from exporters.business.irregularities import Refused
from exporters.business.plan import Query, Series
from exporters.business.samples import Reading
from exporters.business.snapshot import Histogram, Labels

PRIORITIES = {"priority": ("high", "low")}
SECRET = "4111-1111"


def series(name: str = "shop_waiting", **fields: Any) -> Series:
    """A gauge over the column ``value``, unless the fields say otherwise."""
    return Series(**{"name": name, "help": "What waits.", "type": "gauge", "column": "value", **fields})


def histogram(**fields: Any) -> Series:
    """A histogram with bounds at 1 and 2."""
    return series(type="histogram", buckets=(1.0, 2.0), **fields)


def query(*of: Series, row_limit: int = 1000) -> Query:
    """A query of these series."""
    return Query(name="shop/waiting", file="shop.yaml", source="shop", sql="SELECT", series=of, row_limit=row_limit)


def answer(columns: str, *rows: tuple[str | None, ...]) -> Answer:
    """An answer from ``"name type, …"``, as PostgreSQL's catalogue calls the types."""
    named = (column.rsplit(maxsplit=1) for column in columns.split(", "))
    return Answer(
        tuple(Column(name, types[type_].oid) for name, type_ in named),
        tuple(tuple(None if cell is None else cell.encode() for cell in row) for row in rows),
    )


def values(of: Series, given_answer: Answer) -> dict[Labels, float | Histogram]:
    """What is read of one series."""
    return dict(samples.read(query(of), given_answer).values[of.name])


def odd(reading: Reading) -> list[str]:
    """The kinds of what was odd, with what was said of each."""
    return [f"{it.kind}: {it.detail}" for it in reading.irregularities]


@pytest.mark.parametrize(
    ("type_", "cell", "value"),
    [
        ("int2", "-7", -7.0),
        ("int4", "0", 0.0),
        ("int8", "9007199254740993", 9007199254740992.0),
        ("float4", "0.1", 0.1),
        ("float8", "1.5e-320", 1.5e-320),
        ("float8", "-0", 0.0),
        ("numeric", "1234567890.500", 1234567890.5),
        ("oid", "4294967295", 4294967295.0),
        ("bool", "t", 1.0),
        ("bool", "f", 0.0),
    ],
)
def test_a_number_is_its_value(type_: str, cell: str, value: float) -> None:
    assert values(series(), answer(f"value {type_}", (cell,))) == {(): value}


# The texts are those that PostgreSQL 15 prints.
@pytest.mark.parametrize(
    ("kind", "type_", "cell"),
    [
        ("not_finite", "float8", "NaN"),
        ("not_finite", "float8", "Infinity"),
        ("not_finite", "float4", "-Infinity"),
        ("not_finite", "numeric", "NaN"),
        ("not_finite", "numeric", "Infinity"),
        ("not_finite", "numeric", "-Infinity"),
        ("not_finite", "numeric", "1" + "0" * 400),
        ("wrong_type", "text", "5"),
        ("wrong_type", "varchar", "5"),
        ("wrong_type", "money", "$12.00"),
        ("wrong_type", "date", "2026-01-01"),
        ("wrong_type", "timestamptz", "2026-01-01 00:00:00+00"),
        ("wrong_type", "interval", "1 day"),
        ("wrong_type", "json", "5"),
        ("wrong_type", "jsonb", "5"),
        ("wrong_type", "uuid", "5"),
        ("wrong_type", "int8", SECRET),
        ("wrong_type", "bool", "true"),
    ],
)
@pytest.mark.parametrize("absent", ["zero", "gone", "error"])
def test_what_is_no_number_is_refused(kind: str, type_: str, cell: str, absent: str) -> None:
    with pytest.raises(Refused, match=kind):
        values(series(labels={"k": ()}, absent=absent), answer(f"value {type_}, k text", (None, "a"), (cell, "b")))


def test_an_array_is_called_one() -> None:
    with pytest.raises(Refused, match=r'column "value" is int4\[\], not a number'):
        samples.read(query(series()), Answer((Column("value", types["int4"].array_oid),), ((b"{1}",),)))
    with pytest.raises(Refused, match='column "value" is of the type with OID 99999, not a number'):
        samples.read(query(series()), Answer((Column("value", 99999),), ((b"1",),)))


def test_no_message_of_the_exception_quotes_a_cell() -> None:
    with pytest.raises(Refused) as refused:
        values(series(), answer("value int8", (SECRET,)))
    assert refused.value.__context__ is None and refused.value.__cause__ is None
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("type_", ["int8", "text", "date"])
def test_nothing_but_null_has_no_type(type_: str) -> None:
    reading = samples.read(query(series()), answer(f"value {type_}", (None,)))
    assert reading.values == {"shop_waiting": {}}
    assert odd(reading) == ['null: shop_waiting: column "value" is NULL in 1 row']
    assert values(series(), answer(f"value {type_}")) == {}


@pytest.mark.parametrize(
    ("labels", "rows", "zero", "gone"),
    [
        pytest.param({}, [], {(): 0.0}, {}, id="no row"),
        pytest.param({}, [(None,)], {(): 0.0}, {}, id="NULL"),
        pytest.param(PRIORITIES, [], {("high",): 0.0, ("low",): 0.0}, {}, id="no row, known groups"),
        pytest.param(
            PRIORITIES, [("3", "low")], {("high",): 0.0, ("low",): 3.0}, {("low",): 3.0}, id="a known group is missing"
        ),
        pytest.param(
            PRIORITIES,
            [("3", "low"), (None, "high")],
            {("high",): 0.0, ("low",): 3.0},
            {("low",): 3.0},
            id="a known group is NULL",
        ),
        pytest.param(
            PRIORITIES,
            [("3", "low"), ("4", "high"), (None, "odd")],
            {("high",): 4.0, ("low",): 3.0, ("odd",): 0.0},
            {("high",): 4.0, ("low",): 3.0},
            id="a new group is NULL",
        ),
        pytest.param({"priority": ()}, [(None, "high")], {("high",): 0.0}, {}, id="NULL, no known groups"),
        pytest.param({"priority": ()}, [], {}, {}, id="no row, no known groups"),
    ],
)
def test_absent_says_what_no_value_means(
    labels: dict[str, tuple[str, ...]],
    rows: list[tuple[str | None, ...]],
    zero: dict[Labels, float],
    gone: dict[Labels, float],
) -> None:
    came = answer("value int8, priority text" if labels else "value int8", *rows)
    assert values(series(labels=labels, absent="zero"), came) == zero
    assert values(series(labels=labels, absent="gone"), came) == gone
    with pytest.raises(Refused, match="missing_group"):
        values(series(labels=labels, absent="error"), came)


def test_absent_error_lets_a_whole_answer_pass() -> None:
    came = answer("value int8, priority text", ("3", "low"), ("0", "high"), ("1", "odd"))
    of = series(labels=PRIORITIES, absent="error")
    assert values(of, came) == {("low",): 3.0, ("high",): 0.0, ("odd",): 1.0}


def test_known_groups_are_every_combination_of_known_values() -> None:
    labels = {"priority": ("high", "low"), "size": ("big", "small")}
    came = answer("value int8, size text, priority text", ("3", "small", "low"))
    assert values(series(labels=labels, absent="zero"), came) == {
        ("high", "big"): 0.0,
        ("high", "small"): 0.0,
        ("low", "big"): 0.0,
        ("low", "small"): 3.0,
    }
    # Where one label may have any value nobody knows which groups there are.
    assert values(series(labels={**labels, "size": ()}, absent="zero"), came) == {("low", "small"): 3.0}


def test_an_answer_without_rows_is_said_once() -> None:
    both = query(series("shop_a"), series("shop_b", absent="zero"))
    reading = samples.read(both, answer("value int8"))
    assert odd(reading) == ["no_rows: the answer has no rows"]
    assert reading.values == {"shop_a": {}, "shop_b": {(): 0.0}}


def test_many_odd_rows_are_one_irregularity_per_series_and_kind() -> None:
    rows = [(None, f"p{number}", None if number == 5 else "x") for number in range(300)]
    of = series(labels={"priority": ("high",), "size": ("s",)})
    assert odd(samples.read(query(of), answer("value int8, priority text, size text", *rows))) == [
        'unknown_label_value: shop_waiting: label "priority" is new in 300 rows, label "size" is new in 299 rows',
        'null_label: shop_waiting: label "size" is NULL in 1 row',
        'null: shop_waiting: column "value" is NULL in 300 rows',
    ]


def test_a_null_label_is_empty() -> None:
    of = series(labels=PRIORITIES)
    reading = samples.read(query(of), answer("value int8, priority text", ("5", None)))
    assert reading.values["shop_waiting"] == {("",): 5.0}
    assert odd(reading) == ['null_label: shop_waiting: label "priority" is NULL in 1 row']


@pytest.mark.parametrize(
    ("type_", "cell", "label"),
    [
        ("text", 'a "b" \\ \n 🎲 ', 'a "b" \\ \n 🎲 '),
        ("bool", "t", "true"),
        ("bool", "f", "false"),
        ("bpchar", "high  ", "high"),
        ("numeric", "1.50", "1.50"),
        ("date", "2026-01-01", "2026-01-01"),
        ("float8", "NaN", "NaN"),
        ("bytea", "\\x00ff", "\\x00ff"),
    ],
)
def test_a_label_is_the_text_of_its_value(type_: str, cell: str, label: str) -> None:
    assert values(series(labels={"k": ()}), answer(f"value int8, k {type_}", ("1", cell))) == {(label,): 1.0}


def test_a_label_that_is_no_utf_8_is_mended() -> None:
    came = Answer((Column("value", types["int8"].oid), Column("k", types["text"].oid)), ((b"1", b"a\xff"),))
    assert values(series(labels={"k": ()}), came) == {("a\N{REPLACEMENT CHARACTER}",): 1.0}


@pytest.mark.parametrize(
    ("labels", "rows"),
    [
        pytest.param({}, [("1",), ("1",)], id="no labels"),
        pytest.param({"k": ()}, [("1", SECRET), ("2", SECRET)], id="labels"),
        pytest.param({"k": ()}, [("1", SECRET), (None, SECRET)], id="one of them NULL"),
        pytest.param({"k": ()}, [("1", ""), ("2", None)], id="NULL and the empty text"),
    ],
)
def test_two_rows_of_one_label_set_are_refused(
    labels: dict[str, tuple[str, ...]], rows: list[tuple[str | None, ...]]
) -> None:
    with pytest.raises(Refused, match="duplicate") as refused:
        values(series(labels=labels), answer("value int8, k text" if labels else "value int8", *rows))
    assert SECRET not in str(refused.value)


def test_a_missing_column_is_refused_also_without_rows() -> None:
    with pytest.raises(Refused, match='missing_column: the answer has no column "value"'):
        values(series(), answer("amount int8"))
    with pytest.raises(Refused, match='no column "priority"'):
        values(series(labels=PRIORITIES), answer("value int8"))
    with pytest.raises(Refused, match='no column "grouping_set"'):
        values(series(grouping_set=0), answer("value int8"))
    with pytest.raises(Refused, match='no column "bucket_1"'):
        values(histogram(), answer("bucket_0 int8, count int8, sum int8"))


def test_a_column_twice_is_refused() -> None:
    with pytest.raises(Refused, match='duplicate: the answer has more than one column "value"'):
        values(series(), answer("value int8, value int8", ("1", "2")))
    assert values(series(), answer("value int8, other int8, other int8", ("1", "2", "3"))) == {(): 1.0}


def test_too_many_rows_are_those_of_the_answer() -> None:
    of = series(labels={"k": ()}, grouping_set=1)
    rows = [(str(number), f"k{number}", "0") for number in range(5)]
    came = answer("value int8, k text, grouping_set int4", *rows)
    assert samples.read(query(of, row_limit=5), came).values == {"shop_waiting": {}}
    with pytest.raises(Refused, match="too_many_rows: the answer has more than 4 rows"):
        samples.read(query(of, row_limit=4), came)


def test_a_grouping_set_has_its_own_rows() -> None:
    both = query(
        series("shop_all", grouping_set=1, absent="zero"),
        series("shop_by", labels=PRIORITIES, grouping_set=0, absent="zero"),
        series("shop_none", grouping_set=3, absent="zero"),
    )
    rows = [("9", None, "1"), ("4", "high", "0"), ("5", "low", "0")]
    reading = samples.read(both, answer("value int8, priority text, grouping_set int4", *rows))
    assert reading.values == {
        "shop_all": {(): 9.0},
        "shop_by": {("high",): 4.0, ("low",): 5.0},
        "shop_none": {(): 0.0},
    }
    assert odd(reading) == []


def test_a_counter_is_not_negative() -> None:
    of = series("shop_sold_total", type="counter", labels={"k": ()})
    assert values(of, answer("value int8, k text", ("0", "a"), (None, "b"))) == {("a",): 0.0}
    with pytest.raises(Refused, match="negative"):
        values(of, answer("value int8, k text", ("1", "a"), ("-1", "b")))
    assert values(series(), answer("value int8", ("-1",))) == {(): -1.0}


BUCKETS = "bucket_0 int8, bucket_1 int8, count int8, sum numeric"


@pytest.mark.parametrize(
    ("cells", "value"),
    [
        pytest.param(("1", "3", "4", "9.5"), Histogram((1.0, 3.0), 4.0, 9.5), id="counted"),
        pytest.param(("0", "0", "0", None), Histogram((0.0, 0.0), 0.0, 0.0), id="no observation"),
        pytest.param(("4", "4", "4", "0"), Histogram((4.0, 4.0), 4.0, 0.0), id="all in the first"),
        pytest.param((None, "3", "4", "9.5"), None, id="a bucket is NULL"),
        pytest.param((None, None, None, None), None, id="all is NULL"),
        pytest.param(("1", "3", "4", None), None, id="the sum of observations is NULL"),
    ],
)
def test_a_histogram_is_what_sql_counted(cells: tuple[str | None, ...], value: Histogram | None) -> None:
    came = answer(BUCKETS, cells)
    assert values(histogram(), came) == ({} if value is None else {(): value})
    assert values(histogram(absent="zero"), came) == {(): value or Histogram((0.0, 0.0), 0.0, 0.0)}


@pytest.mark.parametrize(
    ("kind", "cells"),
    [
        ("negative", ("3", "1", "4", "9")),
        ("negative", ("1", "5", "4", "9")),
        ("negative", ("-1", "3", "4", "9")),
        ("negative", ("1", "3", "4", "-9")),
        ("not_finite", ("1", "3", "4", "NaN")),
    ],
)
def test_a_histogram_that_cannot_be_is_refused(kind: str, cells: tuple[str, ...]) -> None:
    with pytest.raises(Refused, match=kind):
        values(histogram(), answer(BUCKETS, cells))


def test_a_count_of_a_histogram_is_whole() -> None:
    with pytest.raises(Refused, match="wrong_type"):
        values(histogram(), answer(BUCKETS.replace("int8", "numeric"), ("1.5", "3", "4", "9")))


def test_a_sum_may_be_negative_where_a_bound_is() -> None:
    of = series(type="histogram", buckets=(-1.0, 2.0))
    assert values(of, answer(BUCKETS, ("1", "3", "4", "-9"))) == {(): Histogram((1.0, 3.0), 4.0, -9.0)}


def test_histograms_by_label_fill_with_zeros() -> None:
    came = answer(f"priority text, {BUCKETS}", ("low", "1", "1", "1", "0.5"))
    assert values(histogram(labels=PRIORITIES, absent="zero"), came) == {
        ("low",): Histogram((1.0, 1.0), 1.0, 0.5),
        ("high",): Histogram((0.0, 0.0), 0.0, 0.0),
    }


def test_the_columns_that_a_series_needs() -> None:
    assert samples.columns_of(series(labels=PRIORITIES, grouping_set=2)) == ("value", "priority", "grouping_set")
    assert samples.columns_of(histogram()) == ("bucket_0", "bucket_1", "count", "sum")


LABELS = st.sampled_from([{}, {"k": ()}, {"k": ("a", "b")}, {"k": ("a",), "l": ()}])
ABSENT = st.sampled_from(["zero", "gone", "error"])
SERIES = st.builds(
    series,
    name=st.sampled_from(["shop_a", "shop_b"]),
    type=st.sampled_from(["gauge", "counter", "unknown"]),
    labels=LABELS,
    grouping_set=st.sampled_from([None, 0, 1]),
    absent=ABSENT,
) | st.builds(histogram, name=st.just("shop_c"), labels=LABELS, absent=ABSENT)
COLUMNS = ("value", "k", "l", "grouping_set", "bucket_0", "bucket_1", "count", "sum")
NUMBERS = st.sampled_from(["0", "1", "2", "-1", "1.5", "t", "f", "NaN", "Infinity", "-Infinity", "1_0"])
CELLS = st.none() | NUMBERS.map(str.encode) | st.binary(max_size=4)


@st.composite
def columns(draw: st.DrawFn) -> tuple[tuple[Column, ...], list[st.SearchStrategy[bytes | None]]]:
    """Columns under the names that series look for, and what may stand in each: mostly what fits its type."""
    any_names = st.lists(st.sampled_from([*COLUMNS, "other"]), max_size=9)
    names = list(COLUMNS) if draw(st.integers(0, 4)) else draw(any_names)
    numbers = sorted(samples.NUMBER_TYPES)
    oids = [draw(st.sampled_from(numbers) if draw(st.integers(0, 4)) else st.integers(0, 5000)) for _ in names]
    fits = st.sampled_from([b"0", b"1", b"2"])
    cells = [fits if draw(st.integers(0, 3)) else CELLS for _ in names]
    return tuple(Column(name, oid) for name, oid in zip(names, oids, strict=True)), cells


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    """Any types, now and then a column missing or twice; cells of any bytes."""
    named, cells = draw(columns())
    return Answer(named, tuple(draw(st.lists(st.tuples(*cells), max_size=3))))


@given(st.lists(SERIES, min_size=1, max_size=2, unique_by=lambda it: it.name), answers(), st.integers(2, 3))
def test_any_answer_gives_finite_values_or_is_refused(of: list[Series], came: Answer, row_limit: int) -> None:
    try:
        reading = samples.read(query(*of, row_limit=row_limit), came)
    except Refused:
        return
    assert set(reading.values) == {it.name for it in of}
    said = [(it.kind, it.detail.partition(":")[0]) for it in reading.irregularities]
    assert len(said) == len(set(said))
    for it in of:
        for labels, value in reading.values[it.name].items():
            assert len(labels) == len(it.labels)
            parts = (*value.buckets, value.count, value.sum) if isinstance(value, Histogram) else (value,)
            assert len(parts) == len(samples.value_columns(it))
            assert all(math.isfinite(part) for part in parts)
