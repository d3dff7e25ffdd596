"""Thresholds that make sense are let through; those that nothing or everything meets, or at odds, are not."""

from pathlib import Path

import pytest
import yaml

from tests.checks.shop import problems

METRICS = {
    "queue": {"help": "Orders.", "unit": "orders", "sql": "SELECT 1 AS value"},
    "share": {"help": "A share.", "unit": "ratio", "sql": "SELECT 1 AS value"},
    "balance": {"help": "An amount.", "unit": "usd", "sql": "SELECT 1 AS value"},
    "spent": {"help": "Spend by budget.", "unit": "ratio", "expr": "balance / $1000"},
    "by_shop": {
        "help": "Orders.", "unit": "orders", "by": {"shop": ["a", "b"]}, "total": "sum",
        "sql": "SELECT shop, 1 AS value FROM t",
    },
}  # fmt: skip


def codes(tmp_path: Path, *alerts: dict[str, str]) -> set[str]:
    written = {f"alert_{index}": {"severity": "warning", **alert} for index, alert in enumerate(alerts)}
    return {problem.code for problem in problems(tmp_path, yaml.safe_dump({"metrics": METRICS, "alerts": written}))}


@pytest.mark.parametrize(
    "condition",
    [
        "share > 99.9%",
        "share >= 100%",
        "share < 1%",
        "share = 0%",
        "spent > 110%",
        "share / share > 150%",
        "abs(share - 50%) > 10%",
        "balance < $0 - $5",
        "queue > 0",
        "queue = 0",
        "queue > 5 AND queue < 10",
        "queue > 5 OR queue < 3",
    ],
)
def test_possible(tmp_path: Path, condition: str) -> None:
    assert codes(tmp_path, {"condition": condition}) == set()


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        ("share > 100%", "threshold-range"),
        ("110% < share", "threshold-range"),
        ("share <= 100%", "threshold-range"),
        ("share != 101%", "threshold-range"),
        ("NOT share > 100%", "threshold-range"),
        ("share > 50% OR share > 150%", "threshold-range"),
        ("queue < 0", "threshold-range"),
        ("queue >= 0", "threshold-range"),
        ("queue > 10 AND queue < 5", "never-met"),
        ("queue > 5 AND queue <= 5", "never-met"),
    ],
)
def test_impossible(tmp_path: Path, condition: str, code: str) -> None:
    assert codes(tmp_path, {"condition": condition}) == {code}


CRITICAL = {"severity": "critical"}
HIGH = {"severity": "high"}


@pytest.mark.parametrize(
    ("worse", "milder", "right"),
    [
        ("queue > 200", "queue > 100", True),
        ("queue > 100", "queue > 200", False),
        ("queue > 100", "queue > 100", False),
        ("queue > 100", "queue >= 100", True),
        ("queue >= 100", "queue > 100", False),
        ("share < 90%", "share < 95%", True),
        ("share < 95%", "share < 90%", False),
        ("100 < queue", "queue > 200", False),
        ("queue > 100", "share > 50%", True),
        ("queue > 100", "queue < 5", True),
        ("by_shop > 100 AND shop = a", "by_shop > 200 AND shop = b", True),
        ("by_shop > 100 AND shop = a", "by_shop > 200 AND shop = a", False),
        ("queue > 100 AND share > 50%", "queue > 200 AND share > 50%", True),
    ],
)
def test_worse_is_more_extreme(tmp_path: Path, worse: str, milder: str, *, right: bool) -> None:
    found = codes(tmp_path, {"condition": worse, **CRITICAL}, {"condition": milder, **HIGH})
    assert found == (set() if right else {"severity-order"})


def test_one_that_lasts_may_be_worse_at_less(tmp_path: Path) -> None:
    lasting = {"condition": "queue > 100", "for": "1h", **CRITICAL}
    assert codes(tmp_path, lasting, {"condition": "queue > 200", "for": "1m", **HIGH}) == set()


def test_the_order_of_many_is_that_of_their_severities(tmp_path: Path) -> None:
    alerts = [{"condition": f"queue > {number}", "severity": severity}
              for number, severity in ((300, "critical"), (200, "high"), (250, "warning"))]  # fmt: skip
    assert codes(tmp_path, *alerts) == {"severity-order"}
