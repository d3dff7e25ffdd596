"""Customers put money in and take it out, and the ledger follows."""

from random import Random

from demo.fire22.database import Cursor
from demo.fire22.incident import rows

_USUAL_BALANCE = 667.5
_KEPT = 25000

# Money tends to flow so that accounts stay near their usual balance; one transaction in 2,500 fails.
_TRANSACT = """
    WITH account AS (
      SELECT customer_id, round((%(usual)s::numeric - balance) * 0.1 + %(amount)s::numeric, 2) AS amount
      FROM balances WHERE customer_id = %(customer)s AND account_status = 'active'
    ), moved AS (
      UPDATE balances SET balance = balance + amount, ledger_balance = ledger_balance + amount, last_updated = now()
      FROM account WHERE balances.customer_id = account.customer_id AND NOT %(failed)s)
    INSERT INTO transactions (customer_id, amount, transaction_status, fraud_score, created_at, completed_at)
    SELECT customer_id, amount, CASE WHEN %(failed)s THEN 'failed' ELSE 'completed' END, %(fraud)s,
           now() - %(seconds)s * interval '1 second', CASE WHEN NOT %(failed)s THEN now() END
    FROM account"""
_FORGET = """
    DELETE FROM transactions
    WHERE id <= (SELECT max(id) FROM transactions) - %(kept)s OR created_at < now() - interval '25 hours'"""


def tick(cursor: Cursor, chance: Random) -> None:
    """The work of about a second."""
    for _ in range(chance.randint(1, 3)):
        cursor.execute(_TRANSACT, {
            "customer": chance.randint(1, 2400), "usual": _USUAL_BALANCE, "amount": round(chance.uniform(-80, 80), 2),
            "failed": chance.random() < 0.0004, "fraud": round(chance.random() * chance.random() * 0.4, 3),
            "seconds": chance.uniform(2.5, 7) if chance.random() < 0.03 else chance.uniform(0.5, 1.7),
        })  # fmt: skip


def forget(cursor: Cursor) -> None:
    """Delete what nobody counts any more, and the oldest of what has become too much."""
    cursor.execute(_FORGET, {"kept": _KEPT})


INCIDENTS = (
    rows(
        "balance/balance_discrepancy",
        begins="An account shows $2,500 more than its ledger adds up to.",
        ends="The missing entry is added to the ledger.",
        begin="UPDATE balances SET ledger_balance = balance - 2500 WHERE customer_id = %(customer)s",
        end="UPDATE balances SET ledger_balance = balance WHERE customer_id = %(customer)s",
    ),
    rows(
        "balance/fraud_detected",
        begins="A withdrawal of $900 has got a fraud score of 0.93.",
        ends="The customer has confirmed the withdrawal: its score is lowered to 0.1.",
        begin="""
            INSERT INTO transactions (customer_id, amount, transaction_status, fraud_score, created_at, completed_at)
            VALUES (%(customer)s, -900, 'completed', 0.93, now(), now() + interval '1 second')""",
        end="UPDATE transactions SET fraud_score = 0.1 WHERE customer_id = %(customer)s AND fraud_score > 0.8",
    ),
    rows(
        "balance/unusual_activity",
        begins="A deposit of $40 does not fit its customer's pattern.",
        ends="The customer has moved to another country: the mark is taken away.",
        begin="""
            INSERT INTO transactions (customer_id, amount, transaction_status, fraud_score, pattern_anomaly, created_at,
                                      completed_at)
            VALUES (%(customer)s, 40, 'completed', 0.3, true, now(), now() + interval '1 second')""",
        end="UPDATE transactions SET pattern_anomaly = false WHERE customer_id = %(customer)s AND pattern_anomaly",
    ),
    rows(
        "balance/large_transaction",
        begins="A deposit of $75,000 has been made.",
        ends="It was typed with two zeros too many: it is corrected to $750.",
        begin="""
            INSERT INTO transactions (customer_id, amount, transaction_status, fraud_score, created_at, completed_at)
            VALUES (%(customer)s, 75000, 'completed', 0.05, now(), now() + interval '1 second')""",
        end="UPDATE transactions SET amount = 750 WHERE customer_id = %(customer)s AND abs(amount) > 50000",
    ),
)
