"""Grafana dashboards: one for each domain, and an overview."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import grafanalib.core as grafana
import orjson

from generator import naming
from generator.emit.artefact import Artefact
from generator.emit.dashboards import domain as domains
from generator.emit.dashboards import overview, text
from generator.emit.dashboards.layout import COLUMNS, Section, arrange
from generator.emit.dashboards.panel import DATASOURCE, Viz
from generator.emit.dashboards.query import firing_alerts, is_per_instance
from generator.emit.dashboards.units import Fields
from generator.plan.types import Domain, Plan

SCHEMA_VERSION = 42
_REFRESH_INTERVALS = ["5s", "10s", "15s", "30s", "1m", "5m", "15m", "30m", "1h"]
_LEAST_REFRESH = 5_000  # Grafana's own min_refresh_interval
_UNITS = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000))
# Keys that grafanalib still writes and Grafana no longer reads.
_LEGACY = ("__inputs", "gnetId", "hideControls", "id", "rows", "sharedCrosshair", "style")
_JSON = orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE


@dataclass(frozen=True, slots=True)
class _Board:
    """What one dashboard shows, before it is laid out."""

    name: str
    uid: str
    title: str
    description: str
    tags: tuple[str, ...]
    refresh: int
    sections: Sequence[Section]
    alert_keys: tuple[str, ...]
    instance_series: tuple[str, ...]
    runbook: str | None


def emit(plan: Plan) -> Iterator[Artefact]:
    """``grafana/dashboards/<domain>.json`` for each domain; the overview is ``system``'s, or stands alone."""
    around = domains.surroundings(plan)
    titles = Counter(domain.title for domain in plan.domains)
    main = _overview_domain(plan)
    main_uid = main.dashboard_uid if main else naming.dashboard_uid(plan.platform, "overview")
    for domain in plan.domains:
        sections = domains.sections(around, domain)
        if domain is main:
            sections = [*overview.sections(around), *sections]
        title = domain.title if titles[domain.title] == 1 else f"{domain.title} ({domain.name})"
        yield _artefact(plan, _domain_board(plan, domain, title, sections), main_uid)
    if main is None:
        yield _artefact(plan, _overview_board(plan, main_uid, overview.sections(around)), main_uid)


def _overview_domain(plan: Plan) -> Domain | None:
    by_name = {domain.name: domain for domain in plan.domains}
    return by_name.get("system") or by_name.get("overview")


def _domain_board(plan: Plan, domain: Domain, title: str, sections: list[Section]) -> _Board:
    return _Board(
        domain.name,
        domain.dashboard_uid,
        f"{plan.title}: {title}",
        text.plain(domain.description or domain.title),
        (plan.platform, domain.name, domain.owner),
        domain.refresh,
        sections,
        tuple(alert.panel for alert in domain.alerts),
        tuple(metric.series for metric in domain.metrics if is_per_instance(metric)),
        domain.alerts[0].runbook_url.partition("#")[0] if domain.alerts else None,
    )


def _overview_board(plan: Plan, uid: str, sections: list[Section]) -> _Board:
    description = text.plain(f"Every domain of {plan.title} at a glance.")
    tags = (plan.platform, "overview", plan.monitoring.owner)
    return _Board("overview", uid, f"{plan.title}: Overview", description, tags, 30_000, sections, (), (), None)


def _artefact(plan: Plan, board: _Board, main_uid: str) -> Artefact:
    panels = arrange(board.sections)
    _number(panels, board.alert_keys)
    refresh = _interval(max(board.refresh, plan.scrape_interval, _LEAST_REFRESH))
    dashboard = grafana.Dashboard(
        title=text.plain(board.title),
        description=board.description,
        uid=board.uid,
        tags=list(dict.fromkeys(board.tags)),
        timezone="utc" if plan.timezone == "UTC" else plan.timezone,
        editable=False,
        graphTooltip=grafana.GRAPH_TOOLTIP_MODE_SHARED_CROSSHAIR,
        schemaVersion=SCHEMA_VERSION,
        time=grafana.Time("now-24h", "now"),
        timePicker=grafana.TimePicker([], []),
        refresh=refresh,
        links=_links(plan, board, main_uid),
        panels=[_row(panel) if isinstance(panel, grafana.RowPanel) else panel.to_json_data() for panel in panels],
        version=1,
    ).to_json_data()
    for key in _LEGACY:
        del dashboard[key]
    intervals = _REFRESH_INTERVALS if refresh in _REFRESH_INTERVALS else [refresh, *_REFRESH_INTERVALS]
    dashboard["timepicker"] = {"refresh_intervals": intervals}
    dashboard["time"] = dashboard["time"].to_json_data()
    dashboard["templating"] = {"list": _variables(plan, board)}
    dashboard["annotations"] = {"list": [_firing_marks(plan, board)]}
    return Artefact(f"grafana/dashboards/{board.name}.json", orjson.dumps(dashboard, option=_JSON))


def _number(panels: list[grafana.RowPanel | Viz], alert_keys: tuple[str, ...]) -> None:
    """Ids from keys; what alerts link to comes first, so that a collision never moves it."""
    flat = [inner for panel in panels for inner in (panel, *getattr(panel, "panels", ()))]
    linked = set(alert_keys)
    taken: set[int] = set()
    for panel in sorted(flat, key=lambda panel: panel.key not in linked):
        number = naming.panel_id(panel.key)
        while number in taken:
            number = number % (2**31 - 1) + 1
        taken.add(number)
        panel.id = number


def _row(row: grafana.RowPanel) -> Fields:
    return {
        "collapsed": row.collapsed,
        "gridPos": {"h": 1, "w": COLUMNS, "x": 0, "y": row.gridPos.y},
        "id": row.id,
        "panels": [panel.to_json_data() for panel in row.panels],
        "title": row.title,
        "type": "row",
    }


def _interval(milliseconds: int) -> str:
    """A refresh as Grafana reads it: one number with one unit, whole seconds."""
    rounded = -(-milliseconds // 1000) * 1000
    name, size = next((name, size) for name, size in _UNITS if rounded % size == 0)
    return f"{rounded // size}{name}"


def _variables(plan: Plan, board: _Board) -> list[Fields]:
    own = naming.dashboard_uid(plan.platform, "prometheus")
    source = grafana.Template(name="datasource", label="Data source", type="datasource", query="prometheus")
    variables: list[Fields] = [
        {
            # The platform's own Prometheus is offered first; where it is called otherwise, Grafana takes another.
            "current": {"selected": False, "text": own, "value": own},
            "hide": source.hide,
            "label": source.label,
            "multi": False,
            "includeAll": False,
            "name": source.name,
            "options": [],
            "query": source.query,
            "refresh": source.refresh,
            "regex": "",
            "type": source.type,
        }
    ]
    if board.instance_series:
        variables.append(_instance_variable(board.instance_series))
    return variables


def _instance_variable(series: tuple[str, ...]) -> Fields:
    names = "|".join(series)
    variable = grafana.Template(
        name="instance",
        label="Instance",
        query=f'label_values({{__name__=~"{names}"}}, instance)',
        multi=True,
        includeAll=True,
        allValue=".+",
        refresh=grafana.REFRESH_ON_TIME_RANGE_CHANGE,
    )
    return {
        "allValue": variable.allValue,
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "datasource": DATASOURCE,
        "definition": variable.query,
        "hide": variable.hide,
        "includeAll": variable.includeAll,
        "label": variable.label,
        "multi": variable.multi,
        "name": variable.name,
        "options": [],
        "query": {"query": variable.query, "refId": "instance"},
        "refresh": variable.refresh,
        "regex": "",
        "sort": variable.sort,
        "type": variable.type,
    }


def _firing_marks(plan: Plan, board: _Board) -> Fields:
    """When the domain's alerts fired, marked on every time series."""
    domain = f',domain="{board.name}"' if board.alert_keys else ""
    return {
        "datasource": DATASOURCE,
        "enable": True,
        "expr": firing_alerts(f'platform="{plan.platform}"{domain}'),
        "hide": False,
        "iconColor": "red",
        "name": "Firing alerts",
        "step": "60s",
        "tagKeys": "severity",
        "textFormat": "{{subject}}",
        "titleFormat": "{{alertname}}",
    }


def _links(plan: Plan, board: _Board, main_uid: str) -> list[Fields]:
    links = []
    if board.runbook:
        links.append(_link("Runbook", board.runbook, "doc", "What each alert means and what to do"))
    if board.uid != main_uid:
        url = f"{plan.links.grafana}/d/{main_uid}"
        links.append(_link("Overview", url, "dashboard", "Every domain at a glance", keep=True))
    links.append(_link("Alertmanager", plan.links.alertmanager, "bolt", "Silences and who was told"))
    others = grafana.DashboardLink(
        title=text.plain(f"{plan.title} dashboards"),
        tags=[plan.platform],
        asDropdown=True,
        includeVars=True,
        keepTime=True,
    )
    return [*links, others.to_json_data()]


def _link(title: str, url: str, icon: str, tooltip: str, *, keep: bool = False) -> Fields:
    link: Fields = grafana.DashboardLink(
        type="link",
        title=title,
        uri=url,
        icon=icon,
        tooltip=tooltip,
        keepTime=keep,
        includeVars=keep,
        targetBlank=not keep,
    ).to_json_data()
    return link
