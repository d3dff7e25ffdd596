"""All that can happen to Fire22 on one day of two minutes: beside every threshold, beyond each, and right again."""

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from demo.addresses import Inbox
from demo.fire22 import INCIDENTS
from demo.fire22.running import Fire22
from demo.receiver import Message
from tests.end_to_end.fire22_rows import BESIDE, stand_beside
from tests.end_to_end.observing import Watched, value, wait_evaluations

# What looks back five minutes, and yesterday's outage, take their time.
PATIENCE = 240
# Longer than all waits of rules and routes together, the escalations left out, which begin with them.
A_WHILE = 10


@dataclass(frozen=True)
class Record:
    """What happened: the numbers beside the thresholds, the messages until then, and those about each alert."""

    beside: dict[str, float | None]
    quiet: tuple[Message, ...]
    messages: dict[str, tuple[Message, ...]]
    begun: dict[str, float]
    ended: float


def play(fire22: Fire22, inboxes: dict[str, set[Inbox]], hear_the_end: Iterable[str]) -> Record:
    """Play it all, and wait for what ``inboxes`` says is to be heard; what is heard besides is in the record, too.

    Whoever waits in vain finds in the record what is missing.
    """
    world, receiver = fire22.world, fire22.stack.receiver
    stand_beside(world)
    wait_evaluations(fire22.stack, A_WHILE)
    beside = {name: value(fire22.stack, one.seen) for name, one in BESIDE.items()}
    quiet = receiver.messages()
    watched = {name: Watched(fire22.stack, name) for name in INCIDENTS}
    begun = {}
    beginning = []
    with ThreadPoolExecutor(len(INCIDENTS)) as at_once:
        for name, incident in INCIDENTS.items():
            begun[name] = time.time()
            beginning.append(at_once.submit(incident.begin, world))
    for one in beginning:
        one.result()
    _wait(fire22, watched, inboxes, "firing")
    ended = time.time()
    for incident in INCIDENTS.values():
        incident.end(world)
    _wait(fire22, watched, {name: inboxes[name] for name in hear_the_end}, "resolved")
    wait_evaluations(fire22.stack, A_WHILE)
    return Record(beside, quiet, {name: tuple(one.messages()) for name, one in watched.items()}, begun, ended)


def _wait(fire22: Fire22, watched: dict[str, Watched], inboxes: dict[str, set[Inbox]], status: str) -> None:
    def all_told(messages: tuple[Message, ...]) -> bool:
        return all(wanted <= watched[name].told(status) for name, wanted in inboxes.items())

    with suppress(TimeoutError):
        fire22.stack.receiver.wait(lambda messages: all_told(messages) or None, PATIENCE)
