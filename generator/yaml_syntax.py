"""What is wrong with a text that is no YAML, in people's words: the parser's own say little.

The parser only says where it gave up. What is on that line says more, and is the same with and without libyaml.
"""

import re
from typing import Any, NamedTuple

import yaml

from generator.masking import mask

# PyYAML may have been built without libyaml: the same tokens, slower.
_Loader: Any = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader

_ENTRY = re.compile(r"""(\s*(?:-\s+)*)((?:[\w.-]+|"[^"]*"|'[^']*')\s*:[ \t]+|(?<=-\s))(\S.*?)\s*$""")
_NO_SPACE = re.compile(r"\s*(?:-\s+)*[\w-]+:[^\s:/]")
_INDENT = "lines of one mapping begin in the same column; what belongs to a key is indented below it"


class Trouble(NamedTuple):
    """What is wrong, and the offsets that it is about."""

    start: int
    end: int
    message: str
    help: tuple[str, ...]


class _Line(NamedTuple):
    """One line of the text, with the value of the entry that it holds, if it does."""

    start: int
    text: str
    value_start: int
    value: str

    @property
    def end(self) -> int:
        return self.start + len(self.text)


def explain(original: str, text: str, error: yaml.MarkedYAMLError) -> Trouble:
    """Say what an error of syntax is about; ``text`` is what was parsed, ``original`` what the person wrote."""
    mark = error.problem_mark or error.context_mark
    offset = min(mark.index, len(text)) if mark else 0
    opened = min(error.context_mark.index, len(text)) if error.context_mark else offset
    problem, context = error.problem or "", error.context or ""
    return (
        _quoted_too_far(text, offset)
        or _unclosed(text, problem, context, opened, offset)
        or _tab(text, offset)
        or _in_flow(original, text, problem, offset)
        or _value(original, text, opened, offset)
        or _in_line(text, problem, context, offset)
        or _indentation(text, problem, offset)
        or Trouble(offset, offset + 1, "this is no YAML: " + _plain(problem), ())
    )


def without(text: str, offset: int) -> str:
    """The text with the value on the line of ``offset`` replaced by a harmless one of the same length."""
    line = _line(text, offset)
    if not line.value:
        return text
    end = line.value_start + len(line.value)
    return text[: line.value_start] + "x" * len(line.value) + text[end:]


def _line(text: str, offset: int) -> _Line:
    start = max(text.rfind("\n", 0, offset), text.rfind("\r", 0, offset)) + 1
    line = re.compile(r"[^\r\n]*").match(text, start)
    content = line[0] if line else ""
    entry = _ENTRY.match(content)
    return _Line(start, content, start + entry.start(3), entry[3]) if entry else _Line(start, content, start, "")


def _plain(problem: str) -> str:
    """The parser's words without the characters of the file that it quotes."""
    return re.sub(r"(?:, but )?(?:found|got) ('.*?'|<.*?>)", "", problem).strip(" ,") or "something is missing"


def _unclosed(text: str, problem: str, context: str, opened: int, offset: int) -> Trouble | None:
    """A quote or bracket that is never closed: point at where it opens."""
    if "quoted scalar" in context and "end of stream" in problem:
        return Trouble(opened, opened + 1, "the quote that opens here is never closed", ())
    if "flow" in context and "\n" in text[opened:offset].rstrip("\n") + text[offset : offset + 1].strip(" "):
        bracket = text[opened : opened + 1]
        return Trouble(opened, opened + 1, f'the "{bracket}" that opens here is never closed', ())
    return None


def _quoted_too_far(text: str, offset: int) -> Trouble | None:
    """A quote that was forgotten lets the text run on to the next quote, on another line: point at where it opens."""
    start, end = _last_quoted(text, offset)
    if start < 0 or text[end:offset].strip() or not re.search(r"[\r\n]", text[start:end]):
        return None
    closed = len(re.findall(r"\r\n|\n|\r", text[:end])) + 1
    return Trouble(start, start + 1, f"the quote that opens here is closed only in line {closed}", ("close it",))


def _last_quoted(text: str, offset: int) -> tuple[int, int]:
    """Where the quoted text begins and ends that is the last thing before the parser gives up."""
    start, end = -1, -1
    try:
        for token in yaml.scan(text, Loader=_Loader):
            if token.start_mark.index >= offset:
                break
            quoted = isinstance(token, yaml.ScalarToken) and token.style in ("'", '"')
            start, end = (token.start_mark.index, token.end_mark.index) if quoted else (-1, -1)
    except yaml.YAMLError:
        pass
    return start, end


def _in_flow(original: str, text: str, problem: str, offset: int) -> Trouble | None:
    """A value inside of { } or [ ] that begins with a character that means something else in YAML."""
    line = _line(text, offset)
    if "cannot start any token" not in problem or not line.value.startswith(("{", "[")):
        return None
    match = re.compile(r"[|>%@`].*?(?=,\s|\s*[}\]]|\s*$)").match(text[: line.end], offset)
    if match is None:
        return None
    message = f'text that begins with "{match[0][0]}" must be quoted'
    return Trouble(offset, match.end(), message, (_quote(original, line._replace(value_start=offset, value=match[0])),))


def _tab(text: str, offset: int) -> Trouble | None:
    line = _line(text, offset)
    indent = line.text[: len(line.text) - len(line.text.lstrip())]
    at = line.start + indent.find("\t") if "\t" in indent else offset
    if text[at : at + 1] != "\t":
        return None
    return Trouble(at, at + 1, "a tab cannot indent a line", ("indent with spaces",))


def _value(original: str, text: str, opened: int, offset: int) -> Trouble | None:
    """A value that begins with a character that means something else in YAML."""
    line = _line(text, opened if text[opened : opened + 1] in tuple("|>*&!") else offset)
    first = line.value[:1]
    if not first or first not in "|>%@`*&!},]":
        if text[offset : offset + 1] in tuple("%@`") and not text[line.start : offset].strip(" -"):
            return Trouble(offset, offset + 1, f'a key cannot begin with "{text[offset]}"', ("quote it",))
        return None
    message = f'text that begins with "{first}" must be quoted'
    return Trouble(line.value_start, line.value_start + len(line.value), message, (_quote(original, line),))


def _in_line(text: str, problem: str, context: str, offset: int) -> Trouble | None:
    """A value with something in it that ends it too early."""
    line = _line(text, offset)
    end = line.value_start + len(line.value)
    if "escape" in problem or "escape" in context:
        help_ = ("in double quotes a backslash is written twice; in single quotes it stands for itself",)
        return Trouble(offset, offset + 1, "the backslash here is no escape that YAML knows", help_)
    if "flow" in context:
        help_ = ("quote a text that holds , : # { } [ ] or a quote",)
        return Trouble(offset, offset + 1, "the entry inside of { } or [ ] ends before this", help_)
    if not line.value or not line.value_start < offset <= end:
        return None
    if line.value[0] in "\"'{[":
        help_ = ("put the whole text in quotes; a quote inside of single quotes is written twice: ''",)
        return Trouble(offset, max(end, offset + 1), "the value is already closed before this", help_)
    if "not allowed" in problem and text[offset : offset + 1] == ":":
        return Trouble(offset, offset + 1, 'text that holds ": " must be quoted', (_quote(text, line),))
    return None


def _indentation(text: str, problem: str, offset: int) -> Trouble | None:
    """A line that fits nowhere, or follows one whose colon lacks its space."""
    line = _line(text, offset)
    above = text[: line.start].rstrip()
    previous = _line(text, len(above))
    for candidate in (line, previous):
        if _NO_SPACE.match(candidate.text):
            colon = candidate.start + candidate.text.index(":")
            return Trouble(colon, colon + 1, "a space is missing after the colon", ())
    if "not allowed" in problem or "block" in problem or "expected key" in problem or "indicator" in problem:
        start = line.start + len(line.text) - len(line.text.lstrip())
        return Trouble(start, line.end, "the indentation of this line does not fit the lines above it", (_INDENT,))
    if "expected ':'" in problem:
        return Trouble(offset, offset + 1, "a key without a colon", (_INDENT,))
    return None


def _quote(text: str, line: _Line) -> str:
    """Show how the value looks in quotes, unless it may be a secret."""
    written = text[line.start : line.end].strip()
    value = text[line.value_start : line.value_start + len(line.value)]
    if mask(line.text) != line.text or mask(written) != written or len(value) > 60:
        return 'put it in quotes: "…"'
    quoted = f"'{value}'" if '"' in value or "\\" in value else f'"{value}"'
    return f"quote it: {quoted}"
