"""The compiled plan: which SELECTs are run on which database, and which series are made of the answers.

A platform's plan is ``output/<platform>/exporter/business.yml``; the plan of the Postgres exporter comes with it.
YAML 1.2: a label's value ``yes`` or ``18:00`` is that word.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import orjson
import ryaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from exporters.business import positions, validation
from exporters.business.problems import Invalid, Problem, excerpt, read_text
from exporters.business.validation import Where, contradiction

VERSION = 1

_NAME = r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$"
_METRIC = r"^[a-z][a-z0-9_]*$"
_QUERY = r"^[a-z][a-z0-9_]*(/[a-z][a-z0-9_]*){0,2}$"
_VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"
_IN_WORDS = {
    _NAME: "lower-case letters and digits, parts joined by _, a letter first",
    _METRIC: "lower-case letters, digits and _, a letter first",
    _QUERY: "one to three names joined by /, each of lower-case letters, digits and _, a letter first",
    _VARIABLE: "the name of an environment variable",
}

Name = Annotated[str, Field(pattern=_NAME)]
MetricName = Annotated[str, Field(pattern=_METRIC)]
QueryName = Annotated[str, Field(pattern=_QUERY)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]

# Words of the YAML reader.
_TWICE = re.compile(r'duplicate entry with key "(.*)"')
_AT = re.compile(r" at (line \d+ column|position) \d+")

# Above this many rows a query is a mistake, unless its plan says otherwise: Prometheus, "Instrumentation", advises to
# investigate metrics with a cardinality over 100.
DEFAULT_ROW_LIMIT = 1000


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class Source(_Strict):
    """Where the connection string is found, never the string itself.

    ``max_age_seconds``: for how long the last good values are shown while a query fails; 0: not at all.
    """

    type: Literal["postgres"]
    dsn_env: Annotated[str, Field(pattern=_VARIABLE)] | None = None
    dsn_file: Annotated[str, Field(min_length=1)] | None = None
    max_age_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.dsn_env is None) == (self.dsn_file is None):
            raise ValueError("give exactly one of dsn_env and dsn_file")
        return self


class Series(_Strict):
    """What is made of one column of the answer.

    ``labels`` are columns that become labels, each with its known values (none: any value). ``grouping_set``: only
    rows whose column ``grouping_set`` has this value belong to the series. ``absent`` says what a known group without
    a value means. ``buckets`` are the upper bounds of a histogram without +Inf; whatever its ``column``, it reads
    ``bucket_0``, … with cumulative counts, ``count`` and ``sum``.
    ``resets``: a counter that starts over when PostgreSQL's statistics do, which Prometheus handles itself.
    """

    name: MetricName
    help: Annotated[str, Field(min_length=1)]
    type: Literal["gauge", "counter", "histogram", "unknown"]
    column: Annotated[str, Field(min_length=1)]
    labels: dict[Name, tuple[str, ...]] = {}
    grouping_set: Annotated[int, Field(ge=0)] | None = None
    absent: Literal["zero", "gone", "error"] = "gone"
    buckets: tuple[Annotated[float, Field(allow_inf_nan=False)], ...] = ()
    resets: bool = False

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if found := tuple(self._contradictions()):
            raise contradiction(found)
        return self

    def _contradictions(self) -> Iterator[tuple[Where, str]]:
        if self.type == "histogram" and not self.buckets:
            yield ("type",), "a histogram needs buckets"
        if self.type != "histogram" and self.buckets:
            yield ("buckets",), f"a {self.type} has no buckets, only a histogram has"
        for index, (lower, upper) in enumerate(pairwise(self.buckets), start=1):
            if not lower < upper:
                yield ("buckets", index), "every bound must be greater than the one before"
        for label, known in self.labels.items():
            for index, value in enumerate(known):
                if value in known[:index]:
                    yield ("labels", label, index), "this value is listed already"


class Query(_Strict):
    """One SELECT.

    ``name`` is the label value of the plan's ``query_success``; ``file`` the file that a person wrote it in.
    ``within_seconds`` is a window of events, bound to ``$1``; the exporter widens it after a gap. ``when`` is a SELECT
    of one boolean: where it is not true, the query does not apply to this server and is not run.
    ``interval_seconds``: ask no more often than this. ``row_limit``: an answer with more rows is refused.
    """

    name: QueryName
    file: Annotated[str, Field(min_length=1)]
    source: Annotated[str, Field(min_length=1)]
    within_seconds: Seconds | None = None
    when: Annotated[str, Field(min_length=1)] | None = None
    interval_seconds: Seconds | None = None
    row_limit: Annotated[int, Field(gt=0)] = DEFAULT_ROW_LIMIT
    sql: Annotated[str, Field(min_length=1)]
    series: Annotated[tuple[Series, ...], Field(min_length=1)]

    @property
    def domain(self) -> str:
        """The first part of the name."""
        return self.name.partition("/")[0]


class Plan(_Strict):
    """All that one exporter does; ``platform`` begins the names of its own metrics."""

    version: Literal[1]
    platform: Name
    query_success: MetricName
    interval_seconds: Seconds
    sources: Annotated[dict[str, Source], Field(min_length=1)]
    queries: Annotated[tuple[Query, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if found := tuple(self._contradictions()):
            raise contradiction(found)
        return self

    def _contradictions(self) -> Iterator[tuple[Where, str]]:
        names: set[str] = set()
        types: dict[str, str] = {}
        givers: dict[str, list[Query]] = {}
        for index, query in enumerate(self.queries):
            twice = query.name in names
            if twice:
                yield ("queries", index, "name"), f"another query is called {query.name} already"
            names.add(query.name)
            if query.source not in self.sources:
                known = ", ".join(self.sources)
                yield ("queries", index, "source"), f'no source is called "{query.source}"; there is {known}'
            for place, series in enumerate(query.series):
                if types.setdefault(series.name, series.type) != series.type:
                    where = ("queries", index, "series", place, "type")
                    yield where, f"{series.name} is a {types[series.name]} elsewhere, and has one type everywhere"
                    continue
                before = givers.setdefault(series.name, [])
                # Forms of a query for different servers give the same series, one at a time.
                if not twice and any(giver is query or giver.when is None or query.when is None for giver in before):
                    where = ("queries", index, "series", place, "name")
                    yield where, f"{series.name} is given by query {before[0].name} already"
                before.append(query)

    @property
    def domains(self) -> tuple[str, ...]:
        """The domains that have queries, sorted."""
        return tuple(sorted({query.domain for query in self.queries}))

    def only(self, domains: frozenset[str]) -> Self:
        """The plan with the queries of these domains alone, and the sources that they ask."""
        queries = tuple(query for query in self.queries if query.domain in domains)
        asked = {query.source for query in queries}
        sources = {name: source for name, source in self.sources.items() if name in asked}
        return self.model_copy(update={"queries": queries, "sources": sources})


def load(path: Path) -> Plan:
    """The plan in a file.

    Raises:
        Invalid: the file cannot be read, is not YAML, or does not say what a plan says.
    """
    text = read_text(path)
    try:
        value = ryaml.loads(text)
    except ValueError as error:
        raise Invalid([_not_yaml(path, text, " ".join(str(error).split()))]) from None
    if value is None:
        raise Invalid([Problem(str(path), None, None, "plan", "the file is empty")])
    if other := _other_version(value):
        message = f"version: this exporter reads version {VERSION} of a plan, not {other}"
        raise Invalid([_problem(path, text, "plan", message, positions.find(text, ("version",)))])
    if keys := tuple(_odd_keys(value, ())):
        place = positions.finder(text)
        raise Invalid(_problem(path, text, "plan", "a key must be text; quote it", place(where)) for where in keys)
    try:
        return Plan.model_validate_json(orjson.dumps(value))
    except ValidationError as error:
        raise Invalid(validation.problems(path, text, Plan, error, _IN_WORDS)) from None
    except orjson.JSONEncodeError:
        message = "the file holds a value that a plan cannot hold"
        raise Invalid([Problem(str(path), None, None, "plan", message)]) from None


def _not_yaml(path: Path, text: str, said: str) -> Problem:
    place = positions.broken(text, said)
    if twice := _TWICE.search(said):
        return _problem(path, text, "yaml", f'the key "{twice[1]}" stands here twice', place)
    if "unhashable" in said:
        return _problem(path, text, "yaml", "a key must be text", place)
    if "more than one document" in said:
        return _problem(path, text, "yaml", "a plan is one document", place)
    problem = _problem(path, text, "yaml", f"this is not YAML: {_AT.sub('', said, count=1)}", place)
    line, column = place or (1, 0)
    tab = any(shown[:column].endswith("\t") for shown in text.splitlines()[line - 1 : line])
    return replace(problem, help="a tab cannot indent; use spaces") if tab else problem


def _problem(path: Path, text: str, code: str, message: str, place: positions.Place | None) -> Problem:
    line, column = place or (None, None)
    return Problem(str(path), line, column, code, message, excerpt(text, line, column) if line is not None else ())


def _other_version(value: Any) -> int | None:
    """The version of a plan that another program is to read: nothing else in it is looked at."""
    version = value.get("version") if isinstance(value, dict) else None
    return version if isinstance(version, int) and version != VERSION else None


def _odd_keys(value: Any, path: Where) -> Iterator[Where]:
    """Where a mapping has a key that is no text."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _odd_keys(item, (*path, index))
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(key, str):
                yield from _odd_keys(item, (*path, key))
            else:
                yield (*path, str(key).lower())  # true, not True
