"""Regular expressions of Go (RE2) run by Python's ``re``; what would mean something else there is refused.

Go: https://pkg.go.dev/regexp/syntax. Everything is matched whole, as Alertmanager does by ``^(?:…)$``, where Go's ``$``
is the end of the text, while Python's also stands before a last line break.
"""

import re
from functools import lru_cache

_MOST_REPEATS = 1000  # Go refuses more, also as the product of nested ones
_SPACES = r"\t\n\f\r "  # of Go's \s; Python's has the vertical tab too
_TOKEN = re.compile(
    r"(?P<escape>\\(?s:.))|(?P<group>\(\?:|\((?!\?))|(?P<close>\))|(?P<bar>\|)|(?P<anchor>[$^])"
    r"|(?P<repeat>(?:[*+?]|\{(?P<least>\d+)(?:,(?P<most>\d*))?\})\??)|(?P<class>\[)|(?P<dot>\.)|(?P<text>[^()\[\\])"
)
_ESCAPES = {
    **{letter: f"\\{letter}" for letter in "dDwWbAntrfva"},
    "z": r"\Z",
    "s": f"[{_SPACES}]",
    "S": f"[^{_SPACES}]",
}
_IN_CLASS = {**{letter: f"\\{letter}" for letter in "dDwW"}, "s": _SPACES}
_CHARACTERS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a"}
_NOTHING_TO_REPEAT = {"", "group", "bar", "anchor", "repeat"}


class PatternError(ValueError):
    """A pattern that Go refuses, or that Python would read in another way."""


@lru_cache(maxsize=4096)
def whole(pattern: str) -> re.Pattern[str]:
    """The pattern for ``fullmatch``; PatternError where its meaning in Go is not certain."""
    try:
        return re.compile(_translated(pattern), re.ASCII)
    except (re.error, RecursionError, OverflowError) as error:
        raise PatternError(f"{pattern!r} cannot be read: {error}") from error


def _translated(pattern: str) -> str:
    parts: list[str] = []
    place, before, depth, repeats = 0, "", 0, 1
    while place < len(pattern):
        token = _TOKEN.match(pattern, place)
        if token is None:
            raise PatternError(f"{pattern!r} cannot be read at {pattern[place:]!r}")
        kind, text, place = str(token.lastgroup), token[0], token.end()
        if kind == "repeat" and before in _NOTHING_TO_REPEAT:
            raise PatternError(f"{pattern!r} repeats nothing at {text!r}")
        if kind == "class":
            text, place = _class(pattern, place)
        elif kind == "repeat":
            repeats *= max(int(token["most"] or token["least"] or 1), 1)
        elif kind in ("group", "close"):
            depth += 1 if kind == "group" else -1
        parts.append(_written(kind, text, pattern))
        if depth < 0 or repeats > _MOST_REPEATS:
            raise PatternError(f"{pattern!r} closes too many groups, or repeats too often")
        before = kind
    return "".join(parts)


def _written(kind: str, text: str, pattern: str) -> str:
    """One token as Python writes it."""
    if kind == "escape":
        if text[1] in _ESCAPES:
            return _ESCAPES[text[1]]
        return re.escape(_escaped(text[1], pattern))
    if kind == "text":
        return re.escape(text)
    if kind == "anchor":
        return r"\Z" if text == "$" else r"\A"
    return text


def _escaped(character: str, pattern: str) -> str:
    """What an escape stands for that is one character."""
    if character in _CHARACTERS:
        return _CHARACTERS[character]
    if character.isascii() and not character.isalnum():
        return character
    raise PatternError(f"{pattern!r} has an escape that is not supported: \\{character}")


def _class(pattern: str, place: int) -> tuple[str, int]:
    """A bracket expression from behind its bracket on, and where it ends."""
    negated = pattern.startswith("^", place)
    place += negated
    parts: list[str] = []
    while not parts or not pattern.startswith("]", place):
        if pattern.startswith("[:", place):
            raise PatternError(f"{pattern!r} has a named class, which is not supported")
        if pattern.startswith("\\", place) and pattern[place + 1 : place + 2] in _IN_CLASS:
            parts.append(_IN_CLASS[pattern[place + 1]])
            place += 2
            continue
        first, place = _member(pattern, place)
        last = first
        if pattern.startswith("-", place) and not pattern.startswith("-]", place):
            last, place = _member(pattern, place + 1)
        if first > last:
            raise PatternError(f"{pattern!r} has a range that ends before it begins: {first}-{last}")
        parts.append(re.escape(first) if first == last else f"{re.escape(first)}-{re.escape(last)}")
    return f"[{'^' if negated else ''}{''.join(parts)}]", place + 1


def _member(pattern: str, place: int) -> tuple[str, int]:
    """One character of a bracket expression, and where the next begins."""
    if place >= len(pattern):
        raise PatternError(f"{pattern!r} has a class without an end")
    if pattern[place] != "\\":
        return pattern[place], place + 1
    if place + 1 == len(pattern):
        raise PatternError(f"{pattern!r} ends in a backslash")
    return _escaped(pattern[place + 1], pattern), place + 2
