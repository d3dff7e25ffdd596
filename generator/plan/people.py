"""The escalation matrix unrolled: severities with their rows, who comes next, and over which channels."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from generator import durations
from generator.model import Channel as WrittenChannel
from generator.model import (
    Contact,
    EmailChannel,
    PagerDutyChannel,
    Platform,
    RoutingKey,
    SeverityRow,
    SlackChannel,
    SnsChannel,
)
from generator.plan import quiet_hours, rotations
from generator.plan.types import (
    Channel,
    ContactRoute,
    ContactTitle,
    Delivery,
    Email,
    Escalation,
    Monitoring,
    OnCall,
    PagerDuty,
    Playbook,
    Quiet,
    Severity,
    Slack,
    Sns,
    Webhook,
)

ROLES = {"team-lead": "lead", "team-member": "member"}


def scaled(duration: int, scale: float) -> int:
    """A duration in an environment that shortens time, never under a millisecond."""
    return max(1, round(duration * scale)) if duration else 0


def delivery(written: WrittenChannel) -> Delivery:
    """Where a channel's messages go."""
    if isinstance(written, SlackChannel):
        return Slack(written.api_url_file, written.channel)
    if isinstance(written, EmailChannel):
        return Email(
            tuple(written.to),
            written.from_,
            written.smarthost,
            written.auth_username,
            written.auth_password_file,
            written.require_tls,
        )
    if isinstance(written, SnsChannel):
        return Sns(written.region, written.topic_arn, written.phone_number, written.role_arn, written.api_url)
    if isinstance(written, PagerDutyChannel):
        return PagerDuty(written.routing_key_file, written.url)
    return Webhook(written.url, written.url_file, written.credentials_file)


def addressed(delivery: Delivery, address: str | RoutingKey) -> Delivery:
    """The same channel with a contact's own address in place of the channel's."""
    if isinstance(address, RoutingKey):
        return (
            replace(delivery, routing_key_file=address.routing_key_file)
            if isinstance(delivery, PagerDuty)
            else delivery
        )
    if isinstance(delivery, Slack):
        return replace(delivery, channel=address)
    if isinstance(delivery, Email):
        return replace(delivery, to=(address,))
    if isinstance(delivery, Sns):
        return replace(delivery, phone_number=address, topic_arn=None)
    if isinstance(delivery, Webhook):
        return replace(delivery, url=address, url_file=None)
    return delivery


def addresses(contact: Contact) -> Mapping[str, str | RoutingKey]:
    """A contact's addresses by the name of the channel."""
    return contact.__pydantic_extra__ or {}


def row(platform: Platform, severity: str) -> SeverityRow:
    """The row of the matrix that a severity goes by; an empty one where it has none."""
    found = platform.escalation.get(severity)
    seen = {severity}
    while found is not None and found.same_as is not None and found.same_as not in seen:
        seen.add(found.same_as)
        found = platform.escalation.get(found.same_as)
    return found or SeverityRow()


def next_names(row: SeverityRow) -> tuple[str, ...]:
    """Who comes next, in order, as the matrix names them."""
    if row.next is None:
        return ()
    return (row.next,) if isinstance(row.next, str) else tuple(row.next)


def person(platform: Platform, name: str, owner: str) -> str | None:
    """The contact that a name of the matrix stands for when the alert's owner is ``owner``."""
    if name in ROLES and name not in platform.contacts:
        team = platform.contacts.get(owner)
        return getattr(team, ROLES[name]) if team is not None else None
    return name


def title(platform: Platform, contact: str) -> str:
    """How people call a contact."""
    found = platform.contacts.get(contact)
    return (found.title if found else None) or contact.replace("-", " ").replace("_", " ")


def contact_titles(platform: Platform) -> tuple[ContactTitle, ...]:
    """How people call each contact, sorted by name."""
    return tuple(ContactTitle(name, title(platform, name)) for name in sorted(platform.contacts))


def reached(platform: Platform, contact: str, severity: str) -> tuple[str, ...]:
    """The channels over which a contact is told of an alert: those of the matrix's row that the contact has.

    Of a rotation it is those that any of its people has.
    """
    own = {channel for person in behind(platform, contact) for channel in addresses(platform.contacts[person])}
    return tuple(channel for channel in row(platform, severity).channels if channel in own)


def behind(platform: Platform, contact: str) -> tuple[str, ...]:
    """The people of a rotation, else the contact alone; those who are no contact are left out."""
    found = platform.contacts.get(contact)
    names = rotations.people(found.rotation) if found is not None and found.rotation is not None else (contact,)
    return tuple(name for name in names if name in platform.contacts)


def escalations(platform: Platform, severity: str, owner: str) -> tuple[Escalation, ...]:
    """The steps after the first message: each contact a response time later than the one before."""
    matrix = row(platform, severity)
    if matrix.respond_within is None:
        return ()
    wait = scaled(durations.milliseconds(matrix.respond_within), platform.durations.scale)
    steps = []
    for count, name in enumerate(next_names(matrix), start=1):
        contact = person(platform, name, owner)
        if contact is not None:
            told = behind(platform, contact)
            steps.append(
                Escalation(
                    contact,
                    title(platform, contact),
                    wait * count,
                    reached(platform, contact, severity),
                    tuple(title(platform, person) for person in told) if told != (contact,) else (),
                )
            )
    return tuple(steps)


def severities(platform: Platform) -> tuple[Severity, ...]:
    """All severities, the worst first."""
    found = []
    for rank, name in enumerate(platform.severities):
        matrix = row(platform, name)
        wait = None
        steps: tuple[int, ...] = ()
        if matrix.respond_within is not None:
            wait = scaled(durations.milliseconds(matrix.respond_within), platform.durations.scale)
            steps = tuple(wait * count for count in range(1, len(next_names(matrix)) + 1))
        found.append(Severity(name, rank, wait, tuple(matrix.channels), steps))
    return tuple(found)


def channels(platform: Platform) -> tuple[Channel, ...]:
    """The platform's channels, sorted by name."""
    return tuple(
        Channel(
            name,
            delivery(written),
            quiet_hours.quiet(written.quiet_hours, f"channel/{name}", platform.timezone),
        )
        for name, written in sorted(platform.channels.items())
    )


def contact_routes(platform: Platform) -> tuple[ContactRoute, ...]:
    """Every contact that the matrix can reach, whatever alerts there are, so that a new alert changes no route."""
    alike: dict[ContactRoute, list[str]] = {}
    for severity in platform.severities:
        for contact in sorted(_reachable(platform, severity)):
            route = _contact_route(platform, contact, severity)
            if route.channels or route.on_call:
                alike.setdefault(route, []).append(severity)
    routes = (replace(route, severities=tuple(names)) for route, names in alike.items())
    rank = platform.severities.index
    return tuple(
        sorted(
            routes,
            key=lambda route: (
                route.contact,
                [channel.name for channel in route.channels],
                rank(route.severities[0]),
            ),
        )
    )


def _contact_route(platform: Platform, contact: str, severity: str) -> ContactRoute:
    """How a contact is told of alerts of one severity, which is not yet said in it."""
    called = title(platform, contact)
    rotation = platform.contacts[contact].rotation
    if rotation is None:
        told = _deliveries(platform, contact, severity)
        return ContactRoute(contact, called, (), told, _quiet(platform, contact, severity))
    when = rotations.intervals(contact, rotation, platform.timezone)
    on_call = tuple(
        OnCall(person, title(platform, person), told, when[person], _quiet(platform, person, severity))
        for person in behind(platform, contact)
        if (told := _deliveries(platform, person, severity))
    )
    return ContactRoute(contact, called, (), (), (), on_call)


def _deliveries(platform: Platform, contact: str, severity: str) -> tuple[Channel, ...]:
    own = addresses(platform.contacts[contact])
    return tuple(
        Channel(name, addressed(delivery(platform.channels[name]), own[name]))
        for name in row(platform, severity).channels
        if name in own and name in platform.channels
    )


def _quiet(platform: Platform, contact: str, severity: str) -> tuple[Quiet, ...]:
    """A contact's quiet hours that hold for a severity."""
    found = quiet_hours.quiet(platform.contacts[contact].quiet_hours, f"contact/{contact}", platform.timezone)
    return tuple(one for one in found if severity not in one.except_)


def _reachable(platform: Platform, severity: str) -> set[str]:
    found = set()
    for name in next_names(row(platform, severity)):
        for owner in platform.contacts:
            contact = person(platform, name, owner)
            if contact is not None and contact in platform.contacts:
                found.add(contact)
    return found


def playbook(platform: Platform, name: str | None) -> Playbook | None:
    """A playbook by name, None where there is none."""
    if name is None or name not in platform.playbooks:
        return None
    written = platform.playbooks[name]
    spoken = name.replace("_", " ")
    return Playbook(
        name,
        written.title or spoken[:1].upper() + spoken[1:],
        tuple(written.steps),
        tuple(written.communication.items()),
        tuple(written.tools),
    )


def monitoring(platform: Platform) -> Monitoring:
    """Who hears of the monitoring's own troubles: as written, else whoever the worst severity goes to."""
    written = platform.monitoring
    severity = written.severity or platform.severities[0]
    matrix = row(platform, severity)
    channels = tuple(written.channels) or tuple(matrix.channels) or tuple(sorted(platform.channels))
    owner = written.owner or next(_known(platform, next_names(matrix)), None) or min(platform.contacts)
    notification = "immediate" if "immediate" in platform.notifications else min(platform.notifications)
    slots = sorted(
        (cadence.day is not None, name) for name, cadence in platform.notifications.items() if cadence.at is not None
    )
    slowest = slots[0][1] if slots else notification
    return Monitoring(owner, severity, channels, notification, written.watchdog, platform.severities[-1], slowest)


def rotations_that_end(platform: Platform) -> tuple[tuple[str, str, datetime], ...]:
    """Every rotation that is written out until a date: its contact, how people call it, and when in UTC."""
    return tuple(
        (name, title(platform, name), end)
        for name, contact in sorted(platform.contacts.items())
        if contact.rotation is not None
        if (end := rotations.ends(contact.rotation, platform.timezone)) is not None
    )


def _known(platform: Platform, names: tuple[str, ...]) -> Iterator[str]:
    return (name for name in names if name in platform.contacts)
