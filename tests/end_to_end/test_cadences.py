"""Cadences over many periods on a real Alertmanager: none is missed, none is doubled, and nothing comes in between.

Hours and days that are always open last three seconds. Slots at a time of day are real windows on real minutes: what is
compiled for times of day two minutes apart stands together, as if each were another day. Their ticks are as far below
the window's length as in production, a second, and spread evenly over it.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import requests

from demo.receiver import Message, Receiver
from generator import model
from generator.emit import alertmanager, yaml_text
from generator.plan.cadences import DAY, HOUR, SECOND, SLOT_GROUP_INTERVAL, cadence
from generator.plan.types import Cadence, Channel, Plan, Webhook
from tests import programs
from tests.emit import plans

pytestmark = pytest.mark.timeout(500)

PERIOD = 3.0
PERIODS = 8
# A busy machine is late by less; a period that is left out, or a message too many, is off by a whole one.
TOLERANCE = 0.4 * PERIOD
MINUTE = 60.0
# Between the ticks of a slot's groups, in seconds, and so many groups of each slot.
TICKS, GROUPS = 59.0, 60
SLOTS = {"daily": (0, 2, 4), "weekly": (1, 3)}
EVERY_SLOT = pytest.mark.parametrize("slot", SLOTS)
# A tick that is so late in a window is the only one in it.
CERTAINLY_ALONE = 2.0


@dataclass
class Record:
    """What arrived, by cadence and domain; ``opened``: when the windows of each slot opened.

    ``joined``: when something more of a cadence and domain began to fire; ``ended``: when all of it ended.
    """

    messages: dict[tuple[str, str], list[Message]] = field(default_factory=dict)
    opened: dict[str, tuple[float, ...]] = field(default_factory=dict)
    joined: dict[tuple[str, str], float] = field(default_factory=dict)
    ended: dict[tuple[str, str], float] = field(default_factory=dict)

    def add(self, message: Message) -> tuple[str, str]:
        labels = message.payload["commonLabels"]
        key = (labels["notification"], labels["domain"])
        self.messages.setdefault(key, []).append(message)
        return key


@dataclass
class Story:
    """An Alertmanager at an address, what it delivers, and what is to be done when."""

    address: str
    receiver: Receiver
    record: Record
    todo: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    def post(self, notification: str, domain: str, *names: str, ended: bool = False) -> None:
        """Alerts begin or end."""
        now = datetime.now(UTC)
        common = {"platform": "fire22", "severity": "warning", "alertname": "Late", "channels": "hook"}
        ends = now if ended else now + timedelta(hours=1)
        alerts = [
            {
                "labels": {**common, "domain": domain, "notification": notification, "name": name},
                "endsAt": ends.isoformat(),
            }
            for name in names
        ]
        requests.post(f"{self.address}/api/v2/alerts", json=alerts, timeout=5).raise_for_status()

    def join(self, notification: str, domain: str) -> None:
        """A second alert begins."""
        self.record.joined[notification, domain] = time.time()
        self.post(notification, domain, "second")

    def end(self, notification: str, domain: str) -> None:
        """Both end."""
        self.record.ended[notification, domain] = time.time()
        self.post(notification, domain, "first", "second", ended=True)

    def run(self, until: float) -> None:
        """Do it all, in the order of time; and where a slot's second message has come, let something more begin."""
        seen = 0
        self.todo.sort(key=lambda task: task[0])
        while (now := time.time()) < until:
            while self.todo and self.todo[0][0] <= now:
                self.todo.pop(0)[1]()
            for message in self.receiver.messages()[seen:]:
                seen += 1
                key = self.record.add(message)
                windows = self.record.opened.get(key[0], ())
                is_last_but_one = len(self.record.messages[key]) == len(windows) - 1
                if is_last_but_one and message.at > windows[-2] + CERTAINLY_ALONE:
                    self.join(*key)
            time.sleep(0.05)


def slot(at: datetime, name: str) -> Cadence:
    """A daily or weekly slot at a moment, its ticks a fifth as far apart as in production.

    Its reminder lies between window and period, as there.
    """
    written = model.Cadence.model_validate(
        {"at": f"{at:%H:%M}", "day": f"{at:%A}".lower() if name == "weekly" else None,
         "group_wait": "1s", "repeat": "90s"}
    )  # fmt: skip
    return cadence(name, written, "UTC", TICKS * SECOND / SLOT_GROUP_INTERVAL)


def configured(plan: Plan, first: datetime, folder: Path) -> Path:
    """The compiled configuration; each slot has the windows that are compiled for all of its moments."""
    for artefact in alertmanager.emit(plan):
        path = folder / artefact.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(artefact.content)
    whole = alertmanager.configuration(plan)
    intervals: list[dict[str, Any]] = whole["time_intervals"]  # type: ignore[assignment]
    for interval in intervals:
        moments = [first + timedelta(minutes=minute) for minute in SLOTS.get(interval["name"], ())]
        if moments:
            interval["time_intervals"] = [span for at in moments for span in windows(plan, slot(at, interval["name"]))]
    config = folder / "alertmanager/alertmanager.yml"
    config.write_bytes(yaml_text.dump(whole))
    return config


def windows(plan: Plan, one: Cadence) -> list[Any]:
    """The time intervals that are compiled for a slot."""
    whole: Mapping[str, Any] = alertmanager.configuration(replace(plan, cadences=(one,)))
    (interval,) = whole["time_intervals"]
    found: list[Any] = interval["time_intervals"]
    return found


@contextmanager
def running(folder: Path, first: datetime) -> Iterator[Story]:
    """Alertmanager with an hour and a day that last a period, and slots whose windows open from ``first`` on."""
    with Receiver(("127.0.0.1", 0), ("127.0.0.1", 0), title="Cadences") as receiver:
        hook = Channel("hook", Webhook(f"{receiver.url}/webhook/hook", None, None))
        cadences = (
            cadence("hourly", model.Cadence(every="1h"), "UTC", PERIOD * SECOND / HOUR),
            cadence("open", model.Cadence(at="09:00"), "UTC", PERIOD * SECOND / DAY, slots_are_open=True),
            *(slot(first, name) for name in SLOTS),
        )
        plan = replace(plans.plan(), channels=(hook,), cadences=cadences, contact_routes=())
        plan = replace(plan, monitoring=replace(plan.monitoring, channels=("hook",), watchdog=None))
        with programs.alertmanager(configured(plan, first, folder), folder) as address:
            yield Story(address, receiver, Record())


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    now = time.time()
    first = (now + 3) // MINUTE * MINUTE + MINUTE
    with running(tmp_path_factory.mktemp("cadences"), datetime.fromtimestamp(first, UTC)) as story:
        story.record.opened = {
            name: tuple(first + minute * MINUTE for minute in minutes) for name, minutes in SLOTS.items()
        }
        for name in SLOTS:
            for group in range(GROUPS):
                # The tick on which its domain is looked at in the first minute, or the one before: its first message.
                tick = first + group * TICKS / GROUPS
                begin = tick - TICKS if tick - TICKS > time.time() + 1 else tick
                story.todo.append((begin - 0.2, partial(story.post, name, f"d{group}", "first")))
        began = time.time()
        for name in ("hourly", "open"):
            story.todo += [
                (began, partial(story.post, name, "one", "first")),
                (began + 2.5 * PERIOD, partial(story.join, name, "one")),
                (began + (PERIODS + 4.5) * PERIOD, partial(story.end, name, "one")),
            ]
        story.run(max(opened[-1] for opened in story.record.opened.values()) + MINUTE)
        return story.record


def gaps(messages: list[Message]) -> list[float]:
    """How long it is from each to the next."""
    return [later.at - sooner.at for sooner, later in pairwise(messages)]


def names(message: Message) -> set[str]:
    """The alerts that a message lists as firing."""
    return {one["labels"]["name"] for one in message.payload["alerts"] if one["status"] == "firing"}


def test_hourly_comes_once_an_hour(record: Record) -> None:
    messages = [one for one in record.messages["hourly", "one"] if one.status == "firing"]
    assert len(messages) > PERIODS
    assert gaps(messages) == pytest.approx([PERIOD] * (len(messages) - 1), abs=TOLERANCE)
    # The clock goes by ticks: what one is late by, the next is not.
    assert messages[-1].at - messages[0].at == pytest.approx(PERIOD * (len(messages) - 1), abs=TOLERANCE)


def test_what_begins_between_two_hours_is_told_with_the_next(record: Record) -> None:
    joined = record.joined["hourly", "one"]
    for message in record.messages["hourly", "one"]:
        if message.status == "firing":
            assert names(message) == ({"first", "second"} if message.at > joined else {"first"})


def test_the_end_is_told_once_at_the_next_hour(record: Record) -> None:
    messages, ended = record.messages["hourly", "one"], record.ended["hourly", "one"]
    assert [one.status == "resolved" for one in messages] == [one is messages[-1] for one in messages]
    assert ended < messages[-1].at < ended + PERIOD + TOLERANCE


def test_a_slot_that_is_always_open_comes_once_a_day(record: Record) -> None:
    """At once, again after a day, and at once when something more fires; it tells no end."""
    messages, joined = record.messages["open", "one"], record.joined["open", "one"]
    assert {one.status for one in messages} == {"firing"}
    before, after = ([one for one in messages if (one.at > joined) == is_after] for is_after in (False, True))
    assert len(before) == 3
    assert len(after) > PERIODS
    assert [names(one) for one in before] == [{"first"}] * len(before)
    assert [names(one) for one in after] == [{"first", "second"}] * len(after)
    assert after[0].at - joined < TOLERANCE
    for some in (before, after):
        assert gaps(some) == pytest.approx([PERIOD] * (len(some) - 1), abs=TOLERANCE)


@EVERY_SLOT
def test_every_domain_is_told_once_in_every_window_and_never_outside(record: Record, slot: str) -> None:
    found = {
        f"d{group}": [one.at - record.opened[slot][0] for one in record.messages.get((slot, f"d{group}"), ())]
        for group in range(GROUPS)
    }
    starts = [opened - record.opened[slot][0] for opened in record.opened[slot]]
    for domain, arrived in found.items():
        assert len(arrived) == len(starts), (domain, arrived)
        # Late by what a busy machine takes to deliver; the next window is a minute away.
        assert all(start <= at < start + MINUTE + 5 for start, at in zip(starts, arrived, strict=True)), arrived


@EVERY_SLOT
def test_the_ticks_lay_all_over_the_windows(record: Record, slot: str) -> None:
    """Also near their edges; else the test above would have proven less."""
    for index, opened in enumerate(record.opened[slot]):
        offsets = sorted(record.messages[slot, f"d{group}"][index].at - opened for group in range(GROUPS))
        assert offsets[0] < 4
        assert offsets[-1] > TICKS - 4
        assert max(later - sooner for sooner, later in pairwise(offsets)) < 5


@EVERY_SLOT
def test_what_begins_in_a_window_after_the_message_waits_for_the_next(record: Record, slot: str) -> None:
    joined = [domain for name, domain in record.joined if name == slot]
    assert len(joined) > GROUPS * 0.9
    for domain in joined:
        *earlier, last = record.messages[slot, domain]
        assert [names(one) for one in earlier] == [{"first"}] * len(earlier)
        assert names(last) == {"first", "second"}
        assert record.joined[slot, domain] < record.opened[slot][-2] + MINUTE + 5
