"""Rows and traffic of Fire22 just beside every threshold, where nobody may be paged, and what Prometheus then sees."""

from dataclasses import dataclass

from demo.fire22 import World


@dataclass(frozen=True, slots=True)
class Beside:
    """What stands just beside an alert's threshold, and a query of Prometheus whose answer shows that it was seen.

    The answer lies between ``low`` and ``high``, both included.
    """

    sql: str
    seen: str
    low: float
    high: float


def _none_matches(sql: str, alert: str) -> Beside:
    """Rows that are there, and of which none matches: their query succeeds, and counts no row for any label."""
    domain, _, name = alert.partition("/")
    succeeds = f'min(fire22_query_success{{query=~"{domain}/.*"}}) == 1'
    return Beside(sql, f"(sum(fire22_{domain}:{name}_matching_rows:held) or vector(0)) and on() ({succeeds})", 0, 0)


# Shares are brought up to just below their threshold with room for the rows that leave a window meanwhile.
BESIDE = {
    "collections/settlement_overdue": _none_matches(
        """INSERT INTO settlements (customer_id, amount, priority, created_at, due_date) VALUES
           (1, 9000, 'high', now() - interval '23 hours 50 minutes', now() + interval '1 hour'),
           (1, 9000, 'medium', now() - interval '3 days', now() + interval '1 hour')""",
        "collections/settlement_overdue",
    ),
    "collections/payment_failure": _none_matches(
        """INSERT INTO payments (settlement_id, customer_id, amount, payment_status) VALUES
           (1, 1, 1000.00, 'failed'), (1, 1, 5000, 'completed'), (1, 1, 5000, 'pending')""",
        "collections/payment_failure",
    ),
    "collections/queue_backup": Beside(
        """INSERT INTO settlements (customer_id, amount, priority, due_date)
           SELECT 1, 10, 'low', now() + interval '1 hour'
           FROM generate_series(1, 100 - (SELECT count(*) FROM settlements WHERE status = 'pending'))""",
        "sum(fire22_collections:pending_settlements:held)", 100, 100,
    ),
    "collections/high_error_rate": Beside(
        """INSERT INTO settlements (customer_id, amount, priority, status, created_at, due_date, completed_at)
           SELECT 1, 10, 'low', 'failed', now(), now(), now()
           FROM generate_series(1, (SELECT floor(0.009 * count(*)) - count(*) FILTER (WHERE status = 'failed')
             FROM settlements WHERE status IN ('completed', 'failed') AND completed_at > now() - interval '24 hours'
           )::int)""",
        "fire22_collections:error_rate:held", 0.0045, 0.01,
    ),
    "collections/processing_delay": Beside(
        """INSERT INTO settlements (customer_id, amount, priority, status, created_at, due_date, completed_at)
           SELECT 1, 10, 'low', 'completed', now() - took, now(), now()
           FROM (SELECT (count(*) + 1) * interval '44 minutes' - sum(completed_at - created_at) AS took FROM settlements
             WHERE status = 'completed' AND completed_at > now() - interval '24 hours') AS one""",
        "fire22_collections:average_processing_time:held", 43 * 60, 45 * 60,
    ),
    "distributions/payment_failure_high_value": _none_matches(
        """INSERT INTO distributions (recipient, amount, method, status, due_at) VALUES
           ('a', 50000.00, 'paypal', 'failed', now()), ('a', 60000, 'paypal', 'paid', now())""",
        "distributions/payment_failure_high_value",
    ),
    "distributions/revenue_discrepancy": Beside(
        """UPDATE revenue_days SET recorded = expected - 10000
           WHERE day = (now() AT TIME ZONE 'UTC')::date - 2""",
        "fire22_distributions:revenue_variance:held", 10000, 10000,
    ),
    "distributions/payment_queue_backup": Beside(
        """INSERT INTO distributions (recipient, amount, method, due_at)
           SELECT 'a', 10, 'paypal', now() + interval '1 hour'
           FROM generate_series(1, 50 - (SELECT count(*) FROM distributions WHERE status = 'pending'))""",
        "fire22_distributions:pending_payments:held", 50, 50,
    ),
    "distributions/processing_delay": Beside(
        """INSERT INTO distributions (recipient, amount, method, status, created_at, due_at, updated_at)
           SELECT 'a', 10, 'paypal', 'paid', now() - took, now(), now()
           FROM (SELECT (count(*) + 1) * interval '236 minutes' - sum(updated_at - created_at) AS took
             FROM distributions WHERE status = 'paid' AND updated_at > now() - interval '24 hours') AS one""",
        "fire22_distributions:average_processing_time:held", 230 * 60, 240 * 60,
    ),
    "free_play/bonus_abuse_detected": _none_matches(
        """INSERT INTO redemptions (bonus_id, customer_id, amount, succeeded, suspicious) VALUES
           (1, 1, 1000.00, true, true), (1, 1, 5000, true, false)""",
        "free_play/bonus_abuse_detected",
    ),
    "free_play/campaign_budget_exceeded": Beside(
        """UPDATE campaigns SET allocated_budget = 10000, spend = 11000
           WHERE id = (SELECT min(id) FROM campaigns WHERE status = 'active')""",
        "max(fire22_free_play:campaign_spend:held / on(campaign) fire22_free_play:allocated_budget:held)", 1.1, 1.1,
    ),
    "free_play/high_expiration_rate": Beside(
        """UPDATE bonuses SET status = 'expired', closed_at = now() WHERE id IN (
             SELECT id FROM bonuses WHERE status = 'redeemed' AND issued_at > now() - interval '29 days' ORDER BY id
             LIMIT (SELECT floor(0.245 * count(*)) - count(*) FILTER (WHERE status = 'expired')
               FROM bonuses WHERE issued_at > now() - interval '30 days'))""",
        "fire22_free_play:bonus_expiration_rate:held", 0.24, 0.25,
    ),
    "free_play/low_redemption_rate": Beside(
        """UPDATE bonuses SET status = 'issued', closed_at = NULL WHERE id IN (
             SELECT id FROM bonuses WHERE status = 'redeemed' AND issued_at > now() - interval '29 days' ORDER BY id
             LIMIT (SELECT count(*) FILTER (WHERE status = 'redeemed') - ceil(0.405 * count(*))
               FROM bonuses WHERE issued_at > now() - interval '30 days'))""",
        "fire22_free_play:redemption_rate:held", 0.4, 0.41,
    ),
    "balance/balance_discrepancy": _none_matches(
        "UPDATE balances SET ledger_balance = balance - 1000.00 WHERE customer_id = 1", "balance/balance_discrepancy"
    ),
    "balance/fraud_detected": _none_matches(
        """INSERT INTO transactions (customer_id, amount, transaction_status, fraud_score, completed_at) VALUES
           (1, 600, 'completed', 0.800, now()), (1, -500.00, 'completed', 0.950, now())""",
        "balance/fraud_detected",
    ),
    "balance/unusual_activity": _none_matches(
        """INSERT INTO transactions (customer_id, amount, transaction_status, pattern_anomaly, completed_at) VALUES
           (1, 400, 'completed', false, now())""",
        "balance/unusual_activity",
    ),
    "balance/large_transaction": _none_matches(
        """INSERT INTO transactions (customer_id, amount, transaction_status, completed_at) VALUES
           (1, 50000.00, 'completed', now()), (1, -50000.00, 'completed', now())""",
        "balance/large_transaction",
    ),
    "adjustment/high_value_adjustment": _none_matches(
        """INSERT INTO adjustments (customer_id, adjustment_type, priority, amount, requires_approval) VALUES
           (1, 'fee_reversal', 'low', -10000.00, true), (1, 'fee_reversal', 'low', 20000, false)""",
        "adjustment/high_value_adjustment",
    ),
    "adjustment/adjustment_dispute": _none_matches(
        """INSERT INTO adjustments
             (customer_id, adjustment_type, priority, amount, status, customer_dispute, created_at) VALUES
           (1, 'fee_reversal', 'low', 10, 'rejected', true, now() - interval '47 hours 50 minutes'),
           (1, 'fee_reversal', 'low', 10, 'rejected', false, now() - interval '5 days')""",
        "adjustment/adjustment_dispute",
    ),
    "adjustment/approval_delay": Beside(
        """INSERT INTO adjustments (customer_id, adjustment_type, priority, amount, created_at) VALUES
           (1, 'fee_reversal', 'low', 10, now() - interval '23 hours 50 minutes')""",
        "fire22_adjustment:pending_adjustment_age:held", 23.8 * 3600, 24 * 3600,
    ),
    "adjustment/high_rejection_rate": Beside(
        """UPDATE adjustments SET status = 'rejected' WHERE id IN (
             SELECT id FROM adjustments WHERE status IN ('approved', 'processed')
             AND decided_at > now() - interval '6 days' ORDER BY id
             LIMIT (SELECT floor(0.145 * count(*)) - count(*) FILTER (WHERE status = 'rejected') FROM adjustments
               WHERE status IN ('approved', 'rejected', 'processed') AND decided_at > now() - interval '7 days'))""",
        "fire22_adjustment:rejection_rate:held", 0.13, 0.15,
    ),
    "system/high_response_time": Beside("", "fire22_system_response_time_seconds", 1.7, 2),
    "system/low_throughput": Beside("", "fire22_system_throughput_per_second", 100, 115),
    "system/high_error_rate": Beside("", "fire22_system_error_rate_ratio", 0.006, 0.01),
    "system/low_uptime": Beside("", "fire22_system_uptime_ratio", 0.999, 0.9995),
    "infrastructure/connection_pool_exhausted": Beside("", "sum(fire22_infrastructure_connections)", 42, 45),
}  # fmt: skip


def stand_beside(world: World) -> None:
    """Bring everything to where it is just fine."""
    for beside in BESIDE.values():
        if beside.sql:
            world.execute(beside.sql)
    # Slow and failing requests among the others: 1.9 s on average, and 0.9 % errors.
    window = world.api.window()
    world.api.surge((1.9 - window.latency) * window.requests / (30 - 1.9), latency=30)
    window = world.api.window()
    world.api.surge(window.requests * (0.009 - window.error_ratio), error_ratio=1)
    ((open_now,),) = world.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
    assert isinstance(open_now, int)
    world.open_connections(44 - open_now)
