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

from generator import durations, naming
from generator.emit import yaml_text
from generator.emit.artefact import Artefact
from generator.plan.types import Cadence, Channel, Delivery, Email, PagerDuty, Plan, Slack, Sns, Webhook

Block = dict[str, object]

_TEMPLATES = Path(__file__).parent / "templates" / "alertmanager"
_HOLE = re.compile(r"\[\[(\w+)\]\]")
_SPECIAL = re.compile(r"([^A-Za-z0-9_-])")

_MINUTE = 60_000
_DAY_MINUTES = 24 * 60
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
# Instances that escalate in one evaluation arrive one after the other: the shortest wait that gathers them.
_ESCALATION_WAIT = 1000
_WATCHDOG_INTERVAL = _MINUTE
# A message on a phone has an end; what is left out is counted in it.
_WEBHOOK_ALERTS = 100
_WEBHOOK_URL_FILE = (0, 26)
# PagerDuty knows four severities. Names that it has, or that are usual, keep their meaning; others go by their rank.
_PAGERDUTY = ("critical", "error", "warning", "info")
_PAGERDUTY_USUAL = {"high": "error", "major": "error", "medium": "warning", "minor": "warning", "low": "info"}


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who gets the messages of some routes: the channels of one name, and whether they hear that an alert ended."""

    name: str
    channels: tuple[Channel, ...]
    tells_end: bool = True


def emit(plan: Plan) -> Iterator[Artefact]:
    """The configuration of a platform's Alertmanager, and the templates of its messages."""
    yield Artefact("alertmanager/alertmanager.yml", yaml_text.dump(configuration(plan)))
    holes = _holes(plan)
    for name, text in _template_texts():
        filled = _HOLE.sub(lambda match: holes[match[1]], text)
        yield Artefact(f"alertmanager/templates/{name}", filled.encode())


def configuration(plan: Plan) -> Block:
    """The configuration as plain values."""
    return {
        "templates": ["templates/*.tmpl"],
        "route": _root(plan),
        "time_intervals": [_time_interval(cadence) for cadence in plan.cadences if cadence.at is not None],
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
    routes: list[Block] = [
        {
            "matchers": [_equal("escalation", route.contact), _one_of("severity", route.severities)],
            "receiver": naming.contact_receiver(route.contact, route.severities[0]),
        }
        for route in plan.contact_routes
    ]
    wait = min(_ESCALATION_WAIT, quickest.group_wait)
    return {"matchers": ['escalation=~".+"'], "group_wait": durations.text(wait), "routes": routes}


def _cadence_route(plan: Plan, cadence: Cadence) -> Block:
    """One child per channel. A child does not inherit time intervals, so each names its own."""
    is_slot = cadence.at is not None
    routes: list[Block] = []
    for channel in plan.channels:
        receiver = naming.digest_receiver if is_slot else naming.channel_receiver
        route: Block = {"matchers": [_in_list("channels", channel.name)], "receiver": receiver(channel.name)}
        if is_slot:
            route["active_time_intervals"] = [cadence.name]
        routes.append({**route, "continue": True})
    grouping: Block = {"group_by": ["platform", "domain"]} if is_slot else {}
    return {"matchers": [_equal("notification", cadence.name)], **grouping, **_timing(cadence), "routes": routes}


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


def _in_list(label: str, value: str) -> str:
    """Matches a label that lists ``value`` among others, with commas; Alertmanager anchors it."""
    return f"{label}=~{_quoted(f'(.*,)?{_literal(value)}(,.*)?')}"


# --- time intervals ---


def _time_interval(cadence: Cadence) -> Block:
    """From the time of day on, a group interval and a minute long: one tick falls into it for certain."""
    assert cadence.at is not None  # asked for slots alone
    if cadence.is_open:
        whole_day = {"times": [{"start_time": _time_of_day(0), "end_time": _time_of_day(_DAY_MINUTES)}]}
        return {"name": cadence.name, "time_intervals": [whole_day]}
    start = int(cadence.at[:2]) * 60 + int(cadence.at[3:])
    length = min(-(-cadence.group_interval // _MINUTE) + 1, _DAY_MINUTES)
    end = start + length
    spans = [(start, min(end, _DAY_MINUTES), 0)]
    if end > _DAY_MINUTES:
        spans.append((0, end - _DAY_MINUTES, 1))
    return {"name": cadence.name, "time_intervals": [_span(cadence, *span) for span in spans]}


def _span(cadence: Cadence, start: int, end: int, days_later: int) -> Block:
    times = [{"start_time": _time_of_day(start), "end_time": _time_of_day(end)}]
    span: Block = {"times": times, "location": cadence.timezone}
    if cadence.day is not None:
        span["weekdays"] = [_WEEKDAYS[(_WEEKDAYS.index(cadence.day) + days_later) % 7]]
    return span


def _time_of_day(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


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
    for route in plan.contact_routes:
        yield Receiver(naming.contact_receiver(route.contact, route.severities[0]), route.channels)


def _receiver(plan: Plan, receiver: Receiver) -> Block:
    block: Block = {"name": receiver.name}
    for channel in receiver.channels:
        key, config = _integration(plan, channel.delivery)
        configs = block.setdefault(key, [])
        assert isinstance(configs, list)
        configs.append({"send_resolved": receiver.tells_end, **config})
    return block


def _integration(plan: Plan, delivery: Delivery) -> tuple[str, Block]:
    match delivery:
        case Slack():
            return "slack_configs", _slack(delivery)
        case Email():
            return "email_configs", _email(delivery)
        case Sns():
            return "sns_configs", _sns(delivery)
        case PagerDuty():
            return "pagerduty_configs", _pagerduty(delivery)
        case Webhook():
            return "webhook_configs", _webhook(plan, delivery)


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
        "fallback": _call("slack.title"),
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
        "description": _call("title"),
        "severity": _call("pagerduty.severity"),
        "class": "{{ .CommonLabels.alertname }}",
        "component": "{{ .CommonLabels.subject }}",
        "group": "{{ .CommonLabels.domain }}",
        "client": "Alertmanager",
        "client_url": _call("alerts"),
        "details": {
            "owner": "{{ .CommonLabels.owner }}",
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
    contacts = {route.contact: route.title for route in plan.contact_routes}
    severities = {one.name: _pagerduty_severity(plan, one.name, one.rank) for one in plan.severities}
    mild = {name: "#439fe0" for name, known in severities.items() if known == "info"}
    worst = {one.name: "danger" for one in plan.severities if one.rank == 0}
    return {
        "platform": _constant(plan.title),
        "alertmanager": _constant(plan.links.alertmanager),
        "grafana": _constant(plan.links.grafana),
        "runbooks": _constant(plan.links.runbooks),
        "contacts": _choice(contacts, "{{ . }}"),
        "pagerduty_severities": _choice(severities, "error"),
        "slack_colors": _choice(mild | worst, "warning"),
    }


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
