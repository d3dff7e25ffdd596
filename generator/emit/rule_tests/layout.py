"""Cases laid out in files: one per domain and timeline, in it as few test groups as metrics allow.

promtool's cost is test groups x rules x steps: two alerts share a group unless they need other values of one metric.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from generator import durations, naming
from generator.condition.promql import quoted
from generator.emit.artefact import Artefact
from generator.emit.rule_tests.cases import Case, Coarse, Fine, Lost, case, coarse, fine, lost, wait
from generator.emit.rule_tests.own import own_proofs, own_tests
from generator.emit.yaml_text import dump
from generator.plan.types import Alert, Domain, Metric, Plan

Test = dict[str, object]
Timeline = Fine | Lost | Coarse
COARSE_RATIO = 4  # how much later than the first of a file something may happen to the last


@dataclass(slots=True)
class _Group:
    """Cases that fit in one test group, and the metrics that they drive."""

    cases: list[Case] = field(default_factory=list)
    taken: set[tuple[str, str]] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _TestFile:
    """One file: its place, and the groups of cases that share its timeline."""

    path: str
    timeline: Timeline
    groups: tuple[_Group, ...]


@dataclass(frozen=True, slots=True)
class Tested:
    """One file that tests an alert, and what each of its steps proves of it, in order."""

    path: str
    proves: tuple[str, ...]


def emit(plan: Plan) -> Iterator[Artefact]:
    """The test files of every domain."""
    metrics = _metrics(plan)
    for domain in plan.domains:
        if domain.name == naming.OWN_DOMAIN:
            yield Artefact(_path(domain, "fine"), dump(own_tests(plan, domain)))
            continue
        for file in _files(plan, domain, metrics):
            yield _artefact(domain, file)


def tested(plan: Plan, alert: Alert) -> tuple[Tested, ...]:
    """The files that test an alert; none where no test can be made."""
    domain = next(found for found in plan.domains if found.name == alert.domain)
    if domain.name == naming.OWN_DOMAIN:
        return (Tested(_path(domain, "fine"), own_proofs(plan, domain, alert)),)
    return tuple(
        Tested(file.path, tuple(one.proves for one in file.timeline.expectations(found)))
        for file in _files(plan, domain, _metrics(plan))
        for group in file.groups
        for found in group.cases
        if found.alert is alert
    )


def untested(plan: Plan) -> tuple[Alert, ...]:
    """The alerts for which no test can be made: ``promql:`` as written, or no single metric decides."""
    metrics = _metrics(plan)
    return tuple(
        alert
        for domain in plan.domains
        if domain.name != naming.OWN_DOMAIN
        for alert in domain.alerts
        if case(plan, alert, metrics) is None
    )


def _metrics(plan: Plan) -> dict[tuple[str, str], Metric]:
    return {(metric.domain, metric.name): metric for domain in plan.domains for metric in domain.metrics}


def _files(plan: Plan, domain: Domain, metrics: Mapping[tuple[str, str], Metric]) -> Iterator[_TestFile]:
    cases = [found for alert in domain.alerts if (found := case(plan, alert, metrics)) is not None]
    yield from _fine_files(plan, domain, cases)
    yield from _lost_files(domain, cases)
    yield from _coarse_files(domain, cases)


def _fine_files(plan: Plan, domain: Domain, cases: list[Case]) -> Iterator[_TestFile]:
    """One file per length of ``for``; those without ``for`` go with the shortest."""
    lengths = sorted({found.alert.for_ for found in cases if found.alert.for_})
    shortest = lengths[0] if lengths else 0
    by_length: dict[int, list[Case]] = {}
    for found in cases:
        by_length.setdefault(found.alert.for_ or shortest, []).append(found)
    for length, chosen in sorted(by_length.items()):
        timeline = fine(length, plan.evaluation_interval)
        name = "fine" if length == shortest else f"fine-{durations.text(length)}"
        yield _TestFile(_path(domain, name), timeline, _groups(chosen))


def _lost_files(domain: Domain, cases: list[Case]) -> Iterator[_TestFile]:
    """One file per window after which a source counts as seen again: many steps, so only for those that need them."""
    by_window: dict[int, list[Case]] = {}
    for found in cases:
        if found.window and found.alert.no_data != "alert":
            by_window.setdefault(found.window, []).append(found)
    for window, chosen in sorted(by_window.items()):
        timeline = lost(chosen)
        name = "lost" if len(by_window) == 1 else f"lost-{durations.text(window)}"
        yield _TestFile(_path(domain, name), timeline, _groups(chosen))


def _coarse_files(domain: Domain, cases: list[Case]) -> Iterator[_TestFile]:
    """As few files as possible: alerts whose times differ much would need many steps of a common timeline."""
    files: list[list[Case]] = []
    moving = (found for found in cases if found.alert.escalations or found.alert.keep_firing_for)
    for found in sorted(moving, key=lambda found: wait(found.alert)):
        if files and wait(found.alert) <= COARSE_RATIO * wait(files[-1][0].alert):
            files[-1].append(found)
        else:
            files.append([found])
    for chosen in files:
        timeline = coarse([found.alert for found in chosen])
        name = "coarse" if len(files) == 1 else f"coarse-{durations.text(wait(chosen[0].alert))}"
        yield _TestFile(_path(domain, name), timeline, _groups(chosen))


def _groups(cases: Iterable[Case]) -> tuple[_Group, ...]:
    """Put every case into the first group that drives none of its metrics yet."""
    together: list[_Group] = []
    alone: list[_Group] = []
    for one in cases:
        fitting = None if one.alone else next((group for group in together if not group.taken & one.keys), None)
        if fitting is None:
            fitting = _Group()
            (alone if one.alone else together).append(fitting)
        fitting.cases.append(one)
        fitting.taken |= one.keys
    return (*together, *alone)


def _test(timeline: Timeline, group: _Group) -> Test:
    steps = timeline.steps
    series = {one.text: timeline.values(one, steps) for found in group.cases for one in found.series}
    health = {name: timeline.health(steps) for found in group.cases for name in found.health}
    return {
        "interval": durations.text(timeline.step),
        "input_series": [{"series": text, "values": values} for text, values in {**series, **health}.items()],
        "promql_expr_test": [expected for found in group.cases for expected in _expected(timeline, found)],
    }


def _expected(timeline: Timeline, found: Case) -> Iterator[Test]:
    alert = found.alert
    expr = f'ALERTS{{alertname={quoted(alert.alertname)},alertstate="firing"}}'
    base = {"alertname": alert.alertname, "alertstate": "firing", **dict(alert.labels)}
    series = ",".join(_matchers(base.items()))
    for expectation in timeline.expectations(found):
        firing = (",".join((series, *_matchers(instance))) for instance in expectation.firing)
        yield {
            "expr": expr,
            "eval_time": durations.text(expectation.index * timeline.step),
            "exp_samples": [{"labels": f"ALERTS{{{labels}}}", "value": 1} for labels in firing],
        }


def _matchers(labels: Iterable[tuple[str, str]]) -> list[str]:
    return [f"{name}={quoted(value)}" for name, value in labels]


def _path(domain: Domain, kind: str) -> str:
    return f"prometheus/tests/{domain.name}.{kind}.yml"


def _artefact(domain: Domain, file: _TestFile) -> Artefact:
    content = {
        "rule_files": [f"../rules/{domain.name}.yml"],
        "evaluation_interval": durations.text(file.timeline.step),
        "tests": [_test(file.timeline, group) for group in file.groups],
    }
    return Artefact(file.path, dump(content))
