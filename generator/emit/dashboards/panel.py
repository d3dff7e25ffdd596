"""Panels in today's JSON. grafanalib's own panels write Grafana 6's, so one class of ours stands for all of them."""

from collections.abc import Sequence

import grafanalib.core as grafana

from generator.emit.dashboards.thresholds import Step
from generator.emit.dashboards.units import Fields, span

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
SMALL_SHARE = 0.1
_TOOLTIP = {"mode": "multi", "sort": "desc"}
_LAST = {"calcs": ["lastNotNull"], "fields": "", "values": False}
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Viz(grafana.Panel):  # type: ignore[misc] # grafanalib has no types
    """A panel of any kind; ``key`` gives it its id."""

    def __init__(
        self,
        kind: str,
        key: str,
        words: tuple[str, str],
        targets: list[grafana.Target],
        options: Fields,
        defaults: Fields,
        overrides: Sequence[Fields] = (),
    ) -> None:
        super().__init__(title=words[0], description=words[1], targets=targets)
        self.kind = kind
        self.key = key
        self.options = options
        self.defaults = defaults
        self.overrides = overrides

    def to_json_data(self) -> Fields:
        """The panel as plain values, nothing copied and nothing old in it."""
        place = self.gridPos
        return {
            "datasource": DATASOURCE,
            "description": self.description,
            "fieldConfig": {"defaults": self.defaults, "overrides": self.overrides},
            "gridPos": {"h": place.h, "w": place.w, "x": place.x, "y": place.y},
            "id": self.id,
            "options": self.options,
            "targets": [_target(target) for target in self.targets],
            "title": self.title,
            "type": self.kind,
        }


def _target(target: grafana.Target) -> Fields:
    return {
        "datasource": DATASOURCE,
        "editorMode": "code",
        "expr": target.expr,
        "format": target.format,
        "instant": target.instant,
        "legendFormat": target.legendFormat,
        "range": not target.instant,
        "refId": target.refId,
    }


def reference(index: int) -> str:
    """A query's letter: A to Z, AA, AB and on."""
    return (reference(index // 26 - 1) if index >= 26 else "") + _LETTERS[index % 26]


def _targets(queries: Sequence[tuple[str, str]], instant: bool) -> list[grafana.Target]:
    return [
        grafana.Target(expr=expr, legendFormat=legend, refId=reference(index), instant=instant)
        for index, (expr, legend) in enumerate(queries)
    ]


def override(matcher: str, fields: str, **properties: object) -> Fields:
    """Properties of some fields: ``byName``, or ``byFrameRefID`` those of one query; ``__`` in a name is a dot."""
    return {
        "matcher": {"id": matcher, "options": fields},
        "properties": [{"id": name.replace("__", "."), "value": value} for name, value in properties.items()],
    }


def thresholds(steps: Sequence[Step]) -> Fields:
    """Steps in absolute values."""
    return {"mode": "absolute", "steps": steps}


def time_series(
    key: str,
    title: str,
    description: str,
    queries: Sequence[tuple[str, str]],
    unit: str,
    steps: Sequence[Step],
    overrides: Sequence[Fields] = (),
) -> Viz:
    """Lines over time, with the thresholds drawn in where there are any."""
    custom = {
        "axisSoftMin": 0,
        "drawStyle": "line",
        "fillOpacity": 8,
        "lineInterpolation": "linear",
        "lineWidth": 1,
        "showPoints": "never",
        "spanNulls": False,
        "scaleDistribution": _scale(unit, steps),
        "stacking": {"group": "A", "mode": "none"},
        "thresholdsStyle": {"mode": "line+area" if len(steps) > 1 else "off"},
    }
    return Viz(
        "timeseries",
        key,
        (title, description),
        targets=_targets(queries, instant=False),
        defaults={
            "color": {"mode": "palette-classic"},
            "custom": custom,
            "thresholds": thresholds(steps),
            "unit": unit,
            **span(unit),
        },
        options={
            "legend": {"calcs": ["lastNotNull"], "displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": _TOOLTIP,
        },
        overrides=overrides,
    )


def _scale(unit: str, steps: Sequence[Step]) -> Fields:
    """From 0 to 1 a threshold of a few per mille is nowhere to be seen, unless the scale gives it room."""
    values = [step["value"] for step in steps if step["value"]]
    if unit == "percentunit" and values and 0 < min(values) <= SMALL_SHARE:
        return {"type": "symlog", "log": 10, "linearThreshold": min(values) / 10}
    return {"type": "linear"}


def stat(
    key: str,
    title: str,
    description: str,
    queries: Sequence[tuple[str, str]],
    unit: str,
    steps: Sequence[Step],
    overrides: Sequence[Fields] = (),
    link: Fields | None = None,
) -> Viz:
    """Big numbers: the value now."""
    defaults: Fields = {
        "color": {"mode": "thresholds"},
        "thresholds": thresholds(steps),
        "unit": unit,
        **span(unit),
    }
    if link:
        defaults["links"] = [link]
    return Viz(
        "stat",
        key,
        (title, description),
        targets=_targets(queries, instant=True),
        defaults=defaults,
        options={
            "colorMode": "value",
            "graphMode": "none",
            "justifyMode": "auto",
            "orientation": "auto",
            "percentChangeColorMode": "standard",
            "reduceOptions": _LAST,
            "showPercentChange": False,
            "textMode": "value_and_name" if len(queries) > 1 else "auto",
            "wideLayout": True,
        },
        overrides=overrides,
    )


def gauge(
    key: str,
    title: str,
    description: str,
    queries: Sequence[tuple[str, str]],
    unit: str,
    steps: Sequence[Step],
    top: float,
) -> Viz:
    """A dial from 0 to ``top``, its threshold marked."""
    return Viz(
        "gauge",
        key,
        (title, description),
        targets=_targets(queries, instant=True),
        defaults={
            "color": {"mode": "thresholds"},
            "max": top,
            "min": 0,
            "thresholds": thresholds(steps),
            "unit": unit,
        },
        options={
            "minVizHeight": 75,
            "minVizWidth": 75,
            "orientation": "auto",
            "reduceOptions": _LAST,
            "showThresholdLabels": False,
            "showThresholdMarkers": True,
            "sizing": "auto",
        },
    )


def bar_gauge(
    key: str, title: str, description: str, queries: Sequence[tuple[str, str]], unit: str, steps: Sequence[Step]
) -> Viz:
    """One bar for each series: the values now."""
    return Viz(
        "bargauge",
        key,
        (title, description),
        targets=_targets(queries, instant=True),
        defaults={
            "color": {"mode": "thresholds"},
            "min": 0,
            "thresholds": thresholds(steps),
            "unit": unit,
            **span(unit),
        },
        options={
            "displayMode": "basic",
            "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": False},
            "maxVizHeight": 300,
            "minVizHeight": 16,
            "minVizWidth": 8,
            "namePlacement": "auto",
            "orientation": "horizontal",
            "reduceOptions": _LAST,
            "showUnfilled": True,
            "sizing": "auto",
            "valueMode": "color",
        },
    )


def state_timeline(
    key: str, title: str, description: str, queries: Sequence[tuple[str, str]], mappings: Sequence[Fields]
) -> Viz:
    """A bar over time for each series, coloured by its state."""
    return Viz(
        "state-timeline",
        key,
        (title, description),
        targets=_targets(queries, instant=False),
        defaults={
            "color": {"mode": "thresholds"},
            "custom": {"fillOpacity": 80, "lineWidth": 0, "spanNulls": False},
            "mappings": mappings,
            "noValue": "none",
            "thresholds": thresholds([{"color": "text", "value": None}]),
            "unit": "short",
        },
        options={
            "alignValue": "left",
            "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": False},
            "mergeValues": True,
            "rowHeight": 0.9,
            "showValue": "never",
            "tooltip": _TOOLTIP,
        },
    )
