"""``prometheus/rules/<domain>.yml``: one group per domain, what is recorded before the alerts that read it."""

from collections.abc import Iterator

from generator import durations
from generator.condition.promql import quoted
from generator.condition.units import plain
from generator.emit.annotations import annotations
from generator.emit.artefact import Artefact
from generator.emit.yaml_text import dump
from generator.plan.types import Alert, Domain, Escalation, Plan

Rule = dict[str, object]

FOLDER = "prometheus/rules"
_SUFFIX = ".yml"


def emit(plan: Plan) -> Iterator[Artefact]:
    """One file per domain that has rules."""
    for domain in plan.domains:
        rules = [*_recordings(domain), *_alerts(plan, domain)]
        if rules:
            group = {"name": domain.group, "interval": durations.text(plan.evaluation_interval), "rules": rules}
            yield Artefact(f"{FOLDER}/{domain.name}{_SUFFIX}", dump({"groups": [group]}))


def domain_of(path: str) -> str | None:
    """The domain whose rules stand in a file of the output; None: it holds none."""
    folder, _, name = path.rpartition("/")
    return name.removesuffix(_SUFFIX) if folder == FOLDER and name.endswith(_SUFFIX) else None


def _recordings(domain: Domain) -> Iterator[Rule]:
    for recording in domain.recordings:
        yield {"record": recording.record, "expr": recording.expr}


def _alerts(plan: Plan, domain: Domain) -> Iterator[Rule]:
    for alert in domain.alerts:
        yield _base(plan, alert)
        for escalation in alert.escalations:
            yield _escalated(plan, alert, escalation)


def _base(plan: Plan, alert: Alert) -> Rule:
    return _rule(alert, alert.expr, alert.for_, dict(alert.labels), annotations(plan, alert))


def _escalated(plan: Plan, alert: Alert, escalation: Escalation) -> Rule:
    """The same alert once more for whoever comes next.

    Where the alert keeps firing through flaps, a longer ``for`` would never be reached: its age decides instead.
    """
    labels = {**dict(alert.labels), "escalation": escalation.contact}
    wait = alert.for_ + escalation.after
    notes = annotations(plan, alert, escalation)
    if not alert.keep_firing_for:
        return _rule(alert, alert.expr, wait, labels, notes)
    state = f'ALERTS_FOR_STATE{{alertname={quoted(alert.alertname)},platform={quoted(plan.platform)},escalation=""}}'
    aged = f"(time() - {state} >= {plain(wait / 1000)})"
    return _rule(alert, f"({alert.expr})\nand on({', '.join(alert.by)}) {aged}", 0, labels, notes)


def _rule(alert: Alert, expr: str, for_: int, labels: dict[str, str], notes: dict[str, str]) -> Rule:
    rule: Rule = {"alert": alert.alertname, "expr": expr}
    if for_:
        rule["for"] = durations.text(for_)
    if alert.keep_firing_for:
        rule["keep_firing_for"] = durations.text(alert.keep_firing_for)
    return {**rule, "labels": labels, "annotations": notes}
