"""What the monitoring of Fire22 reads: the answers to the committed plan, and which alerts are true on them."""

from collections.abc import Callable, Mapping
from typing import Any

import psycopg
import ryaml

from tests.compiling import ROOT

PLAN = ryaml.loads((ROOT / "output/fire22/exporter/business.yml").read_text(encoding="utf-8"))
SCHEMA = (ROOT / "domains/fire22/schema.sql").read_text(encoding="utf-8")

Answers = Mapping[str, list[dict[str, Any]]]

# The alerts on metrics, as their conditions say it; an alert on rows is true while rows match.
ON_METRICS: Mapping[str, Callable[[Answers], bool]] = {
    "collections/queue_backup": lambda found: total(found, "collections/pending_settlements") > 100,
    "collections/processing_delay": lambda found: finished(found, "average_processing_time") > 45 * 60,
    "collections/high_error_rate": lambda found: finished(found, "error_rate") > 0.01,
    "distributions/revenue_discrepancy": lambda found: total(found, "distributions/revenue_variance") > 10000,
    "distributions/processing_delay": lambda found: (
        number(found, "distributions/finished_payments", "average_processing_time") > 4 * 3600
    ),
    "distributions/payment_queue_backup": lambda found: (
        number(found, "distributions/waiting_payments", "pending_payments") > 50
    ),
    "free_play/campaign_budget_exceeded": lambda found: any(
        float(row["campaign_spend"]) > float(row["allocated_budget"]) * 1.1 for row in found["free_play/campaigns"]
    ),
    "free_play/high_expiration_rate": lambda found: bonuses(found, "bonus_expiration_rate") > 0.25,
    "free_play/low_redemption_rate": lambda found: bonuses(found, "redemption_rate") < 0.4,
    "adjustment/approval_delay": lambda found: total(found, "adjustment/pending_adjustment_age") > 24 * 3600,
    "adjustment/high_rejection_rate": lambda found: (
        number(found, "adjustment/decided_adjustments", "rejection_rate") > 0.15
    ),
}


def answers(dsn: str) -> Answers:
    """The rows of every query of the plan by its name."""
    found = {}
    with psycopg.connect(dsn) as connection:
        for query in PLAN["queries"]:
            sql = query["sql"].replace("$1", str(query.get("within_seconds")))
            with connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
                found[query["name"]] = cursor.execute(sql.encode()).fetchall()
    return found


def true_alerts(found: Answers) -> set[str]:
    """The alerts of the five domains on rows that are true."""
    true = {alert for alert, holds in ON_METRICS.items() if holds(found)}
    for query in PLAN["queries"]:
        for series in query["series"]:
            name = series["name"].removeprefix("fire22_")
            if name.endswith("_matching_rows") and sum(row[series["column"]] for row in found[query["name"]]) > 0:
                domain = query["name"].partition("/")[0]
                true.add(f"{domain}/{name.removeprefix(f'{domain}_').removesuffix('_matching_rows')}")
    return true


def number(found: Answers, query: str, column: str) -> float:
    """The one number of a query's column."""
    (row,) = found[query]
    return float(row[column])


def total(found: Answers, query: str) -> float:
    """The sum of a query's values."""
    return float(sum(row["value"] for row in found[query]))


def finished(found: Answers, column: str) -> float:
    """A number of the finished settlements."""
    return number(found, "collections/finished_settlements", column)


def bonuses(found: Answers, column: str) -> float:
    """A number of the issued bonuses."""
    return number(found, "free_play/issued_bonuses", column)
