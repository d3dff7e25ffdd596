"""KPIs: every one shows a metric of its own domain that has one value."""

from collections.abc import Iterator

from generator.checks._hints import unknown
from generator.diagnostics import Problem
from generator.load import DomainFile, Files


def check(files: Files) -> Iterator[Problem]:
    """KPIs on metrics that do not exist or that are no single number."""
    for file in files.domains:
        metrics = file.model.metrics
        for name, kpi in file.model.kpis.items():
            if kpi.metric not in metrics:
                yield _unknown(file, name, kpi.metric)
            elif metrics[kpi.metric].type == "histogram":
                message = f'histogram "{kpi.metric}" is not one number: a gauge cannot show it'
                hint = "make a quantile of it a metric of its own, with promql: histogram_quantile(…)"
                yield Problem(file.span(("kpis", name, "metric")), "metric-type", message, (hint,))


def _unknown(file: DomainFile, kpi: str, metric: str) -> Problem:
    span = file.span(("kpis", kpi, "metric"))
    return unknown("metric", span, metric, file.model.metrics, lambda near: file.key_span(("metrics", near)))
