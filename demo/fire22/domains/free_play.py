"""Bonuses are issued, redeemed or expire, and campaigns are shown, clicked and cost money."""

from random import Random

from demo.fire22.database import Cursor
from demo.fire22.incident import rows

# What share of the bonuses of each kind is redeemed, and of all is expired, when all is well.
_REDEEMED = {"welcome_bonus": 0.675, "deposit_match": 0.612, "free_bet": 0.64}
_EXPIRED = 0.15
# What share of their value is redeemed.
_UTILIZATION = 0.58
# How many seconds lie between two bonuses, on average.
_PACE = 5
_KEPT = 4044

# Every customer in turn, so that all of them have about three.
_ISSUE = """
    INSERT INTO bonuses (customer_id, campaign_id, bonus_type, amount, issued_at)
    SELECT 1 + (SELECT max(id) FROM bonuses) %% 1348, (SELECT min(id) FROM campaigns) + %(campaign)s, %(kind)s,
           %(amount)s, now()"""
_SHARES = """
    SELECT avg((status = 'redeemed')::int) FILTER (WHERE bonus_type = %(kind)s), avg((status = 'expired')::int),
           sum(amount) FILTER (WHERE status = 'redeemed') / sum(amount)
    FROM bonuses WHERE customer_id <= 2400"""
# Of a kind's oldest hundred that are open, the largest or the smallest.
_CLOSE = """
    UPDATE bonuses SET status = %(status)s, closed_at = now() WHERE id = (
      SELECT id FROM (
        SELECT id, amount FROM bonuses WHERE status = 'issued' AND bonus_type = %(kind)s AND customer_id <= 2400
        ORDER BY id LIMIT 100) AS oldest
      ORDER BY amount * %(sign)s LIMIT 1) RETURNING id, customer_id, amount"""
_REDEEM = f"""
    WITH closed AS ({_CLOSE})
    INSERT INTO redemptions (bonus_id, customer_id, amount, succeeded, redeemed_at)
    SELECT id, customer_id, amount, true, now() FROM closed"""
_FAIL_TO_REDEEM = """
    INSERT INTO redemptions (bonus_id, customer_id, amount, succeeded, redeemed_at)
    SELECT id, customer_id, amount, false, now() FROM bonuses WHERE status = 'issued' AND customer_id <= 2400
    ORDER BY id DESC LIMIT 1"""
# Spending slows down as a campaign nears four fifths of its budget, and stays below.
_SHOW = """
    UPDATE campaigns SET impressions = impressions + %(impressions)s, clicks = clicks + %(clicks)s,
      participants = participants + %(participants)s, conversions = conversions + %(conversions)s,
      order_value = order_value + %(value)s,
      spend = spend + greatest(0, round(0.0005 * (0.8 * allocated_budget - spend), 2))
    WHERE id = (SELECT min(id) FROM campaigns) + %(campaign)s AND status = 'active'"""
_FORGET = """
    WITH old AS (
      SELECT id FROM bonuses WHERE issued_at < now() - interval '31 days' OR id <= (
        SELECT id FROM bonuses WHERE customer_id <= 2400 ORDER BY id DESC OFFSET %(kept)s LIMIT 1)
    ), unused AS (DELETE FROM redemptions USING old WHERE bonus_id = old.id)
    DELETE FROM bonuses USING old WHERE bonuses.id = old.id"""


def tick(cursor: Cursor, chance: Random) -> None:
    """The work of about a second."""
    kind = chance.choice(tuple(_REDEEMED))
    if chance.random() < 1 / _PACE:
        cursor.execute(_ISSUE, {
            "campaign": chance.randint(0, 11), "kind": kind, "amount": chance.randint(20, 104),
        })  # fmt: skip
    if chance.random() < 1 / _PACE:
        _close(cursor, kind)
    if chance.random() < 0.01 / _PACE:
        cursor.execute(_FAIL_TO_REDEEM)
    taking_part = int(chance.random() < 0.2)
    bought = int(taking_part and chance.random() < 0.235)
    clicks = chance.randint(0, 2)
    cursor.execute(_SHOW, {
        "campaign": chance.randint(0, 11), "impressions": chance.randint(20, 60), "clicks": clicks,
        "participants": taking_part, "conversions": bought, "value": bought * round(chance.uniform(60, 115), 2),
    })  # fmt: skip


def _close(cursor: Cursor, kind: str) -> None:
    for redeemed, expired, utilization in cursor.execute(_SHARES, {"kind": kind}).fetchall():
        if redeemed is not None and redeemed < _REDEEMED[kind]:
            sign = -1 if utilization < _UTILIZATION else 1
            cursor.execute(_REDEEM, {"status": "redeemed", "kind": kind, "sign": sign})
        if expired is not None and expired < _EXPIRED:
            cursor.execute(_CLOSE, {"status": "expired", "kind": kind, "sign": 1})


def forget(cursor: Cursor) -> None:
    """Delete what nobody counts any more, and the oldest of what has become too much."""
    cursor.execute(_FORGET, {"kept": _KEPT})


INCIDENTS = (
    rows(
        "free_play/bonus_abuse_detected",
        begins="The abuse detector has marked a redemption of $1,500 as suspicious.",
        ends="The redemption is checked, and its mark taken away.",
        begin="""
            WITH bonus AS (
              INSERT INTO bonuses (customer_id, bonus_type, amount, status, issued_at, closed_at)
              VALUES (%(customer)s, 'free_bet', 1500, 'redeemed', now() - interval '2 hours', now())
              RETURNING id, customer_id, amount)
            INSERT INTO redemptions (bonus_id, customer_id, amount, succeeded, suspicious, redeemed_at)
            SELECT id, customer_id, amount, true, true, now() FROM bonus""",
        end="UPDATE redemptions SET suspicious = false WHERE customer_id = %(customer)s AND suspicious",
    ),
    rows(
        "free_play/campaign_budget_exceeded",
        begins="The campaign “Derby Saturday” has spent 125% of its budget.",
        ends="An invoice had been booked twice: the campaign has spent 60% of its budget.",
        begin="UPDATE campaigns SET spend = 1.25 * allocated_budget WHERE name = 'Derby Saturday'",
        end="UPDATE campaigns SET spend = 0.6 * allocated_budget WHERE spend > 1.1 * allocated_budget",
    ),
    rows(
        "free_play/high_expiration_rate",
        begins="A mailing's bonuses have expired unused: 32% of the bonuses of 30 days are expired.",
        ends="The mailing went to addresses that are out of date; its bonuses are taken back.",
        begin="""
            INSERT INTO bonuses (customer_id, bonus_type, amount, status, issued_at, closed_at)
            SELECT %(customer)s, 'free_bet', 1, 'expired', now() - interval '7 days', now()
            FROM generate_series(1, (
              SELECT greatest(0, ceil(sum(0.32 - (status = 'expired')::int) / (1 - 0.32)))::int
              FROM bonuses WHERE issued_at > now() - interval '30 days'))""",
        end="DELETE FROM bonuses WHERE customer_id = %(customer)s",
    ),
    rows(
        "free_play/low_redemption_rate",
        begins="So many bonuses were issued at once that only 35% of the bonuses of 30 days are redeemed.",
        ends="They were meant for next month: they are taken back.",
        begin="""
            INSERT INTO bonuses (customer_id, bonus_type, amount, issued_at)
            SELECT %(customer)s, 'free_bet', 1, now()
            FROM generate_series(1, (
              SELECT greatest(0, ceil(sum((status = 'redeemed')::int - 0.35) / 0.35))::int
              FROM bonuses WHERE issued_at > now() - interval '30 days'))""",
        end="DELETE FROM bonuses WHERE customer_id = %(customer)s",
    ),
)  # fmt: skip
