"""Units: what they convert to and how quantities read."""

import pytest

from generator.condition import format_quantity, near_miss, parse_target
from generator.condition.tree import Number

WRITTEN = [
    ("250ms", "seconds", 0.25), ("1 s", "seconds", 1.0), ("2 sec", "seconds", 2.0), ("1 second", "seconds", 1.0),
    ("90 seconds", "seconds", 90.0), ("45 minutes", "seconds", 2700.0), ("1m", "seconds", 60.0),
    ("3 min", "seconds", 180.0), ("1 minute", "seconds", 60.0), ("1.5h", "seconds", 5400.0),
    ("24 hours", "seconds", 86400.0), ("1 hour", "seconds", 3600.0), ("2 days", "seconds", 172800.0),
    ("1 day", "seconds", 86400.0), ("1d", "seconds", 86400.0), ("2w", "seconds", 1209600.0),
    ("1 week", "seconds", 604800.0), ("3 weeks", "seconds", 1814400.0), ("0.1 s", "seconds", 0.1),
    ("7 B", "bytes", 7.0), ("1KB", "bytes", 1e3), ("1MB", "bytes", 1e6), ("1GB", "bytes", 1e9),
    ("1KiB", "bytes", 1024.0), ("1MiB", "bytes", 1048576.0), ("1GiB", "bytes", 1073741824.0),
    ("1%", "ratio", 0.01), ("99.9%", "ratio", 0.999), ("0.07%", "ratio", 0.0007), ("110%", "ratio", 1.1),
    ("$1000", "usd", 1000.0), ("-$0.10", "usd", -0.1), ("100 rps", "rps", 100.0), ("0.8", "none", 0.8),
    ("100", "settlements", 100.0), ("100 settlements", "settlements", 100.0),
    ("2 * 3 hours", "seconds", 21600.0), ("$0.1 + $0.2", "usd", 0.3),
]  # fmt: skip


@pytest.mark.parametrize(("text", "unit", "value"), WRITTEN, ids=[text for text, _, _ in WRITTEN])
def test_conversion_is_exact(text: str, unit: str, value: float) -> None:
    assert parse_target(f">= {text}", unit) == (">=", Number(value, unit, text))


SHOWN = [
    (86400.0, "seconds", "24h"), (172800.0, "seconds", "2d"), (2700.0, "seconds", "45m"), (0.5, "seconds", "500ms"),
    (5400.0, "seconds", "1h30m"), (1.25, "seconds", "1s250ms"), (0.0, "seconds", "0s"), (0.00025, "seconds", "0.25ms"),
    (1000.0, "usd", "$1,000"), (0.5, "usd", "$0.50"), (-5.0, "usd", "-$5"), (0.005, "usd", "$0.005"),
    (1234567.25, "usd", "$1,234,567.25"), (0.98, "ratio", "98%"), (0.999, "ratio", "99.9%"), (1.1, "ratio", "110%"),
    (0.07, "ratio", "7%"), (100.0, "settlements", "100 settlements"), (10000.0, "open_tables", "10,000 open tables"),
    (100.0, "rps", "100 rps"), (0.8, "none", "0.8"), (1e6, "bytes", "1 MB"), (1048576.0, "bytes", "1 MiB"),
    (1500.0, "bytes", "1,500 B"), (0.0, "bytes", "0 B"), (1e23, "none", "100,000,000,000,000,000,000,000"),
    (float("inf"), "seconds", "inf"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "unit", "text"), SHOWN, ids=[text for _, _, text in SHOWN])
def test_quantities_read_as_people_write_them(value: float, unit: str, text: str) -> None:
    assert format_quantity(value, unit) == text


@pytest.mark.parametrize(
    ("declared", "meant"),
    [
        ("second", "seconds"), ("minutes", "seconds"), ("ms", "seconds"), ("byte", "bytes"), ("percent", "ratio"),
        ("dollars", "usd"), ("requests_per_second", "rps"), ("secondss", "seconds"), ("seconds", None), ("usd", None),
        ("settlements", None), ("sessions", None),
    ],
)  # fmt: skip
def test_near_misses_of_declared_units(declared: str, meant: str | None) -> None:
    assert near_miss(declared) == meant
