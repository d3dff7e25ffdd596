"""What is said of the alerts that a deployment would tell again: one warning for each line that is why."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from generator import naming
from generator.diagnostics import Problem, Span
from generator.emit import alertmanager, rules
from generator.load import Files
from generator.plan.types import Alert, Plan
from generator.repaging.attribution import Attribution
from generator.repaging.comparison import Deployment, Repaged, repaged
from generator.repaging.deployed import deployed_group, deployed_log, planned_group, planned_log
from generator.routing.notification_log import NotificationLog

_NAMED = 20
_EXPLAINED = 10


def warnings(files: Files, plan: Plan, changed: Collection[str], before: Mapping[str, bytes]) -> list[Problem]:
    """Warn of the alerts that would be told again, or under another identity, if they fire while this is deployed.

    ``changed`` are the paths below the output folder that will be written, and ``before`` holds the rules and routes
    that are there and will be written anew or removed.
    """
    old_groups = {
        domain: group
        for path, content in before.items()
        if (domain := rules.domain_of(path)) is not None and (group := deployed_group(content)) is not None
    }
    old_log = deployed_log(before[alertmanager.PATH]) if alertmanager.PATH in before else None
    if not old_groups and old_log is None:
        return []
    log = planned_log(plan)
    rewritten = {rules.domain_of(path) for path in changed}
    groups = {one.name: planned_group(one) for one in plan.domains if one.name in rewritten or old_log is not None}
    # Rules that stay as they are can be told again only where the routes change.
    same = {name: group for name, group in groups.items() if name not in rewritten}
    found = repaged(Deployment({**old_groups, **same}, old_log or log), Deployment(groups, log))
    alerts = {alert.alertname: alert for domain in plan.domains for alert in domain.alerts}
    return _said(Attribution(files, plan, _retyped(plan, old_log or log, log)), alerts, found)


def _retyped(plan: Plan, before: NotificationLog, after: NotificationLog) -> dict[str, str]:
    """The channels that were of another type, with that type."""
    found = {}
    for name in (channel.name for channel in plan.channels):
        was, becomes = (log.integrations.get(naming.channel_receiver(name)) for log in (before, after))
        if was and was != becomes:
            found[name] = was[0][0]
    return found


@dataclass(slots=True)
class _Line:
    """What is said at one line."""

    alerts: dict[str, None] = field(default_factory=dict)
    causes: dict[str, None] = field(default_factory=dict)


def _said(attribution: Attribution, alerts: Mapping[str, Alert], found: Iterable[Repaged]) -> list[Problem]:
    lines: dict[tuple[Span, bool], _Line] = {}
    for one in found:
        for span, cause in zip(attribution.lines(alerts.get(one.alertname), one), one.causes, strict=True):
            line = lines.setdefault((span, one.escalated), _Line())
            line.alerts[one.alertname] = None
            line.causes[attribution.text(cause)] = None
    problems = []
    for (span, escalated), line in lines.items():
        plain = lines.get((span, False))
        names = sorted(name for name in line.alerts if not escalated or plain is None or name not in plain.alerts)
        if names:
            problems.append(_problem(span, names, list(line.causes), escalated=escalated))
    return problems


def _problem(span: Span, names: Sequence[str], causes: Sequence[str], *, escalated: bool) -> Problem:
    one = len(names) == 1
    firing, escalating = ("it fires", "it has escalated") if one else ("they fire", "they have escalated")
    when = escalating if escalated else firing
    message = f"{_enumerated(names)} {'is' if one else 'are'} told again if {when} when this is deployed"
    help_ = [*causes[:_EXPLAINED]]
    if len(causes) > _EXPLAINED:
        help_.append(f"{len(causes) - _EXPLAINED} more changes like these")
    return Problem(span, "pages-again", message, tuple(help_), "warning")


def _enumerated(names: Sequence[str]) -> str:
    """``A``, ``A and B``, ``A, B and C``; those beyond the first are counted."""
    said = list(names[:_NAMED])
    if len(names) > _NAMED:
        said.append(f"{len(names) - _NAMED} more")
    return " and ".join(filter(None, (", ".join(said[:-1]), said[-1])))
