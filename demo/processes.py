"""Programs that the demo and the end-to-end tests run beside themselves: started, waited for, stopped by process id."""

import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

# Within it nothing may be interrupted, else a process would be there that nobody knows of. Whoever turns signals into
# exceptions says how to wait with them.
uninterrupted: ContextVar[Callable[[], AbstractContextManager[object]]] = ContextVar(
    "uninterrupted", default=nullcontext
)


# Never by way of a proxy that the environment may name: everything is on this machine.
_DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class DemoError(Exception):
    """Something that the person at the terminal can mend; its text says what."""


@dataclass
class Process:
    """One program, which may be started again after it was stopped; what it says is added to ``log``.

    ``environment`` is beside the demo's own. It gets a session of its own, so that Ctrl-C reaches the demo alone, which
    then stops everything in order.
    """

    name: str
    command: Sequence[str]
    log: Path
    ready: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None
    _process: "subprocess.Popen[bytes] | None" = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def start(self, *, wait_seconds: float = 60) -> None:
        """Start it and wait until it is ready; DemoError with its last words if it ends or takes too long.

        Whatever interrupts the waiting, the process does not outlive it.
        """
        try:
            self.begin()
            self._wait_until_ready(wait_seconds)
        except BaseException:
            self.stop()
            raise

    def _wait_until_ready(self, wait_seconds: float) -> None:
        deadline = time.monotonic() + wait_seconds
        while not self.ready():
            if not self.is_running:
                raise DemoError(f"{self.name} ended at once; its last words:\n{self.last_words()}")
            if time.monotonic() > deadline:
                raise DemoError(f"{self.name} is not ready after {wait_seconds:g} s:\n{self.last_words()}")
            time.sleep(0.02)

    def begin(self) -> None:
        """Start it and do not wait."""
        with self.log.open("ab") as output, uninterrupted.get()():
            self._process = subprocess.Popen(
                list(self.command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment},
                cwd=self.folder,
                start_new_session=True,
            )

    def stop(self, wait_seconds: float = 15) -> None:
        """End it as an operator would; kill it if it does not listen."""
        if self._process is None:
            return
        for send in (signal.SIGCONT, signal.SIGTERM):
            with suppress(ProcessLookupError):
                self._process.send_signal(send)
        try:
            self._process.wait(wait_seconds)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """End it without warning, as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal: SIGHUP to reload, SIGSTOP and SIGCONT to freeze and thaw it."""
        if self._process is not None:
            self._process.send_signal(number)

    def last_words(self, lines: int = 15) -> str:
        """The end of what it said."""
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-lines:]) if self.log.exists() else ""


def program(*names: str) -> str:
    """The path of the first of these programs that is installed; DemoError if none is."""
    for name in names:
        if found := shutil.which(name):
            return found
    raise DemoError(f"{names[0]} is not installed")


def answers(url: str, timeout_seconds: float = 2) -> bool:
    """Whether a page answers with a success."""
    return page(url, timeout_seconds) is not None


def page(url: str, timeout_seconds: float = 2) -> str | None:
    """What a page says; None while it does not answer or answers with an error."""
    try:
        with _DIRECTLY.open(url, timeout=timeout_seconds) as answer:
            text: str = answer.read().decode("utf-8", "replace")
            return text
    except (OSError, urllib.error.URLError, ValueError):
        return None


def free_port(host: str) -> int:
    """A port that nobody listens on, neither over TCP nor over UDP."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp:
            tcp.bind((host, 0))
            port: int = tcp.getsockname()[1]
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, suppress(OSError):
                udp.bind((host, port))
                return port


def is_free(host: str, port: int) -> bool:
    """Whether nobody listens on an address yet."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
