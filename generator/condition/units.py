"""Units as types: what can be written after a number, what it means in base units, and how people read it back."""

from __future__ import annotations

import difflib
from decimal import Decimal

# Base units; everything else that a metric declares is a counted noun (settlements).
FIXED_UNITS = ("seconds", "bytes", "ratio", "usd", "rps", "none")

_DURATIONS = {
    "1": ("s", "sec", "second", "seconds"),
    "0.001": ("ms",),
    "60": ("m", "min", "minute", "minutes"),
    "3600": ("h", "hour", "hours"),
    "86400": ("d", "day", "days"),
    "604800": ("w", "week", "weeks"),
}
_SIZES = {"B": 1, "KB": 1000, "MB": 1000**2, "GB": 1000**3, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}

# What may follow a number: the word, its base unit and how many of the base unit it is.
UNIT_WORDS: dict[str, tuple[str, Decimal]] = {
    **{word: ("seconds", Decimal(factor)) for factor, words in _DURATIONS.items() for word in words},
    **{word: ("bytes", Decimal(factor)) for word, factor in _SIZES.items()},
    "rps": ("rps", Decimal(1)),
}

_DECLARED_ELSEWHERE = {
    "s": "seconds", "sec": "seconds", "secs": "seconds", "second": "seconds", "ms": "seconds",
    "milliseconds": "seconds", "minute": "seconds", "minutes": "seconds", "hour": "seconds", "hours": "seconds",
    "day": "seconds", "days": "seconds", "duration": "seconds", "b": "bytes", "byte": "bytes", "kb": "bytes",
    "mb": "bytes", "gb": "bytes", "kib": "bytes", "mib": "bytes", "gib": "bytes", "percent": "ratio",
    "percentage": "ratio", "fraction": "ratio", "dollar": "usd", "dollars": "usd", "us_dollars": "usd",
    "requests_per_second": "rps", "per_second": "rps", "number": "none", "plain": "none",
}  # fmt: skip

_IN_WORDS = {
    "seconds": "a duration",
    "bytes": "a size in bytes",
    "ratio": "a ratio",
    "usd": "an amount in dollars",
    "rps": "a rate per second",
    "none": "a plain number",
}


def in_words(unit: str) -> str:
    """What a quantity of this unit is, for messages: ``a duration``, ``a number of settlements``."""
    return _IN_WORDS.get(unit) or f"a number of {unit.replace('_', ' ')}"


def is_counted(unit: str) -> bool:
    """Whether the unit is a counted noun, which bare numbers fit."""
    return unit not in _IN_WORDS


def nearest(word: str, candidates: list[str]) -> str | None:
    """The candidate that was probably meant, if one is near."""
    by_lower = {candidate.lower(): candidate for candidate in sorted(candidates, reverse=True)}
    found = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.7)
    return by_lower[found[0]] if found else None


def near_miss(unit: str) -> str | None:
    """The fixed unit that a declared unit (``second``, ``percent``, ``byts``) probably means, None if it is fine."""
    if unit in FIXED_UNITS:
        return None
    if unit in _DECLARED_ELSEWHERE:
        return _DECLARED_ELSEWHERE[unit]
    found = difflib.get_close_matches(unit, FIXED_UNITS, n=1, cutoff=0.8)
    return found[0] if found else None


def plain(value: float) -> str:
    """The shortest decimal form of a float, never with an exponent: ``86400``, ``0.01``."""
    text = format(Decimal(repr(value)), "f")
    return text.removesuffix(".0") if text != "-0.0" else "0"


def format_quantity(value: float, unit: str) -> str:
    """A number in base units as people write it: ``24h``, ``$1,000``, ``98%``, ``100 settlements``."""
    if value != value or value in (float("inf"), float("-inf")):
        return str(value)
    if value < 0:
        return f"-{format_quantity(-value, unit)}"
    exact = Decimal(repr(value))
    if unit == "seconds":
        return _duration(exact)
    if unit == "bytes":
        return _size(exact)
    if unit == "ratio":
        return f"{_grouped(exact * 100)}%"
    if unit == "usd":
        return f"${exact:,.2f}" if 0 < -_exponent(exact) <= 2 else f"${_grouped(exact)}"
    return _grouped(exact) if unit == "none" else f"{_grouped(exact)} {unit.replace('_', ' ')}"


def _grouped(value: Decimal) -> str:
    whole, _, fraction = f"{value:,f}".partition(".")
    fraction = fraction.rstrip("0")
    return f"{whole}.{fraction}" if fraction else whole


def _exponent(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0


def _duration(seconds: Decimal) -> str:
    milliseconds = seconds * 1000
    if milliseconds != milliseconds.to_integral_value():
        return f"{_grouped(seconds)}s" if seconds >= 1 else f"{_grouped(milliseconds)}ms"
    rest = int(milliseconds)
    if rest == 0:
        return "0s"
    day = 86_400_000
    if rest % day == 0 and rest > day:  # one day reads best as 24h
        return f"{rest // day}d"
    parts = []
    for word, size in (("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{word}")
    return "".join(parts)


def _size(size: Decimal) -> str:
    for word in ("GiB", "GB", "MiB", "MB", "KiB", "KB"):
        if size and size % _SIZES[word] == 0:
            return f"{_grouped(size / _SIZES[word])} {word}"
    return f"{_grouped(size)} B"
