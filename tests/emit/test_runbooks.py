"""Runbooks: what is written in YAML is shown as it stands, and every alert's section is where its link points."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from generator.emit import runbooks
from generator.plan.types import Plan
from tests.bench.synthetic import write_platform
from tests.compiling import planned

HOSTILE = [
    "plain words",
    "a|b || c",
    "<script>alert(1)</script> & &amp; <!-- x",
    "**bold** __bold__ ~~gone~~ `code` ``two``",
    "[link](https://evil.example) ![image](x) [x]: y",
    "# no heading",
    "- no list",
    "+ no list",
    "1. no list",
    "=== no heading",
    "> no quote",
    "{{ braces }} {% raw %}",
    "back\\slash \\* \\",
    "snake_case _emphasis_ x",
    "first\nsecond\r\nthird",
    "naïve 🚨 “quotes” 'and' \"more\"",
    "`",
    "```\nfence",
]
PRINTABLE = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp", "Zs"], include_characters=" \n"), max_size=60
)


def commonmark() -> MarkdownIt:
    return MarkdownIt("commonmark").enable(["table", "strikethrough"])


def text_of(tokens: list[Token]) -> str:
    return "".join(text_of(token.children) if token.children else shown(token) for token in tokens)


def shown(token: Token) -> str:
    assert token.type not in {"html_inline", "html_block", "image", "link_open"}, token
    return token.content if token.type in {"text", "code_inline", "text_special"} else ""


def one_line(text: str) -> str:
    return re.sub(r"\s*[\n\r]\s*", " ", text).strip()


@given(PRINTABLE)
@example("1)")
@example("_")
@example("&#42;")
def test_escaped_text_is_shown_as_it_stands(text: str) -> None:
    paragraph = commonmark().parse(f"{runbooks.escape(text)}\n\nafter")
    assert text_of(paragraph) == one_line(text) + "after"


@given(PRINTABLE.filter(lambda text: text.strip()))
def test_a_code_span_shows_its_text_even_in_a_table(text: str) -> None:
    html = commonmark().parse(f"| a | b |\n|---|---|\n| {runbooks.cell(text)} | end |\n")
    cells = [text_of(token.children or []) for token in html if token.type == "inline"]
    assert cells == ["a", "b", one_line(text), "end"]


@given(PRINTABLE)
def test_a_block_of_code_ends_where_it_should(text: str) -> None:
    tokens = commonmark().parse(runbooks.fence(text, "sql") + "\n\nafter\n")
    assert [token.type for token in tokens] == ["fence", "paragraph_open", "inline", "paragraph_close"]
    assert tokens[0].content.strip() == text.strip()


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return planned(write_platform(tmp_path_factory.mktemp("domains"), 2))


def runbook(plan: Plan, domain: str) -> str:
    return next(found.content.decode() for found in runbooks.emit(plan) if found.path == f"runbooks/{domain}.md")


def section(text: str, anchor: str) -> str:
    return text.split(f'<a id="{anchor}"></a>')[1].split("<a id=")[0]


def test_every_runbook_url_points_at_a_section(synthetic: Plan) -> None:
    emitted = {artefact.path: artefact.content.decode() for artefact in runbooks.emit(synthetic)}
    alerts = [alert for domain in synthetic.domains for alert in domain.alerts]
    assert len(alerts) >= 40
    for alert in alerts:
        page, _, anchor = alert.runbook_url.removeprefix(synthetic.links.runbooks).partition("#")
        assert emitted[f"runbooks{page}"].count(f'<a id="{anchor}"></a>\n\n## {alert.alertname}\n') == 1


def test_a_section_says_what_the_alert_is_and_who_is_told_when(synthetic: Plan) -> None:
    found = section(runbook(synthetic, "part_0000"), "part0000rows0")
    assert "- Fires when `order_age > 24 hours AND priority = high`" in found
    assert "| within 10s, again every 4h while it fires | team | slack |" in found
    assert "| not taken 5m after it fired | on call | slack, email |" in found
    assert "Take it by silencing it" in found
    assert "```sql\nSELECT * FROM orders_0 WHERE" in found
    assert "\n1. Acknowledge the alert\n2. Assess the impact\n" in found
    assert "### Who is kept informed\n\n- internal: The incident channel\n" in found
    assert "### Tools\n\n- Dashboards\n" in found


def test_a_section_of_a_metric_shows_its_query_and_rule(synthetic: Plan) -> None:
    found = section(runbook(synthetic, "part_0001"), "part0001waiting1high")
    assert "- Threshold: `> 111 orders`" in found
    assert "for 30s\n" in found
    assert "SELECT count(*) AS value FROM orders_1 WHERE state = 'waiting' AND step = 1\n```" in found
    assert "```promql\n" in found
    assert "It does not escalate." in found


def hostile_platform(folder: Path, texts: Iterator[str]) -> Path:
    platform = write_platform(folder, 1)
    lines = [
        f"  hostile_{number}:\n    condition: disputed\n    severity: medium\n    summary: {quoted(text)}\n"
        f"    description: {quoted(text + ' again')}\n    runbook: [{quoted(text)}]\n"
        for number, text in enumerate(texts)
    ]
    file = platform / "part_0000.yaml"
    file.write_text(file.read_text() + "".join(lines))
    return platform


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r") + '"'


def test_hostile_text_arrives_unharmed(tmp_path: Path) -> None:
    plan = planned(hostile_platform(tmp_path, iter(HOSTILE)))
    tokens = commonmark().parse(runbook(plan, "part_0000"))
    ours = ("](<", '<a id="')  # links and anchors of the template
    blocks = [token for token in tokens if token.type == "inline" and not any(mark in token.content for mark in ours)]
    inline = [text_of(token.children or []) for token in blocks]
    for text in HOSTILE:
        assert inline.count(one_line(text)) == 2, text  # summary and step
        assert inline.count(one_line(text + " again")) == 1, text  # description
    headings = [tokens[index + 1].content for index, token in enumerate(tokens) if token.type == "heading_open"]
    assert headings.count("Steps") == 20 + len(HOSTILE)
    assert not [heading for heading in headings if heading.startswith("no ")]
