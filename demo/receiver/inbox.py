"""What arrived, kept in order, and how deliveries are to fail."""

import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Literal, TypeVar

import orjson

from demo.receiver.message import Kind, Message, News, Unreadable

T = TypeVar("T")
Failure = Literal["refuse", "hang"]
Mark = tuple[str, int]


class Inbox:
    """Shared by the threads of the servers and of whoever waits; all of it may be called from any thread."""

    def __init__(self, people: Mapping[tuple[Kind, str], str]) -> None:
        self.people = dict(people)
        self.is_closing = False
        self.refused = 0
        self._changed = threading.Condition()
        self._messages: list[Message] = []
        self._entries: list[tuple[str, bytes]] = []
        self._epoch = uuid.uuid4().hex
        self._failures: dict[tuple[Kind, str | None], Failure] = {}
        self._bells: set[Callable[[], object]] = set()

    def add(self, message: Message) -> None:
        """Keep a message.

        Raises:
            Unreadable: its payload is nested too deeply to be shown.
        """
        with self._changed:
            kept = replace(message, number=len(self._messages) + 1, at=time.time())
            try:
                encoded = orjson.dumps(self.described(kept))
            except orjson.JSONEncodeError as error:
                raise Unreadable(str(error)) from None
            self._messages.append(kept)
            self._entries.append(("message", encoded))
            self._ring()

    def say(self, text: str) -> None:
        """Keep a line of news."""
        with self._changed:
            self._entries.append(("news", orjson.dumps(asdict(News(text, time.time())))))
            self._ring()

    def described(self, message: Message) -> dict[str, object]:
        """A message with the person behind its address."""
        return {**asdict(message), "person": self.people.get((message.kind, message.to), message.to)}

    def messages(self) -> tuple[Message, ...]:
        """What is kept, in order of arrival."""
        with self._changed:
            return tuple(self._messages)

    def clear(self) -> None:
        """Forget messages, news and the count of what was refused; pages that look on are told."""
        with self._changed:
            self._messages.clear()
            self._entries.clear()
            self.refused = 0
            self._epoch = uuid.uuid4().hex
            self._ring()

    def since(self, mark: Mark | None) -> tuple[Mark, bool, list[tuple[str, bytes]]]:
        """Where one is now, whether it starts anew, and the entries (event, JSON) since ``mark``."""
        with self._changed:
            is_new = mark is None or mark[0] != self._epoch
            position = 0 if mark is None or is_new else mark[1]
            return (self._epoch, len(self._entries)), is_new, self._entries[position:]

    def wait(self, condition: Callable[[tuple[Message, ...]], T | None], seconds: float) -> T:
        """What ``condition`` returns of the messages as soon as that is true.

        Raises:
            TimeoutError: it was not true within that many seconds; the text lists what had arrived.
        """
        deadline = time.monotonic() + seconds
        with self._changed:
            while not (found := condition(tuple(self._messages))):
                if not self._changed.wait(deadline - time.monotonic()) and time.monotonic() >= deadline:
                    raise TimeoutError(f"waited {seconds} seconds in vain; {self._account()}")
            return found

    def fail(self, kind: Kind, how: Failure | None, to: str | None) -> None:
        """From now on deliveries of a kind, or to one address alone, fail so; None lets them through."""
        with self._changed:
            if how is None:
                self._failures.pop((kind, to), None)
            else:
                self._failures[kind, to] = how

    def failure(self, kind: Kind, to: str) -> Failure | None:
        """How a delivery is to fail; None when it is to be taken."""
        with self._changed:
            return self._failures.get((kind, to)) or self._failures.get((kind, None))

    def refuse(self) -> None:
        """Count a delivery that is not taken."""
        with self._changed:
            self.refused += 1
            self._ring()

    def open(self) -> None:
        """Serve, for the first time or again."""
        self.is_closing = False

    def close(self) -> None:
        """End what is held open: streams, and deliveries that hang."""
        with self._changed:
            self.is_closing = True
            self._ring()

    def listen(self, bell: Callable[[], object]) -> Callable[[], None]:
        """Call ``bell`` at every change, in the thread that makes it, until what is returned is called."""
        with self._changed:
            self._bells.add(bell)
        return lambda: self._forget(bell)

    def _forget(self, bell: Callable[[], object]) -> None:
        with self._changed:
            self._bells.discard(bell)

    def _ring(self) -> None:
        self._changed.notify_all()
        for bell in self._bells:
            bell()

    def _account(self) -> str:
        arrived = [f"{one.number}. {one.kind} to {one.to}, {one.status}: {one.title}" for one in self._messages]
        return f"{self.refused} refused, arrived:" + "".join(f"\n  {line}" for line in arrived or ["nothing"])
