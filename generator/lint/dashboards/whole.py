"""Points 1 to 4, 12 and 13: the dashboard as a whole, its variables and its links."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from generator.lint.dashboards.finding import Json, fields, items, words
from generator.lint.dashboards.index import PlanIndex

Fault = tuple[int, str, str]

SCHEMA_VERSION = 42
MOST_OPEN_QUERIES = 120
MOST_OPEN_PANELS = 120
_LONGEST_UID = 40
_KEYS = frozenset(
    {
        "annotations", "description", "editable", "fiscalYearStartMonth", "graphTooltip", "links", "liveNow", "panels",
        "preload", "refresh", "schemaVersion", "tags", "templating", "time", "timepicker", "timezone", "title", "uid",
        "version", "weekStart",
    }
)  # fmt: skip
_VARIABLE = re.compile(r"\$(?:\{(\w+)|(\w+))|\[\[(\w+)")
_REFRESH = re.compile(r"([0-9]+)([smhd])")
_MILLISECONDS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def identity(index: PlanIndex, path: str, dashboard: Json) -> Iterator[Fault]:
    """Points 1 and 2: uid, title, tags, and a form that Grafana reads today."""
    uid = str(dashboard.get("uid") or "")
    if not 0 < len(uid) <= _LONGEST_UID:
        yield 1, "uid-length", f"the uid {uid!r} has {len(uid)} characters; Grafana takes 1 to {_LONGEST_UID}"
    elif uid != index.uid(path):
        yield 1, "uid-unexpected", f"the uid is {uid!r}; alerts link to {index.uid(path)!r}"
    title = str(dashboard.get("title") or "")
    if not title:
        yield 1, "dashboard-title-missing", "the dashboard has no title"
    elif index.titles.setdefault(title, path) != path:
        yield 1, "dashboard-title-twice", f"the title {title!r} is also that of {index.titles[title]}"
    domain = index.domains.get(path)
    wanted = [index.plan.platform, *([domain.name, domain.owner] if domain else [])]
    for tag in sorted(set(wanted) - set(words(dashboard.get("tags")))):
        yield 1, "tag-missing", f"the tag {tag!r} is missing"
    if dashboard.get("editable") is not False:
        yield 2, "editable", "the dashboard can be edited in Grafana, where edits are lost"
    if dashboard.get("schemaVersion") != SCHEMA_VERSION:
        yield 2, "schema-version", f"the schema version is {dashboard.get('schemaVersion')}, not {SCHEMA_VERSION}"
    for key, value in dashboard.items():
        if key not in _KEYS:
            yield 2, "unknown-key", f"Grafana knows no key {key!r} in a dashboard"
        elif value is None:
            yield 2, "null-value", f"{key!r} is null"


def variables(dashboard: Json, asked: list[str]) -> Iterator[Fault]:
    """Points 3 and 4: one data source variable, and every other one defined, used and complete.

    ``asked`` are the texts of panels into which Grafana puts variables.
    """
    defined = items(fields(dashboard.get("templating")).get("list"))
    names = [str(variable.get("name")) for variable in defined]
    sources = [variable for variable in defined if variable.get("type") == "datasource"]
    kinds = [str(variable.get("query")) for variable in sources]
    if len(set(kinds)) < len(kinds) or "prometheus" not in kinds:
        yield 3, "datasource-variable", "there must be exactly one data source variable for Prometheus"
    texts = [*asked, *(str(query_text(variable)) for variable in defined), *_links_text(dashboard)]
    for annotation in items(fields(dashboard.get("annotations")).get("list")):
        texts.append(str(annotation.get("expr", "")))
        yield from datasource(annotation, f"annotation {annotation.get('name')!r}")
    used = {name for text in texts for groups in _VARIABLE.findall(text) for name in groups if name}
    used |= {"datasource"} if asked else set()
    for name in sorted(used - set(names)):
        if not name.startswith("__"):
            yield 4, "variable-undefined", f"the variable ${name} is not defined"
    for variable in defined:
        yield from _variable(variable, used)


def query_text(variable: Json) -> object:
    """What a query variable asks."""
    query = variable.get("query", "")
    return query.get("query", "") if isinstance(query, dict) else query


def datasource(owner: Json, where: str) -> Iterator[Fault]:
    """Point 3: the data source is the variable, never a literal uid."""
    source = owner.get("datasource")
    if not isinstance(source, dict):
        yield 5, "datasource-missing", f"{where} has no data source"
    elif source.get("uid") != "${datasource}":
        yield 3, "datasource-literal", f"{where} names the data source {source.get('uid')!r}, not the variable"


def _variable(variable: Json, used: set[str]) -> Iterator[Fault]:
    name = str(variable.get("name"))
    if variable.get("type") == "datasource":
        return
    yield from datasource(variable, f"variable ${name}")
    if name not in used:
        yield 4, "variable-unused", f"no panel uses the variable ${name}"
    if not variable.get("label"):
        yield 4, "variable-label", f"the variable ${name} has no label"
    complete = {"multi": True, "includeAll": True, "allValue": ".+", "refresh": 2}
    for key, value in complete.items():
        if variable.get(key) != value:
            yield 4, "variable-incomplete", f"the variable ${name} must have {key} {value!r}"


def links(index: PlanIndex, dashboard: Json) -> Iterator[Fault]:
    """Point 12: links lead somewhere, and keep the time and the variables within Grafana."""
    for link in items(dashboard.get("links")):
        url = str(link.get("url", ""))
        inside = link.get("type") == "dashboards" or url.startswith(f"{index.plan.links.grafana}/d/")
        if inside and not (link.get("keepTime") and link.get("includeVars")):
            yield 12, "link-forgets", f"the link {link.get('title')!r} must keep the time and the variables"
        if link.get("type") == "dashboards":
            if words(link.get("tags")) != [index.plan.platform]:
                yield 12, "dead-link", f"the link {link.get('title')!r} lists no tag of these dashboards"
        else:
            yield from link_target(index, url)


def link_target(index: PlanIndex, url: str) -> Iterator[Fault]:
    """Point 12: what a link's address must be."""
    base = index.plan.links
    if url.startswith(f"{base.grafana}/d/"):
        uid = urlsplit(url.removeprefix(f"{base.grafana}/d/")).path.partition("/")[0]
        alive = uid in index.uids
    else:
        alive = url in index.runbooks or url in (base.alertmanager, base.prometheus)
    if not alive:
        yield 12, "dead-link", f"the link {url!r} leads nowhere that is generated"


def alert_panels(index: PlanIndex, path: str, panels: list[Json]) -> Iterator[Fault]:
    """Point 12: the panel that each alert of the domain links to is on this dashboard."""
    domain = index.domains.get(path)
    ids = {str(panel.get("id")) for panel in panels if panel.get("type") != "row"}
    for alert in domain.alerts if domain else ():
        board, _, shown = alert.dashboard_url.partition("?viewPanel=")
        if shown not in ids or board != f"{index.plan.links.grafana}/d/{index.uid(path)}":
            yield 12, "alert-panel", f"the alert {alert.name!r} links to panel {shown}, which is not here"


def load(index: PlanIndex, dashboard: Json) -> Iterator[Fault]:
    """Point 13: not asked more often than scraped, not more than browser and Prometheus bear, purpose said."""
    refresh = _REFRESH.fullmatch(str(dashboard.get("refresh", "")))
    if refresh is None:
        yield 13, "refresh", f"the refresh {dashboard.get('refresh')!r} is not one number with one unit"
    elif int(refresh[1]) * _MILLISECONDS[refresh[2]] < index.plan.scrape_interval:
        yield 13, "refresh", f"the refresh {refresh[0]} is shorter than the scrape interval"
    if not dashboard.get("description"):
        yield 13, "purpose-missing", "the description does not say what the dashboard is for"
    opened = [panel for panel in items(dashboard.get("panels")) if panel.get("type") != "row"]
    queries = sum(len(items(panel.get("targets"))) for panel in opened)
    if len(opened) > MOST_OPEN_PANELS or queries > MOST_OPEN_QUERIES:
        yield 13, "too-much-open", f"{len(opened)} panels ask {queries} queries at once"


def _links_text(dashboard: Json) -> list[str]:
    return [str(link.get("url", "")) for link in items(dashboard.get("links"))]
