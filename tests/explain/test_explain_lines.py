"""Lines: prose wrapped, code broken only where that changes nothing."""

import re

import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st

from generator.explain.lines import WIDTH, code, prose
from tests.compiling import PLATFORMS
from tests.explain.explaining import known


def test_prose_wraps_under_its_label() -> None:
    lines = prose("word " * 40, "  label  ")
    assert all(len(line) <= WIDTH for line in lines)
    assert [line[:9] for line in lines] == ["  label  ", *["         "] * (len(lines) - 1)]


def test_an_address_stays_whole() -> None:
    address = f"https://example/{'a-' * 80}"
    assert prose(f"see {address}", "  ") == ["  see", f"  {address}"]


@pytest.mark.parametrize("text", [
    "SELECT 'a -- b' " + "x " * 60,
    "SELECT $tag$ a  b $tag$ " + "x " * 60,
    "SELECT E'it\\' s' " + "x " * 60,
    "SELECT 1 /* a  b */ " + "x " * 60,
    "sum(a) # comment " + "x " * 60,
    "SELECT 'unbalanced " + "x " * 60,
    "SELECT a\nFROM b WHERE " + "x " * 60,
])  # fmt: skip
def test_what_might_change_is_left_alone(text: str) -> None:
    assert code(text, "sql", "  ") == [f"  {line}".rstrip() for line in text.split("\n")]


def test_clauses_begin_lines_and_spaces_in_quotes_stay() -> None:
    text = f"SELECT a, b FROM t WHERE c = 'x  AND  {'y' * 60}' AND (d OR e) ORDER BY a LIMIT 5"
    assert code(text, "sql", "") == [
        "SELECT a,", "b", "FROM t", f"WHERE c = 'x  AND  {'y' * 60}'", "AND (d OR e)", "ORDER BY a", "LIMIT 5",
    ]  # fmt: skip


@given(st.lists(st.sampled_from(["a", "'b  c'", '"d e"', "(", ")", ",", "AND", "or", "x" * 30, "[5m]"]), max_size=40))
def test_only_spaces_change(words: list[str]) -> None:
    text = " ".join(words).strip()
    for language in ("sql", "promql"):
        shown = "\n".join(code(text, language, "  "))
        quoted = re.compile(r"""'[^']*'|"[^"]*\"""")
        assert quoted.findall(shown) == quoted.findall(text)
        assert shown.split() == text.split()


def test_shown_queries_mean_the_same() -> None:
    for platform in PLATFORMS:
        for query in (query for domain in known(platform).plan.domains for query in domain.queries):
            shown = "\n".join(code(query.sql, "sql", "  "))
            assert sqlglot.parse_one(shown, dialect="postgres") == sqlglot.parse_one(query.sql, dialect="postgres")
