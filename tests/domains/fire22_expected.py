"""What the small world of fire22_world.sql must look like, by hand: in SQL, and at the exporter's /metrics."""

# A clock that stands still, found before pg_catalog's: nothing here depends on when the tests run.
CLOCK = """
    CREATE SCHEMA clock;
    CREATE FUNCTION clock.now() RETURNS timestamptz STABLE LANGUAGE sql AS $$ SELECT timestamptz '{moment}' $$;
    SET search_path = clock, public, pg_catalog;
"""
# When the small world is.
MOMENT = "2026-03-10 15:00:00+00"

Value = float | dict[str, float] | None

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

# Worked out by hand from fire22_world.sql.
EXPECTED: dict[str, Value] = {
    "collections/pending_settlements": {"high": 2, "medium": 2},
    "collections/processing_queue": 1,
    "collections/completed_today": 2,
    "collections/overdue_settlements": 3,
    "collections/average_processing_time": (20 + 30 + 60) * 60 / 3,
    "collections/processed_promptly": 1 / 3,
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

# Groups of which the world has no row, and that the domain files call 0 then.
ZERO_FILLED: dict[str, tuple[str, ...]] = {
    "collections/pending_settlements": ("low",),
    "distributions/paid_distributions": ("bank_transfer",),
    "adjustment/pending_adjustments": ("low",),
    "adjustment/processed_today": ("balance_adjustment", "fee_reversal", "limit_adjustment"),
}
# The label of what has groups.
LABELS = {
    "collections/pending_settlements": "priority",
    "distributions/paid_distributions": "method",
    "free_play/top_bonuses": "bonus_type",
    "free_play/campaign_impressions": "campaign",
    "free_play/campaign_clicks": "campaign",
    "free_play/campaign_conversions": "campaign",
    "free_play/campaign_spend": "campaign",
    "free_play/allocated_budget": "campaign",
    "adjustment/pending_adjustments": "priority",
    "adjustment/processed_today": "adjustment_type",
}

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
# The transactions that have a series of their own, by alert.
LISTED = {
    "balance_fraud_detected": ("3",),
    "balance_unusual_activity": ("7",),
    "balance_large_transaction": ("6",),
}
# What depends on CURRENT_TIMESTAMP, which no clock of ours can stop: the hours since creation of what could match, and
# those that it takes.
AGES = {
    "collections_settlement_overdue": ((25, 30, 23), 24),
    "adjustment_adjustment_dispute": ((49, 47), 48),
}
