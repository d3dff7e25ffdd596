"""Health: the states of a service's checks, whatever they do, and how often they are asked."""

import asyncio
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pytest

from exporters.instrument.api import Limits, health
from tests.instrument.pages import api, ask, asked

SECRET = "correct-horse-battery"
Checks = Mapping[str, Callable[[], object]]


def ok() -> bool:
    return True


async def async_ok() -> None:
    await asyncio.sleep(0)


def fails() -> None:
    raise PermissionError(f"password {SECRET} is wrong")


async def async_fails() -> None:
    raise LookupError(SECRET)


async def cancelled() -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize(("check", "status", "error"), [
    (ok, "ok", None),
    (async_ok, "ok", None),
    pytest.param(lambda: async_ok(), "ok", None, id="a function that gives a coroutine"),
    pytest.param(partial(async_ok), "ok", None, id="partial"),
    (lambda: None, "ok", None),
    (fails, "failing", "PermissionError"),
    (async_fails, "failing", "LookupError"),
    (lambda: async_fails(), "failing", "LookupError"),
    (cancelled, "failing", "CancelledError"),
    (lambda: False, "failing", "returned False"),
])  # fmt: skip
def test_a_check_is_ok_or_fails_by_kind(check: Callable[[], object], status: str, error: str | None) -> None:
    answer = ask(api(health={"database": check, "other": ok}), "/health")
    assert answer.status_code == (200 if status == "ok" else 503)
    found = answer.json()
    assert found["status"] == status
    assert found["checks"]["other"]["status"] == "ok"
    database = found["checks"]["database"]
    assert (database["status"], database["error"]) == (status, error)
    assert SECRET not in answer.text
    assert answer.headers["cache-control"] == "no-store"


def test_without_checks_it_is_ok() -> None:
    assert ask(api(), "/health").json() == {"status": "ok", "checks": {}}


def test_checks_run_beside_each_other() -> None:
    both = threading.Barrier(2)
    there = asyncio.Event()

    async def waits() -> None:
        await there.wait()

    async def lets() -> None:
        there.set()

    checks: Checks = {"a": lambda: both.wait(60), "b": waits, "c": lets, "d": lambda: both.wait(60)}
    answer = ask(api(health=checks, limits=Limits(check_seconds=60)), "/health")
    assert answer.status_code == 200, answer.text


def test_a_check_that_hangs_is_a_timeout_and_is_not_called_beside_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_KEPT_SECONDS", 0.0)
    over = threading.Event()
    calls = {"thread": 0, "stubborn": 0, "polite": 0}

    def thread() -> None:
        calls["thread"] += 1
        over.wait(60)

    async def stubborn() -> None:
        calls["stubborn"] += 1
        while not over.is_set():
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                continue

    async def polite() -> None:
        calls["polite"] += 1
        await asyncio.Event().wait()

    async def run() -> list[dict[str, Any]]:
        app = api(health={"thread": thread, "stubborn": stubborn, "polite": polite}, limits=Limits(check_seconds=0.1))
        found = [(await asked(app, "/health"))[0] for _ in range(3)]
        assert {answer.status_code for answer in found} == {503}
        over.set()
        return [answer.json()["checks"] for answer in found]

    for checks in asyncio.run(run()):
        assert {name: one["status"] for name, one in checks.items()} == dict.fromkeys(calls, "timeout")
    assert calls == {"thread": 1, "stubborn": 1, "polite": 3}


def test_who_comes_later_is_told_the_same() -> None:
    async def run() -> list[str]:
        begun = asyncio.Event()

        async def hangs() -> None:
            begun.set()
            await asyncio.Event().wait()

        app = api(health={"database": hangs}, limits=Limits(check_seconds=0.3))
        first = asyncio.create_task(asked(app, "/health"))
        await begun.wait()
        await asyncio.sleep(0.1)
        found = [*await asked(app, "/health"), *await first]
        return [answer.json()["checks"]["database"]["status"] for answer in found]

    assert asyncio.run(run()) == ["timeout", "timeout"]


def test_a_flood_of_requests_asks_once_and_again_when_a_second_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_KEPT_SECONDS", 60.0)
    calls: list[int] = []

    async def counted() -> None:
        calls.append(1)
        await asyncio.sleep(0.01)

    async def run() -> None:
        app = api(health={"database": counted})
        found = await asked(app, *["/health"] * 50)
        found += await asked(app, *["/health"] * 50)
        assert {answer.status_code for answer in found} == {200}
        assert len(calls) == 1

    asyncio.run(run())
    monkeypatch.setattr(health, "_KEPT_SECONDS", 0.0)
    app = api(health={"database": counted})
    for _ in range(2):
        ask(app, "/health")
    assert len(calls) == 3


def test_a_caller_that_leaves_does_not_stop_the_checks_of_others() -> None:
    async def run() -> int:
        begun, goes_on = asyncio.Event(), asyncio.Event()

        async def held() -> None:
            begun.set()
            await goes_on.wait()

        app = api(health={"database": held}, limits=Limits(check_seconds=60))
        one = asyncio.create_task(asked(app, "/health"))
        await begun.wait()
        other = asyncio.create_task(asked(app, "/health"))
        await asyncio.sleep(0)
        one.cancel()
        await asyncio.gather(one, return_exceptions=True)
        goes_on.set()
        return (await other)[0].status_code

    assert asyncio.run(run()) == 200
