r"""Matchers, read as Alertmanager 0.25 reads them: ``severity="high"``, ``{team=~"a|b",env!=dev}``.

From pkg/labels/parse.go and matcher.go at v0.25.0. A label that is missing is an empty one, for every operator.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from generator.routing import patterns

Labels = Mapping[str, str]
Operator = Literal["=", "!=", "=~", "!~"]

# Go's \s is five characters, Python's many.
_SPACE = r"[\t\n\f\r ]*"
_MATCHER = re.compile(rf"{_SPACE}([a-zA-Z_:][a-zA-Z0-9_:]*){_SPACE}(=~|=|!=|!~){_SPACE}((?s:.*?)){_SPACE}\Z")
# Go's strings.TrimSpace; Python's strip() takes four control characters more.
_WHITE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
_OPERATORS: dict[str, Operator] = {"=": "=", "!=": "!=", "=~": "=~", "!~": "!~"}
_ORDER = tuple(_OPERATORS)  # Alertmanager's MatchType


class MatcherError(ValueError):
    """A matcher that Alertmanager refuses, or a pattern that is not supported."""


@dataclass(frozen=True, slots=True)
class Matcher:
    """A label's name, an operator, and what the label's value is held against."""

    name: str
    operator: Operator
    value: str
    _pattern: re.Pattern[str] | None = field(default=None, compare=False, repr=False)

    def matches(self, labels: Labels) -> bool:
        """Whether the label is as it should be."""
        value = labels.get(self.name, "")
        if self._pattern is None:
            return (value == self.value) is (self.operator == "=")
        return (self._pattern.fullmatch(value) is not None) is (self.operator == "=~")

    def __str__(self) -> str:
        """As Alertmanager writes it, however it was written."""
        escaped = self.value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
        return f'{self.name}{self.operator}"{escaped}"'


def matcher(name: str, operator: Operator, value: str) -> Matcher:
    """A matcher; MatcherError if its pattern cannot be read."""
    if operator in ("=", "!="):
        return Matcher(name, operator, value)
    try:
        return Matcher(name, operator, value, patterns.whole(value))
    except patterns.PatternError as error:
        raise MatcherError(str(error)) from error


def all_match(matchers: Iterable[Matcher], labels: Labels) -> bool:
    """Whether every matcher matches; without any, every alert does."""
    return all(one.matches(labels) for one in matchers)


def texts(matchers: Iterable[Matcher]) -> tuple[str, ...]:
    """The texts of the matchers of one route, sorted as Alertmanager sorts them: by name, value and operator."""
    in_order = sorted(matchers, key=lambda one: (one.name, one.value, _ORDER.index(one.operator)))
    return tuple(map(str, in_order))


def parse_matchers(text: str) -> tuple[Matcher, ...]:
    """A list of matchers, in braces or not, with commas between them."""
    return tuple(parse_matcher(token) for token in _tokens(text.removeprefix("{").removesuffix("}")))


def parse_matcher(text: str) -> Matcher:
    """One matcher; its value may stand without quotes."""
    found = _MATCHER.match(text)
    if found is None:
        raise MatcherError(f"bad matcher format: {text}")
    name, operator, raw = found.groups()
    return matcher(name, _OPERATORS[operator], _unquoted(raw))


def _tokens(text: str) -> list[str]:
    """The text between the commas that stand outside quotes."""
    tokens: list[str] = []
    start, inside_quotes, escaped = 0, False, False
    for place, character in enumerate(text):
        if character == ",":
            # Inside quotes a comma does not end an escape, by whatever oversight.
            if not inside_quotes:
                tokens.append(text[start:place])
                start = place + 1
        elif character == '"':
            if not escaped:
                inside_quotes = not inside_quotes
            escaped = False
        else:
            escaped = character == "\\" and not escaped
    last = text[start:].strip(_WHITE)
    return [*tokens, last] if last else tokens


def _unquoted(raw: str) -> str:
    """The value without its quotes and escapes; a backslash before anything else is a backslash."""
    open_quote = raw.startswith('"')
    rest = raw[1:] if open_quote else raw
    value: list[str] = []
    place = 0
    while place < len(rest):
        character, is_last = rest[place], place == len(rest) - 1
        place += 1
        if character == "\\" and not is_last:
            value.append({"n": "\n", '"': '"', "\\": "\\"}.get(rest[place], f"\\{rest[place]}"))
            place += 1
        elif character == '"':
            if not open_quote or not is_last:
                raise MatcherError(f"matcher value contains unescaped double quote: {raw}")
            open_quote = False
        else:
            value.append(character)
    if open_quote:
        raise MatcherError(f"matcher value contains unescaped double quote: {raw}")
    return "".join(value)
