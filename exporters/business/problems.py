"""What is wrong with a file or a query, and how a person is shown it."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_WIDTH = 120  # characters of a line that are shown
_BEFORE = 50  # of them before the caret, where a line is cut
# Where YAML's readers begin a new line.
_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
# Secrets by what they look like: what stands before the host of an address, and what bcrypt makes of a password.
_SHAPES = re.compile(r"(?<=://)\S+(?=@)|\$2[abxy]\$\S+")
# What a word announces: in YAML the rest of the line, in a connection string one word or what stands in quotes.
_ANNOUNCED = re.compile(
    r"\b(?:dsn|password|passwd|pwd|secret|token)"
    r"(?:(?:[\"']\s*:\s*|:\s+)(?P<line>\S.*)|\s*=\s*(?P<word>'[^']*'|\"[^\"]*\"|\S+))",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong; ``line`` and ``column`` count from 1 and are None where no place is known.

    ``message`` is lower case without a full stop; ``excerpt`` is shown beneath it, line by line, ``help`` after that.
    Problems sort by where they are.
    """

    path: str
    line: int | None
    column: int | None
    code: str
    message: str
    excerpt: tuple[str, ...] = ()
    help: str | None = None
    warning: bool = False

    def __lt__(self, other: "Problem") -> bool:
        return self._key < other._key

    @property
    def _key(self) -> tuple[str, int, int, str, str]:
        return self.path, self.line or 0, self.column or 0, self.code, self.message


class Invalid(Exception):
    """What a person gave cannot be used; ``problems`` says why, all of it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__(render(self.problems))


def render(problems: Iterable[Problem]) -> str:
    """Problems as text, one after the other, each line greppable and clickable.

    What looks like a secret is masked, and what a terminal would obey is not passed on to it.
    """
    return "".join(f"{line}\n" for problem in problems for line in _lines(problem))


def excerpt(text: str, line: int, column: int | None = None, label: str | None = None) -> tuple[str, ...]:
    """A line of a text with its number, and a caret under its column; nothing where the text has no such line.

    A long line is cut around the column, and secrets are masked. ``label`` stands where the number would.
    """
    return excerpts(text)(line, column, label)


def excerpts(text: str) -> Callable[[int, int | None, str | None], tuple[str, ...]]:
    """``excerpt`` for many lines of one text, which is taken apart once."""
    lines = _LINE_BREAK.split(text)
    return lambda line, column, label: (
        _shown(lines[line - 1], label or str(line), column) if 1 <= line <= len(lines) else ()
    )


def _shown(line: str, label: str, column: int | None) -> tuple[str, ...]:
    whole = "".join(map(_visible, _masked(line)))
    at = min((column or 1) - 1, len(whole))
    first = max(0, at - _BEFORE) if len(whole) > _WIDTH else 0
    before, after = "…" if first else "", "…" if first + _WIDTH < len(whole) else ""
    number = f" {label} | "
    found = [f"{number}{before}{whole[first : first + _WIDTH]}{after}".rstrip()]
    if column is not None:
        indent = "".join(map(_blank, before + whole[first:at]))
        found.append(f"{' ' * (len(number) - 2)}| {indent}^")
    return tuple(found)


def read_text(path: Path) -> str:
    """The text of a file that a person named, without the mark that editors of Windows begin it with.

    Raises:
        Invalid: it cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        reason = "is not UTF-8"
    except OSError as error:
        reason = (error.strerror or "cannot be read").lower()
    raise Invalid([Problem(str(path), None, None, "unreadable", f"the file cannot be read: {reason}")])


def _lines(problem: Problem) -> Iterator[str]:
    place = ":".join(str(part) for part in (problem.path, problem.line, problem.column) if part is not None)
    yield f"{_plain(place)}: {'warning' if problem.warning else 'error'}[{problem.code}]: {_plain(problem.message)}"
    yield from problem.excerpt
    if problem.help:
        yield f"    = help: {_plain(problem.help)}"


def _plain(text: str) -> str:
    return "".join(map(_visible, _SHAPES.sub(_stars, text)))


def _masked(line: str) -> str:
    """A line without its secrets, as long as it was."""
    return _ANNOUNCED.sub(_announced, _SHAPES.sub(_stars, line))


def _announced(found: re.Match[str]) -> str:
    secret = found["line"] or found["word"]
    return found[0][: -len(secret)] + "*" * len(secret)


def _stars(found: re.Match[str]) -> str:
    return "*" * len(found[0])


def _visible(character: str) -> str:
    if character == "\t":
        return " "
    return character if character.isprintable() else "\ufffd"


def _blank(character: str) -> str:
    """As many spaces as a terminal gives the character cells."""
    if unicodedata.combining(character):
        return ""
    return "  " if unicodedata.east_asian_width(character) in "WF" else " "
