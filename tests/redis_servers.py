"""Debian's redis-server, run by tests: it can be killed, halted, and started again with what it has on disk."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.programs import free_port, program, started, until


class RedisServer:
    """One server on a port that stays. ``flags`` are beside the quick ones; by default it keeps nothing."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self.port = free_port()
        self._folder = folder
        self._flags = flags
        self._running = ExitStack()
        self._process: subprocess.Popen[bytes] | None = None
        self.client = redis.Redis(port=self.port, retry=Retry(NoBackoff(), 0), socket_timeout=30)

    @property
    def environment(self) -> dict[str, str]:
        """By which a service finds it."""
        return {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(self.port)}

    def start(self) -> None:
        """Come back when it answers."""
        command = [
            program("redis-server"), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder),
            "--save", "", *self._flags,
        ]  # fmt: skip
        self._process = self._running.enter_context(started(command, self._folder / "redis.log"))
        until(self._answers)

    def kill(self) -> None:
        """End it without a chance to do anything."""
        self._signal(signal.SIGKILL)
        self._running.close()

    def halt(self) -> None:
        """It keeps its connections, and answers nothing."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """The end of ``halt``."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """End it, whatever state it is in."""
        self.client.close()
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.ConnectionError:
            return False


@contextmanager
def redis_server(folder: Path, *flags: str) -> Iterator[RedisServer]:
    """A running server."""
    server = RedisServer(folder, *flags)
    try:
        server.start()
        yield server
    finally:
        server.close()
