"""A domain file: the numbers of one part of the business, their targets and their alerts."""

from typing import Annotated, Literal

from pydantic import Field as Constraint

from generator.model.base import DashedName, DurationText, Model, Name, Sql, Text, Title, Unit


class Dashboard(Model):
    """Where the domain's dashboard is reached and how often it refreshes."""

    path: Annotated[str, Constraint(pattern=r"^/[A-Za-z0-9/_-]*$")] | None = None
    refresh: DurationText = "30s"


class Field(Model):
    """A column or expression of a record: exactly one of ``unit``, ``values`` and ``boolean`` says what it holds."""

    sql: Sql
    unit: Unit | None = None
    values: Annotated[list[Text], Constraint(min_length=1)] | None = None
    boolean: Literal[True] | None = None


class Each(Model):
    """One alert per matching row: ``sql`` names the row, ``label`` carries that name, worst rows first."""

    label: Name
    sql: Sql
    limit: Annotated[int, Constraint(ge=1, le=100)] = 20


class Record(Model):
    """Rows that alerts look at one by one; with ``at`` and ``within`` a row is an event and counts for that long."""

    title: Title | None = None
    source: DashedName | None = None
    table: Annotated[str, Constraint(pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$")]
    where: Sql | None = None
    at: Sql | None = None
    within: DurationText | None = None
    each: Each | None = None
    fields: Annotated[dict[Name, Field], Constraint(min_length=1)]


class Query(Model):
    """One SELECT that several metrics share, each taking a column."""

    sql: Sql
    source: DashedName | None = None


class Metric(Model):
    """A number that Prometheus keeps, from exactly one of ``sql``, ``query`` and ``column``, ``promql``, ``expr``."""

    help: Text
    title: Title | None = None
    unit: Unit
    type: Literal["gauge", "counter", "histogram"] = "gauge"
    buckets: Annotated[list[float | int], Constraint(min_length=1)] | None = None
    by: dict[Name, list[Text]] | list[Name] = []
    per: Literal["instance"] | None = None
    total: Literal["sum", "max", "min", "avg"] | None = None
    absent: Literal["zero", "gone", "error"] = "gone"
    show: bool = True
    source: DashedName | None = None
    sql: Sql | None = None
    query: Name | None = None
    column: Name | None = None
    promql: Text | None = None
    job: DashedName | None = None
    expr: Text | None = None


class Kpi(Model):
    """A gauge at the top of the dashboard, with its target (``">= 98%"``)."""

    title: Title
    metric: Name
    target: Text


class Alert(Model):
    """A condition, how bad it is, and who hears of it when."""

    condition: Text | None = None
    promql: Text | None = None
    severity: DashedName
    notification: DashedName = "immediate"
    channels: list[DashedName] = []
    for_: Annotated[DurationText | None, Constraint(alias="for")] = None
    cooldown: DurationText | None = None
    enabled: bool = True
    summary: Title | None = None
    description: Text | None = None
    runbook: Text | list[Text] | None = None
    by: list[Name] = []
    no_data: Literal["keep", "ok", "alert"] = "keep"
    escalate: bool = True
    owner: DashedName | None = None


class Domain(Model):
    """The whole of one domain file."""

    domain: Name
    title: Title
    description: Text | None = None
    owner: DashedName
    source: DashedName | None = None
    dashboard: Dashboard = Dashboard()
    queries: dict[Name, Query] = {}
    records: dict[Name, Record] = {}
    metrics: dict[Name, Metric] = {}
    kpis: dict[Name, Kpi] = {}
    alerts: dict[Name, Alert] = {}
