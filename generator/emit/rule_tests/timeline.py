"""Prometheus's alert state machine, step by step, to know what a rule test must see.

Source: Prometheus, rules/alerting.go, AlertingRule.Eval (``for`` and ``keep_firing_for``).
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class States:
    """Per step: whether the alert fires, and the step at which it became active (None while it is not)."""

    firing: tuple[bool, ...]
    active_since: tuple[int | None, ...]


def states(truth: Sequence[bool], step: int, for_: int, keep_firing_for: int) -> States:
    """Run one alert over steps of ``step`` milliseconds at which its condition is met or not."""
    firing: list[bool] = []
    since: list[int | None] = []
    active: int | None = None
    fires = False
    lost: int | None = None
    for index, met in enumerate(truth):
        if met:
            active, lost = index if active is None else active, None
            fires = (index - active) * step >= for_
        elif fires and keep_firing_for:
            lost = index if lost is None else lost
            if (index - lost) * step >= keep_firing_for:
                active, fires, lost = None, False, None
        else:
            active, fires = None, False
        firing.append(fires)
        since.append(active)
    return States(tuple(firing), tuple(since))


def escalated(truth: Sequence[bool], base: States, step: int, wait: int, keep_firing_for: int) -> States:
    """The escalated copy of an alert ``wait`` milliseconds after the base became active."""
    if not keep_firing_for:
        return states(truth, step, wait, 0)
    # ALERTS_FOR_STATE holds whole seconds, so an age counts from the second in which the alert became active.
    aged = [
        met and since is not None and index * step - since * step // 1000 * 1000 >= wait
        for index, (met, since) in enumerate(zip(truth, base.active_since, strict=True))
    ]
    return states(aged, step, 0, keep_firing_for)


def state(met: bool, *, fires: bool, told: Sequence[str]) -> str:
    """What an alert does while its condition is met or not."""
    if not met:
        return "kept firing" if fires else "resolved"
    if told:
        return f"escalated to {told[-1]}"
    return "firing" if fires else "pending"
