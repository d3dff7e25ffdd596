"""The tests of the alerts that watch the monitoring itself, whose series are known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from generator import durations, naming
from generator.condition.promql import quoted
from generator.emit.rule_tests.timeline import escalated, state, states
from generator.plan.recordings import selector
from generator.plan.types import Alert, Domain, Plan

STEPS = 12
BAD_FROM = 2
BAD_STEPS = 6


@dataclass(frozen=True, slots=True)
class _Story:
    """What happens to one alert, step by step: what drives it, whether it is bad, and who of it fires."""

    series: Mapping[str, str]
    truth: Sequence[bool]
    fires: Sequence[bool]
    told: Sequence[tuple[str, ...]]


def own_tests(plan: Plan, domain: Domain) -> dict[str, object]:
    """One file: each alert in a test group of its own, bad for some minutes and then well again."""
    step = _step(plan, domain)
    return {
        "rule_files": [f"../rules/{domain.name}.yml"],
        "evaluation_interval": durations.text(step),
        "tests": [_test(plan, alert, step) for alert in domain.alerts],
    }


def own_proofs(plan: Plan, domain: Domain, alert: Alert) -> tuple[str, ...]:
    """What each step of an alert's test proves of it."""
    story = _story(plan, alert, _step(plan, domain))
    steps = zip(story.truth, story.fires, story.told, strict=True)
    return tuple(
        "well" if not (bad or any(story.truth[:index])) else state(bad, fires=fires, told=told)
        for index, (bad, fires, told) in enumerate(steps)
    )


def _step(plan: Plan, domain: Domain) -> int:
    return max((alert.for_ for alert in domain.alerts), default=0) // 2 or plan.evaluation_interval


def _story(plan: Plan, alert: Alert, step: int) -> _Story:
    series, truth = _series(plan, alert)
    base = states(truth, step, alert.for_, 0)
    copies = [(copy.contact, escalated(truth, base, step, alert.for_ + copy.after, 0)) for copy in alert.escalations]
    told = [tuple(contact for contact, copy in copies if copy.firing[index]) for index in range(STEPS)]
    return _Story(series, truth, base.firing, told)


def _test(plan: Plan, alert: Alert, step: int) -> dict[str, object]:
    story = _story(plan, alert, step)
    tests = []
    for index in range(STEPS):
        firing: list[dict[str, str]] = [{}] if story.fires[index] else []
        firing += [{"escalation": contact} for contact in story.told[index]]
        samples = [{"labels": _alerts_series(plan, alert, labels), "value": 1} for labels in firing]
        expr = f'ALERTS{{alertname={quoted(alert.alertname)},alertstate="firing"}}'
        tests.append({"expr": expr, "eval_time": durations.text(index * step), "exp_samples": samples})
    inputs = [{"series": text, "values": values} for text, values in story.series.items()]
    return {"interval": durations.text(step), "input_series": inputs, "promql_expr_test": tests}


def _series(plan: Plan, alert: Alert) -> tuple[dict[str, str], list[bool]]:
    truth = [False] * BAD_FROM + [True] * BAD_STEPS + [False] * (STEPS - BAD_FROM - BAD_STEPS)
    if alert.name == "watchdog":
        return {}, [True] * STEPS
    if "time()" in alert.expr:
        return {}, [False] * STEPS  # promtool's clock starts in 1970: what waits for a date never fires there
    health = _values(1, 0)
    success = naming.query_success(plan.platform)
    if alert.source is not None:
        queries = [] if "up{" in alert.expr else _queries(plan, alert.source)
        if queries:
            failing, working = (f"{success}{{query={quoted(query)}}}" for query in (queries[0], queries[-1]))
        else:
            failing, working = (
                f"up{{job={quoted(alert.source)},instance={quoted(name)}}}" for name in ("any", "other")
            )
        return {**({working: f"1x{STEPS}"} if alert.by else {}), failing: health}, truth
    if "alertmanager_cluster_members" in alert.expr:
        return _cluster(len(plan.alertmanagers)), truth
    return _counter(alert, truth)


def _values(good: int, bad: int) -> str:
    """What a gauge says all along."""
    return f"{good}x{BAD_FROM - 1} {bad}x{BAD_STEPS - 1} {good}x{STEPS - BAD_FROM - BAD_STEPS - 1}"


def _cluster(number: int) -> dict[str, str]:
    """Several Alertmanagers, all of which answer; one of them does not see another for a while."""
    one, other = ('{job="alertmanager",instance="any"}', '{job="alertmanager",instance="other"}')
    members = {one: _values(number, number - 1), other: f"{number}x{STEPS}"}
    return {f"alertmanager_cluster_members{labels}": values for labels, values in members.items()} | {
        f"up{labels}": f"1x{STEPS}" for labels in members
    }


def _counter(alert: Alert, truth: list[bool]) -> tuple[dict[str, str], list[bool]]:
    """A counter that grows while it is bad; ``increase`` sees it for its window longer, so the test ends before."""
    metric = alert.expr[alert.expr.index("increase(") + len("increase(") : alert.expr.index("[")]
    label = ',integration="any"}' if alert.by else "}"
    values = f"0x{BAD_FROM - 1} 1+1x{STEPS}"
    return {metric.replace("}", label): values}, [False] * BAD_FROM + [True] * (STEPS - BAD_FROM)


def _queries(plan: Plan, source: str) -> list[str]:
    return sorted(query.name for domain in plan.domains for query in domain.queries if query.source == source)


def _alerts_series(plan: Plan, alert: Alert, labels: dict[str, str]) -> str:
    by = {name: _queries(plan, alert.source or "")[0] if name == "query" else "any" for name in alert.by}
    everything = {"alertname": alert.alertname, "alertstate": "firing", **dict(alert.labels), **by, **labels}
    return selector("ALERTS", everything)
