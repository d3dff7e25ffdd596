"""Every SQL text of Fire22's domain files on a real Postgres: empty, and with a small world worked out by hand."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
import yaml
from psycopg import sql

from generator.load import Files, load
from generator.model import Domain
from generator.plan.build import plan

FOLDER = Path(__file__).parents[2] / "domains" / "fire22"
DOMAINS = {
    path.stem: Domain.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    for path in sorted(FOLDER.glob("*.yaml"))
    if path.stem != "platform"
}
SCHEMA = (FOLDER / "schema.sql").read_text(encoding="utf-8")
WORLD = (Path(__file__).parent / "fire22_world.sql").read_text(encoding="utf-8")

# A clock that stands still, found before pg_catalog's: nothing here depends on when the tests run.
CLOCK = """
    CREATE SCHEMA clock;
    CREATE FUNCTION clock.now() RETURNS timestamptz STABLE LANGUAGE sql AS $$ SELECT timestamptz '{moment}' $$;
    SET search_path = clock, public, pg_catalog;
"""
# Far from UTC on purpose: "today" must not depend on the session.
FAR_AWAY = "SET TimeZone = 'Pacific/Kiritimati'"

Value = float | dict[str, float] | None


@dataclass(frozen=True)
class Statement:
    """One SELECT of a domain file: the labels that its columns must give, and the metric behind each other column."""

    text: str
    labels: tuple[str, ...]
    columns: Mapping[str, str]


def statements() -> dict[str, Statement]:
    """Every SELECT by ``domain/name``."""
    found = {}
    for domain in DOMAINS.values():
        for name, metric in domain.metrics.items():
            if metric.sql is not None:
                found[f"{domain.domain}/{name}"] = Statement(metric.sql, tuple(metric.by), {"value": name})
        for name, query in domain.queries.items():
            users = {key: metric for key, metric in domain.metrics.items() if metric.query == name}
            labels = {tuple(metric.by) for metric in users.values()}
            assert len(labels) == 1, f"the metrics of {domain.domain}/{name} differ in their labels"
            columns = {metric.column or "value": key for key, metric in users.items()}
            found[f"{domain.domain}/{name}"] = Statement(query.sql, labels.pop(), columns)
    return found


STATEMENTS = statements()
RECORDS = {f"{d.domain}/{name}": record for d in DOMAINS.values() for name, record in d.records.items()}


def numbers(connection: psycopg.Connection[tuple[object, ...]], statement: Statement) -> dict[str, Value]:
    """What a statement says: metric to its value, or to values by label."""
    with connection.cursor() as cursor:
        cursor.execute(statement.text.encode())
        names = [column.name for column in cursor.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    if not statement.labels:
        assert len(rows) == 1
        return {metric: _float(rows[0][column]) for column, metric in statement.columns.items()}
    (label,) = statement.labels
    found: dict[str, Value] = {}
    for column, metric in statement.columns.items():
        by_label = {str(row[label]): _float(row[column]) for row in rows}
        assert len(by_label) == len(rows), "two rows with one label value"
        found[metric] = {key: value for key, value in by_label.items() if value is not None}
    return found


def _float(value: object) -> float | None:
    assert value is None or isinstance(value, int | float | Decimal)
    return None if value is None else float(value)


def database(server: str, name: str, *scripts: str) -> psycopg.Connection[tuple[object, ...]]:
    """Make a database, run scripts in it, and stay connected."""
    with psycopg.connect(f"{server} dbname=postgres", autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    made = psycopg.connect(f"{server} dbname={name}", autocommit=True)
    for script in scripts:
        made.execute(script.encode())
    return made


@pytest.fixture(scope="module")
def empty(postgres: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """The schema, no rows, the real clock."""
    with database(postgres, "fire22_empty", SCHEMA) as connection:
        yield connection


@pytest.fixture(scope="module")
def world(postgres: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """The small world at 15:00 UTC."""
    clock = CLOCK.format(moment="2026-03-10 15:00:00+00")
    with database(postgres, "fire22_world", SCHEMA, clock, WORLD, FAR_AWAY) as connection:
        yield connection


@pytest.fixture(scope="module")
def world_now(postgres: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """The small world on the real clock: compiled queries may say CURRENT_TIMESTAMP, which cannot be stopped."""
    with database(postgres, "fire22_world_now", SCHEMA, WORLD, FAR_AWAY) as connection:
        yield connection


NUMBER_TYPES = {"int4", "int8", "float8", "numeric"}


@pytest.mark.parametrize("name", STATEMENTS)
def test_columns_are_the_labels_and_numbers(empty: psycopg.Connection[tuple[object, ...]], name: str) -> None:
    statement = STATEMENTS[name]
    cursor = empty.execute(statement.text.encode())
    types = {column.name: column.type_display for column in cursor.description or ()}
    assert len(types) == len(cursor.description or ())
    assert set(types) == {*statement.labels, *statement.columns}
    assert {types[label] for label in statement.labels} <= {"text"}
    assert {_bare(types[column]) for column in statement.columns} <= NUMBER_TYPES


def types_of(connection: psycopg.Connection[tuple[object, ...]], text: str) -> list[str]:
    """The types of a SELECT's columns."""
    return [column.type_display for column in connection.execute(text.encode()).description or ()]


def _bare(type_display: str) -> str:
    return type_display.partition("(")[0]


# What is truly 0 where nothing has happened. Every other number has no value then, since none was measured.
ZERO_WHEN_EMPTY = {
    "collections/processing_queue",
    "collections/overdue_settlements",
    "collections/completed_today",
    "distributions/distributed_amount",
    "distributions/pending_payments",
    "distributions/pending_amount",
    "free_play/total_bonus_value",
    "free_play/redeemed_amount",
    "free_play/active_campaigns",
    "free_play/total_participants",
    "balance/total_accounts",
    "balance/active_accounts",
    "balance/total_balance",
    "balance/transactions_today",
    "balance/failed_transactions",
    "balance/security_incidents",
    "adjustment/pending_adjustment_age",
}


def test_an_empty_database_invents_nothing(empty: psycopg.Connection[tuple[object, ...]]) -> None:
    found = {
        f"{name.partition('/')[0]}/{metric}": value
        for name, statement in STATEMENTS.items()
        for metric, value in numbers(empty, statement).items()
    }
    assert {name for name, value in found.items() if value == 0} == ZERO_WHEN_EMPTY
    assert all(value in (0, None, {}) for value in found.values())


# Worked out by hand from fire22_world.sql.
EXPECTED: dict[str, Value] = {
    "collections/pending_settlements": {"high": 2, "medium": 2},
    "collections/processing_queue": 1,
    "collections/completed_today": 2,
    "collections/overdue_settlements": 3,
    "collections/average_processing_time": (20 + 30 + 60) * 60 / 3,
    "collections/processed_within_30_minutes": 1 / 3,
    "collections/settlement_success": 3 / 4,
    "collections/error_rate": 1 / 4,
    "collections/on_time_delivery": 2 / 3,
    "collections/customer_satisfaction": 0.9,
    "distributions/total_revenue": 9000 + 33000 + 25000.5 + 80000 + 10000,
    "distributions/distributed_amount": 90500,
    "distributions/distribution_rate": 90500 / 157000.5,
    "distributions/pending_payments": 2,
    "distributions/pending_amount": 150.5,
    "distributions/paid_distributions": {"wire_transfer": 3, "paypal": 1},
    "distributions/average_processing_time": (4 * 3600 + 18 * 3600 + 2 * 3600 + 60) / 4,
    "distributions/payment_success": 4 / 7,
    "distributions/on_time_delivery": 3 / 4,
    "distributions/processing_efficiency": 3 / 4,
    "distributions/recipient_satisfaction": 0.95,
    "distributions/revenue_variance": 5000.5,
    "free_play/total_bonus_value": 800,
    "free_play/redeemed_amount": 350,
    "free_play/bonus_utilization": 350 / 800,
    "free_play/average_bonus_per_customer": 200,
    "free_play/bonus_expiration_rate": 1 / 8,
    "free_play/redemption_rate": 3 / 8,
    "free_play/top_bonuses": {"welcome_bonus": 2 / 5, "deposit_match": 1, "free_bet": 0},
    "free_play/customer_engagement": 2 / 4,
    "free_play/redemption_success": 4 / 5,
    "free_play/active_campaigns": 2,
    "free_play/total_participants": 200,
    "free_play/conversion_rate": 50 / 200,
    "free_play/average_order_value": 2000 / 50,
    "free_play/campaign_effectiveness": 1 / 2,
    "free_play/campaign_impressions": {"spring": 1000, "summer": 500, "autumn": 0},
    "free_play/campaign_clicks": {"spring": 100, "summer": 50, "autumn": 0},
    "free_play/campaign_conversions": {"spring": 10, "summer": 40, "autumn": 0},
    "free_play/campaign_spend": {"spring": 1100, "summer": 1100.01, "autumn": 0},
    "free_play/allocated_budget": {"spring": 1000, "summer": 1000, "autumn": 500},
    "balance/total_accounts": 4,
    "balance/active_accounts": 3,
    "balance/total_balance": 2000,
    "balance/average_balance": 600,
    "balance/transactions_today": 7,
    "balance/failed_transactions": 3,
    "balance/security_incidents": 4,
    "balance/average_processing_time": (1 + 2 + 5 + 1 + 7200) / 5,
    "balance/transaction_accuracy": 6 / 9,
    "balance/processing_speed": 3 / 5,
    "balance/account_security": 2 / 3,
    "balance/customer_satisfaction": 0.975,
    "adjustment/pending_adjustments": {"high": 1, "medium": 1},
    "adjustment/pending_adjustment_age": 30 * 3600,
    "adjustment/processed_today": {"bonus_adjustment": 1, "bet_correction": 1},
    "adjustment/average_processing_time": (11 + 84 + 35) * 3600 / 3,
    "adjustment/approval_rate": 5 / 7,
    "adjustment/rejection_rate": 2 / 7,
    "adjustment/processing_efficiency": 6 / 7,
    "adjustment/accuracy_rate": 2 / 3,
    "adjustment/customer_satisfaction": 0.92,
}


def test_every_number_is_expected_somewhere() -> None:
    metrics = {f"{d.domain}/{name}" for d in DOMAINS.values() for name, m in d.metrics.items() if m.promql is None}
    assert metrics == set(EXPECTED)


@pytest.mark.parametrize("name", STATEMENTS)
def test_numbers_of_the_small_world(world: psycopg.Connection[tuple[object, ...]], name: str) -> None:
    found = numbers(world, STATEMENTS[name])
    domain = name.partition("/")[0]
    assert found == {metric: pytest.approx(EXPECTED[f"{domain}/{metric}"], rel=1e-9) for metric in found}


def test_today_begins_at_midnight_utc(postgres: str) -> None:
    """Half an hour into the day, what happened an hour ago was yesterday."""
    clock = CLOCK.format(moment="2026-03-10 00:30:00+00")
    rows = """
        INSERT INTO customers (name) VALUES ('one');
        INSERT INTO settlements (customer_id, amount, priority, status, created_at, due_date, completed_at)
            SELECT 1, 1, 'low', 'completed', at, at, at FROM unnest(ARRAY[
                now(), now() - interval '30 minutes', now() - interval '31 minutes', now() - interval '1 hour'
            ]) AS at;
        INSERT INTO transactions (customer_id, amount, created_at)
            SELECT 1, 1, completed_at FROM settlements;
        INSERT INTO adjustments (customer_id, adjustment_type, priority, amount, status, created_at, processed_at)
            SELECT 1, 'fee_reversal', 'low', 1, 'processed', completed_at, completed_at FROM settlements;
        INSERT INTO revenue_days VALUES ('2026-03-10', 1, 1), ('2026-03-04', 1, 3), ('2026-03-03', 1, 9);
    """
    with database(postgres, "fire22_midnight", SCHEMA, clock, rows, FAR_AWAY) as connection:
        assert numbers(connection, STATEMENTS["collections/finished_settlements"])["completed_today"] == 2
        assert numbers(connection, STATEMENTS["balance/recent_transactions"])["transactions_today"] == 2
        assert numbers(connection, STATEMENTS["adjustment/processed_today"])["processed_today"] == {"fee_reversal": 2}
        assert numbers(connection, STATEMENTS["distributions/revenue_variance"])["revenue_variance"] == 2


FIELD_TYPES = {"unit": NUMBER_TYPES, "seconds": {"interval"}, "values": {"text"}, "boolean": {"bool"}}


@pytest.mark.parametrize("name", RECORDS)
def test_fields_have_the_type_that_they_declare(empty: psycopg.Connection[tuple[object, ...]], name: str) -> None:
    record = RECORDS[name]
    for field_name, field in record.fields.items():
        kind = "values" if field.values else "boolean" if field.boolean else "unit"
        expected = FIELD_TYPES["seconds" if field.unit == "seconds" else kind]
        text = f"SELECT {field.sql} FROM {record.table} WHERE {record.where or 'true'}"
        (shown,) = types_of(empty, text)
        assert _bare(shown) in expected, field_name
    if record.at is not None:
        assert types_of(empty, f"SELECT {record.at} FROM {record.table}") == ["timestamptz"]


def words(connection: psycopg.Connection[tuple[object, ...]], table: str, column: str) -> set[str]:
    """The words that the schema lets a column take."""
    text = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'c'"
    for (definition,) in connection.execute(text, (table,)):
        assert isinstance(definition, str)
        if found := re.fullmatch(rf"CHECK \(\({column} = ANY \(ARRAY\[(.*)]\)\)\)", definition):
            return set(re.findall(r"'([^']*)'::text", found[1]))
    raise AssertionError(f"{table}.{column} takes any word")


@pytest.mark.parametrize(
    ("metric", "label", "table"),
    [
        ("collections/pending_settlements", "priority", "settlements"),
        ("distributions/paid_distributions", "method", "distributions"),
        ("free_play/top_bonuses", "bonus_type", "bonuses"),
        ("adjustment/pending_adjustments", "priority", "adjustments"),
        ("adjustment/processed_today", "adjustment_type", "adjustments"),
    ],
)
def test_label_values_are_the_words_of_the_schema(
    empty: psycopg.Connection[tuple[object, ...]], metric: str, label: str, table: str
) -> None:
    domain, name = metric.split("/")
    by = DOMAINS[domain].metrics[name].by
    assert isinstance(by, dict)
    assert set(by[label]) == words(empty, table, label)


def test_field_words_are_the_words_of_the_schema(empty: psycopg.Connection[tuple[object, ...]]) -> None:
    listed = [
        (r.table, field.sql, field.values) for r in RECORDS.values() for field in r.fields.values() if field.values
    ]
    assert listed
    for table, column, values in listed:
        assert set(values) == words(empty, table, column)


# What the compiled queries see of the small world: rows that match, and the worst of them, by alert.
MATCHING_ROWS = {
    "collections_settlement_overdue": 2,
    "collections_payment_failure": 2,
    "distributions_payment_failure_high_value": 1,
    "free_play_bonus_abuse_detected": 1,
    "balance_balance_discrepancy": 2,
    "balance_fraud_detected": 1,
    "balance_unusual_activity": 1,
    "balance_large_transaction": 1,
    "adjustment_high_value_adjustment": 2,
    "adjustment_adjustment_dispute": 1,
}
WORST = {
    "collections_settlement_overdue_worst_seconds": 30 * 3600,
    "collections_payment_failure_worst_usd": 2000,
    "distributions_payment_failure_high_value_worst_usd": 60000,
    "free_play_bonus_abuse_detected_worst_usd": 1500,
    "balance_balance_discrepancy_worst_usd": 4950,
    "balance_fraud_detected_worst": 0.9,
    "balance_large_transaction_worst_usd": 50000.01,
    "adjustment_high_value_adjustment_worst_usd": 15000,
    "adjustment_adjustment_dispute_worst_seconds": 49 * 3600,
}


def compiled(connection: psycopg.Connection[tuple[object, ...]]) -> dict[str, list[float | None]]:
    """The values of every series of the compiled plan that watches rows, without the platform's name."""
    files = load(FOLDER)
    assert isinstance(files, Files)
    found: dict[str, list[float | None]] = {}
    for domain in plan(files).domains:
        for query in domain.queries:
            with psycopg.RawCursor(connection) as cursor:
                cursor.execute(query.sql.encode(), [] if query.within is None else [query.within / 1000])
                names = [column.name for column in cursor.description or ()]
                rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
            for series in query.series:
                name = series.name.removeprefix("fire22_")
                found.setdefault(name, []).extend(_float(row[series.column]) for row in rows)
    return found


def test_alerts_on_rows_see_the_right_rows(world_now: psycopg.Connection[tuple[object, ...]]) -> None:
    found = compiled(world_now)
    counts = {name: values for name, values in found.items() if name.endswith("_matching_rows")}
    assert {name: sum(value or 0 for value in values) for name, values in counts.items()} == {
        f"{alert}_matching_rows": rows for alert, rows in MATCHING_ROWS.items()
    }
    # Between filling the world and asking, a few seconds may pass.
    worst = {name: values for name, values in found.items() if "_worst" in name}
    assert worst == {
        name: [pytest.approx(value, abs=60 if name.endswith("seconds") else 1e-9)] for name, value in WORST.items()
    }


def test_alerts_on_rows_see_nothing_in_an_empty_database(empty: psycopg.Connection[tuple[object, ...]]) -> None:
    found = compiled(empty)
    assert {name for name, values in found.items() if "_matching_rows" in name and any(values)} == set()
    assert {name for name, values in found.items() if "_worst" in name and values not in ([], [None])} == set()
