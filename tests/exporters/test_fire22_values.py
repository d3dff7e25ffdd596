"""Every number of Fire22 at /metrics: rows in a real PostgreSQL, the committed plan, a role that may only read.

Two databases. In one time stands still at 15:00 and the small world of tests/domains is in it. In the other the rows
move along with the clock, so that what is a day old stays exactly a day old, and each alert on rows meets its threshold
to the microsecond.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import ryaml
import yaml

from tests.clusters import Cluster, cluster
from tests.compiling import ROOT
from tests.domains.fire22_expected import (
    AGES,
    CLOCK,
    EXPECTED,
    LABELS,
    LISTED,
    MATCHING_ROWS,
    MOMENT,
    WORST,
    ZERO_FILLED,
    ZERO_WHEN_EMPTY,
)
from tests.exporters.running import Running, Scrape, exporter

FOLDER = ROOT / "domains/fire22"
PLAN = ROOT / "output/fire22/exporter/business.yml"
SCHEMA = (FOLDER / "schema.sql").read_text(encoding="utf-8")
WORLD = (ROOT / "tests/domains/fire22_world.sql").read_text(encoding="utf-8")
DSN = "FIRE22_DSN"

# What the exporter says of itself; all else that begins with fire22_ is the business.
OWN = {
    "fire22_up", "fire22_reading", "fire22_scrape_duration_seconds", "fire22_last_refresh_timestamp_seconds",
    "fire22_query_success", "fire22_query_duration_seconds", "fire22_query_last_success_timestamp_seconds",
    "fire22_query_irregularities_total", "fire22_config_last_reload_successful",
    "fire22_config_last_reload_success_timestamp_seconds",
}  # fmt: skip
RELOADED = "fire22_config_last_reload_success_timestamp_seconds"

# Real answers must not depend on where the server thinks that it is.
CLOCK_OF_THE_ROLE = """
    GRANT USAGE ON SCHEMA clock TO monitoring;
    ALTER ROLE monitoring IN DATABASE {database} SET search_path = clock, public, pg_catalog;
    ALTER ROLE monitoring IN DATABASE {database} SET TimeZone = 'Pacific/Kiritimati';
"""
# Views before the tables, in which every time moves along with the clock: what is written as ago('24 hours') is exactly
# that old in every transaction.
MOVING = """
    CREATE FUNCTION ago(age interval) RETURNS timestamptz IMMUTABLE LANGUAGE sql
        AS $$ SELECT timestamptz '2026-01-01 00:00:00+00' - age $$;
    CREATE SCHEMA moving;
    DO $do$
    DECLARE one text;
    BEGIN
        SET TimeZone = 'UTC';
        FOR one IN
            SELECT format('CREATE VIEW moving.%I AS SELECT %s FROM public.%I', table_name, string_agg(
                CASE WHEN data_type LIKE 'timestamp%'
                    THEN format('%1$I + (now() - ago(interval ''0'')) AS %1$I', column_name)
                    ELSE quote_ident(column_name) END, ', ' ORDER BY ordinal_position), table_name)
            FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
            WHERE table_schema = 'public' AND table_type = 'BASE TABLE'
            GROUP BY table_name
        LOOP EXECUTE one; END LOOP;
    END $do$;
"""
MOVING_FOR_THE_ROLE = """
    GRANT USAGE ON SCHEMA moving TO monitoring;
    GRANT SELECT ON ALL TABLES IN SCHEMA moving TO monitoring;
    ALTER ROLE monitoring IN DATABASE {database} SET search_path = moving, public, pg_catalog;
"""
# The schema forbids what the monitoring must not rely on.
NULLS_ALLOWED = """
    ALTER TABLE settlements ALTER priority DROP NOT NULL, ALTER status DROP NOT NULL, ALTER created_at DROP NOT NULL;
    ALTER TABLE payments ALTER amount DROP NOT NULL, ALTER payment_status DROP NOT NULL, ALTER updated_at DROP NOT NULL;
    ALTER TABLE distributions ALTER amount DROP NOT NULL, ALTER status DROP NOT NULL, ALTER updated_at DROP NOT NULL;
    ALTER TABLE redemptions ALTER amount DROP NOT NULL, ALTER suspicious DROP NOT NULL,
        ALTER redeemed_at DROP NOT NULL;
    ALTER TABLE balances ALTER balance DROP NOT NULL, ALTER ledger_balance DROP NOT NULL;
    ALTER TABLE transactions ALTER amount DROP NOT NULL, ALTER fraud_score DROP NOT NULL,
        ALTER pattern_anomaly DROP NOT NULL, ALTER created_at DROP NOT NULL;
    ALTER TABLE adjustments ALTER amount DROP NOT NULL, ALTER requires_approval DROP NOT NULL,
        ALTER customer_dispute DROP NOT NULL, ALTER status DROP NOT NULL, ALTER created_at DROP NOT NULL;
"""
EMPTY = "TRUNCATE customers, campaigns, distributions, revenue_days RESTART IDENTITY CASCADE"
# What rows refer to.
OTHERS = """
    INSERT INTO customers (name) SELECT 'customer ' || n FROM generate_series(1, 6) AS n;
    INSERT INTO settlements (customer_id, amount, priority, status, due_date) VALUES (1, 1, 'low', 'completed', now());
    INSERT INTO bonuses (customer_id, bonus_type, amount) VALUES (1, 'free_bet', 1);
"""

Key = tuple[str, frozenset[tuple[str, str]]]


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    with cluster() as running:
        yield running


def business(scrape: Scrape) -> dict[Key, float]:
    """All samples that are not about the exporter, without the platform's name."""
    return {
        (name.removeprefix("fire22_"), labels): value
        for (name, labels), value in scrape.values.items()
        if name.startswith("fire22_") and name not in OWN
    }


def key(name: str, **labels: str) -> Key:
    return name, frozenset(labels.items())


def planned() -> dict[str, set[str]]:
    """The names of all series of the committed plan, without the platform's name, with their labels."""
    plan = ryaml.loads(PLAN.read_text(encoding="utf-8"))
    return {
        series["name"].removeprefix("fire22_"): set(series.get("labels", ()))
        for query in plan["queries"]
        for series in query["series"]
    }


def queries() -> set[str]:
    """The names of all queries of the committed plan."""
    return {query["name"] for query in ryaml.loads(PLAN.read_text(encoding="utf-8"))["queries"]}


SUFFIXES = {"seconds": "_seconds", "usd": "_usd", "ratio": "_ratio"}


def series_of(metric: str) -> str:
    """The series of ``domain/metric``: its unit ends its name where it is no counted noun."""
    domain, name = metric.split("/")
    declared = yaml.safe_load((FOLDER / f"{domain}.yaml").read_text(encoding="utf-8"))["metrics"][name]
    return f"{domain}_{name}{SUFFIXES.get(declared['unit'], '')}"


def metrics_of_the_world() -> dict[Key, float]:
    """Every metric with every group, those filled with zeros too."""
    found: dict[Key, float] = {}
    for metric, value in EXPECTED.items():
        name = series_of(metric)
        if isinstance(value, dict):
            groups = value | dict.fromkeys(ZERO_FILLED.get(metric, ()), 0.0)
            found |= {key(name, **{LABELS[metric]: group}): number for group, number in groups.items()}
        else:
            assert value is not None
            found[key(name)] = value
    return found


def alerts_of_the_world() -> dict[Key, float]:
    """Every alert on rows: how many match, how bad the worst is, how many are not listed."""
    worst = dict(WORST)
    found: dict[Key, float] = {}
    for alert, count in MATCHING_ROWS.items():
        named = next((name for name in worst if name.startswith(f"{alert}_worst")), None)
        if alert not in LISTED:
            found[key(f"{alert}_matching_rows")] = count
            found |= {key(named): worst[named]} if named else {}
            continue
        assert len(LISTED[alert]) == count
        found[key(f"{alert}_unlisted_rows")] = 0
        for transaction in LISTED[alert]:
            found[key(f"{alert}_matching_rows", transaction=transaction)] = 1
            found |= {key(named, transaction=transaction): worst[named]} if named else {}
    return found


def alerts_on(later: float) -> dict[Key, float]:
    """The alerts on ages in the small world, ``later`` seconds after its moment."""
    found = {}
    for alert, (hours, limit) in AGES.items():
        over = [age * 3600 + later for age in hours if age * 3600 + later > limit * 3600]
        found[key(f"{alert}_matching_rows")] = float(len(over))
        if over:
            found[key(f"{alert}_worst_seconds")] = max(over)
    return found


def without_ages(values: Mapping[Key, float]) -> dict[Key, float]:
    return {found: value for found, value in values.items() if not found[0].startswith(tuple(AGES))}


def test_every_number_of_the_small_world(server: Cluster, tmp_path: Path) -> None:
    later = f"SELECT extract(epoch FROM pg_catalog.now() - timestamptz '{MOMENT}')::float8"
    with server.database("fire22_still", SCHEMA) as database:
        server.execute(
            CLOCK.format(moment=MOMENT) + WORLD + CLOCK_OF_THE_ROLE.format(database=database), database=database
        )
        with exporter(PLAN, tmp_path, {DSN: server.dsn("monitoring", database)}) as running:
            scrape = running.scrape()
            ((now,),) = server.execute(later, database=database)
    assert isinstance(now, float)
    found, expected = business(scrape), metrics_of_the_world() | alerts_of_the_world()
    assert without_ages(found) == pytest.approx(without_ages(expected), rel=1e-9)
    ages = {each: value for each, value in found.items() if each not in without_ages(found)}
    assert ages == pytest.approx(alerts_on(now), abs=60)
    assert {name for name, _ in found} == set(planned())
    assert all({label for label, _ in labels} == planned()[name] for name, labels in found)
    assert scrape.samples("fire22_query_success") == {frozenset({("query", name)}): 1.0 for name in queries()}
    assert scrape.samples("fire22_query_irregularities_total") == {}


@dataclass
class Moving:
    """The exporter on the database whose rows move along with the clock."""

    server: Cluster
    database: str
    running: Running

    def fill(self, *statements: str) -> Scrape:
        """Empty all tables, write rows, and have them read."""
        self.server.execute(EMPTY, OTHERS, *statements, database=self.database)
        return self.refreshed()

    def refreshed(self) -> Scrape:
        """A scrape of what is in the database now: with a plan read anew, all is asked anew."""
        before = self.running.scrape().value(RELOADED)
        self.running.reload()
        return self.running.until_scrape(lambda scrape: scrape.value(RELOADED) != before)


@pytest.fixture(scope="module")
def moving(server: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moving]:
    folder = tmp_path_factory.mktemp("moving")
    # Nobody asks again by himself: the gap between two refreshes would widen the windows of events by as much.
    text = PLAN.read_text(encoding="utf-8")
    assert text.count("\ninterval_seconds: 15\n") == 1
    plan = folder / "business.yml"
    plan.write_text(text.replace("\ninterval_seconds: 15\n", "\ninterval_seconds: 3600\n"), encoding="utf-8")
    with server.database("fire22_moving", SCHEMA + MOVING + NULLS_ALLOWED) as database:
        server.execute(MOVING_FOR_THE_ROLE.format(database=database), database=database)
        with exporter(plan, folder, {DSN: server.dsn("monitoring", database)}) as running:
            yield Moving(server, database, running)


@dataclass(frozen=True)
class Row:
    """A row that an alert counts, as SQL by column, and how it is named at /metrics."""

    table: str
    columns: Mapping[str, str]
    # The end of the name of its worst value, None where it has none.
    worst: str | None = ""
    each: bool = False

    def insert(self, **changed: str) -> str:
        """The statement that writes it, with other values in some columns."""
        values = {**self.columns, **changed}
        written = f"({', '.join(values)}) OVERRIDING SYSTEM VALUE VALUES ({', '.join(values.values())})"
        return f"INSERT INTO {self.table} {written}"


ALERTS = {
    "collections_settlement_overdue": Row(
        "settlements",
        {"customer_id": "1", "amount": "10", "priority": "'high'", "status": "'pending'",
         "created_at": "ago('24:00:00.000001')", "due_date": "ago('0')"},
        "_seconds",
    ),
    "collections_payment_failure": Row(
        "payments",
        {"settlement_id": "(SELECT min(id) FROM settlements)", "customer_id": "1", "amount": "1000.01",
         "payment_status": "'failed'", "created_at": "ago('3 days')", "updated_at": "ago('59:59.999999')"},
        "_usd",
    ),
    "distributions_payment_failure_high_value": Row(
        "distributions",
        {"recipient": "'a'", "amount": "50000.01", "method": "'paypal'", "status": "'failed'",
         "created_at": "ago('3 days')", "due_at": "ago('0')", "updated_at": "ago('59:59.999999')"},
        "_usd",
    ),
    "free_play_bonus_abuse_detected": Row(
        "redemptions",
        {"bonus_id": "(SELECT min(id) FROM bonuses)", "customer_id": "1", "amount": "1000.01", "succeeded": "true",
         "suspicious": "true", "redeemed_at": "ago('59:59.999999')"},
        "_usd",
    ),
    "balance_balance_discrepancy": Row(
        "balances",
        {"customer_id": "1", "balance": "500", "ledger_balance": "1500.01", "last_updated": "ago('10 days')"},
        "_usd",
    ),
    "balance_fraud_detected": Row(
        "transactions",
        {"id": "1", "customer_id": "1", "amount": "500.01", "fraud_score": "0.801", "pattern_anomaly": "false",
         "created_at": "ago('1:59:59.999999')"},
        each=True,
    ),
    "balance_unusual_activity": Row(
        "transactions",
        {"id": "1", "customer_id": "1", "amount": "1", "fraud_score": "0", "pattern_anomaly": "true",
         "created_at": "ago('1:59:59.999999')"},
        None,
        each=True,
    ),
    "balance_large_transaction": Row(
        "transactions",
        {"id": "1", "customer_id": "1", "amount": "50000.01", "fraud_score": "0", "pattern_anomaly": "false",
         "created_at": "ago('1:59:59.999999')"},
        "_usd",
        each=True,
    ),
    "adjustment_high_value_adjustment": Row(
        "adjustments",
        {"customer_id": "1", "adjustment_type": "'fee_reversal'", "priority": "'low'", "amount": "10000.01",
         "requires_approval": "true", "status": "'pending'", "created_at": "ago('1 hour')"},
        "_usd",
    ),
    "adjustment_adjustment_dispute": Row(
        "adjustments",
        {"customer_id": "1", "adjustment_type": "'fee_reversal'", "priority": "'low'", "amount": "1",
         "customer_dispute": "true", "status": "'processed'", "created_at": "ago('48:00:00.000001')"},
        "_seconds",
    ),
}  # fmt: skip

# What is to be seen of each alert where nothing matches.
QUIET: dict[Key, float] = {
    key(f"{alert}_{'unlisted' if row.each else 'matching'}_rows"): 0.0 for alert, row in ALERTS.items()
}


@dataclass(frozen=True)
class Case:
    """One alert and its row with other values: the worst value where it counts, None where it does not.

    ``also`` is what other alerts make of the same row.
    """

    alert: str
    name: str
    worst: float | None
    changed: Mapping[str, str]
    also: Mapping[Key, float] = field(default_factory=dict)

    @property
    def expected(self) -> dict[Key, float]:
        """All series of all alerts."""
        return QUIET | (seen(self.alert, {"1": self.worst}) if self.worst is not None else {}) | dict(self.also)


def seen(alert: str, rows: Mapping[str, float]) -> dict[Key, float]:
    """The series of an alert on these rows, the worst values by their names."""
    row = ALERTS[alert]
    if not row.each:
        return {key(f"{alert}_matching_rows"): len(rows), key(f"{alert}_worst{row.worst}"): max(rows.values())}
    found = {key(f"{alert}_matching_rows", transaction=name): 1.0 for name in rows}
    if row.worst is not None:
        found |= {key(f"{alert}_worst{row.worst}", transaction=name): value for name, value in rows.items()}
    return found


def cases() -> Iterator[Case]:
    """Every threshold just below, at and just above; every other condition turned; NULL; the edges of windows."""
    alert = "collections_settlement_overdue"
    yield Case(alert, "above", 86400.000001, {})
    yield Case(alert, "at", None, {"created_at": "ago('24 hours')"})
    yield Case(alert, "below", None, {"created_at": "ago('23:59:59.999999')"})
    yield Case(alert, "processing", 86400.000001, {"status": "'processing'"})
    for status in ("'completed'", "'failed'", "NULL"):
        yield Case(alert, f"status {status}", None, {"status": status})
    for priority in ("'medium'", "'low'", "NULL"):
        yield Case(alert, f"priority {priority}", None, {"priority": priority})
    yield Case(alert, "created NULL", None, {"created_at": "NULL"})

    alert = "collections_payment_failure"
    yield from amounts(alert, "amount", 1000)
    for status in ("'pending'", "'completed'", "NULL"):
        yield Case(alert, f"status {status}", None, {"payment_status": status})
    yield from edges(alert, "updated_at", "1:00:00", 1000.01)

    alert = "distributions_payment_failure_high_value"
    yield from amounts(alert, "amount", 50000)
    for status in ("'pending'", "'processing'", "'paid'", "NULL"):
        yield Case(alert, f"status {status}", None, {"status": status})
    yield from edges(alert, "updated_at", "1:00:00", 50000.01)

    alert = "free_play_bonus_abuse_detected"
    yield from amounts(alert, "amount", 1000)
    for suspicious in ("false", "NULL"):
        yield Case(alert, f"suspicious {suspicious}", None, {"suspicious": suspicious})
    yield Case(alert, "not succeeded", 1000.01, {"succeeded": "false"})
    yield from edges(alert, "redeemed_at", "1:00:00", 1000.01)

    alert = "balance_balance_discrepancy"
    yield Case(alert, "above", 1000.01, {})
    yield Case(alert, "at", None, {"ledger_balance": "1500"})
    yield Case(alert, "below", None, {"ledger_balance": "1499.99"})
    yield Case(alert, "above the ledger", 1000.01, {"ledger_balance": "-500.01"})
    yield Case(alert, "at above the ledger", None, {"ledger_balance": "-500"})
    yield Case(alert, "below above the ledger", None, {"ledger_balance": "-499.99"})
    yield Case(alert, "closed", 1000.01, {"account_status": "'closed'"})
    yield Case(alert, "balance NULL", None, {"balance": "NULL"})
    yield Case(alert, "ledger NULL", None, {"ledger_balance": "NULL"})

    alert = "balance_fraud_detected"
    yield Case(alert, "above", 0.801, {})
    yield Case(alert, "score at", None, {"fraud_score": "0.8"})
    yield Case(alert, "score below", None, {"fraud_score": "0.799"})
    yield Case(alert, "score NULL", None, {"fraud_score": "NULL"})
    yield Case(alert, "amount at", None, {"amount": "500"})
    yield Case(alert, "amount below", None, {"amount": "499.99"})
    yield Case(alert, "amount out above", 0.801, {"amount": "-500.01"})
    yield Case(alert, "amount out at", None, {"amount": "-500"})
    yield Case(alert, "amount NULL", None, {"amount": "NULL"})
    yield from edges(alert, "created_at", "2:00:00", 0.801)
    large = seen("balance_large_transaction", {"1": 50000.01})
    yield Case(alert, "large and odd too", 0.801, {"amount": "-50000.01", "pattern_anomaly": "true"},
               large | seen("balance_unusual_activity", {"1": 0}))  # fmt: skip

    alert = "balance_unusual_activity"
    yield Case(alert, "true", 0, {})
    yield Case(alert, "false", None, {"pattern_anomaly": "false"})
    yield Case(alert, "NULL", None, {"pattern_anomaly": "NULL"})
    yield from edges(alert, "created_at", "2:00:00", 0)

    alert = "balance_large_transaction"
    yield from amounts(alert, "amount", 50000)
    yield Case(alert, "out above", 50000.01, {"amount": "-50000.01"})
    yield Case(alert, "out at", None, {"amount": "-50000"})
    yield Case(alert, "out below", None, {"amount": "-49999.99"})
    yield from edges(alert, "created_at", "2:00:00", 50000.01)

    alert = "adjustment_high_value_adjustment"
    yield from amounts(alert, "amount", 10000)
    yield Case(alert, "out above", 10000.01, {"amount": "-10000.01"})
    yield Case(alert, "out at", None, {"amount": "-10000"})
    yield Case(alert, "out below", None, {"amount": "-9999.99"})
    for approval in ("false", "NULL"):
        yield Case(alert, f"approval {approval}", None, {"requires_approval": approval})
    yield Case(alert, "approved", 10000.01, {"status": "'approved'"})
    for status in ("'rejected'", "'processed'", "NULL"):
        yield Case(alert, f"status {status}", None, {"status": status})

    alert = "adjustment_adjustment_dispute"
    yield Case(alert, "above", 172800.000001, {})
    yield Case(alert, "at", None, {"created_at": "ago('48 hours')"})
    yield Case(alert, "below", None, {"created_at": "ago('47:59:59.999999')"})
    yield Case(alert, "pending", 172800.000001, {"status": "'pending'"})
    for dispute in ("false", "NULL"):
        yield Case(alert, f"dispute {dispute}", None, {"customer_dispute": dispute})
    yield Case(alert, "created NULL", None, {"created_at": "NULL"})


def amounts(alert: str, column: str, limit: int) -> Iterator[Case]:
    """An amount of money around its limit, to the cent."""
    yield Case(alert, "above", limit + 0.01, {})
    yield Case(alert, "at", None, {column: f"{limit}.00"})
    yield Case(alert, "below", None, {column: f"{limit - 1}.99"})
    yield Case(alert, f"{column} NULL", None, {column: "NULL"})


def edges(alert: str, column: str, within: str, worst: float) -> Iterator[Case]:
    """An event around the edge of its window; just inside is what the other cases have."""
    yield Case(alert, "now", worst, {column: "ago('0')"})
    yield Case(alert, "just inside", worst, {column: f"ago(interval '{within}' - interval '1 microsecond')"})
    yield Case(alert, "at the edge", None, {column: f"ago('{within}')"})
    yield Case(alert, "just outside", None, {column: f"ago(interval '{within}' + interval '1 microsecond')"})
    yield Case(alert, "without a time", None, {column: "NULL"})


CASES = tuple(cases())


def watched(scrape: Scrape) -> dict[Key, float]:
    """The samples of alerts on rows."""
    ends = ("_matching_rows", "_unlisted_rows")
    return {each: value for each, value in business(scrape).items() if each[0].endswith(ends) or "_worst" in each[0]}


def test_every_alert_on_rows_is_tried() -> None:
    alerts = {name.removesuffix("_matching_rows") for name in planned() if name.endswith("_matching_rows")}
    assert alerts == set(ALERTS) == {case.alert for case in CASES} == set(MATCHING_ROWS)
    assert {name for name in planned() if "_worst" in name} == {
        f"{alert}_worst{row.worst}" for alert, row in ALERTS.items() if row.worst is not None
    }
    assert {name.removesuffix("_unlisted_rows") for name in planned() if name.endswith("_unlisted_rows")} == set(LISTED)
    # Every alert, and each of its cases, by a name of its own.
    assert len({(case.alert, case.name) for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.alert}-{case.name}".replace(" ", "-"))
def test_an_alert_counts_what_its_condition_says(moving: Moving, case: Case) -> None:
    scrape = moving.fill(ALERTS[case.alert].insert(**case.changed))
    assert watched(scrape) == pytest.approx(case.expected, rel=1e-12)


@pytest.mark.parametrize(
    ("alert", "rows"),
    [
        (
            "collections_settlement_overdue",
            {"24:00:00.000001": 86400.000001, "30 hours": 108000, "29 hours": 104400, "24 hours": None, "1 s": None},
        ),
        ("adjustment_adjustment_dispute", {"49 hours": 176400, "60 days": 5184000, "48 hours": None}),
    ],
)
def test_of_several_ages_the_highest_is_the_worst(moving: Moving, alert: str, rows: Mapping[str, float | None]) -> None:
    scrape = moving.fill(*(ALERTS[alert].insert(created_at=f"ago('{age}')") for age in rows))
    over = {age: value for age, value in rows.items() if value is not None}
    assert watched(scrape) == pytest.approx(QUIET | seen(alert, over), rel=1e-12)


@pytest.mark.parametrize(
    ("alert", "amounts"),
    [
        ("collections_payment_failure", (1000.01, 4000, 3000, 1000, 10)),
        ("distributions_payment_failure_high_value", (50000.01, 999999999999.99, 50000)),
        ("free_play_bonus_abuse_detected", (2000, 1000.01, 1000)),
        ("adjustment_high_value_adjustment", (-30000, 20000, 10000, -10000)),
    ],
)
def test_of_several_amounts_the_highest_is_the_worst(moving: Moving, alert: str, amounts: tuple[float, ...]) -> None:
    limit = {"adjustment_high_value_adjustment": 10000, "distributions_payment_failure_high_value": 50000}.get(
        alert, 1000
    )
    scrape = moving.fill(*(ALERTS[alert].insert(amount=repr(amount)) for amount in amounts))
    over = {str(amount): abs(amount) for amount in amounts if abs(amount) > limit}
    assert watched(scrape) == pytest.approx(QUIET | seen(alert, over), rel=1e-12)


def transactions(alert: str, worst: Mapping[int, str], column: str) -> list[str]:
    """The statements that write transactions with these numbers in a column."""
    return [ALERTS[alert].insert(id=str(number), **{column: value}) for number, value in worst.items()]


@pytest.mark.parametrize("rows", [1, 20, 21, 25])
def test_each_large_transaction_has_a_series_the_worst_of_them(moving: Moving, rows: int) -> None:
    # The later, the larger: the worst have the highest numbers.
    scrape = moving.fill(
        *transactions("balance_large_transaction", {n: f"{-50000 - n}" for n in range(1, rows + 1)}, "amount")
    )
    listed = {str(n): 50000.0 + n for n in range(max(1, rows - 19), rows + 1)}
    expected = QUIET | seen("balance_large_transaction", listed)
    expected[key("balance_large_transaction_unlisted_rows")] = max(0, rows - 20)
    assert watched(scrape) == pytest.approx(expected)


def test_each_fraud_has_a_series_the_likeliest_of_them(moving: Moving) -> None:
    scores = {n: f"{0.95 - n / 1000:.3f}" for n in range(101, 124)}  # 0.849 … 0.827: the first are the worst
    scrape = moving.fill(*transactions("balance_fraud_detected", scores, "fraud_score"))
    expected = QUIET | seen("balance_fraud_detected", {str(n): float(scores[n]) for n in range(101, 121)})
    expected[key("balance_fraud_detected_unlisted_rows")] = 3
    assert watched(scrape) == pytest.approx(expected)


def test_of_more_anomalies_than_are_listed_the_others_are_counted(moving: Moving) -> None:
    row = dict.fromkeys(range(100, 130), "true")
    scrape = moving.fill(*transactions("balance_unusual_activity", row, "pattern_anomaly"))
    expected = QUIET | seen("balance_unusual_activity", {str(n): 0 for n in range(100, 120)})
    expected[key("balance_unusual_activity_unlisted_rows")] = 10
    assert watched(scrape) == pytest.approx(expected)


def test_a_transaction_that_is_gone_takes_its_series_along(moving: Moving) -> None:
    written = transactions("balance_fraud_detected", {7: "0.9", 8: "0.99"}, "fraud_score")
    both = QUIET | seen("balance_fraud_detected", {"7": 0.9, "8": 0.99})
    assert watched(moving.fill(*written)) == pytest.approx(both)
    moving.server.execute("DELETE FROM transactions WHERE id = 8", database=moving.database)
    assert watched(moving.refreshed()) == pytest.approx(QUIET | seen("balance_fraud_detected", {"7": 0.9}))


def test_an_empty_database_invents_nothing(moving: Moving) -> None:
    moving.server.execute(EMPTY, database=moving.database)
    zeros = {key(series_of(metric)): 0.0 for metric in ZERO_WHEN_EMPTY}
    for metric, filled in ZERO_FILLED.items():
        present = EXPECTED[metric]
        assert isinstance(present, dict)
        zeros |= {key(series_of(metric), **{LABELS[metric]: group}): 0.0 for group in (*present, *filled)}
    scrape = moving.refreshed()
    assert business(scrape) == zeros | QUIET
    assert set(scrape.samples("fire22_query_success").values()) == {1.0}
