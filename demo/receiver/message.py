"""What people get, whatever it came over."""

from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["slack", "email", "sms", "phone", "webhook"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one address.

    Decoders leave ``number`` and ``at`` at zero: the inbox gives them.
    """

    number: int
    """1, 2, … in order of arrival."""
    at: float
    """Seconds since 1970 at which it arrived."""
    kind: Kind
    to: str
    """Channel or person of Slack, one mail address, phone number or topic, routing key, name in a webhook's path."""
    status: str
    """``firing`` or ``resolved``."""
    title: str
    text: str
    """All of it that a person reads, without markup."""
    links: tuple[str, ...]
    """Every http(s) address in it, in order, each once."""
    payload: Any
    """What arrived: decoded JSON, the fields of a form, or from, to, subject, html and text of a mail."""


@dataclass(frozen=True, slots=True)
class News:
    """A line that stands between the messages."""

    text: str
    at: float
    """Seconds since 1970."""


class Unreadable(ValueError):
    """What arrived is not what its kind looks like; the text says why."""
