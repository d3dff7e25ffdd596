"""Text to syntax: the condition language's grammar and what it parses into, names not yet resolved."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from generator.condition.tree import ArithmeticOp, ComparisonOp, Fault

if TYPE_CHECKING:
    from lark import Lark, Token

Start = Literal["condition", "quantity", "target"]

MAX_LENGTH = 4000
# Every later stage walks the tree recursively; 60 levels are far from Python's limit and from what people write.
MAX_DEPTH = 60

# LALR(1). Conditions and sums share one ladder, so that a parenthesis may hold either; resolving tells them apart.
GRAMMAR = r"""
?condition: or_
?quantity: sum
target: OP sum

?or_: and_ (_OR and_)*
?and_: not_ (_AND not_)*
?not_: comparison | NOT not_ -> negation
?comparison: sum | sum OP sum -> compare
?sum: product | sum SIGN product -> arithmetic
?product: atom | product SCALE atom -> arithmetic
?atom: constant | NAME -> name | QUOTED -> quoted | ABS LPAR or_ RPAR -> absolute | LPAR or_ RPAR -> group
constant: SIGN? NUMBER | SIGN? NUMBER PERCENT | SIGN? NUMBER NAME | SIGN? DOLLAR NUMBER

_AND.2: /and\b/i
_OR.2: /or\b/i
NOT.2: /not\b/i
ABS.2: /abs(?=\s*\()/i
NAME: /[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)?/
QUOTED: /"[^"\n]*"|'[^'\n]*'/
NUMBER: /[0-9]+(?:\.[0-9]+)?/
OP: />=|<=|!=|>|<|=/
SIGN: /[+-]/
SCALE: /[*\/]/
DOLLAR: "$"
PERCENT: "%"
LPAR: "("
RPAR: ")"
%ignore /\s+/
"""

_TOKEN_NAMES = {
    "NAME": "a name",
    "QUOTED": "a quoted word",
    "NUMBER": "a number",
    "DOLLAR": "an amount",
    "LPAR": "(",
    "RPAR": ")",
    "OP": "a comparison",
    "_AND": "AND",
    "_OR": "OR",
    "NOT": "NOT",
}

# What people write out of habit, and what this language has for it.
_HABITS = (
    (re.compile(r"=="), 'equality is written with one "="'),
    (re.compile(r"=>"), 'at least is written ">="'),
    (re.compile(r"=<"), 'at most is written "<="'),
    (re.compile(r"<>"), 'different is written "!="'),
    (re.compile(r"&&?"), 'both is written "AND"'),
    (re.compile(r"\|\|?"), 'either is written "OR"'),
    (re.compile(r"!(?!=)"), 'the opposite is written "NOT"'),
    (re.compile(r"[0-9],[0-9]"), "numbers have no separators: write 1000, not 1,000"),
    (re.compile(r"[0-9]\."), "a number has digits on both sides of its point"),
    (re.compile(r"(?<![0-9])\.[0-9]"), "a number has digits on both sides of its point: write 0.5, not .5"),
    (re.compile(r"\$\s*[0-9.]+\s*[A-Za-z]"), "an amount has no unit behind it: write $5000, not $5k"),
    (re.compile(r"[€£¥]"), "amounts are in dollars: write $5"),
    (re.compile(r"≥"), 'at least is written ">="'),
    (re.compile(r"≤"), 'at most is written "<="'),
    (re.compile(r"≠"), 'different is written "!="'),
    (re.compile(r"['\"]"), "a quoted word ends with the quote that it starts with, on the same line"),
)

_AFTER_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\s+\Z")


@dataclass(slots=True)
class Name:
    """A name, or a bare word: which of them, its place decides."""

    text: str
    start: int
    end: int
    depth: int = 1


@dataclass(slots=True)
class Quoted:
    """A word in quotes."""

    text: str
    start: int
    end: int
    depth: int = 1


@dataclass(slots=True)
class Amount:
    """A number as written, with its unit word (``%`` and ``$`` among them) and where that stands."""

    number: str
    unit: str | None
    start: int
    end: int
    unit_start: int
    unit_end: int
    depth: int = 1


@dataclass(slots=True)
class Abs:
    """``abs(…)``."""

    operand: Syntax
    start: int
    end: int
    depth: int


@dataclass(slots=True)
class Binary:
    """Arithmetic."""

    op: ArithmeticOp
    left: Syntax
    right: Syntax
    start: int
    end: int
    depth: int


@dataclass(slots=True)
class Compare:
    """A comparison of two sums, or of a name and a word."""

    op: ComparisonOp
    left: Syntax
    right: Syntax
    start: int
    end: int
    depth: int


@dataclass(slots=True)
class Not:
    """The opposite."""

    operand: Syntax
    start: int
    end: int
    depth: int


@dataclass(slots=True)
class AllOf:
    """Parts joined by AND."""

    parts: list[Syntax]
    start: int
    end: int
    depth: int


@dataclass(slots=True)
class AnyOf:
    """Parts joined by OR."""

    parts: list[Syntax]
    start: int
    end: int
    depth: int


Syntax = Name | Quoted | Amount | Abs | Binary | Compare | Not | AllOf | AnyOf


@dataclass(slots=True)
class Target:
    """A comparison whose left side is understood: ``>= 98%``."""

    op: ComparisonOp
    operand: Syntax


class _TooDeep(Exception):
    """Parsing stopped at a node that is nested too deeply."""

    def __init__(self, start: int, end: int) -> None:
        super().__init__()
        self.start = start
        self.end = end


def _deeper(*nodes: Syntax) -> int:
    depth = max(node.depth for node in nodes) + 1
    if depth > MAX_DEPTH:
        raise _TooDeep(nodes[0].start, nodes[-1].end)
    return depth


class _Builder:
    """Builds syntax while the parser reduces; a method per rule or alias of the grammar."""

    def name(self, children: list[Token]) -> Name:
        token = children[0]
        start = cast(int, token.start_pos)
        return Name(str(token), start, start + len(token))

    def quoted(self, children: list[Token]) -> Quoted:
        token = children[0]
        start = cast(int, token.start_pos)
        return Quoted(token[1:-1], start, start + len(token))

    def constant(self, children: list[Token]) -> Amount:
        start, end = cast(int, children[0].start_pos), cast(int, children[-1].end_pos)
        sign, number, unit = "", "", None
        unit_start = unit_end = end
        for token in children:
            if token.type == "NUMBER":
                number = str(token)
            elif token.type == "SIGN":
                sign = "-" if token == "-" else ""
            else:
                unit = str(token)
                unit_start, unit_end = cast(int, token.start_pos), cast(int, token.end_pos)
        return Amount(sign + number, unit, start, end, unit_start, unit_end)

    def absolute(self, children: list[Any]) -> Abs:
        return Abs(children[2], children[0].start_pos, children[3].end_pos, _deeper(children[2]))

    def group(self, children: list[Any]) -> Syntax:
        opening, node, closing = children
        inner = cast(Syntax, node)
        inner.depth = _deeper(inner)
        inner.start, inner.end = opening.start_pos, closing.end_pos
        return inner

    def arithmetic(self, children: list[Any]) -> Binary:
        left, op, right = children
        return Binary(cast(ArithmeticOp, str(op)), left, right, left.start, right.end, _deeper(left, right))

    def compare(self, children: list[Any]) -> Compare:
        left, op, right = children
        return Compare(cast(ComparisonOp, str(op)), left, right, left.start, right.end, _deeper(left, right))

    def negation(self, children: list[Any]) -> Not:
        return Not(children[1], children[0].start_pos, children[1].end, _deeper(children[1]))

    def and_(self, children: list[Syntax]) -> AllOf:
        return AllOf(children, children[0].start, children[-1].end, _deeper(*children))

    def or_(self, children: list[Syntax]) -> AnyOf:
        return AnyOf(children, children[0].start, children[-1].end, _deeper(*children))

    def target(self, children: list[Any]) -> Target:
        return Target(cast(ComparisonOp, str(children[0])), children[1])


@functools.cache
def _parser() -> Lark:
    # Imported and built at the first condition, so that importing this package stays cheap.
    import lark

    return lark.Lark(
        GRAMMAR,
        parser="lalr",
        lexer="basic",
        start=["condition", "quantity", "target"],
        maybe_placeholders=False,
        transformer=cast("lark.Transformer[Any, Any]", _Builder()),
    )


def parse(text: str, start: Start) -> Syntax | Target | Fault:
    """Read a condition, a sum (``quantity``) or a KPI's target."""
    if len(text) > MAX_LENGTH:
        message = f"at most {MAX_LENGTH:,} characters can be read, this has {len(text):,}"
        return Fault("condition-syntax", message, 0, len(text))
    import lark

    try:
        return cast("Syntax | Target", _parser().parse(text, start=start))
    except _TooDeep as problem:
        message = f"nested more than {MAX_DEPTH} levels deep"
        return Fault("condition-syntax", message, problem.start, problem.end)
    except lark.UnexpectedCharacters as problem:
        position = cast(int, problem.pos_in_stream)
        character = text[position]
        shown = f'"{character}"' if character.isprintable() else f"U+{ord(character):04X}"
        hints = _habit(text, position)
        return Fault("condition-syntax", f"{shown} is not part of the language", position, position + 1, hints)
    except lark.UnexpectedToken as problem:
        return _unexpected(text, start, problem.token, problem.accepts or problem.expected)


def _unexpected(text: str, start: Start, token: Token, expected: set[str]) -> Fault:
    words = [words for name, words in _TOKEN_NAMES.items() if name in expected]
    expectation = f"expected {', '.join(words[:-1])}{' or ' if words[:-1] else ''}{words[-1]}" if words else ""
    if token.type == "$END":
        end = max(len(text.rstrip()), 1)
        subject = "expression" if start == "quantity" else start
        message = f"the {subject} ends too early" if text.strip() else f"the {subject} is empty"
        return Fault("condition-syntax", message, end - 1, end, (expectation,))
    position = token.start_pos or 0
    hints = _habit(text, position) or ((expectation,) if expectation else ())
    if token.type == "RPAR" and text.count(")") > text.count("("):
        hints = ("nothing is open that this could close",)
    elif token.type in ("NAME", "NUMBER") and _AFTER_WORD.search(text, 0, position):
        hints = (*hints, "words with spaces or dashes are quoted")
    message = f'"{token}" is not expected here'
    return Fault("condition-syntax", message, position, position + len(token), hints)


def _habit(text: str, position: int) -> tuple[str, ...]:
    for pattern, hint in _HABITS:
        for match in pattern.finditer(text, max(position - 12, 0)):
            if match.start() <= position < match.end():
                return (hint,)
    return ()
