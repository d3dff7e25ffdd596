"""Random conditions as text, each with what it means by a second, naive reading: three-valued logic, no rewriting.

A name's value may be unknown (absent, NaN, NULL), and whatever touches it is unknown, too; so is a division by zero.
A condition is met where it is true, neither where it is false nor where it is unknown.
"""

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hypothesis import strategies as st

Value = float | str | bool | None
Row = Mapping[str, Value]

_OPS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le, "=": operator.eq, "!=": operator.ne,
}  # fmt: skip


@dataclass(frozen=True)
class Sum:
    """A sum's text, whether it stands without parentheses, whether it names anything, and its value."""

    text: str
    is_atom: bool
    is_named: bool
    value: Callable[[Row], float | None]


@dataclass(frozen=True)
class Test:
    """A condition's text, whether it needs parentheses beside NOT and AND, and whether it is met."""

    __test__ = False

    text: str
    is_atom: bool
    met: Callable[[Row], bool | None]


def _number(value: Value) -> float | None:
    assert not isinstance(value, str)
    return None if value is None or math.isnan(value) else float(value)


def _wrap(node: Sum | Test) -> str:
    return node.text if node.is_atom else f"({node.text})"


def _calculated(op: str, left: Sum, right: Sum) -> Sum:
    def value(row: Row) -> float | None:
        first, second = left.value(row), right.value(row)
        if first is None or second is None or (op == "/" and second == 0):
            return None
        match op:
            case "+":
                return first + second
            case "-":
                return first - second
            case "*":
                return first * second
        return first / second

    return Sum(f"{_wrap(left)} {op} {_wrap(right)}", False, left.is_named or right.is_named, value)


def _absolute(operand: Sum) -> Sum:
    def value(row: Row) -> float | None:
        found = operand.value(row)
        return None if found is None else abs(found)

    return Sum(f"abs({operand.text})", True, operand.is_named, value)


def _compared(op: str, left: Sum, right: Sum) -> Test:
    def met(row: Row) -> bool | None:
        first, second = left.value(row), right.value(row)
        return None if first is None or second is None else _OPS[op](first, second)

    return Test(f"{left.text} {op} {right.text}", True, met)


def _constant(text: str, value: float) -> Sum:
    return Sum(text, True, False, lambda row: value)


# Halves and small whole numbers: every sum of them is exact, whatever computes it.
_NUMBERS = st.sampled_from([0.5, 1.0, 2.0, 3.0, 4.0])
_AMOUNTS = st.sampled_from([_constant("$0.5", 0.5), _constant("$1", 1), _constant("$2", 2), _constant("-$3", -3)])


def _named(name: str) -> Sum:
    return Sum(name, True, True, lambda row: _number(row[name]))


def amounts(names: list[str]) -> st.SearchStrategy[Sum]:
    """Sums in dollars over the names."""
    leaves = st.sampled_from([_named(name) for name in names]) | _AMOUNTS

    def grow(inner: st.SearchStrategy[Sum]) -> st.SearchStrategy[Sum]:
        factors = _NUMBERS.map(lambda number: _constant(f"{number:g}", number))
        return st.one_of(
            st.builds(_calculated, st.sampled_from(["+", "-"]), inner, inner),
            st.builds(_calculated, st.just("*"), inner, factors),
            st.builds(_calculated, st.just("*"), factors, inner),
            st.builds(_calculated, st.just("/"), inner, st.sampled_from([_constant("2", 2), _constant("0.5", 0.5)])),
            st.builds(_absolute, inner),
        )

    return st.recursive(leaves, grow, max_leaves=4)


def comparisons(names: list[str]) -> st.SearchStrategy[Test]:
    """Comparisons of amounts, and of ratios of amounts."""
    sums = amounts(names)
    named = sums.filter(lambda each: each.is_named)
    ratios = st.builds(_calculated, st.just("/"), sums, named)
    shares = st.sampled_from([_constant("50%", 0.5), _constant("100%", 1), _constant("200%", 2)])
    ops = st.sampled_from(list(_OPS))
    return st.one_of(
        st.builds(_compared, ops, named, sums),
        st.builds(_compared, ops, sums, named),
        st.builds(_compared, ops, ratios, shares),
        st.builds(_compared, ops, shares, ratios),
    )


def word_tests(name: str, words: list[str]) -> st.SearchStrategy[Test]:
    """A field of words against one of them."""

    def build(op: str, word: str, mirrored: bool) -> Test:
        def met(row: Row) -> bool | None:
            found = row[name]
            return None if found is None else (found == word) is (op == "=")

        return Test(f'"{word}" {op} {name}' if mirrored else f'{name} {op} "{word}"', True, met)

    return st.builds(build, st.sampled_from(["=", "!="]), st.sampled_from(words), st.booleans())


def flags(name: str) -> st.SearchStrategy[Test]:
    """A boolean field, alone or compared."""

    def met(row: Row) -> bool | None:
        found = row[name]
        return None if found is None else bool(found)

    alone = Test(name, True, met)
    return st.sampled_from([alone, Test(f"{name} = true", True, met), _negated(Test(f"{name} != true", True, met), "")])


def _negated(test: Test, word: str = "NOT ") -> Test:
    def met(row: Row) -> bool | None:
        found = test.met(row)
        return None if found is None else not found

    return Test(f"{word}{_wrap(test)}" if word else test.text, True, met)


def _joined(word: str, tests: list[Test]) -> Test:
    absorbing = word == "OR"

    def met(row: Row) -> bool | None:
        found = [test.met(row) for test in tests]
        if absorbing in found:
            return absorbing
        return None if None in found else not absorbing

    return Test(f" {word} ".join(_wrap(test) for test in tests), False, met)


def conditions(leaves: st.SearchStrategy[Test]) -> st.SearchStrategy[Test]:
    """Any tree of AND, OR and NOT over the leaves."""
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.builds(_joined, st.sampled_from(["AND", "OR"]), st.lists(inner, min_size=2, max_size=3)),
            st.builds(_negated, inner),
        ),
        max_leaves=6,
    )
