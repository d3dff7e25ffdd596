"""Rules across files: each module is one family, ``check(files)`` yields what is wrong."""

from collections.abc import Callable, Iterator

from generator.checks import (
    cadences,
    channels,
    conditions,
    contacts,
    durations,
    events,
    jobs,
    kpis,
    labels,
    metrics,
    names,
    playbooks,
    promql,
    quiet_hours,
    recipients,
    records,
    rotations,
    secrets,
    series,
    severities,
    sources,
    sql,
    thresholds,
    tracing,
    types,
    units,
)
from generator.diagnostics import Problem
from generator.load import Files

Check = Callable[[Files], Iterator[Problem]]

CHECKS: tuple[Check, ...] = (
    cadences.check,
    channels.check,
    conditions.check,
    contacts.check,
    durations.check,
    events.check,
    jobs.check,
    kpis.check,
    labels.check,
    metrics.check,
    names.check,
    playbooks.check,
    promql.check,
    quiet_hours.check,
    recipients.check,
    records.check,
    rotations.check,
    secrets.check,
    series.check,
    severities.check,
    sources.check,
    sql.check,
    thresholds.check,
    tracing.check,
    types.check,
    units.check,
)

# The ones that take long and need no resolved condition, which the plan needs too: they can run in another process.
APART: tuple[Check, ...] = (promql.check, secrets.check, sql.check)
