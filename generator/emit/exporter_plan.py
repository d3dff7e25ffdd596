"""``exporter/business.yml``: what the exporter asks which database, and which series it makes of the answer."""

from collections.abc import Iterator

from generator import naming
from generator.emit.artefact import Artefact
from generator.emit.yaml_text import dump
from generator.plan.types import ExporterSeries, Plan, Query, Source

# Raised when a reader of the old form would misunderstand the new one.
VERSION = 1

Value = str | int | float | None | list["Value"] | dict[str, "Value"]


def emit(plan: Plan) -> Iterator[Artefact]:
    """Yield the exporter's plan, for a platform that asks a database anything."""
    queries = [query for domain in plan.domains for query in domain.queries]
    if not queries:
        return
    asked = {query.source for query in queries}
    value: dict[str, Value] = {
        "version": VERSION,
        "platform": plan.platform,
        "query_success": naming.query_success(plan.platform),
        "interval_seconds": _seconds(plan.scrape_interval),
        "sources": {source.name: _source(source) for source in plan.sources if source.name in asked},
        "queries": [_query(query) for query in queries],
    }
    yield Artefact("exporter/business.yml", dump(value))


def _source(source: Source) -> Value:
    value: dict[str, Value] = {"type": "postgres"}
    if source.dsn_file is not None:
        value["dsn_file"] = source.dsn_file
    else:
        value["dsn_env"] = source.dsn_env
    if source.max_age:
        value["max_age_seconds"] = _seconds(source.max_age)
    return value


def _query(query: Query) -> Value:
    value: dict[str, Value] = {
        "name": query.name,
        "file": query.file,
        "source": query.source,
    }
    if query.within is not None:
        value["within_seconds"] = _seconds(query.within)
    value["sql"] = query.sql
    value["series"] = [_series(series) for series in query.series]
    return value


def _series(series: ExporterSeries) -> Value:
    value: dict[str, Value] = {
        "name": series.name,
        "help": series.help,
        "type": series.type,
        "column": series.column,
    }
    if series.labels:
        value["labels"] = {name: list(values) for name, values in series.labels}
    if series.grouping is not None:
        value["grouping_set"] = series.grouping
    value["absent"] = series.absent
    if series.buckets:
        value["buckets"] = list(series.buckets)
    return value


def _seconds(milliseconds: int) -> int | float:
    seconds, rest = divmod(milliseconds, 1000)
    return milliseconds / 1000 if rest else seconds
