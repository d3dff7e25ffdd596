"""Ctrl-C and its like: they end the demo in order, and never in the middle of what must not be left half done."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class Interrupted(BaseException):
    """Ctrl-C, or what stops a service."""


class Interrupts:
    """Signals that end the demo: at once, or after what must not be left half done."""

    def __init__(self) -> None:
        self._is_held = False
        self._is_pending = False

    def listen(self) -> None:
        """Raise Interrupted on each of the signals."""
        for number in _SIGNALS:
            signal.signal(number, self._arrived)

    def ignore(self) -> None:
        """Once is enough: what stops everything takes a moment, and must not be stopped itself."""
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Wait with it until this is done."""
        self._is_held = True
        try:
            yield
        finally:
            self._is_held = False
        if self._is_pending:
            raise Interrupted

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        self.ignore()
        if self._is_held:
            self._is_pending = True
        else:
            raise Interrupted
