"""Everything that can be wrong with a condition, where, and what helps."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.condition import Scope, parse_target, resolve, resolve_quantity, row_predicate, to_promql, worst_field
from generator.condition.tree import Fault
from tests.condition.scopes import SCOPE

ONE_KIND = "all names of one condition are metrics, or all are fields of one record"
BESIDE = "a comparison of a label is ANDed to one of a metric"
STATUS = "payment_status is one of pending, failed, charged back, it's"

# text: (code, the stretch that is marked, message, help)
CASES: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
    "setlement_age > 24 hours AND priority = high": (
        "unknown-name", "setlement_age", 'no metric or field is called "setlement_age"',
        ("a field of record settlement is near: settlement_age (line 14)",),
    ),
    "pendingSettlements > 5": (
        "unknown-name", "pendingSettlements", 'no metric or field is called "pendingSettlements"',
        ("a metric is near: pending_settlements (line 5)",
         "a metric of another domain is near: distributions.pending_payments"),
    ),
    "pending_payments > 5": (
        "unknown-name", "pending_payments", 'no metric or field is called "pending_payments"',
        ("a metric of another domain has that name: distributions.pending_payments",),
    ),
    "retries > 5 AND zzz > 3": (
        "unknown-name", "zzz", 'no metric or field is called "zzz"',
        ("the fields of record payment are amount, fee, fraud_score, payment_status, requires_approval, retries, "
         "suspicious",),
    ),
    "priority2 = high AND pending_settlements > 5": (
        "unknown-name", "priority2", 'no metric or field is called "priority2"', ("a label is near: priority",
        "the metrics here are actual_revenue, allocated_budget, average_processing_time, campaign_spend, disk_used, "
        "error_rate, expected_revenue, fraud_score_limit, method_latency, method_refunds and 6 more"),
    ),
    "error_rate > 1% AND campaign = spring": (
        "unknown-name", "campaign", 'no metric or field is called "campaign"',
        ("campaign is a label of allocated_budget, campaign_spend, method_refunds, method_spend: a condition on a "
         "label names its metric, too",),
    ),
    "amount > $5": (
        "ambiguous-name", "amount",
        '"amount" may be a field of record settlement (line 16) or a field of record payment',
        ("write settlement.amount or payment.amount",),
    ),
    "shared_name > $5": (
        "ambiguous-name", "shared_name", '"shared_name" may be a metric (line 9) or a field of record settlement',
        ("write collections.shared_name or settlement.shared_name",),
    ),
    "settlement_age > $5": (
        "unit-mismatch", "$5", "settlement_age is a duration, $5 is an amount in dollars",
        ("write a duration, such as 5 minutes",),
    ),
    "fee > 24 hours": (
        "unit-mismatch", "24 hours", "fee is an amount in dollars, 24 hours is a duration",
        ("write an amount in dollars, such as $5",),
    ),
    "error_rate > 1": (
        "unit-mismatch", "1", "error_rate is a ratio, 1 is a plain number", ("write 1% or 100%",),
    ),
    "0.05 < error_rate": (
        "unit-mismatch", "0.05", "0.05 is a plain number, error_rate is a ratio", ("write 5%",),
    ),
    "fee > 5": ("unit-mismatch", "5", "fee is an amount in dollars, 5 is a plain number", ("write $5",)),
    "settlement_age > 24": (
        "unit-mismatch", "24", "settlement_age is a duration, 24 is a plain number",
        ("write 24 seconds, 24 minutes or 24 hours",),
    ),
    "disk_used > 24": (
        "unit-mismatch", "24", "disk_used is a size in bytes, 24 is a plain number", ("write 24 B, 24 MB or 24 MiB",),
    ),
    "throughput > 24": (
        "unit-mismatch", "24", "throughput is a rate per second, 24 is a plain number", ("write 24 rps",),
    ),
    "fraud_score > 80%": (
        "unit-mismatch", "80%", "fraud_score is a plain number, 80% is a ratio", ("write 0.8",),
    ),
    "pending_settlements > distributions.pending_payments": (
        "unit-mismatch", "pending_settlements > distributions.pending_payments",
        "pending_settlements is a number of settlements, distributions.pending_payments is a number of payments", (),
    ),
    "suspicious > fee": ("unit-mismatch", "suspicious > fee", "suspicious holds words, which have no order",
                         ('words take "=" and "!="',)),
    "fee + suspicious > $1": (
        "unit-mismatch", "suspicious", "suspicious is true or false, not a quantity", (),
    ),
    "payment_status = fialed": (
        "unknown-word", "fialed", 'payment_status is never "fialed"',
        ("a word of payment_status is near: failed", STATUS),
    ),
    "payment_status = fee + 3": (
        "unknown-word", "fee + 3", "payment_status is compared with one word", (STATUS,),
    ),
    "method_latency > 1s AND method = bank-transfer": (
        "unknown-word", "bank-transfer", "method is compared with one word", ('write method = "bank-transfer"',),
    ),
    "requires_approval = yes": (
        "unknown-word", "yes", 'requires_approval is never "yes"', ("requires_approval is one of true, false",),
    ),
    "fee > 'failed'": (
        "unknown-word", "'failed'", '"failed" is a word, not a quantity',
        ("words compare with a field or label that takes words",),
    ),
    "pending_settlements > 5 AND priority = hihg": (
        "unknown-word", "hihg", 'priority of pending_settlements is never "hihg"',
        ("a word of priority of pending_settlements is near: high",
         "priority of pending_settlements is one of high, medium, low"),
    ),
    "average_processing_time > 45 minuts": (
        "unknown-unit", "minuts", 'no unit is called "minuts"', ("a unit is near: minutes",),
    ),
    "disk_used > 5 GiBs": ("unknown-unit", "GiBs", 'no unit is called "GiBs"', ("a unit is near: GiB",)),
    "fee > 5 dollars": ("unknown-unit", "dollars", 'no unit is called "dollars"', ("write $5",)),
    "error_rate > 5 percent": ("unknown-unit", "percent", 'no unit is called "percent"', ("write 5%",)),
    "pending_settlements > 5 qqq": (
        "unknown-unit", "qqq", 'no unit is called "qqq"',
        ("units are ms, s, m, h, d, w, B, KB, MB, GB, KiB, MiB, GiB, rps, % and $; counted things need none",),
    ),
    "settlement_age > 1h AND pending_settlements > 5": (
        "mixed-records-and-metrics", "pending_settlements",
        '"pending_settlements" is a metric (line 5), "settlement_age" is a field of record settlement', (ONE_KIND,),
    ),
    "settlement_age > 1h AND retries > 5": (
        "mixed-records-and-metrics", "retries",
        '"retries" is a field of record payment, "settlement_age" is a field of record settlement', (ONE_KIND,),
    ),
    "5 > 3": (
        "constant-comparison", "5 > 3", "this compares constants, so it never changes",
        ("one side names a metric or a field",),
    ),
    "true": ("constant-comparison", "true", "true alone never changes", ("compare a boolean field with it",)),
    "fee * fee > $5": (
        "unit-arithmetic", "fee * fee", "an amount in dollars times an amount in dollars has no unit", (),
    ),
    "allocated_budget * 110% > $5": (
        "unit-arithmetic", "allocated_budget * 110%", "an amount in dollars times a ratio has no unit",
        ("write 1.1 for 110%",),
    ),
    "disk_used / average_processing_time > 5": (
        "unit-arithmetic", "disk_used / average_processing_time", "a size in bytes divided by a duration has no unit",
        (),
    ),
    "fee + 5 > $5": (
        "unit-arithmetic", "5", "fee is an amount in dollars, 5 is a plain number", ("write $5",),
    ),
    "fee / (1 - 1) > $5": ("unit-arithmetic", "(1 - 1)", "this divides by zero", ()),
    "campaign_spend > $5 AND method_latency > 1s": (
        "label-mismatch", "method_latency",
        "campaign_spend has the label campaign, method_latency has the label method",
        ("the labels of one side contain those of the other; `total` and `by` say what is folded",),
    ),
    "campaign_spend > $5 OR error_rate > 1%": (
        "label-mismatch", "error_rate", "campaign_spend has the label campaign, error_rate has no labels",
        ("the sides of OR have the same labels",),
    ),
    "pending_settlements > 5 OR priority = high": (
        "label-mismatch", "priority = high", "a comparison of a label stands only beside AND",
        ("it chooses the series that the whole AND looks at",),
    ),
    "NOT (pending_settlements > 5 AND priority = high)": (
        "label-mismatch", "priority = high", "a comparison of a label stands only beside AND",
        ("it chooses the series that the whole AND looks at",),
    ),
    "pending_settlements > 5 AND priority > high": (
        "label-mismatch", "priority > high", "priority holds words, which have no order", ('words take "=" and "!="',),
    ),
    "pending_settlements > 5 AND priority + 1 > 3": (
        "label-mismatch", "priority", "priority is a label, not a quantity",
        ('a label takes "=" and "!=" and one word',),
    ),
    "pending_settlements > 5 AND (error_rate > 1% AND priority = high)": (
        "label-mismatch", "priority = high", "no metric beside this has the label priority", (BESIDE,),
    ),
    "pending_settlements > 5 AND priority = high AND priority = low": (
        "label-mismatch", "priority = low", "priority cannot be high and low at once", (),
    ),
    "pending_settlements > 5 AND priority != low AND priority = low": (
        "label-mismatch", "priority != low", "priority cannot be low and not low", (),
    ),
    "pending_settlements": (
        "not-a-boolean", "pending_settlements", "pending_settlements is neither met nor unmet by itself",
        ("compare it with a number of settlements: pending_settlements > 5",),
    ),
    "payment_status": (
        "not-a-boolean", "payment_status", "payment_status is neither met nor unmet by itself",
        ("compare it with one of its words: payment_status = pending",),
    ),
    "NOT (fee + $1)": (
        "not-a-boolean", "(fee + $1)", "(fee + $1) is neither met nor unmet by itself", ("compare it with something",),
    ),
    "(fee > $1) + 3 > 4": (
        "condition-syntax", "(fee > $1)", "(fee > $1) is met or unmet, not a quantity", (),
    ),
    "fee == $5": ("condition-syntax", "=", '"=" is not expected here', ('equality is written with one "="',)),
    "fee => $5": ("condition-syntax", ">", '">" is not expected here', ('at least is written ">="',)),
    "fee <> $5": ("condition-syntax", ">", '">" is not expected here', ('different is written "!="',)),
    "fee ≥ $5": ("condition-syntax", "≥", '"≥" is not part of the language', ('at least is written ">="',)),
    "a > 1 && b > 1": ("condition-syntax", "&", '"&" is not part of the language', ('both is written "AND"',)),
    "a > 1 || b > 1": ("condition-syntax", "|", '"|" is not part of the language', ('either is written "OR"',)),
    "!suspicious": ("condition-syntax", "!", '"!" is not part of the language', ('the opposite is written "NOT"',)),
    "fee > $1,000": (
        "condition-syntax", ",", '"," is not part of the language',
        ("numbers have no separators: write 1000, not 1,000",),
    ),
    "fee > $.5": (
        "condition-syntax", ".", '"." is not part of the language',
        ("a number has digits on both sides of its point: write 0.5, not .5",),
    ),
    "fee > $5k": (
        "condition-syntax", "k", '"k" is not expected here', ("an amount has no unit behind it: write $5000, not $5k",),
    ),
    "payment_status = charged back": (
        "condition-syntax", "back", '"back" is not expected here',
        ("expected AND or OR", "words with spaces or dashes are quoted"),
    ),
    "payment_status = 'failed": (
        "condition-syntax", "'", '"\'" is not part of the language',
        ("a quoted word ends with the quote that it starts with, on the same line",),
    ),
    "fee > $1 > $2": ("condition-syntax", ">", '">" is not expected here', ("expected AND or OR",)),
    "fee > $1)": ("condition-syntax", ")", '")" is not expected here', ("nothing is open that this could close",)),
    "(fee > $1": ("condition-syntax", "1", "the condition ends too early", ("expected )",)),
    "fee >": (
        "condition-syntax", ">", "the condition ends too early",
        ("expected a name, a quoted word, a number, an amount or (",),
    ),
    "fee > $1 \x07": ("condition-syntax", "\x07", "U+0007 is not part of the language", ()),
    f"fee > ${'9' * 400}": ("condition-syntax", f"${'9' * 400}", "the number is too large", ()),
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"), CASES.items(), ids=[text[:60].encode("unicode_escape").decode() for text in CASES]
)
def test_fault(text: str, expected: tuple[str, str, str, tuple[str, ...]]) -> None:
    faults = resolve(text, SCOPE)
    assert isinstance(faults, tuple)
    (fault,) = faults
    assert (fault.code, text[fault.start : fault.end], fault.message, fault.help) == expected


def test_all_faults_of_a_condition_come_at_once() -> None:
    text = "priority = hgih AND settlement_age > $5 AND foo > 3 AND amount AND 5 > 3 AND amount > 5 minuts"
    faults = resolve(text, SCOPE)
    assert isinstance(faults, tuple)
    found = [(fault.code, text[fault.start : fault.end]) for fault in faults]
    assert found == [
        ("unknown-word", "hgih"),
        ("unit-mismatch", "$5"),
        ("unknown-name", "foo"),
        ("not-a-boolean", "amount"),
        ("constant-comparison", "5 > 3"),
        ("unknown-unit", "minuts"),
    ]


def test_messages_are_lower_case_without_a_full_stop() -> None:
    for text in CASES:
        faults = resolve(text, SCOPE)
        assert isinstance(faults, tuple)
        for fault in faults:
            assert not fault.message.endswith(".")
            assert fault.message[0].islower() or not fault.message[0].isalpha() or fault.message.startswith("U+")


def test_by_that_nothing_has() -> None:
    assert resolve("error_rate > 1%", SCOPE, by=("campaign",)) == (
        Fault("label-mismatch", "nothing here has the label campaign", 0, 15),
    )


@pytest.mark.parametrize("text", ["", " ", "\n"])
def test_empty(text: str) -> None:
    faults = resolve(text, SCOPE)
    assert isinstance(faults, tuple)
    assert faults[0].message == "the condition is empty"
    assert faults[0].end > faults[0].start >= 0


def test_an_empty_domain_says_so() -> None:
    faults = resolve("foo > 5", Scope("empty", {}, {}, {}))
    assert isinstance(faults, tuple)
    assert faults[0].help == ("this domain has neither metrics nor records",)


def test_a_word_called_like_something_else_is_still_a_word() -> None:
    scope = Scope(
        "d", SCOPE.metrics, {}, {**SCOPE.records, "other": {"failed": SCOPE.records["payment"]["suspicious"]}}
    )
    assert not isinstance(resolve("payment_status = failed", scope), tuple)


HUGE = {
    "parentheses": "(" * 1000 + "fee > $1" + ")" * 1000,
    "open parentheses": "(" * 4000,
    "not": "NOT " * 900 + "suspicious",
    "sum": "fee > " + "fee + " * 600 + "fee",
    "product": "fee > " + "2 * " * 900 + "fee",
    "abs": "abs(" * 900,
    "100 kB": "fee > $1 AND " * 8000,
    "100 kB of nothing": "x" * 100_000,
    "long word": "payment_status = '" + "x" * 3900 + "'",
    "long number": "fee > $" + "1" * 3900,
}


@pytest.mark.parametrize("text", HUGE.values(), ids=HUGE)
def test_huge_conditions_are_faults_and_quick(text: str) -> None:
    before = time.process_time()
    faults = resolve(text, SCOPE)
    assert isinstance(faults, tuple)
    assert all(0 <= fault.start < fault.end <= len(text) for fault in faults)
    assert all(len(fault.message) < 5000 for fault in faults)
    assert time.process_time() - before < 1


def test_many_alternatives_are_fine() -> None:
    assert not isinstance(resolve(" OR ".join(["fee > $1"] * 300), SCOPE), tuple)


TARGETS = {
    ">= 98": ("unit-mismatch", "98", "the metric is a ratio, 98 is a plain number"),
    ">= $98": ("unit-mismatch", "$98", "the metric is a ratio, $98 is an amount in dollars"),
    "98%": ("condition-syntax", "98", '"98" is not expected here'),
    ">=": ("condition-syntax", "=", "the target ends too early"),
    ">= error_rate": ("condition-syntax", "error_rate", "a target is a constant"),
    ">= 98 pct": ("unknown-unit", "pct", 'no unit is called "pct"'),
}


@pytest.mark.parametrize(("text", "expected"), TARGETS.items(), ids=TARGETS)
def test_faults_of_targets(text: str, expected: tuple[str, str, str]) -> None:
    faults = parse_target(text, "ratio")
    fault = faults[0]
    assert isinstance(fault, Fault)
    assert (fault.code, text[fault.start : fault.end], fault.message) == expected


EXPRESSIONS = {
    "$5": ("constant-comparison", "$5", "this names no metric, so it never changes"),
    "error_rate > 1%": ("condition-syntax", ">", '">" is not expected here'),
    "settlement_age * 2": ("mixed-records-and-metrics", "settlement_age",
                           '"settlement_age" is a field of record settlement (line 14)'),
    "campaign_spend / method_latency": ("unit-arithmetic", "campaign_spend / method_latency",
                                        "an amount in dollars divided by a duration has no unit"),
    "method_latency - oldest_settlement - average_processing_time": None,
    "error_rate + system.eror_rate": ("unknown-name", "system.eror_rate",
                                      'no metric or field is called "system.eror_rate"'),
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), EXPRESSIONS.items(), ids=EXPRESSIONS)
def test_faults_of_expressions(text: str, expected: tuple[str, str, str] | None) -> None:
    result = resolve_quantity(text, SCOPE)
    if expected is None:
        assert not isinstance(result, tuple)
    else:
        assert isinstance(result, tuple)
        assert (result[0].code, text[result[0].start : result[0].end], result[0].message) == expected


_SOUP = st.lists(
    st.sampled_from(
        ["AND", "OR", "not", "(", ")", "abs(", ">", "<=", "=", "!=", "+", "-", "*", "/", "$", "%", "5", "0", "1.5",
         "hours",
         "GiBs", "'charged back'", '"', "true", "high", "priority", "settlement_age", "payment_status", "suspicious",
         "amount", "fee", "pending_settlements", "campaign_spend", "method_spend", "error_rate", "system.error_rate",
         "unknown", ".", "é", "\n"]
    ),
    max_size=14,
).map(" ".join)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(text=st.one_of(_SOUP, st.text(max_size=30)), by=st.sampled_from([(), ("campaign",)]))
def test_no_text_breaks_resolving(text: str, by: tuple[str, ...]) -> None:
    result = resolve(text, SCOPE, by)
    if isinstance(result, tuple):
        assert result
        for fault in result:
            assert 0 <= fault.start < fault.end <= max(len(text), 1)
            assert fault.code and "\n" not in fault.message
    elif result.kind == "metrics":
        to_promql(result, lambda symbol: symbol.name, by)
    else:
        row_predicate(result)
        worst_field(result)
    resolve_quantity(text, SCOPE, by)
    parse_target(text, "ratio")
