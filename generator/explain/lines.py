"""Text and code in lines: prose is wrapped, code is broken only where a space means nothing, and neither is cut."""

import re
import textwrap
from collections.abc import Iterator

from generator.diagnostics import visible

WIDTH = 100
_WORD = re.compile(r"""(?:'[^']*'|"[^"]*"|[^\s'"])+""")
# Where a comment, an escape or another kind of quotes may be, a space may mean something.
_LEFT_ALONE = re.compile(r"""--|/\*|#|\\|\$\w*\$|`""")
_CLAUSES = {
    "sql": frozenset({"FROM", "WHERE", "AND", "OR", "GROUP", "HAVING", "ORDER", "LIMIT"}),
    "promql": frozenset({"and", "or", "unless"}),
}


def prose(text: str, first: str = "", rest: str | None = None) -> list[str]:
    """Text wrapped after ``first``, further lines after ``rest``; words, addresses among them, stay whole."""
    return textwrap.wrap(
        visible(" ".join(text.split())),
        WIDTH,
        initial_indent=first,
        subsequent_indent=" " * len(first) if rest is None else rest,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [first.rstrip()]


def code(text: str, language: str, indent: str) -> list[str]:
    """Code, whole, to be copied: one line that is too long is broken at spaces that mean nothing."""
    lines = text.strip("\n").split("\n")
    if len(lines) == 1 and len(indent) + len(lines[0]) > WIDTH and _may_break(lines[0]):
        lines = [part for clause in _clauses(lines[0], language) for part in _filled(clause, WIDTH - len(indent))]
    return [f"{indent}{harmless(line)}".rstrip() for line in lines]


def harmless(line: str) -> str:
    """A line of code as a terminal shows it; what could steer the terminal is escaped, tabs stay."""
    return "\t".join(map(visible, line.split("\t")))


def _may_break(line: str) -> bool:
    return line.count("'") % 2 == 0 and line.count('"') % 2 == 0 and not _LEFT_ALONE.search(line)


def _clauses(line: str, language: str) -> Iterator[list[str]]:
    words: list[str] = []
    depth = 0
    for word in _WORD.findall(line):
        if words and depth == 0 and (word in _CLAUSES[language] or (language == "sql" and words[-1].endswith(","))):
            yield words
            words = []
        words.append(word)
        depth += _depth(word)
    yield words


def _depth(word: str) -> int:
    """How many parentheses a word leaves open, those inside quotes apart."""
    bare = re.sub(r"""'[^']*'|"[^"]*\"""", "", word)
    return bare.count("(") + bare.count("{") - bare.count(")") - bare.count("}")


def _filled(words: list[str], width: int) -> Iterator[str]:
    line = words[0]
    for word in words[1:]:
        if len(line) + 1 + len(word) > width:
            yield line
            line = f"  {word}"
        else:
            line += f" {word}"
    yield line
