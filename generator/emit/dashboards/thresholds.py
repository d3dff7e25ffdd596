"""Thresholds as Grafana's coloured steps: the alerts' own numbers and the targets of KPIs."""

from collections.abc import Callable, Iterable
from typing import TypedDict

from generator.plan.types import Alert, Kpi, Metric, Threshold

GOOD = "green"
BAD = "red"
NEUTRAL = "text"
_COLOURS = ("red", "orange", "yellow", "yellow", "blue")


class Step(TypedDict):
    """A colour from a value upward; the first step starts at no value."""

    color: str
    value: float | None


def severity_colour(rank: int) -> str:
    """The colour of a severity: the worst is red."""
    return _COLOURS[min(rank, len(_COLOURS) - 1)]


def neutral() -> list[Step]:
    """No threshold at all."""
    return [{"color": NEUTRAL, "value": None}]


def target_steps(target: Threshold) -> list[Step]:
    """Green on the side of the target that is wanted, red on the other."""
    below, above = (GOOD, BAD) if target.op in ("<", "<=", "!=") else (BAD, GOOD)
    return [{"color": below, "value": None}, {"color": above, "value": target.value}]


def present_steps(colour: str) -> list[Step]:
    """Green at 0, coloured from 1 on."""
    return [{"color": GOOD, "value": None}, {"color": colour, "value": 1}]


def drawable(metric: Metric, alerts: Iterable[Alert]) -> list[Alert]:
    """The alerts whose threshold is a number on the axis on which the metric is shown."""
    if metric.type != "gauge":
        return []
    return [
        alert
        for alert in alerts
        if alert.threshold
        and alert.threshold.unit == metric.unit
        and alert.metric
        and alert.metric.series == metric.series
    ]


def alert_steps(alerts: list[Alert], rank: Callable[[str], int]) -> list[Step]:
    """Each stretch of the axis in the colour of the worst alert that fires there."""
    limits = [(alert.threshold, rank(alert.severity)) for alert in alerts if alert.threshold]
    steps: list[Step] = [{"color": _colour([rank for limit, rank in limits if _is_lower(limit)]), "value": None}]
    for value in sorted({limit.value for limit, _ in limits}):
        firing = [rank for limit, rank in limits if (limit.value > value if _is_lower(limit) else limit.value <= value)]
        steps.append({"color": _colour(firing), "value": value})
    return steps


def metric_steps(metric: Metric, alerts: list[Alert], kpis: Iterable[Kpi], rank: Callable[[str], int]) -> list[Step]:
    """The alerts' thresholds; where there are none, the target."""
    drawn = drawable(metric, alerts)
    if drawn:
        return alert_steps(drawn, rank)
    targets = [kpi.target for kpi in kpis if kpi.metric.series == metric.series and metric.type == "gauge"]
    return target_steps(targets[0]) if targets else neutral()


def _is_lower(limit: Threshold) -> bool:
    return limit.op in ("<", "<=")


def _colour(ranks: list[int]) -> str:
    return severity_colour(min(ranks)) if ranks else GOOD
