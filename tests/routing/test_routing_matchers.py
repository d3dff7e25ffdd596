"""Matchers and patterns: read as the real Alertmanager reads them, or refused."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
import requests

from generator.routing.matchers import Matcher, MatcherError, parse_matcher, parse_matchers
from generator.routing.patterns import PatternError, whole
from tests.programs import alertmanager, until
from tests.routing import random_trees

TEXTS, LISTS = 2500, 60
VALUES = (
    *random_trees.VALUES, "xyx", "yy", "xxx", "x{2", "x{,2}", "]", "[", "^", "$", "x|y", "\n", "\t", "\v", "x\nx",
    "É", "_", "a", "b", "ab", "Z", "0", "00", "x-y", "\\", '"', "x\\", "'", "#", "&&", "~", " ", "  ", "\u00a0",
    "ſ", "K",
)  # fmt: skip
# Pieces of patterns: what both read alike, what only Go reads, what only Python reads, and what nobody does.
PIECES = (
    *random_trees.PATTERNS, "(", ")", "[", "]", "{", "}", "*", "+", "?", "|", "^", "$", ".", "\\", "\\n", "\\t",
    "\\v", "\\.", "\\-", "\\1", "\\Z", "\\z", "\\b", "\\B", "\\D", "\\S", "\\pL", "\\x41", "\\Q", "\\_", "\\'",
    "[^", "[a-", "-z]", "[z-a]", "[[:alpha:]]", "(?i)", "(?i:x)", "(?P<n>x)", "(?=x)", "(?:", "??", "*+", "{0}",
    "{3}", "{2,3}", "{1001}", "{3,2}", "#", "&&", "~", "--", "x", "y",
)  # fmt: skip
RAW = ('"', "\\", ",", "{", "}", " ", "x", "y", "å", "=", "~", "!", "\t", "\v", "\u00a0", "\n", '\\"', "\\\\", "\\n")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Alertmanager with an alert for each value, and one without the label."""
    folder = tmp_path_factory.mktemp("matchers")
    config = folder / "alertmanager.yml"
    config.write_text(random_trees.text(random_trees.configuration([], [])))
    with alertmanager(config, folder) as address:
        alerts = [{"labels": {"id": str(number), "x": value}} for number, value in enumerate(("", *VALUES))]
        requests.post(f"{address}/api/v2/alerts", json=alerts, timeout=10).raise_for_status()
        until(lambda: len(requests.get(f"{address}/api/v2/alerts", timeout=10).json()) == len(alerts))
        yield address


def random_texts() -> Iterator[str]:
    random = Random(404)
    for _ in range(TEXTS):
        kind = random.random()
        if kind < 0.6:
            pattern = "".join(random.choice(PIECES) for _ in range(random.randint(1, 3)))
            yield f"x{random.choice(('=~', '!~'))}{_quoted(pattern)}"
        elif kind < 0.7:
            pattern = "".join(random.choice("xy|()[]*+?.^$\\{}-,2") for _ in range(random.randint(1, 8)))
            yield f"x=~{_quoted(pattern)}"
        else:
            value = "".join(random.choice(RAW) for _ in range(random.randint(0, 6)))
            space = random.choice(("", " ", "\t", "\v", "\u00a0"))
            yield f"{space}x{space}{random.choice(('=', '!=', '=~', '!~'))}{space}{value}{space}"


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def test_matchers_match_the_same_values(url: str) -> None:
    """Whatever we read, Alertmanager reads too, and as we do; what it refuses, we refuse."""
    read = refused = 0
    session = requests.Session()
    for text in random_texts():
        answer = session.get(f"{url}/api/v2/alerts", params={"filter": [text]}, timeout=10)
        try:
            ours = parse_matcher(text)
        except MatcherError:
            refused += answer.ok
            continue
        assert answer.ok, f"{text!r}: we read {ours}, Alertmanager says {answer.text}"
        found = {one["labels"].get("x", "") for one in answer.json()}
        assert {value for value in ("", *VALUES) if ours.matches({"x": value})} == found, repr(text)
        read += 1
    assert read > TEXTS // 3
    assert refused < TEXTS // 5, "too much of what Alertmanager reads is refused"


def test_lists_of_matchers_are_refused_alike(tmp_path: Path) -> None:
    """Amtool reads the configuration: one line of matchers in each."""
    random = Random(7)
    outcomes = set()
    for number in range(LISTS):
        pieces = ('a="x"', "b=~y", 'c!="a,b"', ",", " ", "{", "}", '"', "\\", "team=å", 'a="\\",b="', "d")
        line = "".join(random.choice(pieces) for _ in range(random.randint(1, 4)))
        config = tmp_path / f"{number}.yml"
        route = {"receiver": "r0", "matchers": [line]}
        config.write_text(json.dumps(random_trees.configuration([route], [])))
        done = subprocess.run(["amtool", "check-config", str(config)], capture_output=True, text=True, check=False)
        try:
            parse_matchers(line)
            ours = True
        except MatcherError:
            ours = False
        assert ours == (done.returncode == 0), f"{line!r}: {done.stdout}{done.stderr}"
        outcomes.add(ours)
    assert outcomes == {True, False}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ("{}", ()),
        ("a=b", (Matcher("a", "=", "b"),)),
        ('{a="x",b!="y,z"}', (Matcher("a", "=", "x"), Matcher("b", "!=", "y,z"))),
        (' a = "x" , b = y ,', (Matcher("a", "=", "x"), Matcher("b", "=", "y"))),
        (r'a="say \"hi\"\n\\ \d"', (Matcher("a", "=", 'say "hi"\n\\ \\d'),)),
        ("a=~x{2}", (Matcher("a", "=~", "x{2"),)),  # the brace is taken for the list's
        ("{a=b\\,c=d}", (Matcher("a", "=", "b\\"), Matcher("c", "=", "d"))),
        ('a=""', (Matcher("a", "=", ""),)),
        ("a=", (Matcher("a", "=", ""),)),
    ],
)
def test_lists_of_matchers(text: str, expected: tuple[Matcher, ...]) -> None:
    assert parse_matchers(text) == expected


@pytest.mark.parametrize("text", ["a", "=x", "1a=x", "a=b,,c=d", 'a="x', 'a=x"', 'a="x"y', 'a="x\\"', "a=~(", "a=~["])
def test_what_is_no_matcher(text: str) -> None:
    with pytest.raises(MatcherError):
        parse_matchers(text)


@pytest.mark.parametrize(
    "pattern",
    [
        "(?i)x", "(?=x)", "(?P<n>x)", "(?<n>x)", r"\1", r"\Z", r"\B", r"\pL", r"\x41", r"\Qx\E", "[[:alpha:]]",
        r"[\S]", "x++", "x**", "*x", "|*", "(", "a)(b", "[", "[b-a]", r"[a-\d]", "x{1001}", "(x{40}){40}",
        "x{3,2}", "x\\", r"\é",
    ],
)  # fmt: skip
def test_a_pattern_whose_meaning_is_not_certain_is_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        whole(pattern)


def test_an_absent_label_is_an_empty_one() -> None:
    assert [parse_matcher(f"x{operator}").matches({}) for operator in ("=", "!=", "=~", "!~")] == [
        True,
        False,
        True,
        False,
    ]
    assert [parse_matcher(f"x{operator}y").matches({}) for operator in ("=", "!=", "=~", "!~")] == [
        False,
        True,
        False,
        True,
    ]
