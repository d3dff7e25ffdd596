"""From what services are sent to messages. Each decoder raises ``Unreadable`` for what its service would refuse."""

import html
import re
import urllib.parse
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from demo.receiver.message import Message, Unreadable

Payload = dict[str, Any]

_ADDRESS = re.compile(r"https?://[^\s<>\"'|]+", re.IGNORECASE)
_AFTER_ADDRESS = ".,;:!?)"
_RESOLVED_TITLE = re.compile(r"\[(resolved|no new event)\b", re.IGNORECASE)
_RESOLVED_SMS = re.compile(r"(RESOLVED|NO NEW EVENT)\b")
_SLACK_MARKUP = re.compile(r"<([^<>|]*)(?:\|([^<>]*))?>")
_SNS_TARGETS = ("PhoneNumber", "TopicArn", "TargetArn")
_PAGERDUTY_ACTIONS = ("trigger", "acknowledge", "resolve")


def slack(body: bytes) -> Message:
    """An incoming webhook's payload."""
    payload = _json_object(body)
    attachments = _objects(payload.get("attachments"))
    raw = [_text(payload, "text")]
    for attachment in attachments:
        raw += _attachment_texts(attachment)
    texts = [text for text in map(_slack_text, raw) if text]
    if not texts:
        raise Unreadable("no text")
    colors = [color for attachment in attachments if (color := _text(attachment, "color"))]
    title = next((_text(one, "title") for one in attachments if _text(one, "title")), "")
    title = _slack_text(title) or texts[0].splitlines()[0]
    is_resolved = colors == ["good"] * len(colors) if colors else says_resolved(title)
    return Message(
        number=0,
        at=0.0,
        kind="slack",
        to=_text(payload, "channel") or "(the webhook's own channel)",
        status=_status(is_resolved),
        title=title,
        text="\n".join(texts),
        links=links(html.unescape(text) for text in raw),
        payload=payload,
    )


def sms(body: bytes) -> Message:
    """A form as the AWS SDK posts it to Amazon SNS."""
    fields = dict(urllib.parse.parse_qsl(body.decode("utf-8", "replace")))
    if fields.get("Action") != "Publish":
        raise Unreadable("the action is not Publish")
    to = next((fields[name] for name in _SNS_TARGETS if name in fields), None)
    text = fields.get("Message", "")
    if to is None or not text:
        raise Unreadable("no target or no message")
    return Message(
        number=0,
        at=0.0,
        kind="sms",
        to=to,
        status=_status(_RESOLVED_SMS.match(text) is not None),
        title=text,
        text=text,
        links=links([text]),
        payload=fields,
    )


def phone(body: bytes) -> Message:
    """An event of PagerDuty's Events API v2."""
    event = _json_object(body)
    details = event.get("payload")
    payload: Payload = details if isinstance(details, dict) else {}
    action, key, summary = _text(event, "event_action"), _text(event, "routing_key"), _text(payload, "summary")
    if action not in _PAGERDUTY_ACTIONS or not key or (action == "trigger" and not summary):
        raise Unreadable("no action, routing key or summary")
    custom = payload.get("custom_details")
    named = [f"{name}: {value}" for name, value in custom.items()] if isinstance(custom, dict) else []
    labelled = [f"{_text(link, 'text')} <{_text(link, 'href')}>" for link in _objects(event.get("links"))]
    return Message(
        number=0,
        at=0.0,
        kind="phone",
        to=key,
        status=_status(action == "resolve"),
        title=summary or _text(event, "dedup_key"),
        text="\n".join([summary, *named, *labelled]),
        links=links([summary, *named, *labelled, _text(event, "client_url")]),
        payload=event,
    )


def webhook(body: bytes, name: str) -> Message:
    """Any JSON object; one that lists alerts as Alertmanager does is understood."""
    payload = _json_object(body)
    alerts = _objects(payload.get("alerts"))
    names = dict.fromkeys(str(_object(alert, "labels").get("alertname", "")) for alert in alerts)
    annotations = dict.fromkeys(
        f"{key}: {value}" for alert in alerts for key, value in _object(alert, "annotations").items()
    )
    sources = [_text(alert, "generatorURL") for alert in alerts]
    return Message(
        number=0,
        at=0.0,
        kind="webhook",
        to=name,
        status=_status(payload.get("status") == "resolved"),
        title=", ".join(filter(None, names)) or name,
        text="\n".join(annotations),
        links=links([*annotations, *sources, _text(payload, "externalURL")]),
        payload=payload,
    )


def links(texts: Iterable[str]) -> tuple[str, ...]:
    """Every http(s) address in the texts, in order, each once, without the punctuation that follows it."""
    found = (address.rstrip(_AFTER_ADDRESS) for text in texts for address in _ADDRESS.findall(text))
    return tuple(dict.fromkeys(found))


def says_resolved(title: str) -> bool:
    """Whether a title begins as those do that tell the end."""
    return _RESOLVED_TITLE.match(title) is not None


def _status(is_resolved: bool) -> str:
    return "resolved" if is_resolved else "firing"


def _attachment_texts(attachment: Payload) -> Iterator[str]:
    """In the order in which Slack shows them."""
    yield _text(attachment, "pretext")
    yield _text(attachment, "title")
    yield _text(attachment, "title_link")
    yield _text(attachment, "text")
    for field in _objects(attachment.get("fields")):
        yield f"{_text(field, 'title')}: {_text(field, 'value')}"
    yield _text(attachment, "footer")


def _slack_text(raw: str) -> str:
    """Markup undone: links as ``label <address>``, times as where Slack cannot show them, entities as their signs."""

    def shown(match: re.Match[str]) -> str:
        address, label = match.groups()
        if address.startswith("!date^"):
            return label or address
        return f"{label} <{address}>" if label else address

    return html.unescape(_SLACK_MARKUP.sub(shown, raw)).strip()


def _json_object(body: bytes) -> Payload:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Unreadable(f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise Unreadable("not a JSON object")
    return value


def _objects(value: object) -> list[Payload]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _object(payload: Payload, key: str) -> Payload:
    value = payload.get(key)
    return value if isinstance(value, dict) else {}


def _text(payload: Payload, key: str) -> str:
    value = payload.get(key)
    return value if isinstance(value, str) else ""
