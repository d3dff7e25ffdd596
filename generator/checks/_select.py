"""SELECTs and expressions over one row: what is wrong with the text, and with what it returns."""

from collections.abc import Iterator
from dataclasses import dataclass

from generator.checks import _sql_text
from generator.checks._hints import listed, near
from generator.checks._sql_text import Column
from generator.diagnostics import Problem, Span
from generator.load import DomainFile, Files
from generator.model import Metric, Record

Path = tuple[str | int, ...]

_VALUE = "value"


def check(files: Files) -> Iterator[Problem]:
    """SQL that does not parse, does more than read, or returns other columns than its metrics say."""
    for file in files.domains:
        model = file.model
        sharing: dict[str, dict[str, Metric]] = {name: {} for name in model.queries}
        metrics = model.metrics.values()
        lost = frozenset(metric.column for metric in metrics if metric.query not in {None, *sharing})
        for name, metric in model.metrics.items():
            if metric.sql is not None:
                yield from _Select(file, ("metrics", name, "sql"), metric.sql, {name: metric}, None).problems()
            if metric.query is not None and metric.query not in sharing:
                span = file.span(("metrics", name, "query"))
                hint = near("query", metric.query, model.queries)
                yield Problem(span, "unknown-query", f'no query is called "{metric.query}"', (hint,))
            elif metric.query is not None and metric.column is not None:
                sharing[metric.query][name] = metric
        for name, query in model.queries.items():
            yield from _Select(file, ("queries", name, "sql"), query.sql, sharing[name], name, lost).problems()
        for name, record in model.records.items():
            yield from _record(file, name, record)


@dataclass(frozen=True, slots=True)
class _Select:
    """One SELECT, with the metrics that read it; ``query`` is its name where several may.

    ``lost`` are the columns of metrics that misspell their query, which is said already: they may be of this one.
    """

    file: DomainFile
    path: Path
    text: str
    metrics: dict[str, Metric]
    query: str | None
    lost: frozenset[str | None] = frozenset()

    def problems(self) -> Iterator[Problem]:
        """Everything that is wrong with it."""
        query, faults = _sql_text.select(self.text)
        yield from _problems(self.file, self.path, faults)
        if query is None:
            return
        if _sql_text.is_star(query):
            place = max(self.text.find("*"), 0)
            hint = "name the columns, so that a new column of the table changes nothing"
            yield self._at(place, place + 1, "SELECT * is not read", hint)
            return
        columns = _sql_text.columns(query)
        for index, column in enumerate(columns):
            if not column.name:
                message = "a column of the result has no name"
                yield self._column(column, message, "give it a name: count(*) AS value")
            elif any(column.name == other.name for other in columns[:index]):
                yield self._column(column, f'two columns are called "{column.name}"')
        for column in _sql_text.ungrouped(query):
            message = f'column "{column.name}" stands beside an aggregate, but nothing groups by it'
            yield self._column(column, message, f"add GROUP BY {column.name}")
        if self.metrics and all(column.name for column in columns):
            yield from self._fit(columns)

    def _at(self, start: int, end: int, message: str, *hints: str) -> Problem:
        return Problem(self.file.text_span(self.path, start, end), "sql-columns", message, hints)

    def _column(self, column: Column, message: str, *hints: str) -> Problem:
        known = column.end > column.start
        return self._at(column.start if known else 0, column.end if known else len(self.text), message, *hints)

    def _fit(self, columns: list[Column]) -> Iterator[Problem]:
        """The columns against the labels and the numbers of the metrics that read them."""
        names = {column.name for column in columns}
        numbers = {metric.column or _VALUE for metric in self.metrics.values()}
        labels = {label for metric in self.metrics.values() for label in metric.by}
        for name, metric in self.metrics.items():
            yield from self._metric(name, metric, names, labels)
        extra = [column for column in columns if column.name not in {*numbers, *labels, *self.lost}]
        if self.query is None and _VALUE not in names:
            message = "no column is called value: that is the number of the metric"
            if len(extra) == 1:
                yield self._column(extra[0], message, f"write value instead of {extra[0].name}")
            else:
                yield self._at(0, len(self.text), message, f"columns: {listed(names)}")
        elif numbers <= names:  # a number that is missing explains a column that is too much
            for column in extra:
                message = f'column "{column.name}" is neither a label nor the number of a metric'
                yield self._column(column, message, "add it to by, or leave it out")

    def _metric(self, name: str, metric: Metric, names: set[str], labels: set[str]) -> Iterator[Problem]:
        if metric.column is not None and self.query is not None and metric.column not in names:
            message = f'query "{self.query}" has no column "{metric.column}"'
            hint = near("column", metric.column, names - labels)
            yield Problem(self.file.span(("metrics", name, "column")), "unknown-column", message, (hint,))
        missing = [label for label in metric.by if label not in names]
        for label in missing:
            message = f'the SQL has no column "{label}", but metric "{name}" has it as a label'
            span = _label_span(self.file, name, metric, label)
            yield Problem(span, "sql-columns", message, (f"columns: {listed(names)}",))
        others = sorted((labels & names) - set(metric.by))
        if others and not missing:
            message = f'metric "{name}" has no label {" or ".join(others)}, but the rows of its query are split by it'
            hint = "all metrics of a query have the same labels: else there are several numbers for one series"
            yield Problem(self.file.key_span(("metrics", name)), "sql-columns", message, (hint,))


def _label_span(file: DomainFile, name: str, metric: Metric, label: str) -> Span:
    path = ("metrics", name, "by")
    if isinstance(metric.by, dict):
        return file.key_span((*path, label))
    return file.span((*path, metric.by.index(label)))


def _problems(file: DomainFile, path: Path, faults: tuple[_sql_text.Fault, ...]) -> Iterator[Problem]:
    for fault in faults:
        yield Problem(file.text_span(path, fault.start, fault.end), fault.code, fault.message, fault.help)


def _record(file: DomainFile, name: str, record: Record) -> Iterator[Problem]:
    path = ("records", name)
    texts: list[tuple[Path, str]] = [((*path, "fields", key, "sql"), field.sql) for key, field in record.fields.items()]
    if record.where is not None:
        texts.append(((*path, "where"), record.where))
    if record.at is not None:
        texts.append(((*path, "at"), record.at))
    if record.each is not None:
        texts.append(((*path, "each", "sql"), record.each.sql))
    for place, text in texts:
        yield from _problems(file, place, _sql_text.expression(text))
