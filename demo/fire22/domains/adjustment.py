"""Adjustments are asked for, decided and processed."""

from random import Random

from demo.fire22.database import Cursor
from demo.fire22.incident import rows

# How many wait for a decision, and how many approved ones to be processed, when all is well.
_WAITING = {"high": 5, "medium": 12, "low": 6}
_APPROVED = 4
_KINDS = {
    "balance_adjustment": 12, "bet_correction": 8, "bonus_adjustment": 15, "fee_reversal": 7, "limit_adjustment": 5,
}  # fmt: skip
# How many seconds lie between two adjustments, on average.
_PACE = 12
_KEPT = 2000

_OPEN = """
    SELECT priority, count(*) FILTER (WHERE status = 'pending'), count(*) FILTER (WHERE status = 'approved')
    FROM adjustments WHERE status IN ('pending', 'approved') AND customer_id <= 2400 GROUP BY priority"""
# Support writes an adjustment down some hours after the customer asked.
_COME_IN = """
    INSERT INTO adjustments (customer_id, adjustment_type, priority, amount, requires_approval, created_at)
    VALUES (%(customer)s, %(kind)s, %(priority)s, %(amount)s, abs(%(amount)s) > 300,
            now() - %(hours)s * interval '1 hour')"""
# Never so many rejections that there would be an alert: they stay below 6.5 % of what was decided.
_DECIDE = """
    WITH decided AS (
      UPDATE adjustments SET decided_at = now(), status = CASE WHEN %(unlucky)s AND (
          SELECT avg((status = 'rejected')::int) < 0.065 FROM adjustments WHERE decided_at > now() - interval '7 days'
        ) THEN 'rejected' ELSE 'approved' END
      WHERE id = (SELECT id FROM adjustments WHERE status = 'pending' AND priority = %(priority)s
                  AND customer_id <= 2400 ORDER BY created_at LIMIT 1) RETURNING id, customer_id, status)
    INSERT INTO adjustment_audit (adjustment_id, customer_id, approver, action, at)
    SELECT id, customer_id, %(approver)s, status, now() FROM decided"""
_PROCESS = """
    UPDATE adjustments SET status = 'processed', processed_at = now(), was_correct = %(correct)s
    WHERE id = (SELECT id FROM adjustments WHERE status = 'approved' AND customer_id <= 2400
                ORDER BY decided_at LIMIT 1)"""
_FORGET = """
    WITH old AS (
      SELECT id FROM adjustments WHERE status IN ('processed', 'rejected') AND NOT customer_dispute AND (
        decided_at < now() - interval '8 days' OR id <= (
          SELECT id FROM adjustments WHERE status IN ('processed', 'rejected') ORDER BY id DESC
          OFFSET %(kept)s LIMIT 1))
    ), unread AS (DELETE FROM adjustment_audit USING old WHERE adjustment_id = old.id)
    DELETE FROM adjustments USING old WHERE adjustments.id = old.id"""


def tick(cursor: Cursor, chance: Random) -> None:
    """The work of about a second."""
    counted = cursor.execute(_OPEN).fetchall()
    if chance.random() < 1 / _PACE:
        cursor.execute(_COME_IN, {
            "customer": chance.randint(1, 2400), "kind": chance.choices(tuple(_KINDS), tuple(_KINDS.values()))[0],
            "priority": chance.choices(tuple(_WAITING), tuple(_WAITING.values()))[0],
            "amount": round(chance.uniform(-400, 400), 2), "hours": chance.uniform(1.5, 6.5),
        })  # fmt: skip
    for priority, waiting, _ in counted:
        if waiting > _WAITING[priority] + chance.randint(-1, 1):
            unlucky = chance.random() < 0.06
            approver = chance.choice(("lena", "mats"))
            cursor.execute(_DECIDE, {"priority": priority, "unlucky": unlucky, "approver": approver})
    if sum(approved for _, _, approved in counted) > _APPROVED + chance.randint(-1, 1):
        cursor.execute(_PROCESS, {"correct": chance.random() < 0.978})


def forget(cursor: Cursor) -> None:
    """Delete what nobody counts any more, and the oldest of what has become too much."""
    cursor.execute(_FORGET, {"kept": _KEPT})


INCIDENTS = (
    rows(
        "adjustment/high_value_adjustment",
        begins="Two adjustments of $25,000 wait for approval.",
        ends="They are approved and processed.",
        begin="""
            INSERT INTO adjustments (customer_id, adjustment_type, priority, amount, requires_approval, created_at)
            SELECT %(customer)s, 'bet_correction', 'high', 25000, true, now() - n * interval '1 hour'
            FROM generate_series(1, 2) AS n""",
        end="""
            UPDATE adjustments SET status = 'processed', decided_at = now(), processed_at = now(), was_correct = true
            WHERE customer_id = %(customer)s AND status = 'pending'""",
    ),
    rows(
        "adjustment/adjustment_dispute",
        begins="A customer disputes an adjustment that is three days old.",
        ends="The dispute is settled with the customer.",
        begin="""
            INSERT INTO adjustments (customer_id, adjustment_type, priority, amount, status, customer_dispute,
                                     created_at, decided_at, processed_at)
            VALUES (%(customer)s, 'fee_reversal', 'medium', -120, 'processed', true, now() - interval '72 hours',
                    now() - interval '68 hours', now() - interval '68 hours')""",
        end="UPDATE adjustments SET customer_dispute = false WHERE customer_id = %(customer)s AND customer_dispute",
    ),
    rows(
        "adjustment/approval_delay",
        begins="An adjustment has waited 40 hours for a decision.",
        ends="It is approved and processed.",
        begin="""
            INSERT INTO adjustments (customer_id, adjustment_type, priority, amount, created_at)
            VALUES (%(customer)s, 'limit_adjustment', 'low', 90, now() - interval '40 hours')""",
        end="""
            UPDATE adjustments SET status = 'processed', decided_at = now(), processed_at = now(), was_correct = true
            WHERE customer_id = %(customer)s AND status = 'pending'""",
    ),
    rows(
        "adjustment/high_rejection_rate",
        begins="A new approver has rejected so many adjustments that they are 22% of a week's.",
        ends="The rejections are looked at again: the adjustments are approved and processed.",
        begin="""
            INSERT INTO adjustments (customer_id, adjustment_type, priority, amount, status, created_at, decided_at)
            SELECT %(customer)s, 'bonus_adjustment', 'low', 15, 'rejected', now() - interval '4 hours', now()
            FROM generate_series(1, (
              SELECT greatest(0, ceil(sum(0.22 - (status = 'rejected')::int) / (1 - 0.22)))::int
              FROM adjustments
              WHERE status IN ('approved', 'rejected', 'processed') AND decided_at > now() - interval '7 days'))""",
        end="""
            UPDATE adjustments SET status = 'processed', processed_at = now(), was_correct = true
            WHERE customer_id = %(customer)s AND status = 'rejected'""",
    ),
)
