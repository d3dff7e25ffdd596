"""Whether a service can work: its own checks, asked beside each other, each within its time."""

import asyncio
import inspect
import re
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Literal

from exporters.instrument.api.answers import CheckResult, HealthReport
from exporters.instrument.api.threads import in_thread

# A function or a coroutine function: it fails when it raises, or returns False.
Check = Callable[[], object]

# However many ask, a database is asked once in that time.
_KEPT_SECONDS = 1.0
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")


class Health:
    """The checks of a service."""

    def __init__(self, checks: Mapping[str, Check], timeout_seconds: float) -> None:
        """``checks``: by the names that are shown.

        Raises:
            ValueError: a name is empty or has other signs than letters, digits, ``_``, ``.`` and ``-``.
        """
        for name in checks:
            if not _NAME.fullmatch(name):
                raise ValueError(f"a check's name has letters, digits, _, . and -, and {name!r} is none")
        self._checks = dict(checks)
        self._timeout_seconds = timeout_seconds
        self._calls: dict[str, asyncio.Future[object]] = {}
        self._threads: dict[str, Future[object]] = {}
        self._asked: asyncio.Task[HealthReport] | None = None
        self._kept: HealthReport | None = None
        self._kept_until = 0.0

    async def report(self) -> HealthReport:
        """What all checks say, or said a second ago at most. Never raises what a check raised."""
        if self._kept is not None and time.monotonic() < self._kept_until:
            return self._kept
        if self._asked is None or self._asked.done() or self._asked.get_loop() is not asyncio.get_running_loop():
            self._asked = asyncio.create_task(self._ask())
        return await asyncio.shield(self._asked)

    async def _ask(self) -> HealthReport:
        results = await asyncio.gather(*(self._one(name) for name in self._checks))
        checks = dict(zip(self._checks, results, strict=True))
        status: Literal["ok", "failing"] = "ok" if all(one.status == "ok" for one in results) else "failing"
        self._kept = HealthReport(status=status, checks=checks)
        self._kept_until = time.monotonic() + _KEPT_SECONDS
        return self._kept

    async def _one(self, name: str) -> CheckResult:
        began = time.monotonic()
        call = self._calls.get(name)
        # One that does not end even when it is told to is not called again beside itself.
        if call is None or call.done() or call.get_loop() is not asyncio.get_running_loop():
            call = self._calls[name] = asyncio.ensure_future(self._call(name))
            call.add_done_callback(_look)
        await asyncio.wait({call}, timeout=self._timeout_seconds)
        if not call.done():
            call.cancel()
        status, error = _found(call)
        return CheckResult(status=status, error=error, duration_seconds=round(time.monotonic() - began, 6))

    async def _call(self, name: str) -> object:
        check = self._checks[name]
        if inspect.iscoroutinefunction(check):
            return await check()
        thread = self._threads.get(name)
        if thread is None or thread.done():
            thread = self._threads[name] = in_thread(check)
        result = await asyncio.wrap_future(thread)
        return await result if inspect.isawaitable(result) else result


def _found(call: "asyncio.Future[object]") -> tuple[Literal["ok", "failing", "timeout"], str | None]:
    if not call.done():
        return "timeout", None
    if call.cancelled():
        return "failing", "CancelledError"
    if (error := call.exception()) is not None:
        return "failing", type(error).__name__
    return ("failing", "returned False") if call.result() is False else ("ok", None)


def _look(call: "asyncio.Future[object]") -> None:
    """An exception that nobody looks at any more is no news."""
    if not call.cancelled():
        call.exception()
