"""Matchers as Alertmanager reads them, every text of the input quoted."""

import re

_SPECIAL = re.compile(r"([^A-Za-z0-9_-])")


def quoted(text: str) -> str:
    """A text as a value of a matcher."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def literal(text: str) -> str:
    """A text as a regular expression that it alone matches."""
    return _SPECIAL.sub(r"\\\1", text)


def equal(label: str, value: str) -> str:
    """Matches one value of a label."""
    return f"{label}={quoted(value)}"


def one_of(label: str, values: tuple[str, ...]) -> str:
    """Matches any of some values."""
    if len(values) == 1:
        return equal(label, values[0])
    return f"{label}=~{quoted('|'.join(map(literal, values)))}"


def none_of(label: str, values: tuple[str, ...]) -> str:
    """Matches whatever is none of some values, nothing at all among it."""
    return f"{label}!~{quoted('|'.join(map(literal, values)))}"


def in_list(label: str, value: str) -> str:
    """Matches a label that lists ``value`` among others, with commas; Alertmanager anchors it."""
    return f"{label}=~{quoted(f'(.*,)?{literal(value)}(,.*)?')}"
