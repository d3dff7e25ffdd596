"""Records and their alerts: the SELECTs that count matching rows and find the worst one.

One statement per record serves all its alerts (``count(*) FILTER``); alerts that are split by fields share it through
GROUPING SETS. An event's window is the parameter ``$1`` in seconds, so that the exporter can widen it after a gap.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from generator import naming
from generator.condition import field_value_sql, row_predicate, worst_field
from generator.condition.tree import Condition, FieldSymbol
from generator.condition.units import plain
from generator.model import Record
from generator.plan.types import ExporterSeries, Query

ROWS_SHOWN = 50


@dataclass(frozen=True, slots=True)
class RowAlert:
    """An alert on a record: its name, its resolved condition, and the fields that split it."""

    name: str
    condition: Condition
    by: tuple[str, ...]


@lru_cache(maxsize=1024)
def expression(sql: str) -> str:
    """One SQL expression as the library writes it: comments cannot swallow what comes after it."""
    import sqlglot  # large, and a platform without records does without

    return sqlglot.parse_one(sql, dialect="postgres").sql(dialect="postgres", comments=False)


def worst_unit(condition: Condition) -> str | None:
    """The unit of the value whose extreme is exported, None where the condition compares no quantity."""
    worst = worst_field(condition)
    return worst[0].unit if worst else None


def labels(alert: RowAlert, record: Record) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The labels of an alert's series with their known values."""
    if record.each:
        return ((record.each.label, ()),)
    return tuple((name, tuple(record.fields[name].values or ())) for name in alert.by)


def _from(record: Record, *, window: str | None) -> str:
    clauses = []
    if record.where:
        clauses.append(f"({expression(record.where)})")
    if record.at and window:
        clauses.append(f"({expression(record.at)}) > now() - {window}")
    where = f" WHERE {' AND '.join(clauses)}" if clauses else ""
    return f" FROM {record.table}{where}"


def matching_sql(record: Record, condition: Condition, within: int | None) -> str:
    """The query with which an operator sees the offending rows, as ``_worst_first`` orders them."""
    window = f"make_interval(secs => {plain(within / 1000)})" if within else None
    start = _from(record, window=window)
    joined = f"{start} AND" if " WHERE " in start else f"{start} WHERE"
    order = _worst_first(record, condition)
    return f"SELECT *{joined} ({row_predicate(condition)}){f' ORDER BY {order}' if order else ''} LIMIT {ROWS_SHOWN}"


def _worst_first(record: Record, condition: Condition) -> str | None:
    """The order of the offending rows: the worst first, or where nothing is compared, the newest event first."""
    if worst := worst_field(condition):
        return f"{field_value_sql(worst[0])} {'DESC NULLS LAST' if worst[1] == 'max' else 'ASC'}"
    return f"({expression(record.at)}) DESC NULLS LAST" if record.at else None


class RecordQueries:
    """Builds the queries of one record in one domain."""

    def __init__(
        self,
        platform: str,
        domain: str,
        name: str,
        record: Record,
        fields: Mapping[str, FieldSymbol],
        within: int | None,
    ) -> None:
        self.platform = platform
        self.domain = domain
        self.name = name
        self.record = record
        self.fields = fields
        self.within = within
        self.window = "make_interval(secs => $1)" if within else None

    def queries(self, alerts: tuple[RowAlert, ...], source: str, file: str) -> tuple[Query, ...]:
        """The record's shared query, and one more for each alert that lists its rows."""
        if not alerts:
            return ()
        found = [Query(f"{self.domain}/{self.name}", source, *self._shared(alerts), self.within, file)]
        if self.record.each:
            found += [Query(self.listing(alert), source, *self._listing(alert), self.within, file) for alert in alerts]
        return tuple(found)

    def listing(self, alert: RowAlert) -> str:
        """The name of the query that lists an alert's rows one by one."""
        return f"{self.domain}/{self.name}/{alert.name}"

    def health(self, alert: RowAlert) -> str:
        """The name of the query that an alert's series come from."""
        return self.listing(alert) if self.record.each else f"{self.domain}/{self.name}"

    def _shared(self, alerts: tuple[RowAlert, ...]) -> tuple[str, tuple[ExporterSeries, ...]]:
        sets = sorted({alert.by for alert in alerts}) if not self.record.each else [()]
        split = sorted({name for labels in sets for name in labels})
        columns, series = [], []
        if split:
            columns += [f"{self._field(name)} AS {name}" for name in split]
            columns.append(f"grouping({', '.join(self._field(name) for name in split)}) AS grouping_set")
        for alert in alerts:
            predicate = row_predicate(alert.condition)
            grouping = self._grouping(split, alert.by) if split else None
            if self.record.each:
                columns.append(
                    f"greatest(count(*) FILTER (WHERE {predicate}) - {self.record.each.limit}, 0)"
                    f" AS {alert.name}_unlisted_rows"
                )
                series.append(self._unlisted(alert))
                continue
            columns.append(f"count(*) FILTER (WHERE {predicate}) AS {alert.name}_matching_rows")
            series.append(self._matching(alert, f"{alert.name}_matching_rows", grouping))
            if worst := worst_field(alert.condition):
                value = f"{worst[1]}({field_value_sql(worst[0])})"
                columns.append(f"{value} FILTER (WHERE {predicate}) AS {alert.name}_worst")
                series.append(self._worst(alert, f"{alert.name}_worst", grouping))
        sql = f"SELECT {', '.join(columns)}{_from(self.record, window=self.window)}"
        if split:
            grouped = ", ".join(f"({', '.join(self._field(name) for name in names)})" for names in sets)
            sql += f" GROUP BY GROUPING SETS ({grouped})"
        return sql, tuple(series)

    def _listing(self, alert: RowAlert) -> tuple[str, tuple[ExporterSeries, ...]]:
        each = self.record.each
        assert each is not None  # only records with `each` are listed
        columns = [f"CAST(({expression(each.sql)}) AS text) AS {each.label}", "1 AS matching_rows"]
        series = [self._matching(alert, "matching_rows", None)]
        if worst := worst_field(alert.condition):
            columns.append(f"{field_value_sql(worst[0])} AS worst")
            series.append(self._worst(alert, "worst", None))
        order = ", ".join(part for part in (_worst_first(self.record, alert.condition), "1") if part)
        start = _from(self.record, window=self.window)
        joined = f"{start} AND" if " WHERE " in start else f"{start} WHERE"
        where = f"{joined} ({row_predicate(alert.condition)})"
        return f"SELECT {', '.join(columns)}{where} ORDER BY {order} LIMIT {each.limit}", tuple(series)

    def _field(self, name: str) -> str:
        return f"({expression(self.fields[name].sql)})"

    @staticmethod
    def _grouping(split: list[str], by: tuple[str, ...]) -> int:
        return sum(1 << (len(split) - 1 - index) for index, name in enumerate(split) if name not in by)

    def _matching(self, alert: RowAlert, column: str, grouping: int | None) -> ExporterSeries:
        known = labels(alert, self.record)
        return ExporterSeries(
            name=naming.matching_rows(self.platform, self.domain, alert.name),
            help=f"Rows of {self.name} that match: {alert.condition.text}",
            type="gauge",
            column=column,
            labels=known,
            absent="zero" if all(values for _, values in known) else "gone",
            grouping=grouping,
        )

    def _worst(self, alert: RowAlert, column: str, grouping: int | None) -> ExporterSeries:
        field = worst_field(alert.condition)
        assert field is not None  # asked for only where there is one
        return ExporterSeries(
            name=naming.worst(self.platform, self.domain, alert.name, field[0].unit or "none"),
            help=f"The worst {field[0].name} among rows of {self.name} that match: {alert.condition.text}",
            type="gauge",
            column=column,
            labels=labels(alert, self.record),
            absent="gone",
            grouping=grouping,
        )

    def _unlisted(self, alert: RowAlert) -> ExporterSeries:
        return ExporterSeries(
            name=naming.unlisted_rows(self.platform, self.domain, alert.name),
            help=f"Matching rows of {self.name} beyond those that are listed: {alert.condition.text}",
            type="gauge",
            column=f"{alert.name}_unlisted_rows",
            labels=(),
            absent="zero",
        )
