"""YAML to plain values: what scalars mean, what is refused, and where everything stands."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from generator import source
from generator.diagnostics import Problem
from generator.source import Source, parse


def read(text: str) -> Any:
    parsed = parse("shop/sales.yaml", text.encode())
    assert isinstance(parsed, Source), parsed
    return parsed


def refused(text: str | bytes) -> tuple[Problem, ...]:
    parsed = parse("shop/sales.yaml", text.encode() if isinstance(text, str) else text)
    assert isinstance(parsed, tuple), parsed.value
    return parsed


def places(problems: tuple[Problem, ...]) -> list[tuple[str, int, int, int]]:
    return [(p.code, p.span.line, p.span.column, p.span.end) for p in problems]


@pytest.fixture(params=["libyaml", "pure"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "pure":
        monkeypatch.setattr(source, "_Parser", yaml.SafeLoader)


SCALARS = {
    "18:00": "18:00",
    "on": "on",
    "yes": "yes",
    "No": "No",
    "0777": "0777",
    "0o17": "0o17",
    "0x1f": "0x1f",
    "1_000": "1_000",
    "+46700000001": "+46700000001",
    "+5": "+5",
    "2026-11-22": "2026-11-22",
    ".5": ".5",
    "5.": "5.",
    ".inf": ".inf",
    "NULL": "NULL",
    "=": "=",
    "1e999": "1e999",
    "9" * 400: "9" * 400,
    "0": 0,
    "-12": -12,
    "2.40": 2.4,
    "1e3": 1000.0,
    "-0.5E-2": -0.005,
    "true": True,
    "TRUE": True,
    "False": False,
    "null": None,
    "~": None,
    "": None,
    '"5"': "5",
    "'true'": "true",
    '""': "",
}


@pytest.mark.parametrize(("written", "value"), SCALARS.items(), ids=[key[:15] or "empty" for key in SCALARS])
@pytest.mark.usefixtures("parser")
def test_scalar_means_what_was_written(written: str, value: object) -> None:
    found = read(f"a: {written}\nb: [{written or 'null'}]\n").value
    assert found == {"a": value, "b": [value]}
    assert type(found["a"]) is type(value)


@given(
    st.text(
        st.characters(
            codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\ufeff\u2028\u2029\ufffe\uffff"
        )
    )
)
def test_quoted_text_arrives_unharmed(text: str) -> None:
    quoted = "'" + text.replace("'", "''") + "'"
    assert read(f"a: {quoted}\n").value == {"a": text}


REFUSED = {
    "comparison": ("target: >= 98%\n", "yaml-syntax", (1, 9, 15), 'quote it: ">= 98%"'),
    "percent": ("a: %x\n", "yaml-syntax", (1, 4, 6), 'quote it: "%x"'),
    "at": ("a: @x\n", "yaml-syntax", (1, 4, 6), 'quote it: "@x"'),
    "backtick": ("a: `x`\n", "yaml-syntax", (1, 4, 7), 'quote it: "`x`"'),
    "asterisk": ("a: * b\n", "yaml-syntax", (1, 4, 7), 'quote it: "* b"'),
    "tab": ("a:\n\tb: 1\n", "yaml-syntax", (2, 1, 2), "indent with spaces"),
    "tab after text": ("a: 1\n\tb: 1\n", "yaml-syntax", (2, 1, 2), "indent with spaces"),
    "second colon": ("summary: foo: bar\n", "yaml-syntax", (1, 13, 14), 'quote it: "foo: bar"'),
    "comma in a call": ("f: {sql: greatest(a, b)}\n", "yaml-syntax", (1, 10, 20), "a comma inside of"),
    "comma in a list": ("f: [greatest(a, b)]\n", "yaml-syntax", (1, 5, 15), "a comma inside of"),
    "comma in a text": ("f: {title: Hello, world, unit: x}\n", "yaml-syntax", (1, 19, 24), "a comma inside of"),
    "quotes in braces": ("f: {sql: x IN ('a', 'b')}\n", "yaml-syntax", (1, 24, 25), "quote a text that holds"),
    "open quote": ('a: "x\nb: 1\n', "yaml-syntax", (1, 4, 5), None),
    "open bracket": ("a: [1, 2\nb: 3\n", "yaml-syntax", (1, 4, 5), None),
    "after a quote": ('a: "x" y\n', "yaml-syntax", (1, 8, 9), "put the whole text in quotes"),
    "no space": ("key:value\nb: 1\n", "yaml-syntax", (1, 4, 5), None),
    "indentation": ("a:\n  b: 1\n   c: 2\n", "yaml-syntax", (3, 4, 8), "lines of one mapping"),
    "unknown alias": ("a: *x\n", "yaml-syntax", (1, 4, 6), 'text that begins with "*"'),
    "two documents": ("a: 1\n---\nb: 2\n", "yaml-syntax", (2, 1, 4), "one file is one document"),
    "twice": ("a: 1\nb: 2\na: 3\n", "duplicate-key", (3, 1, 2), "first in line 1"),
    "merge key": ("b: 1\n<<: {a: 1}\n", "merge-key", (2, 1, 3), "write the keys out"),
    "number as key": ("5: x\n", "non-text-key", (1, 1, 2), 'quote it: "5"'),
    "boolean as key": ("a: {true: x}\n", "non-text-key", (1, 5, 9), 'quote it: "true"'),
    "template": ("a: {{ $x }}\n", "non-text-key", (1, 5, 11), "quote the whole text"),
    "python tag": ("a: !!python/name:os.system x\n", "yaml-tag", (1, 4, 29), "delete the tag"),
    "own tag": ("a: !x {b: 1}\n", "yaml-tag", (1, 4, 8), "delete the tag"),
    "self": ("a: &a [*a]\n", "alias-bomb", (1, 8, 10), "write the values out"),
    "deep": ("[" * 100_000, "nesting-too-deep", (1, 51, 52), None),
    "nul": ("a: x\x00\n", "control-character", (1, 5, 6), "delete it"),
    "escape": ("a: 1\nb: \x1b[31m\n", "control-character", (2, 4, 5), "delete it"),
    "escaped control": ('a: "\\0"\n', "control-character", (1, 4, 8), "delete its escape"),
    "nothing": ("", "empty-file", (1, 1, 2), "deleted"),
    "comments": ("# only\n\n", "empty-file", (1, 1, 2), "deleted"),
}


@pytest.mark.parametrize(("text", "code", "place", "hint"), REFUSED.values(), ids=REFUSED)
@pytest.mark.usefixtures("parser")
def test_refused(text: str, code: str, place: tuple[int, int, int], hint: str | None) -> None:
    problems = refused(text)
    assert places(problems) == [(code, *place)]
    assert hint is None or any(hint in line for line in problems[0].help)


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"a: 1\n  b\xe5: 2\n", (2, 4)),
        ("å: ä\n".encode() + b"\xff", (2, 1)),
        ("a: 1\n".encode("utf-16"), (1, 1)),
        (b"\xef\xbb\xbfa: \xc3", (1, 4)),
    ],
)
def test_bytes_that_are_not_utf8_have_a_place(content: bytes, place: tuple[int, int]) -> None:
    (problem,) = refused(content)
    assert (problem.code, problem.span.line, problem.span.column) == ("not-utf8", *place)


@pytest.mark.usefixtures("parser")
def test_a_byte_order_mark_is_fine_and_moves_nothing() -> None:
    parsed = read("\ufeffa: 1\r\nb: 2\r\n")
    assert parsed.value == {"a": 1, "b": 2}
    assert (parsed.key_span(("a",)).column, parsed.span(("b",)).line, parsed.span(("b",)).column) == (1, 2, 4)


@pytest.mark.usefixtures("parser")
def test_many_problems_are_found_at_once() -> None:
    text = "target: >= 98%\nfoo: @x\nbaz: a: b\nsame: 1\nsame: 2\ntag: !x y\n"
    assert [(p.code, p.span.line) for p in refused(text)] == [
        ("yaml-syntax", 1),
        ("yaml-syntax", 2),
        ("yaml-syntax", 3),
        ("duplicate-key", 5),
        ("yaml-tag", 6),
    ]


def test_a_hint_never_repeats_what_may_be_a_secret() -> None:
    problems = refused("password: @hunter2\napi_url: a: b\nx: {token: hunt(er2, b)}\n")
    assert len(problems) == 3
    assert "hunter2" not in str(problems)
    assert "hunt(er2" not in str(problems)


def test_aliases_may_repeat_but_not_explode() -> None:
    assert read("a: &x [1, 2]\nb: *x\n").value == {"a": [1, 2], "b": [1, 2]}
    rows = [f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 10)}]" for i in range(9)]
    (problem,) = refused("\n".join(["a: &a [1,1,1,1,1,1,1,1,1,1]", *rows]))
    assert (problem.code, problem.span.line) == ("alias-bomb", 5)


def test_a_large_file_without_aliases_is_no_bomb() -> None:
    assert len(read("a: [" + "1," * 200_000 + "]").value["a"]) == 200_000


TEXT = """\
domain: sales   # comment
alerts:
  late:
    condition: 'it''s > 5'
    channels: [slack, "em\\u0061il"]
    sql: |
      SELECT a
        FROM b
    folded: >
      one
      two
    long: one
      two three
"""


@pytest.mark.parametrize(
    ("path", "span", "key"),
    [
        (("domain",), (1, 9, 14), (1, 1, 7)),
        (("alerts",), (3, 3, 8), (2, 1, 7)),
        (("alerts", "late", "condition"), (4, 16, 27), (4, 5, 14)),
        (("alerts", "late", "channels"), (5, 15, 36), (5, 5, 13)),
        (("alerts", "late", "channels", 1), (5, 23, 35), (5, 23, 35)),
        (("alerts", "late", "sql"), (6, 10, 11), (6, 5, 8)),
        (("alerts", "late", "nowhere", "deeper"), (4, 5, 27), (3, 3, 7)),
        (("nowhere",), (1, 1, 26), (1, 1, 26)),
    ],
)
@pytest.mark.usefixtures("parser")
def test_spans(path: tuple[str | int, ...], span: tuple[int, int, int], key: tuple[int, int, int]) -> None:
    parsed = read(TEXT)
    found, found_key = parsed.span(path), parsed.key_span(path)
    assert (found.line, found.column, found.end) == span
    assert (found_key.line, found_key.column, found_key.end) == key


@pytest.mark.parametrize(
    ("path", "word", "place"),
    [
        (("domain",), "les", (1, 11, 14)),
        (("alerts", "late", "condition"), "> 5", (4, 23, 26)),
        (("alerts", "late", "channels", 1), "il", (5, 32, 34)),
        (("alerts", "late", "sql"), "FROM b", (8, 9, 15)),
        (("alerts", "late", "folded"), "two", (11, 7, 10)),
        (("alerts", "late", "long"), "three", (13, 11, 16)),
    ],
)
@pytest.mark.usefixtures("parser")
def test_text_spans_point_at_the_words(path: tuple[str | int, ...], word: str, place: tuple[int, int, int]) -> None:
    parsed = read(TEXT)
    value: Any = parsed.value
    for step in path:
        value = value[step]
    start = value.index(word)
    span = parsed.text_span(path, start, start + len(word))
    assert (span.line, span.column, span.end) == place


def test_text_span_past_the_end_stays_on_its_line() -> None:
    span = read(TEXT).text_span(("domain",), 5, 6)
    assert (span.line, span.column, span.end) == (1, 14, 15)


@given(st.text(max_size=200), st.tuples(st.sampled_from(["a", "b"]), st.integers(-1, 3)))
def test_any_text_gives_a_source_or_problems(text: str, path: tuple[str | int, ...]) -> None:
    parsed = parse("x.yaml", text.encode("utf-8", "surrogatepass"))
    if isinstance(parsed, Source):
        parsed.span(path)
        parsed.key_span(path)
        parsed.text_span(path, 0, 3)
    else:
        assert parsed
        assert all(problem.span.line >= 1 and problem.span.column >= 1 for problem in parsed)


YAML_LIKE = st.lists(st.sampled_from([*"abc:-?[]{},&*!|>'\"%@`#\n \t01.()<=", ": ", "\n  ", "- ", "<<"]), max_size=30)


@given(YAML_LIKE.map("".join))
def test_both_parsers_agree_on_what_is_accepted(text: str) -> None:
    fast = parse("x.yaml", text.encode())
    original = source._Parser
    try:
        source._Parser = yaml.SafeLoader
        slow = parse("x.yaml", text.encode())
    finally:
        source._Parser = original
    if isinstance(fast, Source) and isinstance(slow, Source):
        assert fast.value == slow.value


def test_without_libyaml_it_falls_back() -> None:
    program = (
        "import sys; sys.modules['yaml._yaml'] = None; sys.modules['yaml.cyaml'] = None;"
        "from generator.source import parse; import yaml; assert not yaml.__with_libyaml__;"
        "print(parse('x', b'a: 18:00').value)"
    )
    checkout = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", program], cwd=checkout, capture_output=True, text=True, check=True)
    assert done.stdout == "{'a': '18:00'}\n"


BLOCKS = """\
alerts:
  # about the first
  first:
    condition: a > 1
    # inside

    runbook: |
      look
      # not a comment

  # about the second
  second: {condition: b > 2,
    severity: high
  }
  third: {condition: c > 3}
other: {fourth: {condition: d > 4}, fifth: 5}  # said beside it
"""


@pytest.mark.parametrize(("path", "lines"), [
    (("alerts", "first"), (3, 9)),
    (("alerts", "second"), (12, 14)),
    (("alerts", "third"), (15, 15)),
    (("other", "fourth"), (16, 16)),
    (("other",), (16, 16)),
    (("alerts",), (1, 15)),
    (("alerts", "none"), (1, 0)),
])  # fmt: skip
def test_a_block_is_the_lines_of_a_key_and_its_value(path: tuple[str, ...], lines: tuple[int, int]) -> None:
    source = parse("x.yaml", BLOCKS.encode())
    assert isinstance(source, Source)
    assert source.block(path) == "\n".join(BLOCKS.split("\n")[lines[0] - 1 : lines[1]])
