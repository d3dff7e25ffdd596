"""Conditions over a record's fields, as SQL."""

import pytest
import sqlglot

from generator.condition import field_value_sql, resolve, row_predicate, worst_field
from generator.condition.tree import Condition
from tests.condition.scopes import PAYMENT, SCOPE, SETTLEMENT

AGE = "EXTRACT(EPOCH FROM (CURRENT_TIMESTAMP - created_at))"
ODD = "(is_odd OR is_fast)"

CASES = {
    "document": (
        "settlement_age > 24 hours AND priority = high",
        f"{AGE} > 86400 AND priority = 'high'",
        ("settlement_age", "max"),
    ),
    "word first": (
        "payment_status = failed AND amount > $1000",
        "payment_status = 'failed' AND amount > 1000",
        ("amount", "max"),
    ),
    "quoted word": ('payment_status != "charged back"', "payment_status <> 'charged back'", None),
    "word with a quote": ('payment_status = "it\'s"', "payment_status = 'it''s'", None),
    "word on the left": ("failed = payment_status", "payment_status = 'failed'", None),
    "boolean alone": ("suspicious AND fee > $1", f"{ODD} IS TRUE AND (base_fee + extra_fee) > 1", ("fee", "max")),
    "boolean compared": ("requires_approval = false", "requires_approval IS FALSE", None),
    "boolean differs": ("requires_approval != True", "requires_approval IS FALSE", None),
    "not": (
        "NOT (settlement_age > 1h OR priority = high)",
        f"{AGE} <= 3600 AND priority <> 'high'",
        ("settlement_age", "min"),
    ),
    "not boolean": ("NOT suspicious", f"{ODD} IS FALSE", None),
    "and in or": (
        "suspicious AND fee > $1 OR retries >= 3",
        f"({ODD} IS TRUE AND (base_fee + extra_fee) > 1) OR retries >= 3",
        ("fee", "max"),
    ),
    "plain number": (
        "fraud_score > 0.8 AND payment.amount > $500",
        "fraud_score > 0.8 AND amount > 500",
        ("fraud_score", "max"),
    ),
    "record settles the field": ("retries = 3 AND amount < $5", "retries = 3 AND amount < 5", ("amount", "min")),
    "ratio": (
        "amount / fee > 50%",
        "CAST(amount AS DOUBLE PRECISION) / NULLIF((base_fee + extra_fee), 0) > 0.5",
        None,
    ),
    "sum": ("abs(payment.amount - fee) * 2 > -$1", "ABS(amount - (base_fee + extra_fee)) * 2 > -1", None),
    "against a sum": ("fee * 1.1 < amount", "(base_fee + extra_fee) * 1.1 < amount", ("amount", "max")),
    "flipped": ("24h < settlement_age", f"{AGE} > 86400", ("settlement_age", "max")),
}


def _resolved(text: str) -> Condition:
    condition = resolve(text, SCOPE)
    assert isinstance(condition, Condition), condition
    assert condition.kind == "rows"
    assert condition.labels == ()
    return condition


@pytest.mark.parametrize(("text", "sql", "worst"), CASES.values(), ids=CASES)
def test_sql(text: str, sql: str, worst: tuple[str, str] | None) -> None:
    condition = _resolved(text)
    assert row_predicate(condition) == sql
    sqlglot.parse_one(sql, dialect="postgres")
    found = worst_field(condition)
    assert (found and (found[0].name, found[1])) == worst


def test_field_values_are_numbers_in_base_units() -> None:
    assert field_value_sql(SETTLEMENT["settlement_age"]) == AGE
    assert field_value_sql(PAYMENT["fee"]) == "(base_fee + extra_fee)"
