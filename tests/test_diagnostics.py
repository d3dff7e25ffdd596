"""How problems are shown: to people, to GitHub, to editors, and never a secret."""

import json
import unicodedata

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from generator.diagnostics import Problem, Span, render, render_github, render_json
from generator.masking import mask, names_secret

PATH = "domains/shop/sales.yaml"


def shown(text: str, line: int, column: int, end: int) -> tuple[str, str]:
    """The source line and the carets, without the gutter."""
    rows = render([Problem(Span(PATH, line, column, end), "code", "message")], {PATH: text}).split("\n")
    return rows[1].partition("| ")[2], rows[2].partition("| ")[2]


def test_the_form_of_the_design() -> None:
    problem = Problem(
        Span("domains/fire22/collections.yaml", 34, 16, 29),
        "unknown-name",
        'no metric or field is called "setlement_age"',
        ("a field of record settlement is near: settlement_age (line 14)",),
    )
    text = "\n" * 33 + "    condition: setlement_age > 24 hours AND priority = high\n"
    assert render([problem], {"domains/fire22/collections.yaml": text}) == (
        'domains/fire22/collections.yaml:34:16: error[unknown-name]: no metric or field is called "setlement_age"\n'
        " 34 |     condition: setlement_age > 24 hours AND priority = high\n"
        "    |                ^^^^^^^^^^^^^\n"
        "    = help: a field of record settlement is near: settlement_age (line 14)\n"
        "1 error; nothing was written\n"
    )


def test_sorted_counted_and_said_once() -> None:
    first, second = Problem(Span("a.yaml", 2), "x", "two"), Problem(Span("b.yaml", 1), "x", "one")
    text = render([second, first, second, Problem(Span("a.yaml", 10), "x", "ten")], {}, "nothing was checked")
    assert text.splitlines() == [
        "a.yaml:2:1: error[x]: two",
        "a.yaml:10:1: error[x]: ten",
        "b.yaml:1:1: error[x]: one",
        "3 errors; nothing was checked",
    ]
    assert render([], {}) == ""


@pytest.mark.parametrize(
    ("text", "span", "line", "carets"),
    [
        ("a:\tb c", (4, 5), "a:    b c", "      ^"),
        ("日本: 😀 x", (5, 6), "日本: 😀 x", "      ^^"),
        ("日本: 😀 x", (7, 8), "日本: 😀 x", "         ^"),
        ("e\u0301a: x", (5, 6), "e\u0301a: x", "   ^"),
        ("abc", (9, 12), "abc", "   ^"),
        ("abc", (2, 50), "abc", " ^^"),
        ("abc", (0, 0), "abc", "^"),
        ("a \x1b[31m\u202eb", (9, 10), "a \\x1b[31m\\u202eb", "                ^"),
    ],
)
def test_carets_stand_under_the_span(text: str, span: tuple[int, int], line: str, carets: str) -> None:
    assert shown(text, 1, *span) == (line, carets)


@pytest.mark.parametrize("column", [1, 40, 119, 121, 250, 399, 400])
def test_a_long_line_is_cut_around_the_caret(column: int) -> None:
    text = "".join(chr(0x61 + i % 26) for i in range(400))
    line, carets = shown(text, 1, column, column + 1)
    assert len(line) <= 122
    assert line[carets.index("^")] == text[column - 1]


def test_a_span_beyond_the_file_or_in_an_unknown_file_has_no_excerpt() -> None:
    problem = Problem(Span(PATH, 7), "x", "m", ("h",))
    expected = f"{PATH}:7:1: error[x]: m\n   = help: h\n1 error; nothing was written\n"
    assert render([problem], {PATH: "a\nb\n"}) == expected
    assert render([problem], {}) == expected


def test_nothing_that_a_terminal_obeys_gets_through() -> None:
    problem = Problem(Span("a\x1b[2J.yaml"), "x", "m\nq\x07\u2028", ("\x9b31m",))
    text = render([problem], {"a\x1b[2J.yaml": "\x1b]0;title\x07"})
    assert all(c == "\n" or unicodedata.category(c) not in ("Cc", "Cf", "Zl", "Zp") for c in text)
    assert "m\\nq\\x07\\u2028" in text


def test_warnings_stand_among_errors_and_are_counted_apart() -> None:
    """They keep their place; what became of the output is said of errors alone."""
    warning = Problem(Span("a.yaml", 2), "y", "two", level="warning")
    error, other = Problem(Span("a.yaml", 1), "x", "one"), Problem(Span("a.yaml", 3), "x", "three")
    assert render([other, warning, error], {}).splitlines() == [
        "a.yaml:1:1: error[x]: one",
        "a.yaml:2:1: warning[y]: two",
        "a.yaml:3:1: error[x]: three",
        "2 errors, 1 warning; nothing was written",
    ]
    assert render([warning], {}).splitlines()[1:] == ["1 warning"]
    assert render_github([warning]) == "::warning file=a.yaml,line=2,col=1::warning[y]: two\n"
    assert [row["level"] for row in json.loads(render_json([warning, error]))] == ["error", "warning"]


def test_github_gets_its_escapes() -> None:
    problem = Problem(Span("a,b:c.yaml", 3, 5, 9), "bad-thing", "50% of\nit", ("first", "second"))
    assert render_github([problem]) == (
        "::error file=a%2Cb%3Ac.yaml,line=3,col=5::error[bad-thing]: 50%25 of\\nit%0Ahelp: first%0Ahelp: second\n"
    )


def test_json_is_one_list() -> None:
    rows = json.loads(render_json([Problem(Span(PATH, 3, 5, 9), "x", "å\x1b", ("h",)), Problem(Span(PATH), "y", "m")]))
    assert rows == [
        {"path": PATH, "line": 1, "column": 1, "end": 2, "level": "error", "code": "y", "message": "m", "help": []},
        {
            "path": PATH,
            "line": 3,
            "column": 5,
            "end": 9,
            "level": "error",
            "code": "x",
            "message": "å\x1b",
            "help": ["h"],
        },
    ]
    assert json.loads(render_json([])) == []


SECRETS = {
    "plain": ("password: hunter2\n", "password: *******\n"),
    "quoted": ('token: "hunt er2"  # why\n', "token: ***** ****  # why\n"),
    "no space": ("password:hunter2\n", "password:*******\n"),
    "misspelt": ("pasword: hunter2\n", "pasword: *******\n"),
    "flow": ("a: {password: hunter2, unit: x}\n", "a: {password: *******, unit: x}\n"),
    "flow list": ("- {api_url: hunter2}\n", "- {api_url: *******}\n"),
    "block": ("token: |\n  hunter2\n  a: hunter2\nb: c\n", "token: |\n  *******\n  ** *******\nb: c\n"),
    "mapping": (
        "a: {password: {x: hunter2, y: [hunter2]}, unit: x}\n",
        "a: {password: *** ******** ** **********, unit: x}\n",
    ),
    "open mapping": ("password: {x: hunter2,\n  y: hunter2}\nb: c\n", "password: *** ********\n  ** ********\nb: c\n"),
    "mapping below": ("token:\n  x: hunter2\nb: c\n", "token:\n  ** *******\nb: c\n"),
    "below": ("token:\n  hunter2\nb: c\n", "token:\n  *******\nb: c\n"),
    "list": ("tokens:\n- hunter2\nb: c\n", "tokens:\n* *******\nb: c\n"),
    "file": ("routing_key_file: aaaabbbbccccddddeeeeffff\n", f"routing_key_file: {'*' * 24}\n"),
    "address as file": ("api_url_file: https://hunter2\n", f"api_url_file: {'*' * 15}\n"),
    "variable": ("dsn_env: postgres://hunter2\n", f"dsn_env: {'*' * 18}\n"),
    "address": ("x: postgres://ann:hunter2@db/shop\n", "x: postgres://***********@db/shop\n"),
    "slack": ("x: https://hooks.slack.com/services/hunter2\n", f"x: https://hooks.slack.com/{'*' * 16}\n"),
    "python": ('dsn = "hunter2"\n', "dsn = *********\n"),
}


@pytest.mark.parametrize(("text", "masked"), SECRETS.values(), ids=SECRETS)
def test_secrets_are_masked(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "api_url_file: /run/secrets/slack\n",
        "dsn_env: SHOP_DSN\n",
        "auth_username: ann\n",
        "password_resets: {help: Passwords that were reset., unit: accounts}\n",
        "tokens_used:\n  help: Tokens.\n  unit: tokens\n",
        "sql: SELECT count(*) FROM sessions\n",
        "condition: cache_hit_rate < 90%\n",
    ],
)
def test_what_is_no_secret_is_shown(text: str) -> None:
    assert mask(text) == text


def test_no_secret_is_shown_by_any_problem_of_its_line() -> None:
    text = "a: {chanel: x, thing: hunter2}\npassword: hunter2\n"
    problems = [
        Problem(Span(PATH, 1, 5, 11), "unknown-key", "m"),
        Problem(Span(PATH, 1, 16, 21), "inline-secret", "only a check knows that this is one"),
        Problem(Span(PATH, 2, 1, 9), "unknown-key", "m", ("postgres://ann:hunter2@db",)),
    ]
    for output in (render(problems, {PATH: text}), render_github(problems), render_json(problems)):
        assert "hunter2" not in output


@given(st.text(max_size=300))
@example("password:\n\r\n  x")
def test_masking_keeps_every_column(text: str) -> None:
    masked = mask(text)
    assert len(masked) == len(text)
    assert all(after in (before, "*") for before, after in zip(text, masked, strict=True))


def test_names_of_secrets() -> None:
    names = ["password", "auth_password", "bot_token", "dsn", "routing_key", "service_key", "api_url", "credentials"]
    assert all(map(names_secret, names))
    assert not any(map(names_secret, ["routing_key_file", "dsn_env", "title", "priority", "auth_username", "channel"]))


NUMBERS = st.integers(-5, 400)
SPANS = st.builds(Span, st.sampled_from([PATH, "x\n", ""]), NUMBERS, NUMBERS, NUMBERS)
PROBLEMS = st.builds(
    Problem, SPANS, st.sampled_from(["inline-secret", "x"]) | st.text(), st.text(), st.lists(st.text()).map(tuple),
    st.sampled_from(["error", "warning"]),
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.too_slow])  # a busy machine draws slowly
@given(st.lists(PROBLEMS, max_size=4), st.dictionaries(st.sampled_from([PATH, "x\n", ""]), st.text(max_size=300)))
@example([Problem(Span(PATH, 1, 200, 399), "x", "")], {PATH: "😀\t" * 200})
def test_showing_a_problem_never_fails(problems: list[Problem], texts: dict[str, str]) -> None:
    for output in (render(problems, texts), render_github(problems), render_json(problems)):
        output.encode()
    json.loads(render_json(problems))
