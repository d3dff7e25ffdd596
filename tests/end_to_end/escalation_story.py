"""Incidents on Fire22's rules that nobody takes, some that somebody takes, and what two Alertmanagers tell of them.

The series are played, so that each begins, flaps and ends when the story says. Times are a hundredth of production's.
"""

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from demo.addresses import Inbox, targets
from demo.processes import page
from demo.receiver import Message
from demo.stack import Stack
from generator import naming
from generator.plan.types import Plan
from tests import silences
from tests.end_to_end.escalation_cases import (
    CASES,
    CRITICAL,
    FLAPPING,
    LATE,
    SHELVES,
    SLACK,
    TAKEN,
    TAKEN_FOR_A_WHILE,
    Case,
)
from tests.end_to_end.observing import Watched, query_api, value, wait_evaluations
from tests.end_to_end.scrape_target import Amounts, Target, gauge, served
from tests.end_to_end.stacks import overlaid
from tests.programs import until

OVERLAY = Path(__file__).with_name("escalation_overlay.yaml")
REHEARSAL = Path(__file__).with_name("rehearsal.yaml")
# So long the second waits for the first: less than a group interval, as in production, and enough for a busy machine.
PEER_TIMEOUT = 3.0
# A cluster settles after four times ten of the other.
_FLAGS = {"cluster.peer-timeout": f"{PEER_TIMEOUT:g}s", "cluster.gossip-interval": "50ms"}
_SENT, _LEARNT = "alertmanager_notifications_total", "alertmanager_nflog_gossip_messages_propagated_total"
# Nothing waits for it in vain.
_PATIENCE = 60
# So many evaluations, a second each, are longer than a group interval and what the second waits.
_A_WHILE = 11
# Beyond the time of the first two who come next, not beyond that of the third; and beyond the end.
_TAKEN_FOR_A_WHILE_SECONDS = 11.0
_TAKEN_SECONDS, _TAKEN_LASTS_SECONDS = 20.0, 12.0
# Where it is seen to flap it is so again within its cooldown, 6 s; and true when its escalation is due, after 11 s.
_FLAPS = (5.0, 6.5, 8.0, 9.5, 15.0, 17.0, 19.0)
_FLAPPING = "fire22_rehearsal_flapping"
_LEFT, _RIGHT = (gauge("fire22_rehearsal_shelves", shelf=shelf) for shelf in ("left", "right"))
# What the exporter says while an alert on metrics has reason to fire.
_BAD: Mapping[str, Amounts] = {
    "collections/queue_backup": {gauge("fire22_collections_pending_settlements", priority="high"): 140},
    "rehearsal/shelves": {_LEFT: 1, _RIGHT: 1},
    "rehearsal/taken_relay": {"fire22_rehearsal_taken_relay": 1},
    **{f"rehearsal/{name}": {f"fire22_rehearsal_{name}": 1} for name in ("medium", "low", "info", "relay", "flapping")},
}
# What the monitoring says of its own Alertmanagers.
DOWN, APART = "tocsin/alertmanager_down", "tocsin/alertmanager_members_inconsistent"
OWN = (DOWN, APART)


class Instance(NamedTuple):
    """One series of an alert's rule, or of its copy for a contact."""

    escalation: str | None
    shelf: str | None = None


@dataclass(frozen=True)
class Silenced:
    """From when to when something was silenced."""

    starts: float
    ends: float


@dataclass
class Record:
    """What was seen of each alert, by its name; moments are seconds since 1970.

    ``active``: since when its instances were active, each time that they became so, as Prometheus says. ``killed``:
    when one of the two Alertmanagers died, if one did. ``flaps``: how often Prometheus saw ``FLAPPING`` change.
    """

    messages: dict[str, tuple[Message, ...]] = field(default_factory=dict)
    active: dict[str, dict[Instance, list[float]]] = field(default_factory=dict)
    ended: dict[str, float] = field(default_factory=dict)
    silenced: dict[str, Silenced] = field(default_factory=dict)
    killed: float | None = None
    flaps: float = 0.0


def play(folder: Path, kill: int | None) -> Record:
    """Play it all; ``kill``: the position of the Alertmanager that dies, 0 sends and 1 waits for it; None: neither.

    Whoever waits in vain finds in the record what is missing.
    """
    plan, compiled = overlaid("fire22", OVERLAY.read_text("utf-8"), folder, "rehearsal", more=(REHEARSAL,))
    running = folder / "running"
    running.mkdir()
    business, *others = (
        Target(job, address, time.time())
        for job in ("fire22-business", "fire22-api", "fire22-database")
        for address in targets(plan, job)
    )
    business.show({f'{naming.query_success(plan.platform)}{{query="{name}"}}': 1 for name in _queries(plan)})
    business.show({name: 0 for case in CASES for name in _bad(case)})
    with served([business, *others]), Stack(plan, compiled, running, alertmanager_flags=_FLAGS) as stack:
        until(stack.is_seen, _PATIENCE)
        return _Story(stack, business, Record()).play(kill)


def _queries(plan: Plan) -> Iterator[str]:
    return (query.name for domain in plan.domains for query in domain.queries)


def _bad(case: Case) -> Amounts:
    """What the exporter says while an alert has reason to fire."""
    if case.name in _BAD:
        return _BAD[case.name]
    # Each transaction is an alert of its own.
    row = {"transaction": "4711"} if case.name.startswith("balance/") else {}
    return {gauge(naming.matching_rows("fire22", *case.name.split("/")), **row): 1}


@dataclass
class _Story:
    stack: Stack
    business: Target
    record: Record

    def __post_init__(self) -> None:
        self.watched = {name: Watched(self.stack, name) for name in (*(case.name for case in CASES), *OWN)}
        # The one that sends, and the one that waits for it.
        self.alertmanagers = sorted(self.stack.plan.alertmanagers, key=_position)
        self.over = threading.Event()

    def play(self, kill: int | None) -> Record:
        with ThreadPoolExecutor(2) as beside:
            tasks = [beside.submit(self._sample), beside.submit(self._flap, time.monotonic())]
            try:
                self._begin_all(0 if kill is None else kill)
                if kill is not None:
                    self._kill(kill)
                self._begin(LATE)
                self.business.show({_RIGHT: 1})
                self._go_on()
            finally:
                self.over.set()
            for task in tasks:
                task.result()
        self.record.messages = {name: tuple(one.messages()) for name, one in self.watched.items()}
        self.record.flaps = value(self.stack, f"changes({_FLAPPING}[5m])") or 0.0
        return self.record

    def _begin_all(self, taker: int) -> None:
        """All begin; two are taken on the Alertmanager at a position as soon as they are told."""
        first = [case for case in CASES if case is not LATE]
        for case in first:
            if case is not CRITICAL:
                self._begin(case)
        self.business.show({_RIGHT: 0})
        self._take(TAKEN, taker, _TAKEN_SECONDS)
        self._take(TAKEN_FOR_A_WHILE, taker, _TAKEN_FOR_A_WHILE_SECONDS)
        # Last: who comes next is told of it three seconds later.
        self._begin(CRITICAL)
        self._wait(lambda: all(case.at_once <= self._told(case) for case in first))

    def _go_on(self) -> None:
        self._wait(lambda: time.time() > self.record.silenced[TAKEN.name].starts + _TAKEN_LASTS_SECONDS)
        self._finish(TAKEN)
        self._wait(lambda: all(map(self._are_told, CASES)))
        for case in CASES:
            if case is not TAKEN and case is not FLAPPING:
                self._finish(case)
        self._wait(lambda: all(case.told <= self._told(case, "resolved") for case in CASES if case is not TAKEN))
        wait_evaluations(self.stack, _A_WHILE)

    def _begin(self, case: Case) -> None:
        self.business.show(_bad(case))

    def _finish(self, case: Case) -> None:
        self.record.ended[case.name] = time.time()
        self.business.show(dict.fromkeys(_bad(case), 0))

    def _flap(self, began: float) -> None:
        """In and out of its condition, at these seconds of the story; the last time it stays."""
        for index, moment in enumerate(_FLAPS):
            if self.over.wait(began + moment - time.monotonic()):
                return
            if index == len(_FLAPS) - 1:
                self._finish(FLAPPING)
            self.business.show({_FLAPPING: index % 2})

    def _take(self, case: Case, position: int, seconds: float) -> None:
        """Somebody follows the silence link of the first message; the other Alertmanager learns of it."""
        self._wait(lambda: SLACK in self._told(case))
        message = next(one for one in self.watched[case.name].messages() if (one.kind, one.to) == SLACK)
        (link,) = (one for one in message.links if "/#/silences/new" in one)
        now = datetime.now(UTC)
        ends = now + timedelta(seconds=seconds)
        name = silences.silence(f"http://{self.alertmanagers[position]}", link, ends)
        until(lambda: page(f"http://{self.alertmanagers[1 - position]}/api/v2/silence/{name}"), _PATIENCE)
        self.record.silenced[case.name] = Silenced(now.timestamp(), ends.timestamp())

    def _kill(self, position: int) -> None:
        """Once the other knows what it has sent: what a crash cuts off before that is sent again."""
        killed, other = self.alertmanagers[position], self.alertmanagers[1 - position]
        until(lambda: _total(other, _LEARNT) >= _total(killed, _SENT), _PATIENCE)
        self.stack.alertmanagers[self.stack.plan.alertmanagers.index(killed)].kill()
        self.record.killed = time.time()

    def _told(self, case: Case, status: str = "firing") -> set[Inbox]:
        return self.watched[case.name].told(status)

    def _are_told(self, case: Case) -> bool:
        if case is SHELVES:
            messages = self.watched[case.name].messages()
            return case.told <= {(one.kind, one.to) for one in messages if "shelf right" in one.text}
        return (case.at_once if case is TAKEN else case.told) <= self._told(case)

    def _wait(self, what: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not what() and time.monotonic() < deadline:
            time.sleep(0.05)

    def _sample(self) -> None:
        """See what is active, until the story is over."""
        names = {one.alert.alertname: name for name, one in self.watched.items()}
        while not self.over.wait(0.2):
            for found in query_api(self.stack, "alerts")["alerts"]:
                labels = found["labels"]
                if labels["alertname"] in names:
                    instances = self.record.active.setdefault(names[labels["alertname"]], {})
                    moments = instances.setdefault(Instance(labels.get("escalation"), labels.get("shelf")), [])
                    since = datetime.fromisoformat(found["activeAt"]).timestamp()
                    if since not in moments:
                        moments.append(since)


def _position(alertmanager: str) -> float:
    """Its place in the cluster: it waits as many times the timeout before it sends."""
    return _total(alertmanager, "alertmanager_peer_position")


def _total(alertmanager: str, metric: str) -> float:
    """The sum of one of its own metrics."""
    text = page(f"http://{alertmanager}/metrics") or ""
    return sum(float(found) for found in re.findall(rf"^{metric}(?:{{.*}})? (\S+)$", text, re.MULTILINE))
