"""Recipients are paid their share of the revenue, and the day's revenue comes in."""

from random import Random

from demo.fire22.database import Cursor
from demo.fire22.incident import rows

# How many payments to affiliates wait and are in processing when all is well; two large ones that wait come on top.
_WAITING = 28
_IN_PROCESSING = 6
_METHODS = {"wire_transfer": 45, "paypal": 32, "bank_transfer": 18}
# How many seconds lie between two distributions, on average.
_PACE = 8
_KEPT = 2880
_REVENUE_A_DAY = 4166.67

_OPEN = """
    SELECT count(*) FILTER (WHERE status = 'pending'), count(*) FILTER (WHERE status = 'processing')
    FROM distributions WHERE status IN ('pending', 'processing') AND recipient LIKE 'Affiliate %'"""
# The accounts that lead to a payment were closed some hours before.
_COME_IN = """
    INSERT INTO distributions (recipient, amount, method, created_at, due_at, updated_at)
    SELECT 'Affiliate ' || %(recipient)s, %(amount)s, %(method)s, created_at, created_at + interval '6 hours', now()
    FROM (SELECT now() - %(hours)s * interval '1 hour' AS created_at) AS closed"""
_MOVE_ON = """
    UPDATE distributions SET status = %(next)s, updated_at = now()
    WHERE id = (SELECT id FROM distributions WHERE status = %(status)s AND recipient LIKE 'Affiliate %%'
                ORDER BY created_at LIMIT 1)"""
_EARN = """
    INSERT INTO revenue_days AS today (day, expected, recorded)
    VALUES ((now() AT TIME ZONE 'UTC')::date, %(amount)s, %(amount)s)
    ON CONFLICT (day) DO UPDATE SET expected = today.expected + excluded.expected,
                                    recorded = today.recorded + excluded.recorded"""
_FORGET = """
    DELETE FROM distributions WHERE status IN ('paid', 'failed') AND (
      updated_at < now() - interval '31 days' OR id <= (
        SELECT id FROM distributions WHERE status IN ('paid', 'failed') ORDER BY id DESC OFFSET %(kept)s LIMIT 1))"""
_FORGET_DAYS = "DELETE FROM revenue_days WHERE day < (now() AT TIME ZONE 'UTC')::date - 60"


def tick(cursor: Cursor, chance: Random) -> None:
    """The work of about a second."""
    cursor.execute(_EARN, {"amount": round(chance.uniform(0, 2 * _REVENUE_A_DAY / 86400), 2)})
    for waiting, in_processing in cursor.execute(_OPEN).fetchall():
        if waiting > _WAITING + chance.randint(-2, 2):
            cursor.execute(_MOVE_ON, {"status": "pending", "next": "processing"})
        if in_processing > _IN_PROCESSING + chance.randint(-2, 2):
            ended = "failed" if chance.random() < 0.008 else "paid"
            cursor.execute(_MOVE_ON, {"status": "processing", "next": ended})
    if chance.random() < 1 / _PACE:
        hours = chance.uniform(5, 7) if chance.random() < 0.04 else chance.uniform(0.5, 3.4)
        cursor.execute(_COME_IN, {
            "recipient": str(chance.randint(1, 400)), "amount": round(chance.uniform(10, 51.4), 2), "hours": hours,
            "method": chance.choices(tuple(_METHODS), tuple(_METHODS.values()))[0],
        })  # fmt: skip


def forget(cursor: Cursor) -> None:
    """Delete what nobody counts any more, and the oldest of what has become too much."""
    cursor.execute(_FORGET, {"kept": _KEPT})
    cursor.execute(_FORGET_DAYS)


INCIDENTS = (
    rows(
        "distributions/payment_failure_high_value",
        begins="A distribution of $80,000 has failed: the bank refused it.",
        ends="The bank details are corrected, and the distribution is with the bank again.",
        begin="""
            INSERT INTO distributions (recipient, amount, method, status, created_at, due_at, updated_at)
            VALUES ('Syndicate ' || %(customer)s, 80000, 'wire_transfer', 'failed', now() - interval '2 hours',
                    now() + interval '4 hours', now())""",
        end="""
            UPDATE distributions SET status = 'processing', updated_at = now()
            WHERE recipient = 'Syndicate ' || %(customer)s AND status = 'failed'""",
    ),
    rows(
        "distributions/revenue_discrepancy",
        begins="The ledger has recorded $15,000 more for today than the billing system expects.",
        ends="A batch had been recorded twice: the ledger is corrected.",
        begin="""
            INSERT INTO revenue_days AS today (day, expected, recorded)
            VALUES ((now() AT TIME ZONE 'UTC')::date, 0, 15000)
            ON CONFLICT (day) DO UPDATE SET recorded = today.expected + 15000""",
        end="UPDATE revenue_days SET recorded = expected WHERE abs(expected - recorded) > 10000",
    ),
    rows(
        "distributions/processing_delay",
        begins="Distributions that took 20 hours are paid: the average of the last 24 hours is 5 hours.",
        ends="They had been booked a day early; the times are corrected.",
        begin="""
            INSERT INTO distributions (recipient, amount, method, status, created_at, due_at, updated_at)
            SELECT 'Syndicate ' || %(customer)s, 12, 'bank_transfer', 'paid', now() - interval '20 hours',
                   now() + interval '4 hours', now()
            FROM generate_series(1, (
              SELECT greatest(0, ceil(sum(5 - extract(epoch FROM updated_at - created_at) / 3600) / (20 - 5)))::int
              FROM distributions WHERE status = 'paid' AND updated_at > now() - interval '24 hours'))""",
        end="""
            UPDATE distributions SET created_at = updated_at - interval '2 hours'
            WHERE recipient = 'Syndicate ' || %(customer)s AND updated_at - created_at > interval '10 hours'""",
    ),
    rows(
        "distributions/payment_queue_backup",
        begins="The payment run has stopped: about 80 distributions wait to be paid.",
        ends="The payment run is started again: they are paid.",
        begin="""
            INSERT INTO distributions (recipient, amount, method, created_at, due_at, updated_at)
            SELECT 'Syndicate ' || %(customer)s, 12, 'paypal', now() - interval '2 hours', now() + interval '4 hours',
                   now()
            FROM generate_series(1, (SELECT greatest(0, 80 - count(*)) FROM distributions WHERE status = 'pending'))""",
        end="""
            UPDATE distributions SET status = 'paid', updated_at = least(now(), created_at + interval '3 hours')
            WHERE recipient = 'Syndicate ' || %(customer)s AND status = 'pending'""",
    ),
)  # fmt: skip
