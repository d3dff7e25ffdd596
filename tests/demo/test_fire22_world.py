"""Fire22's rows: the numbers of an ordinary day, no alert in them however long people work, and each incident's own."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import psycopg
import pytest
import yaml

from demo.fire22 import INCIDENTS, World
from demo.fire22.domains import adjustment, balance, collections, distributions, free_play, surveys
from tests.clusters import Cluster, cluster
from tests.compiling import ROOT
from tests.demo.fire22_numbers import (
    ON_METRICS,
    SCHEMA,
    Answers,
    answers,
    bonuses,
    finished,
    number,
    total,
    true_alerts,
)
from tests.programs import until

ON_ROWS = sorted(alert for alert in INCIDENTS if alert.partition("/")[0] not in {"system", "infrastructure"})
# A server whose time is what is written here, plus what has passed since.
CLOCK = """
    CREATE SCHEMA clock;
    CREATE FUNCTION clock.now() RETURNS timestamptz STABLE LANGUAGE sql
        AS $$ SELECT pg_catalog.now() + interval '{shift} seconds' $$;
    GRANT USAGE ON SCHEMA clock TO monitoring;
    ALTER DATABASE {database} SET search_path = clock, public, pg_catalog;
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    with cluster() as running:
        yield running


class Filled:
    """A world whose rows are those of an ordinary day."""

    def __init__(self, server: Cluster, database: str) -> None:
        self.dsn = server.dsn(database=database)
        self.world = World(self.dsn, [])
        self.monitoring = server.dsn("monitoring", database)
        self.world.seed()

    def answers(self) -> Answers:
        return answers(self.monitoring)

    def true_alerts(self) -> set[str]:
        return true_alerts(self.answers())

    def rows(self, table: str, where: str = "true") -> int:
        ((count,),) = self.world.execute(f"SELECT count(*) FROM {table} WHERE {where}")
        assert isinstance(count, int)
        return count


@contextmanager
def filled(server: Cluster, database: str, starts_at: str = "") -> Iterator[Filled]:
    """A world in a database of its own, where it is a time of day (UTC) if one is given."""
    with server.database(database, SCHEMA) as name:
        if starts_at:
            ((shift,),) = server.execute(
                f"SELECT extract(epoch FROM time '{starts_at}' - (now() AT TIME ZONE 'UTC')::time)"
            )
            server.execute(CLOCK.format(shift=shift, database=name), database=name)
        found = Filled(server, name)
        try:
            yield found
        finally:
            found.world.stop()


@pytest.fixture(scope="module")
def ordinary(server: Cluster) -> Iterator[Filled]:
    with filled(server, "fire22_ordinary") as found:
        yield found


def test_every_alert_of_fire22_has_an_incident() -> None:
    declared = {
        f"{path.stem}/{alert}"
        for path in (ROOT / "domains/fire22").glob("*.yaml")
        for alert in yaml.safe_load(path.read_text(encoding="utf-8")).get("alerts", ())
    }
    assert set(INCIDENTS) == declared
    assert len(INCIDENTS) == 26
    for name, incident in INCIDENTS.items():
        assert incident.alert == name
        assert incident.begins.endswith(".")
        assert incident.ends.endswith(".")


def test_an_ordinary_day_shows_the_numbers_of_the_document(server: Cluster) -> None:
    with filled(server, "fire22_seeded", "15:00") as fire22:
        found = fire22.answers()
    assert true_alerts(found) == set()

    pending = {row["priority"]: row["value"] for row in found["collections/pending_settlements"]}
    assert pending == {"high": 8, "medium": 25, "low": 14}
    assert number(found, "collections/open_settlements", "processing_queue") == 12
    assert number(found, "collections/open_settlements", "overdue_settlements") == 3
    assert finished(found, "completed_today") == 156
    assert finished(found, "average_processing_time") / 60 == pytest.approx(23, abs=1)

    paid = {row["method"]: row["value"] for row in found["distributions/paid_distributions"]}
    assert paid == {"wire_transfer": 45, "paypal": 32, "bank_transfer": 18}
    assert number(found, "distributions/revenue", "total_revenue") == pytest.approx(125000, rel=0.02)
    assert number(found, "distributions/revenue", "distribution_rate") == pytest.approx(0.7, abs=0.02)
    assert number(found, "distributions/waiting_payments", "pending_amount") == pytest.approx(12500, rel=0.02)
    assert number(found, "distributions/finished_payments", "average_processing_time") / 3600 == pytest.approx(
        2.3, abs=0.2
    )

    assert bonuses(found, "total_bonus_value") == pytest.approx(250000, rel=0.02)
    assert bonuses(found, "bonus_utilization") == pytest.approx(0.58, abs=0.04)
    assert bonuses(found, "bonus_expiration_rate") == pytest.approx(0.15, abs=0.02)
    assert bonuses(found, "average_bonus_per_customer") == pytest.approx(185.5, rel=0.02)
    assert number(found, "free_play/active_campaigns", "active_campaigns") == 12
    assert number(found, "free_play/active_campaigns", "total_participants") == 15420
    assert number(found, "free_play/active_campaigns", "conversion_rate") == pytest.approx(0.235, abs=0.001)

    assert number(found, "balance/accounts", "active_accounts") == 1875
    assert number(found, "balance/accounts", "average_balance") == pytest.approx(667.5, rel=0.03)
    assert number(found, "balance/recent_transactions", "transactions_today") == 12500
    assert number(found, "balance/recent_transactions", "failed_transactions") == 12
    assert total(found, "balance/security_incidents") == 0
    assert number(found, "balance/completed_transactions", "average_processing_time") == pytest.approx(1.2, abs=0.1)

    waiting = {row["priority"]: row["value"] for row in found["adjustment/pending_adjustments"]}
    assert waiting == {"high": 5, "medium": 12, "low": 6}
    assert total(found, "adjustment/processed_today") == 47
    assert number(found, "adjustment/decided_adjustments", "approval_rate") == pytest.approx(0.942, abs=0.005)
    assert total(found, "adjustment/average_processing_time") / 3600 == pytest.approx(4.2, abs=0.6)


def test_an_ordinary_day_meets_its_targets(ordinary: Filled) -> None:
    # Utilisation stands at the document's own 58 %, which misses the document's own target.
    found = ordinary.answers()
    assert finished(found, "processed_promptly") >= 0.92
    assert finished(found, "settlement_success") >= 0.98
    assert finished(found, "on_time_delivery") >= 0.95
    assert total(found, "collections/customer_satisfaction") >= 0.89
    for column, target in (("payment_success", 0.96), ("on_time_delivery", 0.88), ("processing_efficiency", 0.89)):
        assert number(found, "distributions/finished_payments", column) >= target
    assert total(found, "distributions/recipient_satisfaction") >= 0.94
    assert total(found, "free_play/redemption_success") >= 0.97
    assert bonuses(found, "customer_engagement") >= 0.92
    assert number(found, "free_play/active_campaigns", "campaign_effectiveness") >= 0.89
    assert number(found, "balance/recent_transactions", "transaction_accuracy") >= 0.999
    assert number(found, "balance/completed_transactions", "processing_speed") >= 0.95
    assert total(found, "balance/account_security") >= 0.98
    assert total(found, "balance/customer_satisfaction") >= 0.97
    assert number(found, "adjustment/decided_adjustments", "approval_rate") >= 0.935
    assert number(found, "adjustment/decided_adjustments", "processing_efficiency") >= 0.89
    assert total(found, "adjustment/accuracy_rate") >= 0.96
    assert total(found, "adjustment/customer_satisfaction") >= 0.92


@pytest.mark.parametrize("time_of_day", ["00:05", "00:00:01", "23:59"])
def test_no_alert_is_true_at_any_hour(server: Cluster, time_of_day: str) -> None:
    with filled(server, "fire22_hour", time_of_day) as fire22:
        found = fire22.answers()
        assert true_alerts(found) == set()
        assert finished(found, "average_processing_time") / 60 == pytest.approx(23, abs=1)
        for alert in ("collections/processing_delay", "collections/high_error_rate", "adjustment/high_rejection_rate"):
            INCIDENTS[alert].begin(fire22.world)
            assert fire22.true_alerts() == {alert}
            INCIDENTS[alert].end(fire22.world)
            assert fire22.true_alerts() == set()


@pytest.mark.parametrize("alert", ON_ROWS)
def test_an_incident_makes_its_own_alert_true_and_puts_it_right(ordinary: Filled, alert: str) -> None:
    assert ordinary.true_alerts() == set()
    INCIDENTS[alert].begin(ordinary.world)
    assert ordinary.true_alerts() == {alert}
    for _ in range(15):
        ordinary.world.tick()
    assert ordinary.true_alerts() == {alert}
    INCIDENTS[alert].end(ordinary.world)
    assert ordinary.true_alerts() == set()
    for _ in range(5):
        ordinary.world.tick()
    assert ordinary.true_alerts() == set()
    INCIDENTS[alert].end(ordinary.world)
    assert ordinary.true_alerts() == set()


def test_every_alert_on_rows_is_looked_at(ordinary: Filled) -> None:
    matched = {alert for alert in ON_ROWS if alert not in ON_METRICS}
    for alert in sorted(matched):
        INCIDENTS[alert].begin(ordinary.world)
    assert ordinary.true_alerts() == matched
    for alert in matched:
        INCIDENTS[alert].end(ordinary.world)
    assert ordinary.true_alerts() == set()


def test_work_goes_on_past_midnight_and_stays_calm(server: Cluster) -> None:
    with filled(server, "fire22_night", "23:59:57") as fire22:
        while is_before_midnight(fire22):
            fire22.world.tick()
        for _ in range(4):
            for _ in range(250):
                fire22.world.tick()
            found = fire22.answers()
            assert true_alerts(found) == set()
            assert total(found, "collections/pending_settlements") == pytest.approx(47, abs=15)
            assert number(found, "distributions/waiting_payments", "pending_payments") == pytest.approx(30, abs=10)
            assert total(found, "adjustment/pending_adjustments") == pytest.approx(23, abs=10)
        assert fire22.rows("revenue_days", "day = (now() AT TIME ZONE 'UTC')::date") == 1
        assert finished(found, "completed_today") > 100
        assert finished(found, "average_processing_time") / 60 == pytest.approx(20, abs=5)
        assert number(found, "balance/accounts", "average_balance") == pytest.approx(667.5, rel=0.05)
        assert bonuses(found, "redemption_rate") == pytest.approx(0.64, abs=0.03)


def is_before_midnight(fire22: Filled) -> bool:
    """Whether it is past 23 o'clock by the world's own clock."""
    ((is_late,),) = fire22.world.execute("SELECT extract(hour FROM now() AT TIME ZONE 'UTC') = 23")
    return is_late is True


@pytest.mark.parametrize(
    ("domain", "table"),
    [
        (collections, "settlements WHERE completed_at IS NOT NULL"),
        (collections, "payments WHERE payment_status <> 'pending'"),
        (distributions, "distributions WHERE status IN ('paid', 'failed')"),
        (free_play, "bonuses"),
        (free_play, "redemptions"),
        (balance, "transactions"),
        (adjustment, "adjustments WHERE status IN ('processed', 'rejected')"),
        (surveys, "satisfaction_surveys"),
    ],
    ids=lambda value: value.__name__.rpartition(".")[2] if isinstance(value, ModuleType) else value.split()[0],
)
def test_rows_do_not_pile_up(ordinary: Filled, monkeypatch: pytest.MonkeyPatch, domain: ModuleType, table: str) -> None:
    monkeypatch.setattr(domain, "_KEPT", 100)
    with psycopg.connect(ordinary.dsn) as connection, connection.cursor() as cursor:
        domain.forget(cursor)
        ((count,),) = cursor.execute(f"SELECT count(*) FROM {table}".encode()).fetchall()
        connection.rollback()
    assert 0 < count <= 130


def test_work_survives_a_database_that_goes_and_comes_back(caplog: pytest.LogCaptureFixture) -> None:
    with cluster() as own, own.database("fire22_restarted", SCHEMA) as name:
        world = World(own.dsn(database=name), [])
        world.seed()
        before = world.execute("SELECT max(id) FROM transactions")
        caplog.set_level(logging.WARNING, "demo.fire22.workload")
        with world:
            until(lambda: world.execute("SELECT max(id) FROM transactions") > before, 20)
            own.stop("immediate")
            with pytest.raises(psycopg.OperationalError):
                world.execute("SELECT 1")
            until(lambda: caplog.records, 20)
            own.start()
            assert world.execute("SELECT 1") == [(1,)]
            before = world.execute("SELECT max(id) FROM transactions")
            until(lambda: world.execute("SELECT max(id) FROM transactions") > before, 20)
        assert [record.message.partition(":")[0] for record in caplog.records] == [
            "the workload waits for the database",
            "the workload goes on",
        ]


def test_a_pool_is_exhausted_and_given_back(ordinary: Filled) -> None:
    incident = INCIDENTS["infrastructure/connection_pool_exhausted"]
    assert ordinary.rows("pg_stat_activity", "backend_type = 'client backend'") < 45
    incident.begin(ordinary.world)
    assert ordinary.rows("pg_stat_activity", "application_name = 'demo-incident' AND state = 'idle'") == 50
    assert ordinary.true_alerts() == set()
    incident.end(ordinary.world)
    until(lambda: not ordinary.rows("pg_stat_activity", "application_name = 'demo-incident'"), 20)


def test_filling_the_schema_is_quick(server: Cluster) -> None:
    with server.database("fire22_quick", SCHEMA) as name:
        world = World(server.dsn(database=name), [])
        started = time.monotonic()
        world.seed()
        world.stop()
        assert time.monotonic() - started < 10
