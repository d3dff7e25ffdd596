"""What is shown, letter for letter, for one alert of each kind; ``--bless`` rewrites it."""

import pytest

from generator.explain import as_json, as_text
from tests.compiling import ROOT
from tests.explain.explaining import explained

GOLDEN = ROOT / "tests/golden/explain"
CASES = {
    "rows": ("fire22", "collections/settlement_overdue", None),
    "rows-in-demo": ("fire22", "collections/settlement_overdue", "demo"),
    "event-each": ("fire22", "balance/fraud_detected", None),
    "metric-cooldown-escalation": ("everything", "fleet/battery_empty", None),
    "metric-shared-query": ("fire22", "collections/high_error_rate", None),
    "promql": ("everything", "fleet/doors_race", None),
    "digest": ("fire22", "free_play/low_redemption_rate", None),
    "metric-of-metrics": ("everything", "system/off_plan", None),
    "python": ("everything", "finance/invoice_overdue_90d", None),
    "own": ("fire22", "tocsin/source_blind_fire22", None),
    "watchdog": ("fastbreak", "tocsin/watchdog", None),
}


@pytest.mark.parametrize("case", CASES)
def test_text_is_what_it_was(case: str, *, bless: bool) -> None:
    text = as_text(explained(*CASES[case]))
    golden = GOLDEN / f"{case}.txt"
    if bless:
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text)
    assert text == golden.read_text()


def test_json_is_what_it_was(*, bless: bool) -> None:
    text = as_json(explained(*CASES["metric-cooldown-escalation"]))
    golden = GOLDEN / "metric-cooldown-escalation.json"
    if bless:
        golden.write_text(text)
    assert text == golden.read_text()


def test_every_golden_text_has_a_case() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(CASES)
