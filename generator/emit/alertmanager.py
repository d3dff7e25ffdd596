"""``alertmanager/alertmanager.yml`` and its message templates.

The tree is driven by labels: an alert that uses known channels and a known cadence changes no line of it. What no route
knows reaches the channels of the monitoring itself, so nothing vanishes.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from generator import durations, naming
from generator.emit import yaml_text
from generator.emit.artefact import Artefact
from generator.plan import week
from generator.plan.cadences import slot_minutes
from generator.plan.types import (
    Cadence,
    Channel,
    ContactRoute,
    Delivery,
    Email,
    PagerDuty,
    Plan,
    Quiet,
    Slack,
    Sns,
    Stretch,
    TimeInterval,
    Webhook,
)

Block = dict[str, object]

FOLDER = "alertmanager"
PATH = f"{FOLDER}/alertmanager.yml"
_TEMPLATES = Path(__file__).parent / "templates" / "alertmanager"
_HOLE = re.compile(r"\[\[(\w+)\]\]")
_SPECIAL = re.compile(r"([^A-Za-z0-9_-])")

_MINUTE = 60_000
# Instances that escalate in one evaluation arrive one after the other: the shortest wait that gathers them.
_ESCALATION_WAIT = 1000
_WATCHDOG_INTERVAL = _MINUTE
# A message on a phone has an end; what is left out is counted in it.
_WEBHOOK_ALERTS = 100
_WEBHOOK_URL_FILE = (0, 26)
# PagerDuty knows four severities. Names that it has, or that are usual, keep their meaning; others go by their rank.
_PAGERDUTY = ("critical", "error", "warning", "info")
_PAGERDUTY_USUAL = {"high": "error", "major": "error", "medium": "warning", "minor": "warning", "low": "info"}
# Sets ``$worst`` to the severity of a message: where its alerts differ in theirs, that of the worst.
_WORST = (
    "{{ $worst := .CommonLabels.severity }}{{ if not $worst }}{{ range $severity := %s }}{{ range $.Alerts.Firing }}"
    "{{ if and (not $worst) (%s) }}{{ $worst = .Labels.severity }}{{ end }}"
    "{{ end }}{{ end }}{{ end }}"
)


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who gets the messages of some routes: the channels of one name, and whether they hear that an alert ended."""

    name: str
    channels: tuple[Channel, ...]
    tells_end: bool = True


def emit(plan: Plan) -> Iterator[Artefact]:
    """The configuration of a platform's Alertmanager, and the templates of its messages."""
    yield Artefact(PATH, yaml_text.dump(configuration(plan)))
    holes = _holes(plan)
    for name, text in _template_texts():
        filled = _HOLE.sub(lambda match: holes[match[1]], text)
        yield Artefact(f"{FOLDER}/templates/{name}", filled.encode())


def configuration(plan: Plan) -> Block:
    """The configuration as plain values."""
    return {
        "templates": ["templates/*.tmpl"],
        "route": _root(plan),
        "time_intervals": [time_interval(interval) for interval in _time_intervals(plan)],
        "inhibit_rules": _inhibit_rules(plan),
        "receivers": [_receiver(plan, receiver) for receiver in receivers(plan)],
    }


# --- routes ---


def _root(plan: Plan) -> Block:
    """The tree; its own receiver is the catch-all, also for alerts that match a cadence and no channel."""
    quickest = min(plan.cadences, key=lambda cadence: (cadence.at is not None, cadence.group_interval, cadence.name))
    return {
        "receiver": naming.UNROUTED_RECEIVER,
        # One message is one alert; its instances, which differ in other labels, share it.
        "group_by": ["platform", "domain", "alertname", "severity"],
        **_timing(quickest),
        "routes": [
            _watchdog_route(plan),
            _escalation_route(plan, quickest),
            *(_cadence_route(plan, cadence) for cadence in plan.cadences),
        ],
    }


def _timing(cadence: Cadence) -> Block:
    return {
        "group_wait": durations.text(cadence.group_wait),
        "group_interval": durations.text(cadence.group_interval),
        "repeat_interval": durations.text(cadence.repeat_interval),
    }


def _watchdog_route(plan: Plan) -> Block:
    matchers = [_equal("alertname", naming.WATCHDOG)]
    if plan.monitoring.watchdog is None:
        return {"matchers": matchers, "receiver": naming.DISCARD_RECEIVER}
    return {
        "matchers": matchers,
        "receiver": naming.WATCHDOG_RECEIVER,
        "group_wait": "0s",
        "group_interval": durations.text(_WATCHDOG_INTERVAL),
        # Half an interval, so that every tick sends: an exact multiple slips to the next one.
        "repeat_interval": durations.text(_WATCHDOG_INTERVAL // 2),
    }


def _escalation_route(plan: Plan, quickest: Cadence) -> Block:
    """Escalated copies go to their contact alone, whatever their cadence; no ``continue``."""
    routes = [_contact_route(route) for route in plan.contact_routes]
    wait = min(_ESCALATION_WAIT, quickest.group_wait)
    return {"matchers": ['escalation=~".+"'], "group_wait": durations.text(wait), "routes": routes}


def _contact_route(route: ContactRoute) -> Block:
    """A contact's route; that of a rotation has a child for each person, which is open while that one is on call.

    The children have no matchers and differ in their receivers, so each has an entry of its own in the notification
    log: whoever takes over is told of what still fires.
    """
    matchers = [_equal("escalation", route.contact), _one_of("severity", route.severities)]
    if not route.on_call:
        receiver = naming.contact_receiver(route.contact, route.severities[0])
        return {"matchers": matchers, "receiver": receiver, **_muted(route.quiet)}
    routes = [
        {
            "receiver": naming.contact_receiver(person.contact, route.severities[0]),
            "active_time_intervals": [interval.name for interval in person.active],
            **_muted(person.quiet),
            "continue": True,
        }
        for person in route.on_call
    ]
    return {"matchers": matchers, "routes": routes}


def _muted(quiet: tuple[Quiet, ...]) -> Block:
    return {"mute_time_intervals": [one.interval.name for one in quiet]} if quiet else {}


def _cadence_route(plan: Plan, cadence: Cadence) -> Block:
    """A child per channel, or several where quiet hours let some severities through.

    A child does not inherit time intervals, so each names its own. A slot needs only quiet hours that meet it: where
    none does, one message a day stays one.
    """
    is_slot = cadence.at is not None
    receiver = naming.digest_receiver if is_slot else naming.channel_receiver
    active: Block = {"active_time_intervals": [cadence.name]} if is_slot else {}
    routes: list[Block] = [
        {
            "matchers": [_in_list("channels", channel.name), *severities],
            "receiver": receiver(channel.name),
            **active,
            **_muted(quiet),
            "continue": True,
        }
        for channel in plan.channels
        for severities, quiet in _quiet_by_severity(plan, _meeting(channel.quiet, cadence))
    ]
    grouping: Block = {"group_by": ["platform", "domain"]} if is_slot else {}
    return {"matchers": [_equal("notification", cadence.name)], **grouping, **_timing(cadence), "routes": routes}


def _meeting(quiet: tuple[Quiet, ...], cadence: Cadence) -> tuple[Quiet, ...]:
    """The quiet hours that a cadence may meet."""
    if cadence.at is None:
        return quiet
    slot = _slot(cadence).stretches
    return tuple(one for one in quiet if any(week.meet(a, b) for a in slot for b in one.interval.stretches))


def _quiet_by_severity(plan: Plan, every: tuple[Quiet, ...]) -> Iterator[tuple[tuple[str, ...], tuple[Quiet, ...]]]:
    """Quiet hours, with the matchers of the severities that they hold for.

    Whatever severity is none of the platform's is disturbed by the fewest of them.
    """
    alike: dict[tuple[Quiet, ...], list[str]] = {}
    for severity in plan.severities:
        quiet = tuple(one for one in every if severity.name not in one.except_)
        alike.setdefault(quiet, []).append(severity.name)
    fewest = min(alike, key=len)
    others = tuple(name for quiet, names in alike.items() if quiet != fewest for name in names)
    for quiet, names in alike.items():
        if quiet != fewest:
            yield (_one_of("severity", tuple(names)),), quiet
    yield (_none_of("severity", others),) if others else (), fewest


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _literal(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)


def _equal(label: str, value: str) -> str:
    return f"{label}={_quoted(value)}"


def _one_of(label: str, values: tuple[str, ...]) -> str:
    if len(values) == 1:
        return _equal(label, values[0])
    return f"{label}=~{_quoted('|'.join(map(_literal, values)))}"


def _none_of(label: str, values: tuple[str, ...]) -> str:
    return f"{label}!~{_quoted('|'.join(map(_literal, values)))}"


def _in_list(label: str, value: str) -> str:
    """Matches a label that lists ``value`` among others, with commas; Alertmanager anchors it."""
    return f"{label}=~{_quoted(f'(.*,)?{_literal(value)}(,.*)?')}"


# --- time intervals ---


def _time_intervals(plan: Plan) -> tuple[TimeInterval, ...]:
    """Every interval that a route of the tree names, once."""
    quiet = (
        *(one for channel in plan.channels for one in channel.quiet),
        *(one for route in plan.contact_routes for one in route.quiet),
        *(one for route in plan.contact_routes for person in route.on_call for one in person.quiet),
    )
    on_call = (one for route in plan.contact_routes for person in route.on_call for one in person.active)
    slots = (_slot(cadence) for cadence in plan.cadences if cadence.at is not None)
    return tuple(dict.fromkeys((*slots, *(one.interval for one in quiet), *on_call)))


def _slot(cadence: Cadence) -> TimeInterval:
    """From the time of day on, the next whole minutes above a group interval: one tick falls into it for certain."""
    assert cadence.at is not None  # asked for slots alone
    if cadence.is_open:
        return TimeInterval(cadence.name, (Stretch(),))
    start = week.minutes(cadence.at)
    length = slot_minutes(cadence.group_interval)
    end = start + length
    spans = [(start, min(end, week.DAY), 0)]
    if end > week.DAY:
        spans.append((0, end - week.DAY, 1))
    return TimeInterval(cadence.name, tuple(_stretch(cadence, *span) for span in spans))


def _stretch(cadence: Cadence, start: int, end: int, days_later: int) -> Stretch:
    if cadence.day is None:
        return Stretch(start, end, timezone=cadence.timezone)
    weekday = week.WEEKDAYS[(week.WEEKDAYS.index(cadence.day) + days_later) % 7]
    return Stretch(start, end, (weekday,), timezone=cadence.timezone)


def time_interval(interval: TimeInterval) -> dict[str, Any]:
    """A time interval as plain values."""
    return {"name": interval.name, "time_intervals": [_stretch_block(one) for one in interval.stretches]}


def _stretch_block(stretch: Stretch) -> Block:
    times = {"start_time": week.time_of_day(stretch.start), "end_time": week.time_of_day(stretch.end)}
    is_whole_day = (stretch.start, stretch.end) == (0, week.DAY)
    has_days = stretch.weekdays or stretch.days or stretch.months or stretch.years
    return {
        **({} if is_whole_day and has_days else {"times": [times]}),
        **({"location": stretch.timezone} if stretch != Stretch() else {}),
        **({"weekdays": list(stretch.weekdays)} if stretch.weekdays else {}),
        **({"days_of_month": [_range(stretch.days)]} if stretch.days else {}),
        **({"months": [_range(stretch.months)]} if stretch.months else {}),
        **({"years": [_range(stretch.years)]} if stretch.years else {}),
    }


def _range(range_: tuple[int, int]) -> str:
    first, last = range_
    return str(first) if first == last else f"{first}:{last}"


# --- inhibition ---


def _inhibit_rules(plan: Plan) -> list[Block]:
    """The worst severity mutes the others of the same subject.

    Only where the subject is a metric: two rows of one record are two matters. Labels that are missing on both sides
    count as equal, so what is to be there is demanded; what watches the monitoring itself mutes nothing.
    """
    severities = [severity.name for severity in sorted(plan.severities, key=lambda severity: severity.rank)]
    if len(severities) < 2:
        return []
    subject = ['platform=~".+"', 'domain=~".+"', f"domain!={_quoted(naming.OWN_DOMAIN)}", 'subject=~".+"']
    if records := sorted({record.name for domain in plan.domains for record in domain.records}):
        subject.append(f"subject!~{_quoted('|'.join(map(_literal, records)))}")
    return [
        {
            "source_matchers": [_equal("severity", severities[0]), *subject],
            "target_matchers": [_one_of("severity", tuple(severities[1:])), *subject],
            "equal": ["platform", "domain", "subject", *_splitting_labels(plan)],
        }
    ]


def _splitting_labels(plan: Plan) -> list[str]:
    """What tells series of one subject apart: taken from the metrics too, so that few alerts add to it."""
    metrics = {label for domain in plan.domains for metric in domain.metrics for label, _ in metric.labels}
    alerts = {label for domain in plan.domains for alert in domain.alerts if alert.kind != "rows" for label in alert.by}
    return sorted(metrics | alerts)


# --- receivers ---


def receivers(plan: Plan) -> Iterator[Receiver]:
    """Every receiver that a route of the tree names."""
    by_name = {channel.name: channel for channel in plan.channels}
    yield Receiver(naming.UNROUTED_RECEIVER, tuple(by_name[name] for name in plan.monitoring.channels))
    if plan.monitoring.watchdog is None:
        yield Receiver(naming.DISCARD_RECEIVER, ())
    else:
        yield Receiver(naming.WATCHDOG_RECEIVER, (by_name[plan.monitoring.watchdog],), tells_end=False)
    for channel in plan.channels:
        yield Receiver(naming.channel_receiver(channel.name), (channel,))
    if any(cadence.at is not None for cadence in plan.cadences):
        for channel in plan.channels:
            yield Receiver(naming.digest_receiver(channel.name), (channel,), tells_end=False)
    contacts: dict[str, Receiver] = {}
    for route in plan.contact_routes:
        for one in route.on_call or (route,):
            name = naming.contact_receiver(one.contact, route.severities[0])
            contacts.setdefault(name, Receiver(name, one.channels))
    yield from contacts.values()


def _receiver(plan: Plan, receiver: Receiver) -> Block:
    block: Block = {"name": receiver.name}
    for channel in receiver.channels:
        configs = block.setdefault(f"{integration(channel.delivery)}_configs", [])
        assert isinstance(configs, list)
        configs.append({"send_resolved": receiver.tells_end, **_config(plan, channel.delivery)})
    return block


def integration(delivery: Delivery) -> str:
    """What Alertmanager calls a way to people."""
    return type(delivery).__name__.lower()


def _config(plan: Plan, delivery: Delivery) -> Block:
    match delivery:
        case Slack():
            return _slack(delivery)
        case Email():
            return _email(delivery)
        case Sns():
            return _sns(delivery)
        case PagerDuty():
            return _pagerduty(delivery)
        case Webhook():
            return _webhook(plan, delivery)


def _call(template: str) -> str:
    return f'{{{{ template "tocsin.{template}" . }}}}'


def _slack(slack: Slack) -> Block:
    return {
        "api_url_file": slack.api_url_file,
        "channel": slack.channel,
        "color": _call("slack.color"),
        "title": _call("slack.title"),
        "title_link": _call("dashboard"),
        "text": _call("slack.text"),
        "fallback": _call("slack.fallback"),
        "mrkdwn_in": ["text"],
    }


def _email(email: Email) -> Block:
    optional = {"auth_username": email.auth_username, "auth_password_file": email.auth_password_file}
    return {
        "to": ", ".join(email.to),
        "from": email.from_,
        "smarthost": email.smarthost,
        **{key: value for key, value in optional.items() if value is not None},
        "require_tls": email.require_tls,
        "headers": {"Subject": _call("email.subject")},
        "html": _call("email.html"),
        "text": _call("email.text"),
    }


def _sns(sns: Sns) -> Block:
    sigv4 = {"region": sns.region} | ({"role_arn": sns.role_arn} if sns.role_arn else {})
    optional = {"api_url": sns.api_url, "topic_arn": sns.topic_arn, "phone_number": sns.phone_number}
    return {
        "sigv4": sigv4,
        **{key: value for key, value in optional.items() if value is not None},
        # A subject is for the email subscribers of a topic.
        "subject": _call("sms.subject") if sns.topic_arn else "",
        "message": _call("sms.text"),
        # Promotional, the default of SNS, may be held back or dropped.
        "attributes": {"AWS.SNS.SMS.SMSType": "Transactional"},
    }


def _pagerduty(pagerduty: PagerDuty) -> Block:
    return {
        "routing_key_file": pagerduty.routing_key_file,
        **({"url": pagerduty.url} if pagerduty.url else {}),
        "description": _call("pagerduty.title"),
        "severity": _call("pagerduty.severity"),
        "class": "{{ .CommonLabels.alertname }}",
        "component": "{{ .CommonLabels.subject }}",
        "group": "{{ .CommonLabels.domain }}",
        "client": "Alertmanager",
        "client_url": _call("alerts"),
        "details": {
            "owner": _call("pagerduty.owner"),
            "since": _call("pagerduty.since"),
            "threshold": "{{ .CommonAnnotations.threshold }}",
            "firing": _call("pagerduty.firing"),
            "resolved": _call("pagerduty.resolved"),
        },
        "links": [
            {"href": _call("dashboard"), "text": "Dashboard"},
            {"href": _call("runbook"), "text": "Runbook"},
        ],
    }


def _webhook(plan: Plan, webhook: Webhook) -> Block:
    config: Block = {}
    if webhook.url_file is not None and plan.alertmanager_version >= _WEBHOOK_URL_FILE:
        config["url_file"] = webhook.url_file
    else:
        config["url"] = webhook.url
    if webhook.credentials_file is not None:
        config["http_config"] = {"authorization": {"credentials_file": webhook.credentials_file}}
    return {**config, "max_alerts": _WEBHOOK_ALERTS}


# --- templates ---


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
