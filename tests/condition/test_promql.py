"""Conditions over metrics, as the PromQL that people would write by hand."""

import promql_parser
import pytest

from generator.condition import (
    leading_comparisons,
    quantity_labels,
    quantity_to_promql,
    resolve,
    resolve_quantity,
    to_promql,
)
from generator.condition.tree import Condition, MetricSymbol
from tests.condition.scopes import SCOPE


def _series(symbol: MetricSymbol) -> str:
    return f"{symbol.domain}:{symbol.name}"


def _resolved(text: str, by: tuple[str, ...] = ()) -> Condition:
    condition = resolve(text, SCOPE, by)
    assert isinstance(condition, Condition), condition
    return condition


CASES = {
    "threshold": ("average_processing_time > 45 minutes", "c:average_processing_time > 2700", ()),
    "percent": ("error_rate > 1%", "c:error_rate > 0.01", ()),
    "size": ("disk_used >= 1.5 GiB", "c:disk_used >= 1610612736", ()),
    "rate": ("throughput < 1000 rps", "c:throughput < 1000", ()),
    "total": ("pending_settlements > 100", "sum(c:pending_settlements) > 100", ()),
    "counted noun": ("pending_settlements > 100 settlements", "sum(c:pending_settlements) > 100", ()),
    "equality": ("pending_settlements = 0", "sum(c:pending_settlements) == 0", ()),
    "flipped": ("100 < pending_settlements", "sum(c:pending_settlements) > 100", ()),
    "negative": ("actual_revenue < -$5", "c:actual_revenue < -5", ()),
    "folded constants": ("average_processing_time > 2 * 24 hours", "c:average_processing_time > 172800", ()),
    "exact constants": ("actual_revenue > $0.1 + $0.2", "c:actual_revenue > 0.3", ()),
    "no exponents": ("actual_revenue > $100000000000000000000000", f"c:actual_revenue > 1{'0' * 23}", ()),
    "tiny": ("fraud_score_limit > 0.0000001", "c:fraud_score_limit > 0.0000001", ()),
    "other domain": ("distributions.pending_payments > 50", "distributions:pending_payments > 50", ()),
    "own domain": ("collections.error_rate > 1%", "c:error_rate > 0.01", ()),
    "label word": (
        "pending_settlements > 100 AND priority = high",
        'sum by (priority) (c:pending_settlements{priority="high"}) > 100',
        ("priority",),
    ),
    "label word excluded": (
        "pending_settlements > 100 AND NOT priority = high",
        'sum(c:pending_settlements{priority!="high"}) > 100',
        (),
    ),
    "label word on every metric": (
        "priority = low AND pending_settlements > 100 AND oldest_settlement > 1h AND error_rate > 1%",
        'sum by (priority) (c:pending_settlements{priority="low"}) > 100'
        ' and on(priority) max by (priority) (c:oldest_settlement{priority="low"}) > 3600'
        " and on() c:error_rate > 0.01",
        ("priority",),
    ),
    "label word over or": (
        "(pending_settlements > 100 OR oldest_settlement > 1h) AND priority = low",
        'sum by (priority) (c:pending_settlements{priority="low"}) > 100'
        ' or on(priority) max by (priority) (c:oldest_settlement{priority="low"}) > 3600',
        ("priority",),
    ),
    "label words": (
        "method_spend > $5 AND (method = 'bank-transfer' AND campaign != \"a\\b\")",
        'c:method_spend{method="bank-transfer", campaign!="a\\\\b"} > 5',
        ("campaign", "method"),
    ),
    "number as a word": ("method_latency > 1s AND method = 2xx", 'c:method_latency{method="2xx"} > 1', ("method",)),
    "per series": (
        "campaign_spend > allocated_budget * 1.1",
        "c:campaign_spend > on(campaign) (c:allocated_budget * 1.1)",
        ("campaign",),
    ),
    "toward the left": (
        "method_spend > campaign_spend",
        "c:method_spend > on(campaign) group_left() c:campaign_spend",
        ("campaign", "method"),
    ),
    "toward the right": (
        "expected_revenue < campaign_spend * 2",
        "c:expected_revenue < on() group_right() (c:campaign_spend * 2)",
        ("campaign",),
    ),
    "difference": (
        "abs(expected_revenue - actual_revenue) > $1000",
        "abs(c:expected_revenue - on() c:actual_revenue) > 1000",
        (),
    ),
    "nested differences": (
        "expected_revenue - (actual_revenue - shared_name) > $1",
        "c:expected_revenue - on() (c:actual_revenue - on() c:shared_name) > 1",
        (),
    ),
    "precedence": (
        "(expected_revenue + $5) * 2 - actual_revenue / 3 > $1",
        "(c:expected_revenue + 5) * 2 - on() (c:actual_revenue / 3) > 1",
        (),
    ),
    "guarded ratio": (
        "campaign_spend / allocated_budget > 110%",
        "c:campaign_spend / on(campaign) (c:allocated_budget != 0) > 1.1",
        ("campaign",),
    ),
    "guarded sum": (
        "expected_revenue / (actual_revenue - shared_name) > 50%",
        "c:expected_revenue / on() (c:actual_revenue - on() c:shared_name != 0) > 0.5",
        (),
    ),
    "guarded constant": ("5 / pending_settlements > 10%", "5 / (sum(c:pending_settlements) != 0) > 0.1", ()),
    "unlike": ("error_rate != 5%", "c:error_rate != 0.05 and on() c:error_rate == on() c:error_rate", ()),
    "unlike each other": (
        "campaign_spend != expected_revenue",
        "c:campaign_spend != on() group_left() c:expected_revenue"
        " and on(campaign) c:campaign_spend == on(campaign) c:campaign_spend"
        " and on() c:expected_revenue == on() c:expected_revenue",
        ("campaign",),
    ),
    "not": (
        "NOT (average_processing_time > 1m OR NOT error_rate <= 1%)",
        "c:average_processing_time <= 60 and on() c:error_rate <= 0.01",
        (),
    ),
    "not and": (
        "not (average_processing_time >= 1m and error_rate != 1%)",
        "c:average_processing_time < 60 or on() c:error_rate == 0.01",
        (),
    ),
    "unlike beside": (
        "average_processing_time > 1m AND NOT error_rate = 1%",
        "c:average_processing_time > 60 and on() (c:error_rate != 0.01 and on() c:error_rate == on() c:error_rate)",
        (),
    ),
    "more labels lead": (
        "average_processing_time > 1m AND campaign_spend > $5",
        "c:campaign_spend > 5 and on() c:average_processing_time > 60",
        ("campaign",),
    ),
    "and in or": (
        "average_processing_time > 1m AND error_rate > 1% OR disk_used > 1 GB",
        "(c:average_processing_time > 60 and on() c:error_rate > 0.01) or on() c:disk_used > 1000000000",
        (),
    ),
    "or in and": (
        "campaign_spend > $5 AND (average_processing_time > 1m OR error_rate > 1%)",
        "c:campaign_spend > 5 and on() (c:average_processing_time > 60 or on() c:error_rate > 0.01)",
        ("campaign",),
    ),
    "plain products": ("score_weight * fraud_score_limit > 2", "c:score_weight * on() c:fraud_score_limit > 2", ()),
}


@pytest.mark.parametrize(("text", "promql", "labels"), CASES.values(), ids=CASES)
def test_promql(text: str, promql: str, labels: tuple[str, ...]) -> None:
    condition = _resolved(text)
    written = to_promql(condition, _series)
    assert written.replace("collections:", "c:") == promql
    assert condition.labels == labels
    promql_parser.parse(written)


def test_by_splits_a_total() -> None:
    condition = _resolved("method_refunds > $5", by=("campaign",))
    assert to_promql(condition, _series, ("campaign",)) == "sum by (campaign) (collections:method_refunds) > 5"
    assert condition.labels == ("campaign",)


def test_by_keeps_a_matched_label_beside_it() -> None:
    condition = _resolved("method_refunds > $5 AND method = wire", by=("campaign",))
    expected = 'sum by (method, campaign) (collections:method_refunds{method="wire"}) > 5'
    assert to_promql(condition, _series, ("campaign",)) == expected


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("error_rate > 1% AND disk_used > 1 GB", ["error_rate"]),
        ("error_rate > 1% AND campaign_spend > $1", ["campaign_spend"]),
        ("error_rate > 1% OR disk_used > 1 GB", ["error_rate", "disk_used"]),
        ("1 GB < disk_used", ["disk_used"]),
    ],
)
def test_the_leading_comparisons_are_those_whose_values_come_out(text: str, names: list[str]) -> None:
    found = leading_comparisons(_resolved(text).root)
    assert to_promql(_resolved(text), _series).startswith(f"collections:{names[0]} ")
    assert [getattr(comparison.left, "symbol").name for comparison in found] == names  # noqa: B009


def test_expression_metrics() -> None:
    quantity = resolve_quantity("method_refunds / campaign_spend", SCOPE, by=("campaign",))
    assert not isinstance(quantity, tuple)
    assert quantity.unit == "ratio"
    assert quantity_labels(quantity, ("campaign",)) == ("campaign",)
    written = quantity_to_promql(quantity, _series, ("campaign",))
    expected = "sum by (campaign) (collections:method_refunds) / on(campaign) (collections:campaign_spend != 0)"
    assert written == expected
    promql_parser.parse(written)


def test_symbols_in_the_order_of_the_text() -> None:
    condition = _resolved("10% > error_rate AND average_processing_time > 1m AND error_rate > 1%")
    assert [symbol.name for symbol in condition.symbols] == ["error_rate", "average_processing_time"]
