"""One alert's test: the series that drive it, and when it fires.

Two timelines, both of few steps, since promtool evaluates every rule of a file at every step of every test:
``fine`` goes below, at and above the threshold, loses the source and gets it back without the series;
``coarse`` fires, escalates, and resolves by value.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from generator import naming
from generator.emit.rule_tests.inputs import Input, inputs
from generator.emit.rule_tests.timeline import escalated, state, states
from generator.plan.recordings import facts, given, selector
from generator.plan.types import Alert, Health, JobHealth, Metric, Plan, QueryHealth

LONGEST_STEP = 240_000  # the next step must find the last one within Prometheus's lookback of 5 minutes
_INSTANCE = "any-instance"
_MADE_BY_TESTS = {"up", "ALERTS", "ALERTS_FOR_STATE"}
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Series:
    """An input series: its name with labels, its value per phase, and whether it outlives the loss of the source."""

    text: str
    metric: Key
    fine: float
    at: float
    bad: float
    stays: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """What one alert's test needs, whatever the timeline.

    ``alone``: its metric looks at series that other tests give or make (``up``, ``ALERTS``), and is itself given at
    its recorded name: no other test may stand beside it.
    ``mixed``: what it looks at is seen again at different times after a loss, each in its own way.
    """

    alert: Alert
    series: tuple[Series, ...]
    health: tuple[str, ...]
    instance: tuple[tuple[str, str], ...]
    met_at: bool
    met_gone: bool
    window: int
    keys: frozenset[Key]
    alone: bool = False
    mixed: bool = False

    @property
    def held(self) -> bool:
        """Whether the alert keeps firing while its source is lost."""
        return self.alert.no_data == "keep" and bool(self.alert.reads)


def case(plan: Plan, alert: Alert, metrics: Mapping[Key, Metric]) -> Case | None:
    """The case of one alert; None where no values can be found that decide it."""
    if alert.kind == "rows":
        return _row_case(plan, alert)
    if alert.condition is None:
        return None
    found = inputs(alert.condition, metrics)
    if found is None:
        return None
    looked_at = [facts(metric.promql).names for metric in alert.leaves if metric.promql is not None]
    if any("up" in names and names != {"up"} for names in looked_at):
        return None
    healths = {metric.health for metric in alert.leaves if metric.health is not None}
    windows = {health.window if isinstance(health, JobHealth) else 0 for health in healths}
    labels = {**found.labels, **({"instance": _INSTANCE} if "instance" in found.labels else {})}
    return Case(
        alert=alert,
        series=tuple(series for entry in found.metrics for series in _series(plan, entry, labels, alert)),
        health=tuple(sorted(_health(plan, health) for health in healths)),
        instance=tuple((name, labels[name]) for name in alert.by),
        met_at=found.met_at,
        met_gone=found.met_gone,
        window=max(windows, default=0),
        keys=frozenset((entry.metric.domain, entry.metric.name) for entry in found.metrics),
        alone=any(names & _MADE_BY_TESTS for names in looked_at),
        mixed=len(windows) > 1,
    )


def _row_case(plan: Plan, alert: Alert) -> Case:
    labels = tuple((name, f"any-{name}") for name in alert.by)
    name = naming.matching_rows(plan.platform, alert.domain, alert.name)
    key = (alert.domain, name)
    health = alert.reads[0].health if alert.reads else _asked(plan, alert.domain, name)
    return Case(
        alert=alert,
        series=(Series(selector(name, dict(labels)), key, 0, 0, 1),),
        health=(_health(plan, health),),
        instance=labels,
        met_at=False,
        met_gone=False,
        window=0,
        keys=frozenset({key}),
    )


def _asked(plan: Plan, domain: str, series: str) -> QueryHealth:
    """The query of a domain that a series comes from."""
    queries = next(found.queries for found in plan.domains if found.name == domain)
    return QueryHealth(next(query.name for query in queries if any(one.name == series for one in query.series)))


def _series(plan: Plan, entry: Input, labels: Mapping[str, str], alert: Alert) -> Iterator[Series]:
    """The series of one metric; a sum over declared values is split in two halves, to tell it from a maximum."""
    metric = entry.metric
    key = (metric.domain, metric.name)
    own = {name: labels[name] for name, _ in metric.labels}
    series = metric.series if alert.no_data == "ok" else given(plan.platform, alert.domain, metric)
    for name, known in metric.labels:
        other = next((value for value in known if value != own[name]), None)
        if metric.fold == "sum" and name not in alert.by and other is not None and not _matched(alert, name):
            for value in (own[name], other):
                text = selector(series, {**own, name: value})
                yield Series(text, key, entry.fine / 2, entry.at / 2, entry.bad / 2)
            return
    stays = bool(alert.reads) and metric.health is None
    yield Series(selector(series, own), key, entry.fine, entry.at, entry.bad, stays)


def _matched(alert: Alert, label: str) -> bool:
    return alert.condition is not None and label in alert.condition.text


def _health(plan: Plan, health: Health) -> str:
    if isinstance(health, QueryHealth):
        return selector(naming.query_success(plan.platform), {"query": health.query})
    return selector("up", {"job": health.job, "instance": _INSTANCE})


@dataclass(frozen=True, slots=True)
class Expectation:
    """What ``ALERTS{alertstate="firing"}`` of one alert holds at one step: label sets beside the static ones.

    ``proves`` says in a word or two what the step is about.
    """

    index: int
    firing: tuple[tuple[tuple[str, str], ...], ...]
    proves: str


@dataclass(frozen=True, slots=True)
class Fine:
    """Steps of the fine timeline: ``hold`` evaluations above the threshold make ``for`` pass."""

    step: int
    hold: int

    @property
    def lost(self) -> int:
        """The step at which the source is lost."""
        return 3 + self.hold

    def values(self, series: Series, steps: int) -> str:
        """The values of a series in promtool's notation."""
        end = repeated(series.bad, steps - self.lost) if series.stays else "stale"
        return f"{number(series.fine)} {number(series.at)} {repeated(series.bad, self.hold + 1)} {end}"

    def health(self, steps: int) -> str:
        """The health of a source in promtool's notation."""
        return f"{repeated(1, self.lost)} 0 {repeated(1, steps - self.lost - 1)}"

    def expectations(self, found: Case) -> Iterator[Expectation]:
        """What fires below, at, above, pending, firing, held and gone.

        What takes a window to be seen again is lost on a timeline of its own.
        """
        truth = [False, found.met_at, *[True] * (self.hold + 1), found.held, found.met_gone]
        seen = sorted({0, 1, 2, self.lost - 2, self.lost - 1})
        if found.alert.no_data != "alert" and not found.window:
            seen += [self.lost, self.lost + 1]
        at = "at the threshold" if any(series.at != series.fine for series in found.series) else "well"
        words = {0: "well", 1: at, self.lost: _blind(found), self.lost + 1: "series gone"}
        yield from _expected(found, truth, self.step, seen, words)

    @property
    def steps(self) -> int:
        """How many steps there are."""
        return self.lost + 2


def fine(for_: int, evaluation_interval: int) -> Fine:
    """The fine timeline for alerts of one ``for``."""
    if not for_:
        return Fine(min(evaluation_interval, LONGEST_STEP), 1)
    hold = max(2, math.ceil(for_ / LONGEST_STEP))
    while for_ % hold:
        hold += 1
    return Fine(for_ // hold, hold)


@dataclass(frozen=True, slots=True)
class Lost:
    """Steps for alerts that are seen again only ``window`` after their source is back: firing, held, gone."""

    step: int
    hold: int
    window: int

    @property
    def lost(self) -> int:
        """The step at which the source is lost."""
        return self.hold + 1

    @property
    def steps(self) -> int:
        """How many steps there are; at the last the source has been seen for the whole of the window again."""
        return self.lost + self.window // self.step + 2

    def values(self, series: Series, steps: int) -> str:
        """The values of a series in promtool's notation."""
        end = repeated(series.bad, steps - self.lost) if series.stays else "stale"
        return f"{repeated(series.bad, self.lost)} {end}"

    def health(self, steps: int) -> str:
        """The health of a source in promtool's notation."""
        return f"{repeated(1, self.lost)} 0 {repeated(1, steps - self.lost - 1)}"

    def expectations(self, found: Case) -> Iterator[Expectation]:
        """What fires before the loss, while the source is lost, just before it is seen again, and gone."""
        truth = [*[True] * self.lost, *[found.held] * (self.steps - self.lost - 1), found.met_gone]
        seen = (self.lost - 1, self.lost, *(() if found.mixed else (self.steps - 1,)))
        words = {self.lost: _blind(found), self.steps - 1: "seen again"}
        yield from _expected(found, truth, self.step, seen, words)


def lost(cases: Sequence[Case]) -> Lost:
    """The timeline on which cases of one window lose their source."""
    window = cases[0].window
    step = max(1, min(LONGEST_STEP, window // 2))
    return Lost(step, max(1, math.ceil(max(found.alert.for_ for found in cases) / step)), window)


@dataclass(frozen=True, slots=True)
class Coarse:
    """Steps of the coarse timeline, for alerts that escalate after the same times."""

    step: int
    bad: int
    steps: int

    def values(self, series: Series, steps: int) -> str:
        """The values of a series in promtool's notation."""
        well = repeated(series.fine, steps - self.bad - 1)
        return f"{number(series.fine)} {repeated(series.bad, self.bad)} {well}"

    def health(self, steps: int) -> str:
        """The health of a source in promtool's notation."""
        return repeated(1, steps)

    def expectations(self, found: Case) -> Iterator[Expectation]:
        """What fires at every step, the base and each escalation."""
        truth = [False, *[True] * self.bad, *[False] * (self.steps - self.bad - 1)]
        yield from _expected(found, truth, self.step, range(1, self.steps), {})


def wait(alert: Alert) -> int:
    """When something first happens to an alert after it fired: it escalates, or it stops being kept firing."""
    if alert.escalations:
        return alert.for_ + alert.escalations[0].after
    return max(alert.for_, alert.keep_firing_for)


def coarse(alerts: Sequence[Alert]) -> Coarse:
    """The coarse timeline of alerts that escalate or keep firing, from the first step to the last of all of them."""
    step = max(1, min(wait(alert) for alert in alerts))
    last = max(alert.for_ + (alert.escalations[-1].after if alert.escalations else 0) for alert in alerts)
    kept = max(alert.keep_firing_for for alert in alerts)
    bad = math.ceil(last / step) + 1
    return Coarse(step, bad, 1 + bad + math.ceil(kept / step) + 1)


def _expected(
    found: Case, truth: Sequence[bool], step: int, indices: Sequence[int], words: Mapping[int, str]
) -> Iterator[Expectation]:
    """What fires at some steps; those without ``words`` are about what the alert does there."""
    alert = found.alert
    base = states(truth, step, alert.for_, alert.keep_firing_for)
    copies = [
        (copy.contact, escalated(truth, base, step, alert.for_ + copy.after, alert.keep_firing_for))
        for copy in alert.escalations
    ]
    for index in indices:
        firing = [found.instance] if base.firing[index] else []
        told = [contact for contact, copy in copies if copy.firing[index]]
        firing += [(*found.instance, ("escalation", contact)) for contact in told]
        yield Expectation(
            index, tuple(firing), words.get(index) or state(truth[index], fires=base.firing[index], told=told)
        )


def _blind(found: Case) -> str:
    return "held while blind" if found.held else "silent while blind"


def number(value: float) -> str:
    """A float as promtool reads it back to the same float."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def repeated(value: float, count: int) -> str:
    """``count`` times the same value in promtool's notation."""
    return number(value) if count <= 1 else f"{number(value)}x{count - 1}"
