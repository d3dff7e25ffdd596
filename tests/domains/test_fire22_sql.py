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
from tests.domains.fire22_expected import CLOCK, EXPECTED, MATCHING_ROWS, MOMENT, WORST, ZERO_WHEN_EMPTY, Value

FOLDER = Path(__file__).parents[2] / "domains" / "fire22"
DOMAINS = {
    path.stem: Domain.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    for path in sorted(FOLDER.glob("*.yaml"))
    if path.stem != "platform"
}
SCHEMA = (FOLDER / "schema.sql").read_text(encoding="utf-8")
WORLD = (Path(__file__).parent / "fire22_world.sql").read_text(encoding="utf-8")

# Far from UTC on purpose: "today" must not depend on the session.
FAR_AWAY = "SET TimeZone = 'Pacific/Kiritimati'"


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
    clock = CLOCK.format(moment=MOMENT)
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


def test_an_empty_database_invents_nothing(empty: psycopg.Connection[tuple[object, ...]]) -> None:
    found = {
        f"{name.partition('/')[0]}/{metric}": value
        for name, statement in STATEMENTS.items()
        for metric, value in numbers(empty, statement).items()
    }
    assert {name for name, value in found.items() if value == 0} == ZERO_WHEN_EMPTY
    assert all(value in (0, None, {}) for value in found.values())


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
