"""What ``make bench`` prints of the whole chain: the time from a row to the message, over a hundred incidents.

Beside it stands what cannot be beaten: a row waits for the next scrape, the series for the next evaluation, the alert
for the others of its group. Each is waited for in full at worst, and half of it on average, but the group's wait.
"""

import argparse
import random
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from demo.fire22 import INCIDENTS
from demo.fire22.running import Fire22
from tests.end_to_end import stacks
from tests.end_to_end.observing import Watched
from tests.programs import until

# Alerts on rows, which wait for nothing themselves, each of a record of its own.
ALERTS = (
    "collections/settlement_overdue",
    "collections/payment_failure",
    "distributions/payment_failure_high_value",
    "balance/balance_discrepancy",
    "adjustment/high_value_adjustment",
)
PATIENCE = 60


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--incidents", type=int, default=100, help="how many, in all")
    rounds = -(-parser.parse_args().incidents // len(ALERTS))
    chance = random.Random(1)
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as scratch:
        folder = Path(scratch)
        folder.chmod(0o711)
        with stacks.fire22(folder) as fire22, ThreadPoolExecutor(len(ALERTS)) as at_once:
            seconds = [one for _ in range(rounds) for one in _round(fire22, chance, at_once)]
            print(_report(fire22, seconds))


def _round(fire22: Fire22, chance: random.Random, at_once: ThreadPoolExecutor) -> list[float]:
    fire22.stack.receiver.clear()
    delays = [chance.random() for _ in ALERTS]
    return list(at_once.map(lambda name, delay: _incident(fire22, name, delay), ALERTS, delays))


def _incident(fire22: Fire22, name: str, delay: float) -> float:
    """Seconds from the commit of the rows to the first message about them."""
    watched = Watched(fire22.stack, name)
    time.sleep(delay)  # so that incidents begin at any moment between two scrapes
    INCIDENTS[name].begin(fire22.world)
    begun = time.time()
    arrived = fire22.stack.receiver.wait(lambda messages: watched.messages("firing"), PATIENCE)[0].at
    INCIDENTS[name].end(fire22.world)
    until(watched.is_over, 2 * PATIENCE)
    return arrived - begun


def _report(fire22: Fire22, seconds: list[float]) -> str:
    plan = fire22.plan
    (at_once,) = (one for one in plan.cadences if one.name == "immediate")
    waits = [plan.scrape_interval, plan.evaluation_interval, at_once.group_wait]
    worst = sum(waits) / 1000
    mean = (sum(waits[:2]) / 2 + waits[2]) / 1000
    cuts = statistics.quantiles(seconds, n=20)
    return (
        f"row to message, {len(seconds)} incidents: mean {statistics.mean(seconds):.2f} s, p50 {cuts[9]:.2f} s,"
        f" p95 {cuts[18]:.2f} s, max {max(seconds):.2f} s\n"
        f"what has to be waited for: scrape {waits[0] / 1000:g} s, evaluation {waits[1] / 1000:g} s,"
        f" group_wait {waits[2] / 1000:g} s: {worst:.2f} s at worst, {mean:.2f} s on average;"
        f" beyond that: {statistics.mean(seconds) - mean:.2f} s on average"
    )


if __name__ == "__main__":
    main()
