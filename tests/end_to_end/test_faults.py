"""What breaks below and beside the monitoring: no false end, no lost page, blindness is told, all recovers by itself.

One stack; each test breaks one part of it and leaves it whole. The times of the platform are a hundredth of what is
written, and so is the pause after which Prometheus sends an alert again.
"""

import signal
from collections.abc import Callable, Iterator
from typing import Literal

import pytest

from demo.addresses import Inbox
from demo.fire22 import INCIDENTS
from demo.fire22.running import Fire22
from demo.receiver import Kind
from tests.end_to_end import stacks
from tests.end_to_end.observing import PATIENCE, Watched, wait_evaluations
from tests.programs import until

pytestmark = pytest.mark.timeout(400)

SLACK: Inbox = ("slack", "#fire22-alerts")
PHONE: Inbox = ("phone", "routing-key-pagerduty")
# What Alertmanager calls the ways.
INTEGRATIONS = {"slack": "slack", "email": "email", "phone": "pagerduty"}
OPS: Inbox = ("email", "ops@fire22.example")
ANNA: set[Inbox] = {("slack", "@anna"), ("email", "anna@fire22.example")}
ASTRID: set[Inbox] = {("slack", "@astrid"), ("email", "astrid@fire22.example")}
QUEUE_BACKUP = "collections/queue_backup"
PAYMENT_FAILURE = "collections/payment_failure"
PAYOUT_FAILURE = "distributions/payment_failure_high_value"
# Where those failures are, and in which column they are said to be failed.
FAILURES = {PAYMENT_FAILURE: ("payments", "payment_status"), PAYOUT_FAILURE: ("distributions", "status")}
# What is held is looked at for so many evaluations, a second each: longer than all waits of routes and rules together.
A_WHILE = 8


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fire22]:
    # Scaled as the platform's own times are; Alertmanager forgets an alert after four times as long.
    flags = {"rules.alert.resend-delay": "5s"}
    with stacks.fire22(tmp_path_factory.mktemp("faults"), flags=flags) as found:
        yield found


@pytest.fixture
def fire22(running: Fire22) -> Iterator[Fire22]:
    """The stack, nobody's alert firing, all messages so far forgotten; left as it was found."""
    running.stack.receiver.clear()
    yield running
    running.stack.receiver.fail("slack", None)
    running.stack.receiver.fail("email", None)
    running.stack.receiver.fail("phone", None)
    for name in (QUEUE_BACKUP, PAYMENT_FAILURE, PAYOUT_FAILURE):
        INCIDENTS[name].end(running.world)
    for name in (QUEUE_BACKUP, PAYMENT_FAILURE, PAYOUT_FAILURE):
        until(Watched(running.stack, name).is_over, PATIENCE)


@pytest.fixture
def queue_backup(fire22: Fire22) -> Watched:
    """A queue that is full; its owner's Slack channel was told."""
    return fires(fire22)


def fires(fire22: Fire22) -> Watched:
    INCIDENTS[QUEUE_BACKUP].begin(fire22.world)
    watched = Watched(fire22.stack, QUEUE_BACKUP)
    watched.wait_told({SLACK})
    return watched


def assert_it_ends(fire22: Fire22, watched: Watched) -> None:
    """The rows are put right; only then is the end told, to all who were told before."""
    assert watched.messages("resolved") == []
    told = watched.told()
    INCIDENTS[watched.name].end(fire22.world)
    watched.wait_told(told, "resolved")


def database_stops(fire22: Fire22) -> None:
    fire22.cluster.stop("immediate")


def database_starts(fire22: Fire22) -> None:
    fire22.cluster.start()


def exporter_crashes(fire22: Fire22) -> None:
    fire22.business_exporter.kill()


def exporter_starts(fire22: Fire22) -> None:
    fire22.business_exporter.start()


def exporter_freezes(fire22: Fire22) -> None:
    fire22.business_exporter.send(signal.SIGSTOP)


def exporter_thaws(fire22: Fire22) -> None:
    fire22.business_exporter.send(signal.SIGCONT)


@pytest.mark.parametrize(
    ("breaks", "mends"),
    [
        pytest.param(database_stops, database_starts, id="PostgreSQL is down"),
        pytest.param(exporter_crashes, exporter_starts, id="the exporter is down"),
        pytest.param(exporter_freezes, exporter_thaws, id="the exporter hangs"),
    ],
)
def test_a_source_that_cannot_be_seen(
    fire22: Fire22, queue_backup: Watched, breaks: Callable[[Fire22], None], mends: Callable[[Fire22], None]
) -> None:
    blind = Watched(fire22.stack, "tocsin/source_blind_fire22")
    breaks(fire22)
    try:
        blind.wait_told({SLACK, OPS})
        told = blind.messages("firing")
        for one in told:
            assert "Blind: " in one.text
            assert "CollectionsQueueBackup" in one.text and "BalanceFraudDetected" in one.text, one.text
        # Who comes next is told of both: escalation goes on.
        queue_backup.wait_told(ANNA)
        blind.wait_told(ASTRID)
        wait_evaluations(fire22.stack, A_WHILE)
        assert queue_backup.states() == {"firing"}
        assert queue_backup.messages("resolved") == []
    finally:
        mends(fire22)
    blind.wait_told(blind.told(), "resolved")
    wait_evaluations(fire22.stack, 5)
    assert queue_backup.states() == {"firing"}
    assert_it_ends(fire22, queue_backup)


def test_what_happens_while_nobody_can_see_it_is_told_afterwards(fire22: Fire22) -> None:
    """Also an event, which would be too old by now to count: the first look after a gap looks further back."""
    blind = Watched(fire22.stack, "tocsin/source_blind_fire22")
    failed, backup = Watched(fire22.stack, PAYMENT_FAILURE), Watched(fire22.stack, QUEUE_BACKUP)
    within = failed.alert.within
    assert within == 36_000
    exporter_crashes(fire22)
    try:
        for one in (failed, backup):
            INCIDENTS[one.name].begin(fire22.world)
        happened = fire22.world.execute("SELECT extract(epoch FROM max(updated_at))::float8 FROM payments")[0][0]
        blind.wait_told({SLACK, OPS})
        until(lambda: too_old(fire22, happened, within) or None, PATIENCE)
        assert failed.messages() == backup.messages() == []
    finally:
        exporter_starts(fire22)
    failed.wait_told({SLACK, OPS})
    backup.wait_told({SLACK})


def too_old(fire22: Fire22, happened: object, within: int) -> bool:
    ((age,),) = fire22.world.execute("SELECT extract(epoch FROM now())::float8 - %s::float8", (happened,))
    assert isinstance(age, float)
    return age > within / 1000 + 1


def test_a_query_that_hangs_blinds_its_own_alerts_alone(fire22: Fire22) -> None:
    failing = Watched(fire22.stack, "tocsin/query_failing_fire22")
    failed = Watched(fire22.stack, PAYMENT_FAILURE)
    INCIDENTS[PAYMENT_FAILURE].begin(fire22.world)
    failed.wait_told({SLACK, OPS})
    fire22.lock("payments")
    try:
        failing.wait_told({SLACK, OPS})
        for one in failing.messages("firing"):
            assert "collections/payment" in f"{one.title} {one.text}"
            assert "Blind: CollectionsPaymentFailure." in one.text
            assert "CollectionsQueueBackup" not in one.text
        # The others are seen, and told.
        backup = fires(fire22)
        # Longer than a payment counts: seen, it would have come to its end.
        wait_evaluations(fire22.stack, 40)
        assert failed.states() == {"firing"}
        assert failed.messages("resolved") == []
        assert Watched(fire22.stack, "tocsin/source_blind_fire22").messages() == []
    finally:
        fire22.unlock()
    failing.wait_told(failing.told(), "resolved")
    assert_it_ends(fire22, backup)
    failed.wait_told(failed.told(), "resolved")


def test_alertmanager_is_down_while_an_alert_begins(fire22: Fire22) -> None:
    watched = Watched(fire22.stack, QUEUE_BACKUP)
    (alertmanager,) = fire22.stack.alertmanagers
    alertmanager.stop()
    try:
        INCIDENTS[QUEUE_BACKUP].begin(fire22.world)
        watched.wait_state("firing")
        wait_evaluations(fire22.stack, A_WHILE)
        assert watched.messages() == []
    finally:
        alertmanager.start()
    watched.wait_told({SLACK})
    watched.wait_told(ANNA)
    assert_it_ends(fire22, watched)


def test_alertmanager_crashes_while_an_alert_fires(fire22: Fire22, queue_backup: Watched) -> None:
    queue_backup.wait_told(ANNA)
    before = len(queue_backup.messages())
    (alertmanager,) = fire22.stack.alertmanagers
    alertmanager.kill()
    alertmanager.start()
    until(lambda: queue_backup.is_active_in_alertmanager() or None, PATIENCE)
    wait_evaluations(fire22.stack, A_WHILE)
    # At least once is what it promises: its log of what was sent is written now and then, so who was told may be told
    # again. Nobody hears of an end, and nobody is left out.
    assert queue_backup.messages("resolved") == []
    assert len(queue_backup.messages()) >= before
    assert_it_ends(fire22, queue_backup)


@pytest.mark.parametrize("ends", ["stop", "kill"])
def test_prometheus_is_restarted_while_an_alert_fires(fire22: Fire22, queue_backup: Watched, ends: str) -> None:
    queue_backup.wait_told(ANNA)
    before = queue_backup.messages()
    since = queue_backup.active_at()
    getattr(fire22.stack.prometheus, ends)()
    fire22.stack.prometheus.start()
    queue_backup.wait_state("firing")
    # It has been firing for as long as before: escalation neither begins anew nor is late.
    assert queue_backup.active_at()[0][:19] == since[0][:19]
    wait_evaluations(fire22.stack, A_WHILE)
    assert queue_backup.states() == {"firing"}
    assert queue_backup.messages() == before
    assert_it_ends(fire22, queue_backup)


@pytest.mark.parametrize(
    ("kind", "how", "name", "refused", "others"),
    [
        pytest.param("slack", "refuse", PAYMENT_FAILURE, SLACK, OPS, id="Slack answers 500"),
        pytest.param("email", "refuse", PAYMENT_FAILURE, OPS, SLACK, id="the mail server refuses"),
        pytest.param("phone", "hang", PAYOUT_FAILURE, PHONE, SLACK, id="PagerDuty answers nothing"),
    ],
)
def test_a_receiver_that_does_not_take_messages(
    fire22: Fire22, kind: Kind, how: Literal["refuse", "hang"], name: str, refused: Inbox, others: Inbox
) -> None:
    """The others are told, that it fails is told over what works, and nothing is lost: it comes once it is taken."""
    failing, failed = Watched(fire22.stack, "tocsin/notifications_failing"), Watched(fire22.stack, name)
    fire22.stack.receiver.fail(kind, how)
    fails_for_long(fire22, name)
    failed.wait_told({others})
    until(lambda: is_named(failing, OPS if others == OPS else SLACK, INTEGRATIONS[kind]) or None, PATIENCE)
    assert kind not in {found for found, _ in failed.told()}
    assert failed.messages("resolved") == []
    fire22.stack.receiver.fail(kind, None)
    failed.wait_told({refused, others})
    assert_it_ends(fire22, failed)


def is_named(failing: Watched, inbox: Inbox, integration: str) -> bool:
    """Whether an inbox was told that messages over this way do not get out."""
    texts = (one.text for one in failing.messages("firing") if (one.kind, one.to) == inbox)
    return any(f"(integration {integration})" in text for text in texts)


def fails_for_long(fire22: Fire22, name: str) -> None:
    """A failure that stays new for a while: an event would be over before its receiver works again."""
    INCIDENTS[name].begin(fire22.world)
    table, status = FAILURES[name]
    fire22.world.execute(
        f"UPDATE {table} SET updated_at = now() + interval '3 minutes' WHERE {status} = 'failed' AND amount > 1000"
    )
