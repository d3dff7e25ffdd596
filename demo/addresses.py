"""Where everything is that a plan names: the demo's parts, the files of secrets, and who is behind an address.

The plan of an environment names every address: Prometheus is where ``links.prometheus`` points, the receiver's page
where ``links.grafana`` does, exporters and services where their scrape jobs look. So a free set of ports is an overlay.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from demo.processes import DemoError
from demo.receiver import Kind
from generator.plan.types import Channel, ContactRoute, Email, PagerDuty, Plan, Slack, Sns, Webhook

Address = tuple[str, int]
Inbox = tuple[Kind, str]


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the parts listen."""

    prometheus: Address
    alertmanagers: tuple[Address, ...]
    pages: Address
    smtp: Address

    def __iter__(self) -> Iterator[Address]:
        return iter((self.prometheus, *self.alertmanagers, self.pages, self.smtp))


def addresses(plan: Plan) -> Addresses:
    """Where a plan looks for the parts; DemoError where it names no SMTP server."""
    smarthosts = [one.delivery.smarthost for one in _channels(plan) if isinstance(one.delivery, Email)]
    if not smarthosts:
        raise DemoError(f"{plan.platform} has no channel of type email, whose smarthost says where the demo takes mail")
    return Addresses(
        _address(urlsplit(plan.links.prometheus).netloc),
        tuple(map(_address, plan.alertmanagers)),
        _address(urlsplit(plan.links.grafana).netloc),
        _address(smarthosts[0]),
    )


def targets(plan: Plan, job: str) -> tuple[Address, ...]:
    """Where a scrape job looks."""
    return tuple(_address(target) for found in plan.jobs if found.name == job for target in found.targets)


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def _channels(plan: Plan) -> tuple[Channel, ...]:
    return plan.channels + tuple(channel for route in plan.contact_routes for channel in _of(route))


def _of(route: ContactRoute) -> tuple[Channel, ...]:
    """The channels of a contact; of a rotation those of all its people, since any of them may be on call."""
    return (*route.channels, *(channel for person in route.on_call for channel in person.channels))


def write_secrets(plan: Plan, folder: Path, configuration: Path) -> None:
    """The files that the plan says hold secrets: addresses and keys of the receiver.

    Alertmanager looks for relative ones below the folder that it runs in, ``folder``; but for a webhook's credentials
    below that of its ``configuration`` (0.25, ``resolveFilepaths``).
    """
    texts: dict[Path, str] = {}
    for channel in _channels(plan):
        match channel.delivery:
            case Slack(api_url_file=path):
                texts[folder / path] = f"{plan.links.grafana}/slack"
            case PagerDuty(routing_key_file=path):
                texts[folder / path] = _routing_key(path)
            case Webhook(credentials_file=str(path)):
                texts[configuration / path] = "demo"
            case Email(auth_password_file=str(path)):
                texts[folder / path] = "demo"
            case _:
                pass
    for file, text in texts.items():
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.write_text(text, "utf-8")


def _routing_key(path: str) -> str:
    return f"routing-key-{Path(path).name}"


def people(plan: Plan) -> dict[Inbox, str]:
    """Who is behind an address that messages go to; one that is not in it stands for itself."""
    found: dict[Inbox, str] = {}
    for channel in plan.channels:
        match channel.delivery:
            case Sns(topic_arn=str(arn)):
                found["sms", arn] = f"Phones of {arn.rpartition(':')[2]}"
            case PagerDuty(routing_key_file=path):
                found["phone", _routing_key(path)] = f"Pager of {channel.name}"
            case _:
                pass
    for route in plan.contact_routes:
        for one in route.on_call or (route,):
            for channel in one.channels:
                found |= dict.fromkeys(_reached(channel), one.title)
    return found


def _reached(channel: Channel) -> tuple[Inbox, ...]:
    """The addresses that a channel's messages go to, as the receiver names them."""
    match channel.delivery:
        case Slack(channel=to):
            return (("slack", to),)
        case Email(to=to_all):
            return tuple(("email", to) for to in to_all)
        case Sns(topic_arn=arn, phone_number=number):
            return (("sms", arn or number or ""),)
        case PagerDuty(routing_key_file=path):
            return (("phone", _routing_key(path)),)
        case Webhook(url=url):
            return (("webhook", urlsplit(url or "").path.rpartition("/")[2]),)


def reached(plan: Plan, channel: str) -> tuple[Inbox, ...]:
    """The addresses behind a channel's name."""
    return tuple(found for one in plan.channels if one.name == channel for found in _reached(one))


def reached_contact(plan: Plan, contact: str, severity: str) -> tuple[Inbox, ...]:
    """The addresses over which a contact may hear of an alert of a severity."""
    routes = (route for route in plan.contact_routes if route.contact == contact and severity in route.severities)
    return tuple(found for route in routes for channel in _of(route) for found in _reached(channel))
