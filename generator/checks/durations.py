"""Durations: readable for people and for Prometheus, and never nothing where something must pass."""

import re
from collections.abc import Callable, Iterator

from generator import durations
from generator.diagnostics import Problem, Span
from generator.load import DomainFile, Files

Path = tuple[str | int, ...]

_ORDERED = re.compile(r"(\d+w)?(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?")
_DAY = 86_400_000
_YEAR = 366 * _DAY
# Grafana's own default limit (min_refresh_interval).
_REFRESH = 5000
# Prometheus keeps an alert firing after its condition (keep_firing_for) from this version on.
_COOLDOWN_SINCE = (2, 42)


def check(files: Files) -> Iterator[Problem]:
    """Durations of nothing, of more than a year, with their units out of order, or too short to have an effect."""
    yield from _platform(files)
    for file in files.domains:
        yield from _domain(files, file)


def _platform(files: Files) -> Iterator[Problem]:
    platform = files.platform
    scrape = platform.model.scrape
    yield from _duration(platform.span, ("scrape", "interval"), scrape.interval)
    yield from _duration(platform.span, ("scrape", "evaluation_interval"), scrape.evaluation_interval)
    for name, job in scrape.jobs.items():
        yield from _duration(platform.span, ("scrape", "jobs", name, "interval"), job.interval)
        yield from _duration(platform.span, ("scrape", "jobs", name, "timeout"), job.timeout)
    for name, source in platform.model.sources.items():
        yield from _duration(platform.span, ("sources", name, "max_age"), source.max_age)
        yield from _max_age(files, name, source.max_age)
    for name, cadence in platform.model.notifications.items():
        for key in ("every", "group_wait", "group_interval", "repeat"):
            zero = key == "group_wait"
            yield from _duration(platform.span, ("notifications", name, key), getattr(cadence, key), zero)
    for name, row in platform.model.escalation.items():
        yield from _duration(platform.span, ("escalation", name, "respond_within"), row.respond_within)


def _max_age(files: Files, source: str, text: str | None) -> Iterator[Problem]:
    """Old values must outlive one scrape to be seen at all, and after a day they are the numbers of another day."""
    value = durations.milliseconds(text) if text and _ORDERED.fullmatch(text) else 0
    scrape = durations.milliseconds(files.platform.model.scrape.interval)
    span = files.platform.span
    if _DAY < value <= _YEAR:
        message = f"{text} is more than a day: nobody takes numbers of another day for those of now"
        yield Problem(span(("sources", source, "max_age")), "duration-range", message)
    elif 0 < value <= scrape:
        message = f"everything is scraped every {durations.text(scrape)}: values of {text} would never be shown again"
        hint = "write more than that, or leave it out"
        yield Problem(span(("sources", source, "max_age")), "duration-range", message, (hint,))


def _domain(files: Files, file: DomainFile) -> Iterator[Problem]:
    model = file.model
    yield from _duration(file.span, ("dashboard", "refresh"), model.dashboard.refresh)
    if 0 < durations.milliseconds(model.dashboard.refresh) < _REFRESH:
        message = f"Grafana refreshes a dashboard no more often than every 5s, not every {model.dashboard.refresh}"
        yield Problem(file.span(("dashboard", "refresh")), "duration-range", message)
    for name, record in model.records.items():
        yield from _duration(file.span, ("records", name, "within"), record.within)
    evaluation = durations.milliseconds(files.platform.model.scrape.evaluation_interval)
    for name, alert in model.alerts.items():
        yield from _duration(file.span, ("alerts", name, "for"), alert.for_, True)
        yield from _duration(file.span, ("alerts", name, "cooldown"), alert.cooldown, True)
        if alert.for_ is not None and 0 < durations.milliseconds(alert.for_) < evaluation:
            message = f"rules are evaluated every {durations.text(evaluation)}: {alert.for_} cannot be told from that"
            hint = f"write 0s (at once) or at least {durations.text(evaluation)}"
            yield Problem(file.span(("alerts", name, "for")), "duration-range", message, (hint,))
        if alert.cooldown is not None and _version(files) < _COOLDOWN_SINCE:
            message = f"Prometheus {files.platform.model.targets.prometheus} knows no cooldown (keep_firing_for)"
            yield Problem(file.span(("alerts", name, "cooldown")), "target-version", message, ("2.42 and later do",))


def _version(files: Files) -> tuple[int, ...]:
    return tuple(int(part) for part in files.platform.model.targets.prometheus.split("."))[:2]


def _duration(span: Callable[[Path], Span], path: Path, text: str | None, zero: bool = False) -> Iterator[Problem]:
    if text is None:
        return
    if not _ORDERED.fullmatch(text):
        yield Problem(
            span(path), "duration-range", f'in "{text}" the units are not in order', ("write 1h30m, not 30m1h",)
        )
        return
    value = durations.milliseconds(text)
    if value > _YEAR:
        yield Problem(span(path), "duration-range", f"{text} is more than a year")
    elif value == 0 and not zero:
        yield Problem(span(path), "duration-range", f"{path[-1]} must be longer than nothing")
