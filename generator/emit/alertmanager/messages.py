"""The templates of messages, with what a platform puts into them."""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from generator import durations
from generator.plan.types import Plan

_TEMPLATES = Path(__file__).parents[1] / "templates" / "alertmanager"
_HOLE = re.compile(r"\[\[(\w+)\]\]")
# PagerDuty knows four severities. Names that it has, or that are usual, keep their meaning; others go by their rank.
_PAGERDUTY = ("critical", "error", "warning", "info")
_PAGERDUTY_USUAL = {"high": "error", "major": "error", "medium": "warning", "minor": "warning", "low": "info"}
# Sets ``$worst`` to the severity of a message: where its alerts differ in theirs, that of the worst.
_WORST = (
    "{{ $worst := .CommonLabels.severity }}{{ if not $worst }}{{ range $severity := %s }}{{ range $.Alerts.Firing }}"
    "{{ if and (not $worst) (%s) }}{{ $worst = .Labels.severity }}{{ end }}"
    "{{ end }}{{ end }}{{ end }}"
)


def templates(plan: Plan) -> Iterator[tuple[str, str]]:
    """Every file of templates: its name and its text."""
    holes = _holes(plan)
    for name, text in _template_texts():
        yield name, _HOLE.sub(lambda match: holes[match[1]], text)


@cache
def _template_texts() -> tuple[tuple[str, str], ...]:
    return tuple((path.name, path.read_text("utf-8")) for path in sorted(_TEMPLATES.glob("*.tmpl")))


def _holes(plan: Plan) -> dict[str, str]:
    """What the templates leave open: constants of Go's template language, so nothing in them is read as a template."""
    contacts = {contact.name: contact.title for contact in plan.contacts}
    ranked, is_of_it = _by_severity(plan)
    severities = {one.name: _pagerduty_severity(plan, one.name, one.rank) for one in plan.severities}
    mild = [name for name, known in severities.items() if known == "info"]
    worst = [one.name for one in plan.severities if one.rank == 0]
    return {
        "platform": _constant(plan.title),
        "alertmanager": _constant(plan.links.alertmanager),
        "grafana": _constant(plan.links.grafana),
        "runbooks": _constant(plan.links.runbooks),
        "titled": _cases("$contact", "$contact", {name: _constant(title) for name, title in contacts.items()}),
        "severities": ranked,
        "is_of_it": is_of_it,
        "worst": _WORST % (ranked, is_of_it),
        "began": _began(plan),
        "pagerduty_severities": _choice(severities, "error"),
        "slack_colors": _choice(dict.fromkeys(mild, "#439fe0") | dict.fromkeys(worst, "danger"), "warning"),
        "email_colors": _choice(dict.fromkeys(mild, "#1e40af") | dict.fromkeys(worst, "#991b1b"), "#92400e"),
    }


def _by_severity(plan: Plan) -> tuple[str, str]:
    """The severities as a list of the template language, and whether the alert in the dot is of ``$severity``.

    The worst first, and at last the empty one, which all belong to that are of no severity of the platform.
    """
    names = [severity.name for severity in sorted(plan.severities, key=lambda severity: severity.rank)]
    known = _constant(f"^({'|'.join(names)})$")
    ranked = f"(stringSlice {' '.join(map(_constant, [*names, '']))})"
    return ranked, f"or (eq .Labels.severity $severity) (not (or $severity (match {known} .Labels.severity)))"


def _began(plan: Plan) -> str:
    """A template that sets ``$began`` to when ``$alert`` began: an escalated copy fires that much later."""
    waits = sorted({wait for severity in plan.severities for wait in severity.escalates_after})
    earlier = {durations.text(wait): f"$alert.StartsAt.Add -{wait}000000" for wait in waits}  # in nanoseconds
    return f"{{{{ $began := $alert.StartsAt }}}}{_cases('$alert.Annotations.escalated_after', '$began', earlier)}"


def _cases(tested: str, variable: str, cases: dict[str, str]) -> str:
    """A template that gives a variable the value for what is tested, if there is one."""
    branches = " else ".join(
        f"if eq {tested} {_constant(given)} }}}}{{{{ {variable} = {value} }}}}{{{{"
        for given, value in sorted(cases.items())
    )
    return f"{{{{ {branches} end }}}}" if cases else ""


def _pagerduty_severity(plan: Plan, name: str, rank: int) -> str:
    if name in _PAGERDUTY:
        return name
    last = max(len(plan.severities) - 1, 1)
    return _PAGERDUTY_USUAL.get(name, _PAGERDUTY[round(rank * 3 / last)])


def _constant(text: str) -> str:
    """A string of Go's template language; JSON's strings are among them."""
    return json.dumps(text, ensure_ascii=False)


def _choice(cases: dict[str, str], otherwise: str) -> str:
    """A template that shows the text for what it is given."""
    if not cases:
        return otherwise
    branches = " else ".join(
        f"if eq . {_constant(given)} }}}}{{{{ {_constant(shown)} }}}}{{{{" for given, shown in sorted(cases.items())
    )
    return f"{{{{ {branches} else }}}}{otherwise}{{{{ end }}}}"
