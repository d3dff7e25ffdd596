"""What a problem with an unknown name says: the nearest name and where it stands, or all that exist."""

from collections.abc import Callable, Iterable
from difflib import get_close_matches

from generator.diagnostics import Problem, Span

_LISTED = 12


def plural(kind: str) -> str:
    """``severity`` to ``severities``."""
    return f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"


def listed(names: Iterable[str]) -> str:
    """``a, b and c``'s plain form ``a, b, c``; a long list is cut and says so."""
    ordered = sorted(names)
    rest = len(ordered) - _LISTED
    return ", ".join(ordered[:_LISTED]) + (f" and {rest} more" if rest > 0 else "")


def near(kind: str, name: str, known: Iterable[str], place: Callable[[str], Span] | None = None) -> str:
    """The hint for a name that is none of ``known``; ``place`` finds where a known one is declared."""
    names = list(known)
    if not names:
        return f"there are no {plural(kind)}"
    close = get_close_matches(name, names, 1)
    if not close:
        return f"{plural(kind)}: {listed(names)}"
    if place is None:
        return f"a {kind} is near: {close[0]}"
    span = place(close[0])
    return f"a {kind} is near: {close[0]} ({span.path}:{span.line})"


def unknown(
    kind: str, span: Span, name: str, known: Iterable[str], place: Callable[[str], Span] | None = None
) -> Problem:
    """The problem that no ``kind`` has this name."""
    return Problem(span, f"unknown-{kind}", f'no {kind} is called "{name}"', (near(kind, name, known, place),))
