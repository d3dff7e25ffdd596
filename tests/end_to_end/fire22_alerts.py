"""What people are to hear of each alert of Fire22, by hand: from its document, and from who owns what.

The document says which channels an alert has and what its matrix does; the domain files say who owns it.
"""

import re
from dataclasses import dataclass

import yaml

from demo.addresses import Inbox
from tests.compiling import ROOT

# The document's alert blocks, as they stand there; those of the graph in its first section have no block.
DOCUMENT = yaml.safe_load((ROOT / "tests/domains/fire22_document_alerts.yaml").read_text("utf-8"))

CHANNELS: dict[str, Inbox] = {
    "slack": ("slack", "#fire22-alerts"),
    "email": ("email", "ops@fire22.example"),
    "sms": ("sms", "arn:aws:sns:eu-north-1:123456789012:fire22-oncall"),
    "phone": ("phone", "routing-key-pagerduty"),
    "security": ("slack", "#security"),
    "compliance": ("email", "compliance@fire22.example"),
    "manager": ("email", "managers@fire22.example"),
}
ON_CALL: set[Inbox] = {
    ("sms", "+46700000001"), ("phone", "routing-key-pagerduty-oncall"), ("slack", "@fire22-oncall"),
}  # fmt: skip
# The team that owns a domain, as messages call it, its lead and its member.
TEAMS = {
    "system": ("Platform team", "astrid", "bo"),
    "infrastructure": ("Database team", "carin", "david"),
    "collections": ("Collections team", "anna", "erik"),
    "distributions": ("Distributions team", "fatima", "gustav"),
    "free_play": ("Free Play team", "hanna", "ivan"),
    "balance": ("Balance team", "johan", "karin"),
    "adjustment": ("Adjustment team", "lena", "mats"),
}
# What the matrix says of alerts that list no channels: all of them are at once.
MATRIX = {"critical": "sms phone slack", "high": "slack email", "warning": "slack"}


EVENTS = {
    "collections/payment_failure": 36.0,
    "distributions/payment_failure_high_value": 36.0,
    "free_play/bonus_abuse_detected": 36.0,
    "balance/fraud_detected": 72.0,
    "balance/unusual_activity": 72.0,
    "balance/large_transaction": 72.0,
}


@dataclass(frozen=True)
class Expected:
    """One alert: what the message says of it. ``value`` is a regular expression, ``threshold`` a text."""

    name: str
    value: str
    threshold: str
    severity: str
    channels: tuple[str, ...]
    notification: str = "immediate"

    @property
    def counts_for(self) -> float | None:
        """For how many seconds an event counts, an hour or two as the demo scales them; None: it lasts till righted."""
        return EVENTS.get(self.name)

    @property
    def domain(self) -> str:
        """The domain whose alert it is."""
        return self.name.partition("/")[0]

    @property
    def alertname(self) -> str:
        """Its name in messages without room for more."""
        return re.sub(r"[^a-z0-9]", "", self.name)

    @property
    def owner(self) -> str:
        """The team that owns it."""
        return TEAMS[self.domain][0]

    @property
    def is_digest(self) -> bool:
        """Whether it comes in a daily or weekly message, which tells no end and escalates to nobody."""
        return self.notification in ("daily", "weekly")

    @property
    def at_once(self) -> set[Inbox]:
        """Who is told first."""
        return {CHANNELS[channel] for channel in self.channels}

    @property
    def later(self) -> set[Inbox]:
        """Who is told when nobody takes it."""
        if self.is_digest:
            return set()
        if self.severity == "critical":
            return ON_CALL
        _, lead, member = TEAMS[self.domain]
        if self.severity == "high":
            return {("slack", f"@{lead}"), ("email", f"{lead}@fire22.example")}
        return {("slack", f"@{member}")}


def _documented(name: str, value: str, threshold: str) -> Expected:
    domain, _, alert = name.partition("/")
    block = DOCUMENT[domain][alert]
    return Expected(name, value, threshold, block["severity"], tuple(block["channels"]), block["notification"])


def _graph(name: str, value: str, threshold: str, severity: str) -> Expected:
    return Expected(name, value, threshold, severity, tuple(MATRIX[severity].split()))


ALERTS = (
    _graph("system/high_response_time", r"[2-9][\d.]*s", "> 2s", "high"),
    _graph("system/low_throughput", r"[\d.]{2,5} requests/s", "< 100 rps", "warning"),
    _graph("system/high_error_rate", r"[1-9][\d.]*%", "> 1%", "critical"),
    # Four digits are shown: just below the threshold is 99.9, too.
    _graph("system/low_uptime", r"99\.(?:8\d*|9)%", "< 99.9%", "critical"),
    _documented("collections/settlement_overdue", r"3 rows, worst 1d 6h \d+m \d+s",
                "settlement_age > 24 hours AND priority = high"),
    _documented("collections/payment_failure", r"1 row, worst \$4200\.00",
                "payment_status = failed AND amount > $1000"),
    _documented("collections/queue_backup", r"140 settlements", "> 100 settlements"),
    _documented("collections/processing_delay", r"1h \d+m \d+s", "> 45m"),
    _documented("collections/high_error_rate", r"[2-4][\d.]*%", "> 1%"),
    _documented("distributions/payment_failure_high_value", r"1 row, worst \$80000\.00",
                "payment_amount > $50000 AND status = failed"),
    _documented("distributions/revenue_discrepancy", r"\$15000\.00", "> $10,000"),
    _documented("distributions/processing_delay", r"5h \d+m \d+s", "> 4h"),
    _documented("distributions/payment_queue_backup", r"80 payments", "> 50 payments"),
    _documented("free_play/bonus_abuse_detected", r"1 row, worst \$1500\.00",
                "suspicious_redemption_pattern AND amount > $1000"),
    _documented("free_play/campaign_budget_exceeded", r"\$\d+\.\d\d", "campaign_spend > allocated_budget * 1.1"),
    _documented("free_play/high_expiration_rate", r"(2[5-9]|[3-9]\d)[\d.]*%", "> 25%"),
    _documented("free_play/low_redemption_rate", r"[1-3]\d[\d.]*%", "< 40%"),
    _documented("balance/balance_discrepancy", r"1 row, worst \$2500\.00", "account_variance > $1000"),
    _documented("balance/fraud_detected", r"1 row, worst 0\.93", "fraud_score > 0.8 AND transaction_amount > $500"),
    _documented("balance/unusual_activity", r"1 row", "transaction_pattern_anomaly"),
    _documented("balance/large_transaction", r"1 row, worst \$75000\.00", "transaction_amount > $50000"),
    _documented("adjustment/high_value_adjustment", r"2 rows, worst \$25000\.00",
                "adjustment_amount > $10000 AND requires_approval = true"),
    _documented("adjustment/adjustment_dispute", r"1 row, worst 3d 0h \d+m \d+s",
                "customer_dispute = true AND adjustment_age > 48 hours"),
    _documented("adjustment/approval_delay", r"1d 16h \d+m \d+s", "> 24h"),
    _documented("adjustment/high_rejection_rate", r"(1[5-9]|[2-9]\d)[\d.]*%", "> 15%"),
    # Of the document's pool of at most 50 connections.
    Expected("infrastructure/connection_pool_exhausted", r"\d\d connections", "> 45 connections", "warning",
             ("slack",)),
)  # fmt: skip
