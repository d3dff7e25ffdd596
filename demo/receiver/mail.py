"""The mail server: takes mail for everybody and relays none."""

import asyncio
import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as email_policy
from html.parser import HTMLParser

from aiosmtpd.smtp import SMTP, Envelope, Session

from demo.receiver import decoding
from demo.receiver.inbox import Inbox
from demo.receiver.message import Message, Unreadable

_LARGEST = 1_000_000
_LOOK_SECONDS = 0.05
_LATER = "451 4.3.0 not now"


@contextlib.contextmanager
def serving(inbox: Inbox, listener: socket.socket) -> Iterator[None]:
    """Serve SMTP on a listening socket, in a thread."""
    loop = asyncio.new_event_loop()
    stopped = asyncio.Event()
    thread = threading.Thread(
        target=loop.run_until_complete, args=(_serve(inbox, listener, stopped),), name="receiver's mail", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join()
        loop.close()


async def _serve(inbox: Inbox, listener: socket.socket, stopped: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    deliveries = _Deliveries(inbox)

    def protocol() -> SMTP:
        return SMTP(deliveries, data_size_limit=_LARGEST, enable_SMTPUTF8=True, hostname="localhost", loop=loop)

    server = await loop.create_server(protocol, sock=listener)
    await stopped.wait()
    server.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


class _Deliveries:
    """What aiosmtpd calls at each command; the names of the methods are its own."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if failure := self._inbox.failure("email", address):
            self._inbox.refuse()
            while failure == "hang" and not self._inbox.is_closing:
                await asyncio.sleep(_LOOK_SECONDS)
                failure = self._inbox.failure("email", address)
            return _LATER
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 fine"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.content
        assert isinstance(content, bytes)  # asked for with decode_data, which is off
        try:
            for message in decoded(content, envelope.rcpt_tos):
                self._inbox.add(message)
        except Unreadable as error:
            return f"554 5.6.0 {_valid(str(error))}"
        return "250 2.0.0 taken"


def decoded(content: bytes, recipients: list[str]) -> list[Message]:
    """One message for each recipient of a mail.

    Raises:
        Unreadable: it is no mail.
    """
    mail = message_from_bytes(content, policy=email_policy)
    assert isinstance(mail, EmailMessage)  # the policy's own class
    try:
        subject, sender, to = (_valid(" ".join(str(mail[name] or "").split())) for name in ("Subject", "From", "To"))
        page, text = _part(mail, "html"), _part(mail, "plain")
    except (LookupError, ValueError, AttributeError) as error:
        raise Unreadable(f"not a mail: {error}") from None
    text = text or _Readable.of(page)
    payload = {"from": sender, "to": to, "subject": subject, "html": page, "text": text}
    found = decoding.links([text, *_Readable.addresses_in(page)])
    status = "resolved" if decoding.says_resolved(subject) else "firing"
    return [Message(0, 0.0, "email", _valid(one), status, subject, text, found, payload) for one in recipients]


def _part(mail: EmailMessage, subtype: str) -> str:
    part = mail.get_body((subtype,))
    return "" if part is None else _valid(part.get_content().replace("\r\n", "\n")).rstrip("\n")


def _valid(text: str) -> str:
    """Without the halves of characters that stand for bytes that could not be decoded."""
    return text.encode("utf-8", "replace").decode()


class _Readable(HTMLParser):
    """Collects what a person reads in a page, and where its links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.addresses: list[str] = []
        self._hidden = 0

    @classmethod
    def of(cls, page: str) -> str:
        """The text of a page, a line for each piece."""
        lines = (re.sub(r"\s+", " ", text).strip() for text in cls._parsed(page).texts)
        return "\n".join(filter(None, lines))

    @classmethod
    def addresses_in(cls, page: str) -> list[str]:
        """Where its links lead."""
        return cls._parsed(page).addresses

    @classmethod
    def _parsed(cls, page: str) -> "_Readable":
        parser = cls()
        parser.feed(page)
        parser.close()
        return parser

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in ("style", "script", "title")
        self.addresses += [value for name, value in attrs if tag == "a" and name == "href" and value]

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("style", "script", "title")

    def handle_data(self, data: str) -> None:
        if self._hidden <= 0:
            self.texts.append(data)
