"""PromQL: it parses, can yield something, carries the labels that are declared, and reads counters as counters."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

import promql_parser

from generator import durations, naming
from generator.checks._hints import unknown
from generator.checks._promql_shape import Range, Reading
from generator.diagnostics import Problem, Span
from generator.load import DomainFile, Files
from generator.model import Metric

Path = tuple[str | int, ...]

_RATES = frozenset({"rate", "irate", "increase"})
# A rate needs two samples; four intervals give it those when one scrape fails and another is late.
_SCRAPES_PER_WINDOW = 4
# The labels that Prometheus adds to what it scrapes.
_SCRAPED = frozenset({"job", "instance"})


def check(files: Files) -> Iterator[Problem]:
    """PromQL that does not parse, never yields anything, or yields something else than is declared."""
    catalogue = _catalogue(files)
    for file in files.domains:
        for name, metric in file.model.metrics.items():
            if metric.promql is not None:
                text = _Text(files, file, ("metrics", name, "promql"), metric.promql, metric.job, catalogue)
                yield from text.metric(name, metric)
        for name, alert in file.model.alerts.items():
            if alert.promql is not None:
                text = _Text(files, file, ("alerts", name, "promql"), alert.promql, None, catalogue)
                yield from text.alert(alert.by)


@dataclass(frozen=True, slots=True)
class _Catalogue:
    """The series that the platform's own metrics come out as: the labels of all, and which of them are gauges."""

    labels: Mapping[str, frozenset[str]]
    gauges: frozenset[str]


def _catalogue(files: Files) -> _Catalogue:
    platform = files.platform.model.platform
    labels: dict[str, frozenset[str]] = {}
    gauges = set()
    for file in files.domains:
        for name, metric in file.model.metrics.items():
            series = naming.metric(platform, file.model.domain, name, metric.unit, metric.type)
            recorded = metric.promql is not None or metric.expr is not None
            own = {"instance"} if metric.per == "instance" else set()
            labels[series] = frozenset({*metric.by, *(own if recorded else _SCRAPED)})
            if metric.type == "gauge":
                gauges.add(series)
    return _Catalogue(labels, frozenset(gauges))


@dataclass(frozen=True, slots=True)
class _Text:
    """One PromQL text, where it stands, and what is known of its series."""

    files: Files
    file: DomainFile
    path: Path
    text: str
    job: str | None
    catalogue: _Catalogue

    def metric(self, name: str, metric: Metric) -> Iterator[Problem]:
        """What is wrong with the text of a metric."""
        reading = self._reading()
        if isinstance(reading, Problem):
            yield reading
            return
        yield from self._common(reading)
        labels = set(metric.by) | ({"instance"} if metric.per == "instance" else set())
        yield from self._labels(reading, labels, f'metric "{name}"')

    def alert(self, by: list[str]) -> Iterator[Problem]:
        """What is wrong with the text of an alert."""
        reading = self._reading()
        if isinstance(reading, Problem):
            yield reading
            return
        yield from self._common(reading)
        if not reading.filters:
            message = "this alert has no condition: it fires as long as there is any series"
            yield self._whole("promql-condition", message, "compare with a threshold: … > 100")
        yield from self._labels(reading, set(by), "the alert")

    def _reading(self) -> Reading | Problem:
        try:
            tree = promql_parser.parse(self.text)
        except ValueError as error:
            return self._syntax(str(error))
        return Reading(tree, self.catalogue.labels)

    def _whole(self, code: str, message: str, *hints: str) -> Problem:
        return Problem(self.file.text_span(self.path, 0, len(self.text)), code, message, hints)

    def _at(self, text: str) -> Span:
        """Where a name of the text stands."""
        match = re.search(rf"(?<![\w:]){re.escape(text)}(?![\w:])", self.text)
        return self.file.text_span(self.path, *match.span()) if match else self.file.span(self.path)

    def _syntax(self, words: str) -> Problem:
        start, end = 0, len(self.text)
        match = re.search(r"""'([^']+)'|: (\S+)$|for (\S+)$""", words)
        named = next((group for group in match.groups() if group), "") if match else ""
        if named and (place := self.text.find(named)) >= 0:
            start, end = place, place + len(named)
        elif words == "unclosed left parenthesis":
            start = _unclosed(self.text)
            end = start + 1
        if words == "invalid promql query":
            words = "this is no PromQL"
        span = self.file.text_span(self.path, start, end)
        return Problem(span, "promql-syntax", words.replace("'", '"'))

    def _common(self, reading: Reading) -> Iterator[Problem]:
        for code, message in dict.fromkeys(reading.faults):
            yield self._whole(code, message)
        for counter in dict.fromkeys(reading.raw_counters):
            message = f"{counter} is a counter: its value since its process began says nothing"
            yield Problem(self._at(counter), "raw-counter", message, (f"compare its rate: rate({counter}[5m])",))
        jobs = self.files.platform.model.scrape.jobs
        for job in dict.fromkeys(reading.jobs):
            if job and job not in jobs and job != self.job:  # a metric's own job is checked where it is named
                yield unknown("job", self._at(job), job, jobs)
        for each in reading.ranges:
            if each.function in _RATES:
                yield from self._rate(each)
        if reading.shape.kind in ("matrix", "string"):
            what = "a stretch of time" if reading.shape.kind == "matrix" else "a text"
            yield self._whole("promql-type", f"this yields {what}, not a number per series")

    def _rate(self, each: Range) -> Iterator[Problem]:
        if each.metric in self.catalogue.gauges:
            message = f"{each.metric} is a gauge: it may fall, which {each.function} takes for a restart"
            yield Problem(self._at(each.metric), "rate-of-gauge", message, ("use delta or deriv",))
        scrape = self.files.platform.model.scrape
        job = scrape.jobs.get(self.job) if self.job is not None else None
        interval = durations.milliseconds((job.interval if job else None) or scrape.interval)
        if each.window < timedelta(milliseconds=_SCRAPES_PER_WINDOW * interval):
            window = durations.text(int(each.window / timedelta(milliseconds=1)))
            least = durations.text(_SCRAPES_PER_WINDOW * interval)
            where = f"job {self.job}" if job else "Prometheus"
            message = f"{each.function} over {window} loses its value when a scrape fails"
            hint = f"{where} scrapes every {durations.text(interval)}: write [{least}] or more"
            yield Problem(self._window(window), "rate-window", message, (hint,))

    def _window(self, window: str) -> Span:
        start = self.text.find(f"[{window}")
        return self.file.text_span(self.path, start, start + len(window) + 2) if start >= 0 else self._at(window)

    def _labels(self, reading: Reading, declared: set[str], what: str) -> Iterator[Problem]:
        if reading.shape.kind != "vector" or reading.faults:
            return  # what is wrong inside comes first: the labels of the result follow from it
        labels = reading.shape.labels
        listed = f"by ({', '.join(sorted(declared))})" if declared else "()"
        if labels.only is None:
            message = "the labels of the result are not known: those of its series may change at any time"
            wrapped = f"fold it: sum {listed} (…)" if declared else "fold it: sum(…)"
            yield self._whole("promql-labels", message, wrapped)
            return
        for label in sorted(declared - labels.only):
            yield self._whole("promql-labels", f'{what} is split by "{label}", but the result has no such label')
        for label in sorted(labels.only - declared):
            hint = (
                f"add {label} to by, or fold it away: sum {listed} (…)"
                if declared
                else f"add by: [{label}], or fold it away: sum(…)"
            )
            yield self._whole("promql-labels", f'the result has the label "{label}", which {what} does not list', hint)


def _unclosed(text: str) -> int:
    """Where the last parenthesis is opened that nothing closes."""
    open_at: list[int] = []
    for index, character in enumerate(text):
        if character == "(":
            open_at.append(index)
        elif character == ")" and open_at:
            open_at.pop()
    return open_at[-1] if open_at else 0
