"""What an alert says: annotations as templates of Prometheus, with every text from a file escaped.

Functions: Prometheus, "Template reference" (query, first, value, humanize, humanizeDuration, humanizePercentage,
reReplaceAll); Go, "text/template" (printf, urlquery).
"""

from urllib.parse import quote

from generator import durations
from generator.condition.promql import quoted
from generator.plan.recordings import seen
from generator.plan.types import Alert, Escalation, Held, JobHealth, Plan

_HUMAN = {
    "seconds": "{{ %s | humanizeDuration }}",
    "ratio": "{{ %s | humanizePercentage }}",
    "bytes": "{{ %s | humanize }}B",
    "usd": '${{ %s | printf "%%.2f" }}',
}
# humanize would show 0.93 as 930m, which people read as minutes.
_PLAIN = (
    '{{ if and (lt -1.0 (%(value)s)) (lt (%(value)s) 1.0) }}{{ %(value)s | printf "%%.3g" }}'
    "{{ else }}{{ %(value)s | humanize }}{{ end }}"
)


def literal(text: str) -> str:
    """Text that a template shows as it stands."""
    shown = text.replace("{{", '{{ "{{" }}')
    return f'{shown[:-1]}{{{{ "{{" }}}}' if shown.endswith("{") else shown  # else it would join what follows


def human(value: str, unit: str, condition: str = "") -> str:
    """A template that shows ``value`` (an expression of templates) in its unit, as people read it.

    Bytes are counted as the condition counts them, in MB or in MiB, so that both can be compared.
    """
    if unit == "bytes" and "iB" in condition:
        return f"{{{{ {value} | humanize1024 }}}}B"
    if unit in _HUMAN:
        return _HUMAN[unit] % value
    if unit in ("none", "rps"):
        return _PLAIN % {"value": value} + (" requests/s" if unit == "rps" else "")
    return f"{{{{ {value} | humanize }}}} {literal(unit.replace('_', ' '))}"


def annotations(plan: Plan, alert: Alert, escalation: Escalation | None = None) -> dict[str, str]:
    """The annotations of an alert's rule, in the order in which they are written."""
    found = {
        "summary": literal(alert.summary) + _instance(alert),
        "description": _description(alert),
        "value": _value(plan, alert),
        "threshold": literal(alert.threshold_text),
        "runbook_url": literal(alert.runbook_url),
        "dashboard_url": literal(alert.dashboard_url),
        "silence_url": _silence_url(plan, alert),
    }
    if escalation is not None:
        found["escalated_after"] = durations.text(escalation.after)
        found["escalated_from"] = literal(_silent(plan, alert, escalation))
    if alert.within is not None:
        found["resolved"] = f"no new event for {durations.text(alert.within)}"
    return found


def _instance(alert: Alert) -> str:
    parts = [f"{name} {{{{ $labels.{name} }}}}" for name in alert.by]
    return f" ({', '.join(parts)})" if parts else ""


def _description(alert: Alert) -> str:
    parts = [literal(alert.description)]
    if alert.kind == "metrics":
        parts.append(literal(f"Condition: {alert.text}."))
    for value, note in alert.notes:
        parts[-1] += f"{{{{ if eq $labels.{alert.by[0]} {quoted(value)} }}}} Blind: {literal(note)}.{{{{ end }}}}"
    if alert.within is not None:
        within = durations.text(alert.within)
        parts.append(
            f"A further event within {within} raises the count and sends no message;"
            f" resolved means no new event for {within}."
        )
    if alert.unlisted is not None:
        query = quoted(f"{alert.unlisted} > 0")
        parts[-1] += f"{{{{ with query {query} }}}} {{{{ . | first | value }}}} more rows are not listed.{{{{ end }}}}"
    return " ".join(parts)


def _silent(plan: Plan, alert: Alert, escalation: Escalation) -> str:
    """Who did not respond before it was escalated: its owner, then whoever was told in between."""
    titles = {contact.name: contact.title for contact in plan.contacts}
    told = alert.escalations[: alert.escalations.index(escalation)]
    return " and ".join(dict.fromkeys([titles.get(alert.owner, alert.owner), *(step.title for step in told)]))


def _silence_url(plan: Plan, alert: Alert) -> str:
    """The form that silences this one alert, its escalations with it: all its labels but ``escalation``.

    In the order of Alertmanager's own templates, so that a link is the same whoever made it.
    """
    values = {name: quote(f'"{value}"', safe="") for name, value in (("alertname", alert.alertname), *alert.labels)}
    values |= {name: _percent_encoded(f"$labels.{name}") for name in alert.by}
    names = sorted(values, key=lambda name: (name != "alertname", name))
    matchers = "%2C%20".join(f"{name}%3D{values[name]}" for name in names)
    return f"{literal(plan.links.alertmanager)}/#/silences/new?filter=%7B{matchers}%7D"


def _percent_encoded(value: str) -> str:
    """A template that shows ``value`` (an expression of templates) as a quoted string in an address."""
    return f'{{{{ printf "%q" {value} | urlquery | reReplaceAll "[+]" "%20" }}}}'


def _value(plan: Plan, alert: Alert) -> str:
    if alert.value_text is not None:
        return literal(alert.value_text)
    if alert.kind == "rows":
        shown = "{{ $value | humanize }} {{ if eq $value 1.0 }}row{{ else }}rows{{ end }}"
        if alert.worst is not None:
            shown += f", worst {_worst(alert)}"
    else:
        shown = human("$value", alert.value_unit, alert.text)
    if alert.no_data == "alert" and alert.reads:
        # What fires for want of data alone has no number, and NaN is not equal to itself.
        shown = f"{{{{ if eq $value $value }}}}{shown}{{{{ else }}}}unknown{{{{ end }}}}"
    return shown + _held(plan, alert)


def _worst(alert: Alert) -> str:
    assert alert.worst is not None  # asked for only where there is one
    name = alert.worst.record
    if alert.worst.labels:
        matchers = ",".join(f"{label}=%q" for label in alert.worst.labels)
        arguments = " ".join(f"$labels.{label}" for label in alert.worst.labels)
        query = f"(printf {quoted(f'{name}{{{matchers}}}')} {arguments})"
    else:
        query = quoted(name)
    value = human(". | first | value", alert.value_unit, alert.text)
    return f"{{{{ with query {query} }}}}{value}{{{{ else }}}}unknown{{{{ end }}}}"


def _held(plan: Plan, alert: Alert) -> str:
    if not alert.reads:
        return ""
    parts = dict.fromkeys(_healthy(plan.platform, held, alert) for held in alert.reads)
    healthy = quoted(" and on() ".join(text for text, _ in parts))
    if instances := sum(own for _, own in parts):
        healthy = f"(printf {healthy}{' $labels.instance' * instances})"
    return f"{{{{ with query {healthy} }}}}{{{{ else }}}} (held, source blind){{{{ end }}}}"


def _healthy(platform: str, held: Held, alert: Alert) -> tuple[str, bool]:
    """PromQL that yields something while a source is seen, and whether it is a format that takes the instance."""
    expr = seen(platform, held.health)
    if not isinstance(held.health, JobHealth) or not held.health.per_instance:
        return expr, False
    if "instance" not in alert.by:
        return f"max{expr}", False
    return expr.replace("}", ",instance=%q}", 1), True  # one alert per target: its own target decides
