"""Where the limits lie that the documentation names: on this side all is well, beyond it what is said happens.

Each limit's time is shortened by the very flag that sets it.
"""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from demo.addresses import Inbox
from demo.fire22 import INCIDENTS
from demo.fire22.running import Fire22
from tests.end_to_end import stacks
from tests.end_to_end.observing import PATIENCE, Watched, wait_evaluations
from tests.programs import until

pytestmark = pytest.mark.timeout(400)

SLACK: Inbox = ("slack", "#fire22-alerts")
OPS: Inbox = ("email", "ops@fire22.example")
ANNA: set[Inbox] = {("slack", "@anna"), ("email", "anna@fire22.example")}
QUEUE_BACKUP = "collections/queue_backup"
# Five minutes as Prometheus comes, what a value is looked back for.
LOOKBACK_SECONDS = 15
RESEND_SECONDS = 4
# For so many evaluations, a second each, an escalation has waited; it does for 36 seconds.
UNDER_WAY = 16


@contextmanager
def firing(folder: Path, flags: dict[str, str], name: str = QUEUE_BACKUP) -> Iterator[tuple[Fire22, Watched]]:
    """A stack whose Prometheus has these flags, and an alert that fires and was told."""
    with stacks.fire22(folder, flags=flags) as fire22:
        watched = Watched(fire22.stack, name)
        INCIDENTS[name].begin(fire22.world)
        watched.wait_told({SLACK})
        yield fire22, watched


def pause(fire22: Fire22, seconds: float) -> None:
    """Freeze Prometheus: the gap between two evaluations is at least that long."""
    fire22.stack.prometheus.send(signal.SIGSTOP)
    time.sleep(seconds)  # the gap itself
    fire22.stack.prometheus.send(signal.SIGCONT)
    wait_evaluations(fire22.stack, 4)


def test_a_gap_between_evaluations(tmp_path: Path) -> None:
    """An alert whose source is blind is held over a gap that is shorter than what Prometheus looks back, no longer."""
    with firing(tmp_path, {"query.lookback-delta": f"{LOOKBACK_SECONDS}s"}) as (fire22, watched):
        fire22.cluster.stop("immediate")
        Watched(fire22.stack, "tocsin/source_blind_fire22").wait_told({SLACK, OPS})
        pause(fire22, LOOKBACK_SECONDS / 3)
        assert watched.states() == {"firing"}
        assert watched.messages("resolved") == []
        pause(fire22, LOOKBACK_SECONDS + 3)
        # What was held is forgotten: the database is still down, and yet the alert ends.
        watched.wait_state(None)
        watched.wait_told({SLACK}, "resolved")


@pytest.mark.parametrize("grace", ["0s", "10m"])
def test_prometheus_without_the_flag_for_a_quick_restart(tmp_path: Path, grace: str) -> None:
    """With the flag an escalation that is under way goes on; with Prometheus's own ten minutes it begins anew."""
    flags = {"rules.alert.for-grace-period": grace}
    with firing(tmp_path, flags, "distributions/payment_queue_backup") as (fire22, watched):
        wait_evaluations(fire22.stack, UNDER_WAY)
        (since,) = map(datetime.fromisoformat, watched.active_at("gustav"))
        fire22.stack.prometheus.stop()
        stopped = datetime.now(UTC)
        fire22.stack.prometheus.start()
        # Prometheus restores the state of alerts after its second evaluation.
        wait_evaluations(fire22.stack, 4)
        (again,) = map(datetime.fromisoformat, watched.active_at("gustav"))
        # Only the time in which Prometheus was down does not count.
        goes_on = again - since < timedelta(seconds=UNDER_WAY / 2)
        assert goes_on == (grace == "0s"), (since, stopped, again)


def test_a_prometheus_that_is_down_for_longer_than_four_times_its_resend_delay(tmp_path: Path) -> None:
    with firing(tmp_path, {"rules.alert.resend-delay": f"{RESEND_SECONDS}s"}) as (fire22, watched):
        watched.wait_told(ANNA)
        restarted(fire22, 1)
        wait_evaluations(fire22.stack, 8)
        assert watched.messages("resolved") == []
        told = len(watched.messages("firing"))
        # Longer: Alertmanager takes it that the alert has ended, and says so; then it is told anew.
        fire22.stack.prometheus.stop()
        watched.wait_told({SLACK}, "resolved", 4 * RESEND_SECONDS + PATIENCE)
        fire22.stack.prometheus.start()
        until(lambda: len(watched.messages("firing")) > told or None, PATIENCE)


def restarted(fire22: Fire22, seconds: float) -> None:
    """Prometheus is down for a moment."""
    fire22.stack.prometheus.stop()
    time.sleep(seconds)  # the outage itself
    fire22.stack.prometheus.start()


def test_a_mail_server_that_takes_the_connection_and_says_nothing(tmp_path: Path) -> None:
    """Alertmanager counts no failure while it waits for one, so none is told; what it held back arrives afterwards."""
    with stacks.fire22(tmp_path) as fire22:
        failed = Watched(fire22.stack, "collections/settlement_overdue")
        failing = Watched(fire22.stack, "tocsin/notifications_failing")
        fire22.stack.receiver.fail("email", "hang")
        INCIDENTS[failed.name].begin(fire22.world)
        failed.wait_told({SLACK})
        # Alertmanager gives any other receiver ten seconds.
        wait_evaluations(fire22.stack, 15)
        assert failing.messages() == []
        assert OPS not in failed.told()
        fire22.stack.receiver.fail("email", None)
        failed.wait_told({OPS})
