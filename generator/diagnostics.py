"""Where something stands in a file, what is wrong with it, and how a person is shown both."""

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from generator import masking

_WIDTH = 120  # cells of a source line that are shown
_BEFORE = 50  # of them before the caret, where a line is cut
_TAB = 4
_LINE_BREAK = re.compile(r"\r\n|\n|\r")
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_SHORT_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}

Level = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A stretch of one line of one file; lines and columns count from 1, ``end`` is exclusive."""

    path: str
    line: int = 1
    column: int = 1
    end: int = 2


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong with the input, or for a warning that somebody should know before it is used.

    ``code`` is greppable (``unknown-name``), ``message`` is lower case without a full stop, ``help`` holds
    the hints that follow it.
    """

    span: Span
    code: str
    message: str
    help: tuple[str, ...] = ()
    level: Level = "error"


def render(problems: Iterable[Problem], texts: Mapping[str, str], written: str = "nothing was written") -> str:
    """Show problems under the lines that they are about; ``texts`` holds the files by their paths.

    Secrets are masked, and what a terminal would obey is shown escaped. ``written`` is what became of the output
    because of the errors.
    """
    found = sorted(set(problems))
    lines = {path: _shown_lines(path, texts[path], found) for path in {p.span.path for p in found} & texts.keys()}
    shown = [line for problem in found for line in _render(problem, lines.get(problem.span.path, []))]
    if found:
        shown.append(_count(found, written))
    return "".join(f"{line}\n" for line in shown)


def render_github(problems: Iterable[Problem]) -> str:
    """Show problems as workflow commands, which GitHub pins to the lines of a pull request."""
    return "".join(_github(problem) for problem in sorted(set(problems)))


def render_json(problems: Iterable[Problem]) -> str:
    """Show problems as one JSON list, for editors."""
    rows = [
        {
            "path": problem.span.path,
            "line": problem.span.line,
            "column": problem.span.column,
            "end": problem.span.end,
            "level": problem.level,
            "code": problem.code,
            "message": masking.mask_shapes(problem.message),
            "help": [masking.mask_shapes(hint) for hint in problem.help],
        }
        for problem in sorted(set(problems))
    ]
    return json.dumps(rows, indent=2) + "\n"


def _count(found: list[Problem], written: str) -> str:
    """``2 errors, 1 warning; nothing was written``."""
    numbers = {level: sum(problem.level == level for problem in found) for level in get_args(Level)}
    counted = ", ".join(f"{number} {level}{'s' if number > 1 else ''}" for level, number in numbers.items() if number)
    return f"{counted}; {written}" if numbers["error"] else counted


def _render(problem: Problem, lines: list[str]) -> Iterator[str]:
    span = problem.span
    place = f"{visible(span.path)}:{span.line}:{span.column}"
    yield f"{place}: {problem.level}[{visible(problem.code)}]: {_message(problem.message)}"
    gutter = " " * (len(str(span.line)) + 2)
    if 1 <= span.line <= len(lines):
        text, carets = _excerpt(lines[span.line - 1], span)
        yield f" {span.line} | {text}".rstrip()
        yield f"{gutter}| {carets}"
    for hint in problem.help:
        yield f"{gutter}= help: {_message(hint)}"


def _github(problem: Problem) -> str:
    span = problem.span
    text = "\n".join((_message(problem.message), *(f"help: {_message(hint)}" for hint in problem.help)))
    data = f"{problem.level}[{visible(problem.code)}]: {text}"
    for character in "%\r\n":
        data = data.replace(character, f"%{ord(character):02X}")
    path = visible(span.path)
    for character in "%\r\n:,":
        path = path.replace(character, f"%{ord(character):02X}")
    return f"::{problem.level} file={path},line={span.line},col={span.column}::{data}\n"


def _shown_lines(path: str, text: str, problems: list[Problem]) -> list[str]:
    """The lines of a file without its secrets, also without those that only a check recognised."""
    lines = _LINE_BREAK.split(masking.mask(text.removeprefix("\ufeff")))
    for span in (problem.span for problem in problems if problem.code == "inline-secret"):
        if span.path == path and 1 <= span.line <= len(lines):
            lines[span.line - 1] = _without_secret(lines[span.line - 1], span)
    return lines


def _without_secret(line: str, span: Span) -> str:
    """Mask what stands at a span, or after the key that stands there."""
    start, end = max(span.column - 1, 0), max(span.end - 1, 0)
    if after_key := re.match(r"[\"']?\s*:\s*", line[end:]):
        start = end + after_key.end()
    if line[start : start + 1] == "*":
        return line  # masked already
    return line[:start] + re.sub(r"[^\s{}]", "*", line[start:])


def _excerpt(line: str, span: Span) -> tuple[str, str]:
    """The line as a terminal shows it, cut around the span if it is long, and the carets under it."""
    start = min(max(span.column - 1, 0), len(line))
    end = min(max(span.end - 1, start + 1), max(len(line), start + 1))
    first = 0
    cells = [_cell(character) for character in line]
    if sum(map(_width, cells)) > _WIDTH:
        while sum(map(_width, cells[first:start][:_WIDTH])) > _BEFORE:
            first += max(1, (start - first - _BEFORE) if start - first > _WIDTH else 1)
    last, width = first, 0
    while last < len(cells) and width + _width(cells[last]) <= _WIDTH:
        width += _width(cells[last])
        last += 1
    before, after = "…" if first else "", "…" if last < len(cells) else ""
    text = before + "".join(cells[first:last]) + after
    indent = len(before) + sum(map(_width, cells[first:start]))
    carets = sum(map(_width, cells[start : min(end, last)])) if start < last else 1
    return text, " " * indent + "^" * max(carets, 1)


def _cell(character: str) -> str:
    """One character as it is shown."""
    if character == "\t":
        return " " * _TAB
    return visible(character)


def _width(cell: str) -> int:
    """How many columns of a terminal a shown character takes."""
    if len(cell) != 1:
        return len(cell)
    if unicodedata.category(cell) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(cell) in "WF" else 1


def _message(text: str) -> str:
    return visible(masking.mask_shapes(text))


def visible(text: str) -> str:
    """The text with everything escaped that a terminal would obey, or hide, instead of show."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        _escaped(character) if unicodedata.category(character) in _INVISIBLE else character for character in text
    )


def _escaped(character: str) -> str:
    if character in _SHORT_ESCAPES:
        return _SHORT_ESCAPES[character]
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
