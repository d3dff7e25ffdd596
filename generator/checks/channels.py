"""Channels: every one named exists, and an address fits the channel it is for."""

import re
from collections.abc import Iterator

from generator.checks._hints import unknown
from generator.diagnostics import Problem, Span
from generator.load import DomainFile, Files, PlatformFile
from generator.model import (
    Channel,
    Contact,
    EmailChannel,
    PagerDutyChannel,
    RoutingKey,
    SlackChannel,
    SnsChannel,
    WebhookChannel,
)

Path = tuple[str | int, ...]

_SLACK = re.compile(r"[#@][^\s#@]+|[CDGUW][A-Z0-9]{6,}")
_EMAIL = re.compile(r"[^@\s<>,]+@[^@\s<>,]+")
_PHONE = re.compile(r"\+[0-9]{6,15}")
_URL = re.compile(r"https?://[^\s/]+\S*")
_FORMS = {
    SlackChannel: (_SLACK, 'a "#channel" or a "@person"'),
    EmailChannel: (_EMAIL, "an email address"),
    SnsChannel: (_PHONE, 'a phone number in quotes, with its country: "+46700000001"'),
    WebhookChannel: (_URL, "an http or https address"),
}


def check(files: Files) -> Iterator[Problem]:
    """Channels that do not exist, and addresses that do not fit."""
    yield from _platform(files)
    yield from _contacts(files)
    for file in files.domains:
        for name, alert in file.model.alerts.items():
            yield from _list(files, alert.channels, file, ("alerts", name, "channels"))


def _list(files: Files, channels: list[str], file: DomainFile | PlatformFile, path: Path) -> Iterator[Problem]:
    for index, channel in enumerate(channels):
        if channel not in files.platform.model.channels:
            yield _unknown(files, channel, file.span((*path, index)))
        elif channel in channels[:index]:
            yield Problem(file.span((*path, index)), "duplicate-name", f'channel "{channel}" is listed twice')


def _unknown(files: Files, channel: str, span: Span) -> Problem:
    platform = files.platform
    return unknown(
        "channel", span, channel, platform.model.channels, lambda name: platform.key_span(("channels", name))
    )


def _platform(files: Files) -> Iterator[Problem]:
    platform = files.platform
    for severity, row in platform.model.escalation.items():
        yield from _list(files, row.channels, platform, ("escalation", severity, "channels"))
    monitoring = platform.model.monitoring
    yield from _list(files, monitoring.channels, platform, ("monitoring", "channels"))
    if monitoring.watchdog is not None and monitoring.watchdog not in platform.model.channels:
        yield _unknown(files, monitoring.watchdog, platform.span(("monitoring", "watchdog")))
    for name, channel in platform.model.channels.items():
        if name in Contact.model_fields:
            message = f'a channel cannot be called "{name}": a contact has a key of that name'
            yield Problem(platform.key_span(("channels", name)), "reserved-name", message, ("choose another name",))
        if isinstance(channel, SlackChannel) and not _SLACK.fullmatch(channel.channel):
            yield _misfit(platform.span(("channels", name, "channel")), channel, name)
        if isinstance(channel, SnsChannel) and (channel.topic_arn is None) == (channel.phone_number is None):
            message = f'channel "{name}" needs exactly one of topic_arn and phone_number'
            yield Problem(platform.key_span(("channels", name)), "channel-address", message)
        if isinstance(channel, WebhookChannel) and (channel.url is None) == (channel.url_file is None):
            message = f'channel "{name}" needs exactly one of url and url_file'
            yield Problem(platform.key_span(("channels", name)), "channel-address", message)


def _contacts(files: Files) -> Iterator[Problem]:
    platform = files.platform
    for name, contact in platform.model.contacts.items():
        for key, address in (contact.__pydantic_extra__ or {}).items():
            channel = platform.model.channels.get(key)
            if channel is None:
                yield _unknown(files, key, platform.key_span(("contacts", name, key)))
            elif not _fits(channel, address):
                yield _misfit(platform.span(("contacts", name, key)), channel, key)


def _fits(channel: Channel, address: str | RoutingKey) -> bool:
    if isinstance(channel, PagerDutyChannel):
        return isinstance(address, RoutingKey)
    return isinstance(address, str) and _FORMS[type(channel)][0].fullmatch(address) is not None


def _misfit(span: Span, channel: Channel, name: str) -> Problem:
    if isinstance(channel, PagerDutyChannel):
        form = "the file that holds a routing key: {routing_key_file: /run/secrets/…}"
    else:
        form = _FORMS[type(channel)][1]
    message = f'channel "{name}" ({channel.type}) cannot deliver to this address'
    return Problem(span, "channel-address", message, (f"it takes {form}",))
