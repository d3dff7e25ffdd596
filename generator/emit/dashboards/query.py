"""What panels ask of Prometheus."""

from generator import naming
from generator.emit.dashboards import text
from generator.plan.types import Alert, Held, Metric

QUANTILES = (0.5, 0.95, 0.99)
# Escalated copies are not counted again, nor is the Watchdog, which always fires.
_COUNTED = 'severity!="none",escalation=""'


def label_names(metric: Metric) -> tuple[str, ...]:
    """The labels that tell the series of a metric apart."""
    return tuple(name for name, _ in metric.labels)


def is_per_instance(metric: Metric) -> bool:
    """Whether each target gives a series of its own."""
    return "instance" in label_names(metric)


def per_series(metric: Metric, board: str) -> str:
    """Each series of a gauge or counter with exactly its declared labels; of a counter, its rate.

    A domain's own dashboard, ``board``, has a variable that picks the instances.
    """
    selector = metric.series
    if metric.domain == board and is_per_instance(metric):
        selector += '{instance=~"$instance"}'
    value = f"rate({selector}[$__rate_interval])" if metric.type == "counter" else selector
    return _of_any_exporter(value) if metric.origin == "sql" else value


def quantile(metric: Metric, share: float) -> str:
    """A quantile of a histogram, for each of its label sets."""
    by = ", ".join(("le", *label_names(metric)))
    return f"histogram_quantile({share}, sum by ({by}) (rate({metric.series}_bucket[$__rate_interval])))"


def value(metric: Metric, board: str) -> str:
    """One number where the metric can be one, else one for each series; of a histogram, the 95th percentile."""
    if metric.type == "histogram":
        return quantile(metric, 0.95)
    if metric.labels and metric.fold:
        return f"{metric.fold}({per_series(metric, board)})"
    return per_series(metric, board)


def is_one_number(metric: Metric) -> bool:
    """Whether ``value`` gives one series at most."""
    return not metric.labels or (metric.fold is not None and metric.type != "histogram")


def series_legend(labels: tuple[str, ...], otherwise: str) -> str:
    """A legend from labels, or words where there are none."""
    return " ".join(f"{{{{{label}}}}}" for label in labels) or text.legend(otherwise)


def matching_rows(platform: str, alert: Alert) -> str:
    """How many rows match an alert, by its labels."""
    return _of_any_exporter(naming.matching_rows(platform, alert.domain, alert.name))


def worst(held: Held) -> str:
    """The worst of the rows that match."""
    return _of_any_exporter(held.series)


def alert_states(matchers: str, by: tuple[str, ...]) -> str:
    """2 while an alert fires, 1 while it is pending."""
    names = ", ".join(by)
    return (
        f'max by ({names}) (ALERTS{{{matchers},{_COUNTED},alertstate="firing"}} * 2) '
        f'or max by ({names}) (ALERTS{{{matchers},{_COUNTED},alertstate="pending"}})'
    )


def firing_alerts(matchers: str) -> str:
    """The alerts that fire now."""
    return f'ALERTS{{{matchers},{_COUNTED},alertstate="firing"}}'


def firing_count(matchers: str) -> str:
    """How many alerts fire now, 0 where none does."""
    return f"count({firing_alerts(matchers)}) or vector(0)"


def firing_by_severity(matchers: str) -> str:
    """How many alerts of each severity fire now; a single 0 where none does."""
    nothing = 'label_replace(vector(0), "severity", "firing", "", "")'
    return f"count by (severity) ({firing_alerts(matchers)}) or on() {nothing}"


def firing_instances(matchers: str) -> str:
    """How many instances of one alert fire, whatever its severity."""
    return f'count(ALERTS{{{matchers},escalation="",alertstate="firing"}}) or vector(0)'


def _of_any_exporter(series: str) -> str:
    # Replicas of the exporter see the same database: any one of them will do.
    return f"max without (instance, job) ({series})"
