"""A domain's names for the tests of the condition language."""

from collections.abc import Iterable

from generator.condition import Scope
from generator.condition.tree import FieldSymbol, Fold, Label, MetricSymbol

PRIORITY = Label("priority", ("high", "medium", "low"))
CAMPAIGN = Label("campaign")
STATUSES = ("pending", "failed", "charged back", "it's")
METHOD = Label("method", ("wire", "bank-transfer", "2xx"))


def metric(
    name: str, unit: str, *labels: Label, total: Fold | None = None, domain: str = "collections"
) -> MetricSymbol:
    return MetricSymbol(domain, name, unit, labels, total)


def _by_name(fields: Iterable[FieldSymbol]) -> dict[str, FieldSymbol]:
    return {field.name: field for field in fields}


METRICS = {
    each.name: each
    for each in (
        metric("pending_settlements", "settlements", PRIORITY, total="sum"),
        metric("oldest_settlement", "seconds", PRIORITY, total="max"),
        metric("average_processing_time", "seconds"),
        metric("error_rate", "ratio"),
        metric("campaign_spend", "usd", CAMPAIGN),
        metric("allocated_budget", "usd", CAMPAIGN),
        metric("method_spend", "usd", CAMPAIGN, METHOD),
        metric("method_refunds", "usd", METHOD, CAMPAIGN, total="sum"),
        metric("method_latency", "seconds", METHOD),
        metric("expected_revenue", "usd"),
        metric("actual_revenue", "usd"),
        metric("disk_used", "bytes"),
        metric("throughput", "rps"),
        metric("fraud_score_limit", "none"),
        metric("score_weight", "none"),
        metric("shared_name", "usd"),
    )
}

SETTLEMENT = _by_name(
    (
        FieldSymbol("settlement", "settlement_age", "now() - created_at", "seconds"),
        FieldSymbol("settlement", "priority", "priority", values=("high", "medium", "low")),
        FieldSymbol("settlement", "amount", "amount", "usd"),
        FieldSymbol("settlement", "shared_name", "amount", "usd"),
    )
)
PAYMENT = _by_name(
    (
        FieldSymbol("payment", "payment_status", "payment_status", values=STATUSES),
        FieldSymbol("payment", "amount", "amount", "usd"),
        FieldSymbol("payment", "fee", "base_fee + extra_fee", "usd"),
        FieldSymbol("payment", "fraud_score", "fraud_score", "none"),
        FieldSymbol("payment", "retries", "retries", "retries"),
        FieldSymbol("payment", "suspicious", "is_odd OR is_fast", boolean=True),
        FieldSymbol("payment", "requires_approval", "requires_approval", boolean=True),
    )
)

SCOPE = Scope(
    domain="collections",
    metrics=METRICS,
    foreign={
        "distributions.pending_payments": metric("pending_payments", "payments", domain="distributions"),
        "system.error_rate": metric("error_rate", "ratio", domain="system"),
    },
    records={"settlement": SETTLEMENT, "payment": PAYMENT},
    lines={"pending_settlements": 5, "shared_name": 9, "settlement.settlement_age": 14, "settlement.amount": 16},
)
