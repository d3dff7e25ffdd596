"""Dashboards held to a checklist of 13 points, with the plan as the measure of what they must say.

1 identity, 2 form, 3 data source, 4 variables, 5 panels complete, 6 queries, 7 ids, 8 grid, 9 thresholds, 10 axes,
11 legends, 12 links, 13 load.
"""

from collections.abc import Iterable, Iterator

import orjson

from generator.diagnostics import Problem, Span
from generator.lint.dashboards import grid, panels, queries, whole
from generator.lint.dashboards.finding import File, Finding, Json, fields, items
from generator.lint.dashboards.index import FOLDER, PlanIndex
from generator.plan.types import Plan

Fault = tuple[int, str, str]


def lint(plan: Plan, artefacts: Iterable[File]) -> Iterator[Problem]:
    """What is wrong with the dashboards among these artefacts."""
    index = PlanIndex.of(plan)
    for artefact in artefacts:
        if artefact.path.startswith(FOLDER):
            yield from lint_artefact(index, artefact)


def lint_artefact(index: PlanIndex, artefact: File) -> Iterator[Problem]:
    """What is wrong with one dashboard, in the file of its domain."""
    domain = index.domains.get(artefact.path)
    span = Span(domain.file if domain else "platform.yaml")
    for finding in lint_dashboard(index, artefact.path, orjson.loads(artefact.content)):
        where = f" of panel {finding.panel!r}" if finding.panel else ""
        message = f"dashboard {artefact.path}{where}: {finding.message}"
        yield Problem(span, f"dashboard-{finding.code}", message, (f"point {finding.point} of the checklist",))


def lint_dashboard(index: PlanIndex, path: str, dashboard: Json) -> Iterator[Finding]:
    """The findings of one dashboard, given as plain values."""
    for point, code, message in _whole(index, path, dashboard):
        yield Finding(point, code, path, "", message)
    expected = index.expected(path)
    ids = set()
    for panel in _flat(dashboard):
        title = str(panel.get("title", ""))
        number = panel.get("id")
        if number in ids:
            yield Finding(7, "panel-id-twice", path, title, f"another panel has the id {number}, too")
        ids.add(number)
        for point, code, message in panels.panel(
            index, panel, expected.get(number) if isinstance(number, int) else None
        ):
            yield Finding(point, code, path, title, message)


def _whole(index: PlanIndex, path: str, dashboard: Json) -> Iterator[Fault]:
    flat = _flat(dashboard)
    yield from whole.identity(index, path, dashboard)
    yield from whole.variables(dashboard, [text for panel in flat for text in _asked(panel)])
    for variable in items(fields(dashboard.get("templating")).get("list")):
        if variable.get("type") == "query":
            yield from queries.variable_query(index, str(whole.query_text(variable)))
    for annotation in items(fields(dashboard.get("annotations")).get("list")):
        yield from queries.promql(index, str(annotation.get("expr", "")))
    yield from grid.grid(dashboard)
    yield from whole.links(index, dashboard)
    yield from whole.alert_panels(index, path, flat)
    yield from whole.load(index, dashboard)


def _flat(dashboard: Json) -> list[Json]:
    """All panels, those of closed rows included."""
    return [inner for panel in items(dashboard.get("panels")) for inner in (panel, *items(panel.get("panels")))]


def _asked(panel: Json) -> Iterator[str]:
    """The texts of a panel that variables are put into."""
    yield f"${panel['repeat']}" if panel.get("repeat") else ""
    yield from (str(target.get("expr", "")) for target in items(panel.get("targets")))
    defaults = fields(fields(panel.get("fieldConfig")).get("defaults"))
    yield from (str(link.get("url", "")) for link in items(defaults.get("links")))


__all__ = ["Finding", "PlanIndex", "lint", "lint_artefact", "lint_dashboard"]
