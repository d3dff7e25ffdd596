"""Receivers: who gets the messages of a route, over what."""

from collections.abc import Iterator
from dataclasses import dataclass

from generator import naming
from generator.emit.alertmanager.blocks import Block
from generator.plan.types import Channel, Delivery, Email, PagerDuty, Plan, Slack, Sns, Webhook

# A message on a phone has an end; what is left out is counted in it.
_WEBHOOK_ALERTS = 100
_WEBHOOK_URL_FILE = (0, 26)


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who gets the messages of some routes: the channels of one name, and whether they hear that an alert ended."""

    name: str
    channels: tuple[Channel, ...]
    tells_end: bool = True


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


def block(plan: Plan, receiver: Receiver) -> Block:
    """A receiver as plain values."""
    found: Block = {"name": receiver.name}
    for channel in receiver.channels:
        configs = found.setdefault(f"{integration(channel.delivery)}_configs", [])
        assert isinstance(configs, list)
        configs.append({"send_resolved": receiver.tells_end, **_config(plan, channel.delivery)})
    return found


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
