"""Settlements come in, wait, are taken up and paid."""

from random import Random

from demo.fire22.database import Cursor
from demo.fire22.incident import rows

# How many of everybody's settlements wait and are in processing when all is well; the overdue three come on top.
_WAITING = {"high": 8, "medium": 24, "low": 12}
_IN_PROCESSING = 12
# How many seconds lie between two settlements that come in, on average.
_PACE = 5
_KEPT = 3000

_OPEN = """
    SELECT priority, count(*) FILTER (WHERE status = 'pending'), count(*) FILTER (WHERE status = 'processing')
    FROM settlements WHERE status IN ('pending', 'processing') AND customer_id <= 2400 GROUP BY priority"""
# The betting engine hands a settlement over some minutes after it came to be.
_COME_IN = """
    INSERT INTO settlements (customer_id, amount, priority, created_at, due_date)
    SELECT %(customer)s, %(amount)s, %(priority)s, created_at, created_at + interval '4 hours'
    FROM (SELECT now() - %(minutes)s * interval '1 minute' AS created_at) AS handed_over"""
_TAKE_UP = """
    WITH taken AS (
      UPDATE settlements SET status = 'processing' WHERE id = (
        SELECT id FROM settlements WHERE status = 'pending' AND priority = %(priority)s AND customer_id <= 2400
        ORDER BY created_at LIMIT 1) RETURNING id, customer_id, amount)
    INSERT INTO payments (settlement_id, customer_id, amount, created_at, updated_at)
    SELECT id, customer_id, amount, now(), now() FROM taken"""
# Never so many failures that there would be an alert: they stay below 0.6 % of what was finished.
_FINISH = """
    WITH finished AS (
      UPDATE settlements SET completed_at = now(), status = CASE WHEN %(unlucky)s AND (
          SELECT count(*) FILTER (WHERE status = 'failed') < 0.006 * count(*) - 1
          FROM settlements WHERE completed_at > now() - interval '24 hours'
        ) THEN 'failed' ELSE 'completed' END
      WHERE id = (SELECT id FROM settlements WHERE status = 'processing' AND customer_id <= 2400
                  ORDER BY created_at LIMIT 1) RETURNING id, status)
    UPDATE payments SET payment_status = finished.status, updated_at = now()
    FROM finished WHERE settlement_id = finished.id AND payment_status = 'pending'"""
_FORGET = """
    WITH old AS (
      SELECT id FROM settlements WHERE status IN ('completed', 'failed') AND (
        completed_at < now() - interval '25 hours' OR id <= (
          SELECT id FROM settlements WHERE status IN ('completed', 'failed') ORDER BY id DESC OFFSET %(kept)s LIMIT 1)
      )), unpaid AS (DELETE FROM payments USING old WHERE settlement_id = old.id)
    DELETE FROM settlements USING old WHERE settlements.id = old.id"""


def tick(cursor: Cursor, chance: Random) -> None:
    """The work of about a second."""
    counted = cursor.execute(_OPEN).fetchall()
    pending = {priority: waiting for priority, waiting, _ in counted}
    for _ in range(chance.choices((0, 1, 4), (1 - 0.85 / _PACE, 0.8 / _PACE, 0.05 / _PACE))[0]):
        minutes = chance.uniform(40, 46) if chance.random() < 0.04 else chance.uniform(11, 23)
        cursor.execute(_COME_IN, {
            "customer": chance.randint(1, 2400), "amount": round(chance.uniform(20, 800), 2), "minutes": minutes,
            "priority": chance.choices(tuple(_WAITING), tuple(_WAITING.values()))[0],
        })  # fmt: skip
    for priority, usual in _WAITING.items():
        if pending.get(priority, 0) > usual + chance.randint(-1, 2):
            cursor.execute(_TAKE_UP, {"priority": priority})
    if sum(processing for _, _, processing in counted) > _IN_PROCESSING + chance.randint(-2, 2):
        cursor.execute(_FINISH, {"unlucky": chance.random() < 0.005})


def forget(cursor: Cursor) -> None:
    """Delete what nobody counts any more, and the oldest of what has become too much."""
    cursor.execute(_FORGET, {"kept": _KEPT})


INCIDENTS = (
    rows(
        "collections/settlement_overdue",
        begins="Three settlements of high priority have been open for 30 hours.",
        ends="Their payments turn out to have come in on the first day: they are completed as of then.",
        begin="""
            INSERT INTO settlements (customer_id, amount, priority, created_at, due_date)
            SELECT %(customer)s, 400 + 75 * n, 'high', now() - interval '30 hours', now() - interval '6 hours'
            FROM generate_series(1, 3) AS n""",
        end="""
            UPDATE settlements SET status = 'completed', completed_at = created_at + interval '20 minutes'
            WHERE customer_id = %(customer)s AND status = 'pending'""",
    ),
    rows(
        "collections/payment_failure",
        begins="A payment of $4,200 on a settlement has failed.",
        ends="The payment is tried again and goes through.",
        begin="""
            WITH owed AS (
              INSERT INTO settlements (customer_id, amount, priority, status, created_at, due_date)
              VALUES (%(customer)s, 4200, 'medium', 'processing', now() - interval '20 minutes',
                      now() + interval '4 hours') RETURNING id, customer_id, amount)
            INSERT INTO payments (settlement_id, customer_id, amount, payment_status, created_at, updated_at)
            SELECT id, customer_id, amount, 'failed', now(), now() FROM owed""",
        end="""
            WITH paid AS (
              UPDATE payments SET payment_status = 'completed', updated_at = now()
              WHERE customer_id = %(customer)s AND payment_status = 'failed')
            UPDATE settlements SET status = 'completed', completed_at = least(now(), created_at + interval '25 minutes')
            WHERE customer_id = %(customer)s AND status = 'processing'""",
    ),
    rows(
        "collections/queue_backup",
        begins="A match has ended with a surprise: about 140 settlements wait to be processed.",
        ends="More workers are started: all of them are completed.",
        begin="""
            INSERT INTO settlements (customer_id, amount, priority, created_at, due_date)
            SELECT %(customer)s, 25, CASE WHEN n %% 3 = 0 THEN 'low' ELSE 'medium' END, now() - interval '15 minutes',
                   now() + interval '4 hours'
            FROM generate_series(1, (
              SELECT greatest(0, 140 - count(*)) FROM settlements WHERE status = 'pending')) AS n""",
        end="""
            UPDATE settlements SET status = 'completed', completed_at = least(now(), created_at + interval '25 minutes')
            WHERE customer_id = %(customer)s AND status = 'pending'""",
    ),
    rows(
        "collections/processing_delay",
        begins="Settlements that took 20 hours are completed: the average of the last 24 hours is about an hour.",
        ends="They had been booked with the day's first hour as their creation; the times are corrected.",
        begin="""
            INSERT INTO settlements (customer_id, amount, priority, status, created_at, due_date, completed_at)
            SELECT %(customer)s, 60, 'low', 'completed', now() - interval '20 hours', now() + interval '4 hours', now()
            FROM generate_series(1, (
              SELECT greatest(0, ceil(sum(1 - extract(epoch FROM completed_at - created_at) / 3600) / (20 - 1)))::int
              FROM settlements WHERE status = 'completed' AND completed_at > now() - interval '24 hours'))""",
        end="""
            UPDATE settlements SET created_at = completed_at - interval '22 minutes'
            WHERE customer_id = %(customer)s AND completed_at - created_at > interval '10 hours'""",
    ),
    rows(
        "collections/high_error_rate",
        begins="The payment provider turns settlements down: 3% of the last 24 hours have failed.",
        ends="The provider is back; the failed settlements are tried again and complete.",
        begin="""
            INSERT INTO settlements (customer_id, amount, priority, status, created_at, due_date, completed_at)
            SELECT %(customer)s, 60, 'medium', 'failed', now() - interval '20 minutes', now() + interval '4 hours',
                   now()
            FROM generate_series(1, (
              SELECT greatest(0, ceil(sum(0.03 - (status = 'failed')::int) / (1 - 0.03)))::int
              FROM settlements
              WHERE status IN ('completed', 'failed') AND completed_at > now() - interval '24 hours'))""",
        end="""
            UPDATE settlements SET status = 'completed', completed_at = least(now(), created_at + interval '25 minutes')
            WHERE customer_id = %(customer)s AND status = 'failed'""",
    ),
)  # fmt: skip
