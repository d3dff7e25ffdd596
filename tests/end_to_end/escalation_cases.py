"""Who is to be told of each alert of the story, and when: by hand, from Fire22's matrix and its teams.

All times are a hundredth of what is written there, in seconds.
"""

from dataclasses import dataclass

from demo.addresses import Inbox
from tests.end_to_end.fire22_alerts import ALERTS, CHANNELS

SLACK = CHANNELS["slack"]
OPS = CHANNELS["email"]
ANNA: Inbox = ("slack", "@anna")
ANNA_BY_MAIL: Inbox = ("email", "anna@fire22.example")
ERIK: Inbox = ("slack", "@erik")
ON_CALL: Inbox = ("slack", "@fire22-oncall")
# Within which time the matrix wants an alert taken: 5m, 15m, 1h, 1h; `relay` is the overlay's, 8m.
RESPONSE = {"critical": 3.0, "high": 9.0, "medium": 36.0, "warning": 36.0, "relay": 4.8}
# What an alert on a metric waits by itself, two evaluations; one on rows waits for nothing.
LASTING = 2.0


@dataclass(frozen=True)
class Case:
    """One alert: how long it lasts before it fires, who is told then, and who in which steps if nobody takes it."""

    name: str
    severity: str
    lasting: float
    at_once: frozenset[Inbox]
    later: tuple[frozenset[Inbox], ...]

    @property
    def told(self) -> frozenset[Inbox]:
        """Everybody who is told if nobody takes it."""
        return self.at_once.union(*self.later)

    def after(self, step: int) -> float:
        """How long after it became active a step is due; the first is 1."""
        return self.lasting + step * RESPONSE[self.severity]


def _fire22(name: str, lasting: float) -> Case:
    (found,) = (one for one in ALERTS if one.name == name)
    return Case(name, found.severity, lasting, frozenset(found.at_once), (frozenset(found.later),))


def _rehearsal(name: str, severity: str, at_once: set[Inbox], *later: set[Inbox]) -> Case:
    return Case(f"rehearsal/{name}", severity, LASTING, frozenset(at_once), tuple(map(frozenset, later)))


CRITICAL = _fire22("collections/settlement_overdue", 0)
HIGH = _fire22("collections/queue_backup", LASTING)
HIGH_ROWS = _fire22("adjustment/adjustment_dispute", 0)
WARNING = _fire22("balance/large_transaction", 0)
MEDIUM = _rehearsal("medium", "medium", {SLACK}, {ERIK})
LOW = _rehearsal("low", "low", {SLACK})
INFO = _rehearsal("info", "info", {SLACK})
# Several come next, one after the other.
CHAIN = _rehearsal("relay", "relay", {SLACK}, {ANNA}, {ERIK}, {ON_CALL})
# Begins when the others were told, and in some stories an Alertmanager is no more.
LATE = _fire22("collections/payment_failure", 0)
FLAPPING = _rehearsal("flapping", "high", {SLACK, OPS}, {ANNA, ANNA_BY_MAIL})
# Two instances: the left shelf, and some seconds later the right one.
SHELVES = _rehearsal("shelves", "high", {SLACK, OPS}, {ANNA, ANNA_BY_MAIL})
# Silenced from their first message: until the first two who come next should have been told; until it is over.
TAKEN_FOR_A_WHILE = _rehearsal("taken_relay", "relay", {SLACK}, {ANNA}, {ERIK}, {ON_CALL})
TAKEN = _fire22("balance/unusual_activity", 0)

NOT_TAKEN = (CRITICAL, HIGH, HIGH_ROWS, WARNING, MEDIUM, LOW, INFO, CHAIN, LATE)
CASES = (*NOT_TAKEN, FLAPPING, SHELVES, TAKEN_FOR_A_WHILE, TAKEN)
