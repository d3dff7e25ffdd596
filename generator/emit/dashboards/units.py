"""Units of metrics as Grafana calls them."""

from generator.plan.types import Metric

Fields = dict[str, object]

_UNITS = {"seconds": "s", "bytes": "bytes", "ratio": "percentunit", "usd": "currencyUSD", "rps": "reqps"}
_RATES = {"bytes": "Bps", "seconds": "short", "ratio": "short", "usd": "currencyUSD", "rps": "reqps"}


def unit(name: str) -> str:
    """Grafana's name of a unit; counted nouns are plain numbers."""
    return _UNITS.get(name, "short")


def shown_unit(metric: Metric) -> str:
    """The unit of what a panel shows of a metric: of a counter that is a rate."""
    return _RATES.get(metric.unit, "ops") if metric.type == "counter" else unit(metric.unit)


def span(grafana_unit: str) -> Fields:
    """The ends of the axis, where the unit has natural ones."""
    return {"min": 0, "max": 1} if grafana_unit == "percentunit" else {}
