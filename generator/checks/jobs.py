"""Scrape jobs: every one named exists, and none is scraped too rarely or with labels that are not its own."""

from collections.abc import Iterator

from generator import durations, naming
from generator.checks._hints import unknown
from generator.diagnostics import Problem
from generator.load import Files

# Prometheus forgets a series that it has not seen for five minutes: a slower scrape leaves holes in every rule.
_STALE = 5 * 60_000


def check(files: Files) -> Iterator[Problem]:
    """Jobs that do not exist, and intervals and labels that would spoil the series."""
    platform = files.platform
    scrape = platform.model.scrape
    for file in files.domains:
        for name, metric in file.model.metrics.items():
            if metric.job is not None and metric.job not in scrape.jobs:
                span = file.span(("metrics", name, "job"))
                yield unknown(
                    "job", span, metric.job, scrape.jobs, lambda near: platform.key_span(("scrape", "jobs", near))
                )
    for key, text in (("interval", scrape.interval), ("evaluation_interval", scrape.evaluation_interval)):
        yield from _interval(files, ("scrape", key), text)
    for name, job in scrape.jobs.items():
        path = ("scrape", "jobs", name)
        if job.interval is not None:
            yield from _interval(files, (*path, "interval"), job.interval)
        interval = durations.milliseconds(job.interval or scrape.interval)
        if job.timeout is not None and durations.milliseconds(job.timeout) > interval:
            message = f"a scrape may take {job.timeout}, but the next one comes after {durations.text(interval)}"
            yield Problem(platform.span((*path, "timeout")), "scrape-interval", message)
        for label in job.labels:
            if label in naming.RESERVED_LABELS:
                message = f'label "{label}" is kept for what Tocsin and Prometheus write themselves'
                yield Problem(platform.key_span((*path, "labels", label)), "reserved-label", message)


def _interval(files: Files, path: tuple[str, ...], text: str) -> Iterator[Problem]:
    if durations.milliseconds(text) > _STALE:
        message = f"an interval of {text} leaves gaps: Prometheus forgets a series after 5m"
        yield Problem(files.platform.span(path), "scrape-interval", message, ("write 5m or less",))
