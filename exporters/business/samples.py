"""Rows to values: pure, and each thing that a row may hold has one outcome, which README.md lists."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product

from psycopg.postgres import types

from exporters.business.answer import Answer
from exporters.business.irregularities import Harmless, Irregularity, Refused
from exporters.business.plan import Query, Series
from exporters.business.snapshot import Histogram, Labels, Values

# money is not among them: its text depends on the locale.
NUMBER_TYPES = frozenset(
    types[name].oid for name in ("int2", "int4", "int8", "float4", "float8", "numeric", "oid", "bool")
)

_BOOL = types["bool"].oid
_PADDED = types["bpchar"].oid
_TRUTHS = {b"t": "true", b"f": "false"}
_BITS = {b"t": 1.0, b"f": 0.0}

_Cells = list[bytes | None]


@dataclass(frozen=True, slots=True)
class Reading:
    """What an answer says, and what was odd about it."""

    values: Values
    irregularities: tuple[Irregularity, ...]


def read(query: Query, answer: Answer) -> Reading:
    """The values of a query's series; at most one irregularity per series and kind.

    Raises:
        Refused: the answer says something that no value may be made of.
    """
    columns = _columns(query, answer)
    if len(answer.rows) > query.row_limit:
        raise Refused("too_many_rows", f"the answer has more than {query.row_limit} rows")
    found = [] if answer.rows else [Irregularity("no_rows", "the answer has no rows")]
    values: dict[str, Mapping[Labels, float | Histogram]] = {}
    for series in query.series:
        part = _Part(columns, _rows_of(series, columns, answer))
        values[series.name] = _read(series, part, found)
    return Reading(values, tuple(found))


def value_columns(series: Series) -> tuple[str, ...]:
    """The columns of an answer that hold a series' numbers: one, or those that a histogram is counted in."""
    if series.type != "histogram":
        return (series.column,)
    return (*(f"bucket_{index}" for index in range(len(series.buckets))), "count", "sum")


def columns_of(series: Series) -> tuple[str, ...]:
    """All columns of an answer that a series needs."""
    grouping = () if series.grouping_set is None else ("grouping_set",)
    return (*value_columns(series), *series.labels, *grouping)


@dataclass(frozen=True, slots=True)
class _Part:
    """The rows of an answer that belong to one series; each column's position and type by its name."""

    columns: Mapping[str, tuple[int, int]]
    rows: Sequence[tuple[bytes | None, ...]]

    def cells(self, name: str) -> _Cells:
        position, _ = self.columns[name]
        return [row[position] for row in self.rows]

    def type(self, name: str) -> int:
        return self.columns[name][1]


def _columns(query: Query, answer: Answer) -> dict[str, tuple[int, int]]:
    names = [column.name for column in answer.columns]
    for name in dict.fromkeys(name for series in query.series for name in columns_of(series)):
        if name not in names:
            raise Refused("missing_column", f'the answer has no column "{name}"')
        if names.count(name) > 1:
            raise Refused("duplicate", f'the answer has more than one column "{name}"')
    return {column.name: (position, column.type) for position, column in enumerate(answer.columns)}


def _rows_of(
    series: Series, columns: Mapping[str, tuple[int, int]], answer: Answer
) -> Sequence[tuple[bytes | None, ...]]:
    if series.grouping_set is None:
        return answer.rows
    position, _ = columns["grouping_set"]
    wanted = str(series.grouping_set).encode()
    return [row for row in answer.rows if row[position] == wanted]


def _read(series: Series, part: _Part, found: list[Irregularity]) -> dict[Labels, float | Histogram]:
    labels = _labels(series, part, found)
    numbers = _histograms(series, part) if series.type == "histogram" else _plain(series, part)
    groups: dict[Labels, float | Histogram | None] = dict(zip(labels, numbers, strict=True))
    if len(groups) < len(labels):
        raise Refused("duplicate", f"{series.name}: two rows have {_same(series)}")
    if nulls := sum(number is None for number in numbers):
        where = "a count or sum" if series.type == "histogram" else f'column "{series.column}"'
        found.append(Irregularity("null", f"{series.name}: {where} is NULL in {_counted(nulls)}"))
    return _without_absent(series, groups)


def _without_absent(series: Series, groups: dict[Labels, float | Histogram | None]) -> dict[Labels, float | Histogram]:
    """What ``absent`` makes of groups that have no value; known groups without a row are among them."""
    if series.absent != "gone" and all(series.labels.values()):
        for labels in product(*series.labels.values()):
            groups.setdefault(labels, None)
    values = {labels: value for labels, value in groups.items() if value is not None}
    if series.absent == "error" and (len(values) < len(groups) or not values):
        raise Refused("missing_group", f"{series.name}: {_nothing(series)} has no value")
    if series.absent == "zero":
        zero = Histogram((0.0,) * len(series.buckets), 0.0, 0.0) if series.type == "histogram" else 0.0
        return {labels: zero if value is None else value for labels, value in groups.items()}
    return values


def _labels(series: Series, part: _Part, found: list[Irregularity]) -> list[Labels]:
    """The label values of each row."""
    odd: dict[Harmless, list[str]] = {}
    texts = []
    for name, known in series.labels.items():
        cells = part.cells(name)
        texts.append(_texts(cells, part.type(name)))
        if nulls := cells.count(None):
            odd.setdefault("null_label", []).append(f'label "{name}" is NULL in {_counted(nulls)}')
        if known and (unknown := _unknown(texts[-1], cells, frozenset(known))):
            odd.setdefault("unknown_label_value", []).append(f'label "{name}" is new in {_counted(unknown)}')
    found.extend(Irregularity(kind, f"{series.name}: {', '.join(where)}") for kind, where in odd.items())
    return list(zip(*texts, strict=True)) if texts else [()] * len(part.rows)


def _unknown(texts: Iterable[str], cells: _Cells, known: frozenset[str]) -> int:
    return sum(text not in known and cell is not None for text, cell in zip(texts, cells, strict=True))


def _texts(cells: _Cells, type_: int) -> list[str]:
    if type_ == _BOOL:
        return ["" if cell is None else _TRUTHS.get(cell) or _text(cell) for cell in cells]
    if type_ == _PADDED:
        # The spaces that fill up a char(n) are no part of its value: PostgreSQL, "Character Types".
        return ["" if cell is None else _text(cell).rstrip(" ") for cell in cells]
    return ["" if cell is None else _text(cell) for cell in cells]


def _text(cell: bytes) -> str:
    # A database in SQL_ASCII sends whatever bytes it was given.
    return cell.decode("utf-8", "replace")


def _plain(series: Series, part: _Part) -> list[float | None]:
    numbers = _numbers(series, part, series.column)
    if series.type == "counter" and any(number is not None and number < 0 for number in numbers):
        raise Refused("negative", f'{series.name}: counter "{series.column}" is negative')
    return numbers


def _histograms(series: Series, part: _Part) -> list[Histogram | None]:
    *counted, sums = (_numbers(series, part, name) for name in value_columns(series))
    return [_histogram(series, counts, total) for counts, total in zip(zip(*counted, strict=True), sums, strict=True)]


def _histogram(series: Series, counts: tuple[float | None, ...], total: float | None) -> Histogram | None:
    cumulative = [count for count in counts if count is not None]
    if len(cumulative) < len(counts):
        return None
    if total is None:
        if cumulative[-1]:
            return None
        total = 0.0  # what SQL's sum() calls NULL: the sum of no observations
    if any(later < earlier for earlier, later in pairwise((0.0, *cumulative))):
        raise Refused("negative", f"{series.name}: the counts of its buckets fall, or are negative")
    if not all(count.is_integer() for count in cumulative):
        raise Refused("wrong_type", f"{series.name}: a count is not a whole number")
    # Where no bound is negative OpenMetrics calls the sum a counter; where one is, it is not shown.
    if total < 0 <= series.buckets[0]:
        raise Refused("negative", f'{series.name}: "sum" is negative, and no bound of its buckets is')
    return Histogram(tuple(cumulative[:-1]), cumulative[-1], total)


def _numbers(series: Series, part: _Part, name: str) -> list[float | None]:
    """A column as finite numbers, None for NULL."""
    cells, type_ = part.cells(name), part.type(name)
    if cells.count(None) == len(cells):
        return [None] * len(cells)  # of any type: a NULL without one comes as text
    if type_ not in NUMBER_TYPES:
        raise Refused("wrong_type", f'{series.name}: column "{name}" is {_type_name(type_)}, not a number')
    numbers = _converted(cells, type_)
    if numbers is None:
        raise Refused("wrong_type", f'{series.name}: column "{name}" holds what is not a number')
    if not all(number is None or math.isfinite(number) for number in numbers):
        raise Refused("not_finite", f'{series.name}: column "{name}" holds NaN, an infinity or a number too large')
    return numbers


def _converted(cells: _Cells, type_: int) -> list[float | None] | None:
    """None where a cell is not a number; no exception, because its message would quote the cell."""
    try:
        if type_ == _BOOL:
            return [None if cell is None else _BITS[cell] for cell in cells]
        return [None if cell is None else float(cell) for cell in cells]
    except (KeyError, ValueError):
        return None


def _type_name(type_: int) -> str:
    known = types.get(type_)
    if known is None:
        return f"of the type with OID {type_}"
    return known.name if known.oid == type_ else f"{known.name}[]"


def _counted(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows} rows"


def _same(series: Series) -> str:
    return f"the same {_quoted(series.labels)}" if series.labels else "no labels"


def _nothing(series: Series) -> str:
    return f"a group of {_quoted(series.labels)}" if series.labels else "it"


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
