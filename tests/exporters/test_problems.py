"""What a person is shown of a problem, and where things stand in a file."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from exporters.business import positions
from exporters.business.problems import Invalid, Problem, excerpt, read_text, render

# --- problems ---


def test_a_problem_is_shown_line_by_line() -> None:
    problem = Problem("a.yml", 3, 5, "plan", "no source is called x", (" 3 | x", "   | ^"), "there is y")
    assert render([problem]) == (
        "a.yml:3:5: error[plan]: no source is called x\n 3 | x\n   | ^\n    = help: there is y\n"
    )
    assert render([Problem("a.yml", 3, None, "sql", "slow", warning=True)]) == "a.yml:3: warning[sql]: slow\n"
    assert render([Problem("a.yml", None, None, "plan", "gone")]) == "a.yml: error[plan]: gone\n"
    assert render([]) == ""


def test_problems_sort_by_place_also_where_none_is_known() -> None:
    places: list[tuple[str, int | None, int | None]] = [
        ("b", None, None), ("a", 10, 2), ("a", 9, None), ("a", None, None), ("a", 10, 1), ("a", 10, None),
    ]  # fmt: skip
    invalid = Invalid(Problem(path, line, column, "plan", "wrong") for path, line, column in places)
    assert [(problem.path, problem.line, problem.column) for problem in invalid.problems] == [
        ("a", None, None), ("a", 9, None), ("a", 10, None), ("a", 10, 1), ("a", 10, 2), ("b", None, None),
    ]  # fmt: skip
    assert str(invalid) == render(invalid.problems)
    alike = [Problem("a", 1, 1, "plan", "wrong", help=text) for text in ("x", "y")] + [
        Problem("a", 1, 1, "plan", "wrong")
    ]
    assert Invalid(alike).problems == tuple(alike)


def test_a_problem_stays_on_its_line_whatever_a_file_says() -> None:
    shown = render([Problem("a\nb.yml", 1, 1, "plan", "no\x1b[2J\r\nsuch\tkey", help="\u202etry\u2028this")])
    assert shown == "a\ufffdb.yml:1:1: error[plan]: no\ufffd[2J\ufffd\ufffdsuch key\n    = help: \ufffdtry\ufffdthis\n"


@pytest.mark.parametrize(
    "message",
    [
        "cannot reach postgres://shop:hunter2@db:5432/shop",
        "cannot reach postgres://shop:hunter2/@2@db:5432/shop",
        "alice has $2y$10$hunter2hunter2hunter2",
    ],
)
def test_a_message_shows_no_secret(message: str) -> None:
    shown = render([Problem("a.yml", 1, 1, "plan", message, help=message)])
    assert "hunter2" not in shown
    assert shown.count("*") > 20
    assert len(shown.splitlines()[0]) == len("a.yml:1:1: error[plan]: ") + len(message)


# --- excerpts ---


def test_an_excerpt_points_at_its_column() -> None:
    assert excerpt("one\n  two: 2\n", 2, 3) == (" 2 |   two: 2", "   |   ^")
    assert excerpt("one\n  two: 2\n", 2) == (" 2 |   two: 2",)
    assert excerpt("\n" * 99 + "x", 100, 1) == (" 100 | x", "     | ^")
    assert excerpt("\tx", 1, 2) == (" 1 |  x", "   |  ^")
    assert excerpt("日本e\u0301: x", 1, 4) == (" 1 | 日本e\u0301: x", "   |      ^")
    assert excerpt("select 1\nfrom x", 2, 6, "SQL line 2") == (" SQL line 2 | from x", "            |      ^")


@pytest.mark.parametrize("line", [-1, 0, 3])
def test_a_line_that_is_not_there_has_no_excerpt(line: int) -> None:
    assert excerpt("one\ntwo", line, 1) == ()


def test_a_column_behind_the_line_points_at_its_end() -> None:
    assert excerpt("ab", 1, 9) == (" 1 | ab", "   |   ^")
    assert excerpt("", 1, 1) == (" 1 |", "   | ^")


def test_lines_are_counted_as_yaml_counts_them() -> None:
    text = "a: x\u2028b: y\x85c: z\r\nd: e: f\n"
    with pytest.raises(yaml.MarkedYAMLError) as caught:
        yaml.compose(text, Loader=yaml.CSafeLoader)
    mark = caught.value.problem_mark
    assert mark is not None
    assert excerpt(text, mark.line + 1, mark.column + 1) == (" 4 | d: e: f", "   |     ^")


def test_a_long_line_is_cut_around_its_column() -> None:
    line = "".join(str(index % 10) for index in range(500))
    shown, caret = excerpt(line, 1, 301)
    assert shown.startswith(" 1 | …0123") and shown.endswith("9…")
    assert len(shown) == len(" 1 | ") + 122
    assert shown[caret.index("^")] == "0"
    assert excerpt(line, 1, 1) == (f" 1 | {line[:120]}…", "   | ^")
    assert excerpt(line, 1, 500)[0] == f" 1 | …{line[449:]}"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("dsn_env: postgres://shop:hunter2@db/shop", "dsn_env: postgres://************@db/shop"),
        ("dsn: host=db password=hunter2", "dsn: ************************"),
        ('{"dsn":"hunter2"}', '{"dsn":**********'),
        ("  password:   hunter2 or not", "  password:   **************"),
        ("x: host=db password = hunter2 port=1", "x: host=db password = ******* port=1"),
        ("x: password='hunter 2' port=1", "x: password=********** port=1"),
        ("alice: $2y$10$hunter2", "alice: **************"),
        ("password_file: /run/secrets/db", "password_file: /run/secrets/db"),
        ("sql: SELECT password::text FROM t", "sql: SELECT password::text FROM t"),
        ("dsn_env: SHOP_DSN", "dsn_env: SHOP_DSN"),
        ("help: Mails to a@b.example, see http://b.example", "help: Mails to a@b.example, see http://b.example"),
    ],
)
def test_an_excerpt_shows_no_secret(line: str, shown: str) -> None:
    assert excerpt(line, 1, 1) == (f" 1 | {shown}", "   | ^")


@given(st.text(), st.integers(-1, 9), st.none() | st.integers(1, 300))
def test_an_excerpt_is_at_most_two_lines_that_a_terminal_does_not_obey(
    text: str, line: int, column: int | None
) -> None:
    found = excerpt(text, line, column)
    assert len(found) in (0, 1 if column is None else 2)
    assert all(part.isprintable() for part in found)


# --- files ---


def test_a_text_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.yml"
    path.write_bytes("\ufeffé: 1\r\nb: 2".encode())
    assert read_text(path) == "é: 1\nb: 2"


# --- positions ---

TEXT = """\
# a comment
one: {two: [3, four: 4]}
list:
- a: x
  b:
    "c d": y
- - deep
yes: &anchor {0x10: z}
again: *anchor
"""


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ((), (2, 1)),
        (("one",), (2, 1)),
        (("one", "two"), (2, 7)),
        (("one", "two", 0), (2, 13)),
        (("one", "two", 1, "four"), (2, 16)),
        (("list", 0), (4, 3)),
        (("list", 0, "b", "c d"), (6, 5)),
        (("list", 1, 0), (7, 5)),
        (("yes", "0x10"), (8, 15)),
        (("again", "0x10"), (8, 15)),
        (("one", "nowhere", "below"), (2, 1)),
        (("list", 9), (3, 1)),
        (("list", "0"), (3, 1)),
        (("list", 0, "a", "below"), (4, 3)),
    ],
)
def test_a_place_is_that_of_the_key_or_of_the_nearest_above(
    path: tuple[str | int, ...], place: tuple[int, int]
) -> None:
    assert positions.find(TEXT, path) == place
    assert positions.finder(TEXT)(path) == place


@pytest.mark.parametrize("text", ["", "# nothing\n", "a: [", "a: \x07", "--- 1\n--- 2\n"])
def test_what_is_no_document_has_no_places(text: str) -> None:
    assert positions.find(text, ("a",)) is None


@pytest.mark.parametrize(
    ("text", "said", "place"),
    [
        ("a: 1\nb: c: d", "", (2, 5)),
        ("é: é\na: \x07", "", (2, 4)),
        ("a:\n  b: [", "", (2, 7)),
        ("a:\n  b: [1,\n\n", "", (2, 9)),
        ("a:\n\n\x07", "", (3, 1)),
        ("x: {a: 1, b: {c: 1, c: 2}, a: 3}", "", (1, 21)),
        ("- ? [x]\n  : 1", "", (1, 5)),
        ("a: 1\nb: 2", "too large at line 2 column 4", (2, 4)),
        ("a: 1", "no place", None),
    ],
)
def test_where_a_text_breaks(text: str, said: str, place: tuple[int, int] | None) -> None:
    assert positions.broken(text, said) == place


@given(st.text(alphabet=list("ab:-[]{}'\"&*?!|> \n\t\x07é")))
def test_a_place_is_within_its_text(text: str) -> None:
    lines = text.split("\n")
    for place in (positions.find(text, ("a", 0, "b")), positions.broken(text, "")):
        assert place is None or (1 <= place[0] <= len(lines) and 1 <= place[1] <= len(lines[place[0] - 1]) + 1)
