"""Durations as Prometheus writes them (``90s``, ``1h30m``), held as whole milliseconds."""

import re
from functools import lru_cache

_UNITS = {"w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
_TEXT = re.compile(r"(?:\d+(?:ms|[smhdw]))+")
_PART = re.compile(r"(\d+)(ms|[smhdw])")


def milliseconds(text: str) -> int:
    """Read ``1h30m`` as 5,400,000; ValueError if the text is no duration of Prometheus's form."""
    if not _TEXT.fullmatch(text):
        raise ValueError(f"not a duration: {text!r}")
    return sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(text))


@lru_cache(maxsize=1024)
def text(duration: int) -> str:
    """Write 5,400,000 milliseconds as ``1h30m``; weeks and days only where nothing is left over."""
    if duration == 0:
        return "0s"
    for unit in ("w", "d"):
        if duration % _UNITS[unit] == 0:
            return f"{duration // _UNITS[unit]}{unit}"
    parts = []
    for unit in ("h", "m", "s", "ms"):
        count, duration = divmod(duration, _UNITS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)
