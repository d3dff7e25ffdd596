"""What an incident is, and incidents that are nothing but rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from demo.fire22.world import World

# Whose rows an incident makes: customers that the workload leaves alone, so that ``end`` finds them by their owner.
CUSTOMERS = {
    "collections/settlement_overdue": 2402,
    "collections/payment_failure": 2403,
    "collections/queue_backup": 2404,
    "collections/processing_delay": 2406,
    "collections/high_error_rate": 2407,
    "distributions/payment_failure_high_value": 2408,
    "distributions/processing_delay": 2410,
    "distributions/payment_queue_backup": 2411,
    "free_play/bonus_abuse_detected": 2412,
    "free_play/high_expiration_rate": 2414,
    "free_play/low_redemption_rate": 2415,
    "balance/balance_discrepancy": 2416,
    "balance/fraud_detected": 2418,
    "balance/unusual_activity": 2419,
    "balance/large_transaction": 2420,
    "adjustment/high_value_adjustment": 2422,
    "adjustment/adjustment_dispute": 2423,
    "adjustment/approval_delay": 2424,
    "adjustment/high_rejection_rate": 2426,
}


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that happens to Fire22 and makes one alert true, and no other."""

    alert: str
    """The alert, ``collections/settlement_overdue``."""
    begins: str
    """What has happened, in a sentence for people."""
    ends: str
    """What puts it right, in a sentence for people."""
    begin: Callable[[World], None]
    """Make it happen. Raises ``psycopg.Error`` if the database does not answer."""
    end: Callable[[World], None]
    """Put it right, so that the alert resolves. Raises ``psycopg.Error`` if the database does not answer."""


def rows(alert: str, *, begins: str, ends: str, begin: str, end: str) -> Incident:
    """An incident of two statements, which may name the customer whose rows it makes as ``%(customer)s``."""
    parameters = {"customer": CUSTOMERS[alert]} if alert in CUSTOMERS else {}

    def run(sql: str) -> Callable[[World], None]:
        def execute(world: World) -> None:
            world.execute(sql, parameters)

        return execute

    return Incident(alert, begins, ends, run(begin), run(end))
