"""The receiver as programs use it."""

import contextlib
import socket
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Literal, Self, TypeVar

from starlette.routing import BaseRoute

from demo.receiver import mail, web
from demo.receiver.inbox import Inbox
from demo.receiver.message import Kind, Message

T = TypeVar("T")
NOBODY: Mapping[tuple[Kind, str], str] = {}


class Receiver:
    """A context manager that serves HTTP and SMTP, each in a thread of its own; port 0 is any free port.

    ``people`` says who is behind an address (``("slack", "@anna")``: ``"Anna"``); an address that is not in it stands
    for itself. ``routes`` are further pages, after its own.
    """

    def __init__(
        self,
        http: tuple[str, int],
        smtp: tuple[str, int],
        *,
        title: str,
        people: Mapping[tuple[Kind, str], str] = NOBODY,
        routes: Sequence[BaseRoute] = (),
    ) -> None:
        self._http, self._smtp = http, smtp
        self._inbox = Inbox(people)
        self._site = web.application(self._inbox, title, routes)
        self._running = contextlib.ExitStack()
        self.http_port, self.smtp_port = http[1], smtp[1]

    def __enter__(self) -> Self:
        """Listen; OSError if an address is taken."""
        with contextlib.ExitStack() as starting:
            web_listener = starting.enter_context(_listening(self._http))
            mail_listener = starting.enter_context(_listening(self._smtp))
            self.http_port, self.smtp_port = web_listener.getsockname()[1], mail_listener.getsockname()[1]
            self._inbox.open()
            starting.enter_context(web.serving(self._site, web_listener))
            starting.enter_context(mail.serving(self._inbox, mail_listener))
            starting.callback(self._inbox.close)
            self._running = starting.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.close()

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def refused(self) -> int:
        """How many deliveries were refused or left hanging; a delivery that is tried again counts again."""
        return self._inbox.refused

    def messages(self) -> tuple[Message, ...]:
        """What arrived, in order."""
        return self._inbox.messages()

    def wait(self, condition: Callable[[tuple[Message, ...]], T | None], seconds: float) -> T:
        """What ``condition`` returns of the messages, as soon as that is true; it is asked again at every arrival.

        Raises:
            TimeoutError: it was not true within that many seconds; the text lists what had arrived.
        """
        return self._inbox.wait(condition, seconds)

    def clear(self) -> None:
        """Forget messages, news and the count of what was refused; numbers begin at 1 again."""
        self._inbox.clear()

    def fail(self, kind: Kind, how: Literal["refuse", "hang"] | None, to: str | None = None) -> None:
        """Let deliveries of a kind, or to one address alone, fail from now on; None takes that back.

        ``refuse`` answers HTTP 500 or SMTP 451. ``hang`` answers nothing while it lasts and the client waits; when it
        ends the client is refused, so that it sends again what it cannot know to have arrived.
        """
        self._inbox.fail(kind, how, to)

    def say(self, text: str) -> None:
        """Show a line of news between the messages."""
        self._inbox.say(text)


def _listening(address: tuple[str, int]) -> socket.socket:
    listener = socket.create_server(address)
    # asyncio asks for this only where a socket names its protocol; without it every delivery waits 40 ms for an ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
