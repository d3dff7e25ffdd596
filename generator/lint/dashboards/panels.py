"""Points 2, 3, 5, 7, 9, 10 and 11: panels, one by one."""

import itertools
from collections.abc import Iterator

from generator.lint.dashboards.finding import Json, fields, items, words
from generator.lint.dashboards.index import Expected, PlanIndex
from generator.lint.dashboards.queries import promql
from generator.lint.dashboards.whole import datasource, link_target

Fault = tuple[int, str, str]

_KINDS = frozenset({"timeseries", "stat", "gauge", "bargauge", "state-timeline", "row"})
_KEYS = frozenset(
    {
        "datasource", "description", "fieldConfig", "gridPos", "id", "interval", "links", "maxDataPoints", "maxPerRow",
        "options", "pluginVersion", "repeat", "repeatDirection", "targets", "timeFrom", "timeShift", "title",
        "transformations", "transparent", "type",
    }
)  # fmt: skip
_ROW_KEYS = frozenset({"collapsed", "gridPos", "id", "panels", "title", "type"})
_TARGET_KEYS = frozenset(
    {"datasource", "editorMode", "exemplar", "expr", "format", "hide", "instant", "interval", "legendFormat", "range",
     "refId"}
)  # fmt: skip
# Grafana's units, and which of ours each can show.
_UNITS = {"s": "seconds", "bytes": "bytes", "percentunit": "ratio", "currencyUSD": "usd", "reqps": "rps"}
_OTHER_UNITS = frozenset({"short", "none", "ops", "Bps"})
_COLOURS = frozenset({"green", "yellow", "orange", "red", "blue", "text"})
_CALCS = frozenset(
    {"last", "lastNotNull", "first", "firstNotNull", "min", "max", "mean", "sum", "count", "range", "delta", "diff"}
)
_TRANSFORMATIONS = frozenset(
    {"calculateField", "filterByValue", "groupBy", "joinByField", "labelsToFields", "limit", "merge", "organize",
     "reduce", "renameByRegex", "seriesToRows", "sortBy"}
)  # fmt: skip
_MATCHERS = frozenset({"byName", "byRegexp", "byType", "byFrameRefID"})
_OVERRIDES = frozenset(
    {"color", "decimals", "displayName", "links", "mappings", "max", "min", "noValue", "thresholds", "unit",
     "custom.axisPlacement", "custom.fillOpacity", "custom.lineStyle", "custom.lineWidth", "custom.thresholdsStyle"}
)  # fmt: skip


def panel(index: PlanIndex, panel: Json, expected: Expected | None) -> Iterator[Fault]:
    """Every fault of one panel."""
    is_row = panel.get("type") == "row"
    yield from _form(panel, _ROW_KEYS if is_row else _KEYS)
    if is_row:
        return
    yield from _words(panel)
    yield from _targets(index, panel)
    yield from _fields(panel, expected)
    yield from _shape(panel)
    defaults = fields(fields(panel.get("fieldConfig")).get("defaults"))
    for link in [*items(defaults.get("links")), *items(panel.get("links"))]:
        yield from link_target(index, str(link.get("url", "")))


def _form(panel: Json, keys: frozenset[str]) -> Iterator[Fault]:
    if panel.get("type") not in _KINDS:
        yield 5, "panel-type", f"there is no panel type {panel.get('type')!r} here"
    for key, value in panel.items():
        if key not in keys:
            yield 2, "unknown-key", f"Grafana knows no key {key!r} in a panel"
        elif value is None:
            yield 2, "null-value", f"{key!r} is null"
    number = panel.get("id")
    if not isinstance(number, int) or number < 1:
        yield 7, "panel-id", f"the id {number!r} is not a number from 1 on"
    if not panel.get("title"):
        yield 5, "title-missing", "the panel has no title"


def _words(panel: Json) -> Iterator[Fault]:
    if not panel.get("description"):
        yield 5, "description-missing", "the panel has no description"
    yield from datasource(panel, "the panel")


def _targets(index: PlanIndex, panel: Json) -> Iterator[Fault]:
    targets = items(panel.get("targets"))
    if not targets:
        yield 5, "target-missing", "the panel asks nothing"
    letters = set()
    for target in targets:
        letter = target.get("refId")
        if not letter or letter in letters:
            yield 7, "reference-twice", f"two queries are called {letter!r}"
        letters.add(letter)
        yield from datasource(target, f"query {letter}")
        for key in target.keys() - _TARGET_KEYS:
            yield 2, "unknown-key", f"Prometheus knows no key {key!r} in query {letter}"
        if not target.get("legendFormat"):
            yield 11, "legend-missing", f"query {letter} has no legend"
        yield from promql(index, str(target.get("expr", "")))


def _fields(panel: Json, expected: Expected | None) -> Iterator[Fault]:
    config = fields(panel.get("fieldConfig"))
    defaults = fields(config.get("defaults"))
    unit = defaults.get("unit")
    if unit is None and not defaults.get("mappings"):
        yield 5, "unit-missing", "the panel's values have no unit"
    elif unit is not None and unit not in _UNITS and unit not in _OTHER_UNITS:
        yield 5, "unit-unknown", f"Grafana has no unit {unit!r} that we use"
    elif expected and expected.unit and _UNITS.get(str(unit), expected.unit) != expected.unit:
        yield 5, "unit-differs", f"the panel shows {unit!r}, the metric is in {expected.unit}"
    yield from _ratio(defaults)
    yield from _steps(fields(defaults.get("thresholds")))
    yield from _drift(panel, defaults, expected)
    if fields(fields(defaults.get("custom")).get("stacking")).get("mode", "none") != "none":
        yield 10, "stacked", "series are stacked, so that their heights mislead"
    for override in items(config.get("overrides")):
        yield from _override(panel, override)


def _ratio(values: Json) -> Iterator[Fault]:
    if values.get("unit") == "percentunit" and (values.get("min") != 0 or values.get("max") != 1):
        yield 10, "ratio-range", "a ratio goes from 0 to 1"


def _steps(thresholds: Json) -> Iterator[Fault]:
    steps = items(thresholds.get("steps"))
    if not steps or steps[0].get("value") is not None:
        yield 9, "threshold-base", "the first threshold must start at no value"
    values = [value for step in steps[1:] if isinstance(value := step.get("value"), int | float)]
    if len(values) != max(len(steps) - 1, 0):
        yield 9, "threshold-value", "a threshold after the first has no number"
    elif any(left >= right for left, right in itertools.pairwise(values)):
        yield 9, "threshold-order", "thresholds must rise"
    for step in steps:
        if step.get("color") not in _COLOURS:
            yield 9, "threshold-colour", f"there is no colour {step.get('color')!r} for thresholds"


def _drift(panel: Json, defaults: Json, expected: Expected | None) -> Iterator[Fault]:
    steps = items(fields(defaults.get("thresholds")).get("steps"))
    if expected is not None:
        values = {step.get("value") for step in steps[1:]}
        if values != expected.values:
            wanted = ", ".join(f"{value:g}" for value in sorted(expected.values)) or "none"
            yield 9, "threshold-differs", f"thresholds are not those of the alerts and targets: {wanted}"
        elif expected.red and all(step.get("color") != "red" for step in steps):
            yield 9, "threshold-not-red", "the worst is not red"
    style = fields(fields(defaults.get("custom")).get("thresholdsStyle")).get("mode", "off")
    if panel.get("type") == "timeseries" and len(steps) > 1 and style == "off":
        yield 9, "threshold-hidden", "the thresholds are not drawn"


def _override(panel: Json, override: Json) -> Iterator[Fault]:
    matcher = fields(override.get("matcher"))
    if matcher.get("id") not in _MATCHERS:
        yield 5, "unknown-matcher", f"Grafana has no matcher {matcher.get('id')!r}"
    letters = {target.get("refId") for target in items(panel.get("targets"))}
    if matcher.get("id") == "byFrameRefID" and matcher.get("options") not in letters:
        yield 5, "override-target", f"an override is for query {matcher.get('options')!r}, which is not there"
    values = {str(given.get("id")): given.get("value") for given in items(override.get("properties"))}
    for name in values:
        if name not in _OVERRIDES:
            yield 5, "unknown-override", f"Grafana has no field option {name!r} that we use"
    if "thresholds" in values:
        yield from _steps(fields(values["thresholds"]))
    yield from _ratio(values)
    defaults = fields(fields(panel.get("fieldConfig")).get("defaults"))
    other_unit = values.get("unit", defaults.get("unit")) != defaults.get("unit")
    if panel.get("type") == "timeseries" and other_unit and "custom.axisPlacement" not in values:
        yield 10, "axis-shared", "two units share one axis"


def _shape(panel: Json) -> Iterator[Fault]:
    options = fields(panel.get("options"))
    calcs = [
        *words(fields(options.get("legend")).get("calcs")),
        *words(fields(options.get("reduceOptions")).get("calcs")),
    ]
    for calc in calcs:
        if calc not in _CALCS:
            yield 11, "unknown-calc", f"Grafana cannot calculate {calc!r}"
    if panel.get("type") == "timeseries" and fields(options.get("tooltip")).get("mode") != "multi":
        yield 11, "tooltip-single", "the tooltip shows one series only"
    for transformation in items(panel.get("transformations")):
        if transformation.get("id") not in _TRANSFORMATIONS:
            yield 5, "unknown-transformation", f"Grafana has no transformation {transformation.get('id')!r}"
