"""An explanation as text for a terminal and a pull request, and as JSON for an editor."""

import json
import textwrap
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict

from generator.condition.units import plain
from generator.explain.description import Code, Explanation, Limit, Named
from generator.explain.lines import WIDTH, code, harmless, prose
from generator.naming import OWN_DOMAIN

_INDENT = "  "
_LABEL = 14
_NAME = 36  # longer names push their meaning to the right
_BASE = {"seconds": " seconds", "bytes": " bytes", "ratio": ""}


def as_json(explanation: Explanation) -> str:
    """The explanation as one JSON object; whatever a terminal would obey is escaped."""
    value = {**asdict(explanation), "annotations": dict(explanation.annotations)}
    return json.dumps(value, indent=2) + "\n"


def as_text(explanation: Explanation) -> str:
    """The explanation as text without colours: prose within 100 columns, code and addresses whole."""
    sections = (
        _title, _words, _meaning, _facts, _people, _look, _steps, _rule, _numbers, _tests,
    )  # fmt: skip
    shown = ("\n".join(lines) for section in sections if (lines := list(section(explanation))))
    return "\n\n".join(shown) + "\n"


def _title(it: Explanation) -> Iterator[str]:
    environment = f" in environment {it.environment}" if it.environment else ""
    yield from prose(f"{it.path}{environment} ({it.alertname})")
    yield from prose(it.summary)


def _words(it: Explanation) -> Iterator[str]:
    yield f"{harmless(it.written.path)}:{it.written.line}"
    if it.written.note:
        yield from prose(it.written.note, _INDENT)
    if it.written.text:
        written = textwrap.dedent(it.written.text)
        yield from (f"{_INDENT}{harmless(line)}".rstrip() for line in written.split("\n"))


def _meaning(it: Explanation) -> Iterator[str]:
    yield from prose(it.meaning)
    width = min(max((len(each.name) for each in it.names), default=0), _NAME)
    for each in it.names:
        yield from prose(_named(each), f"{_INDENT}{harmless(each.name):<{width}}  ", " " * (width + 4))
    if it.description:
        yield from prose(it.description, _INDENT)


def _named(each: Named) -> str:
    return each.meaning if each.unit == "none" else f"{each.meaning} ({each.unit.replace('_', ' ')})"


def _facts(it: Explanation) -> Iterator[str]:
    yield from _fact("severity", it.severity)
    yield from _fact("owner", f"{it.owner_title} ({it.owner})" if it.owner_title != it.owner else it.owner)
    if it.threshold.value is not None or (it.threshold.text != it.condition and it.domain != OWN_DOMAIN):
        yield from _fact("threshold", _limit(it.threshold))
    yield from _fact("for", "at once" if it.wait == "0s" else it.wait)
    yield from _fact("resolves", _end(it))
    seen = f" ({'; '.join(it.sight.seen_by)})" if it.sight.seen_by else ""
    yield from _fact("source", f"{it.sight.source or 'none of its own'}{seen}")
    told = f" {' or '.join(it.sight.told_by)} tells of it." if it.sight.told_by else ""
    yield from _fact("data lost", f"{it.sight.when_lost}{told}")


def _limit(limit: Limit) -> str:
    """The threshold, with the number that rules and queries compare with where that looks otherwise."""
    if limit.value is None or limit.unit not in _BASE:
        return limit.text
    return f"{limit.text} ({plain(limit.value)}{_BASE[limit.unit]})"


def _end(it: Explanation) -> str:
    over = "as soon as it is over"
    if it.cooldown != "0s":
        over = f"when it has been fine for {it.cooldown} (cooldown)"
    return f"{over}. {it.counting}." if it.counting else over


def _fact(label: str, text: str) -> Iterator[str]:
    yield from prose(text, f"{_INDENT}{label:<{_LABEL}}")


def _people(it: Explanation) -> Iterator[str]:
    yield f"Who is told ({harmless(it.notification)})"
    width = max(len(told.who) for told in it.told)
    for told in it.told:
        over = f"{told.channels}: " if told.channels else ""
        yield from prose(f"{over}{told.when}", f"{_INDENT}{harmless(told.who):<{min(width, 40)}}  ")
    for text in (it.taking, *(f"{quiet}." for quiet in it.quiet)):
        yield from prose(text, _INDENT)


def _look(it: Explanation) -> Iterator[str]:
    if it.rows is not None:
        yield "Rows that match now, the worst first"
        yield from code(it.rows.text, it.rows.language, _INDENT)


def _steps(it: Explanation) -> Iterator[str]:
    yield f"What to do{f' ({harmless(it.runbook.playbook)})' if it.runbook.playbook else ''}"
    for count, step in enumerate(it.runbook.steps, start=1):
        yield from prose(step, f"{_INDENT}{count}. ")
    if not it.runbook.steps:
        yield f"{_INDENT}No steps are written for this alert."
    yield from prose(it.runbook.url, f"{_INDENT}runbook  ")
    panel = f"{_INDENT}panel    {harmless(it.panel.url)}"
    title = f"“{harmless(it.panel.title)}”"
    yield from [f"{panel} {title}"] if len(panel) + 1 + len(title) <= WIDTH else [panel, f"{_INDENT}{'':9}{title}"]


def _rule(it: Explanation) -> Iterator[str]:
    yield f"Rule, in {harmless(it.rule.name)}"
    yield from code(it.rule.text, it.rule.language, _INDENT)
    for each in it.held:
        yield from prose(f"{each.name} {each.note}", _INDENT, _INDENT)


def _numbers(it: Explanation) -> Iterator[str]:
    for index, each in enumerate(it.numbers):
        if index:
            yield ""
        yield from prose(_origin(each))
        yield from code(each.text, each.language, _INDENT)


def _origin(each: Code) -> str:
    what = f"Query {each.name} of the exporter" if each.language == "sql" else f"Recorded as {each.name}"
    return f"{what}{f', {each.note}' if each.note else ''}"


def _tests(it: Explanation) -> Iterator[str]:
    yield "Tests"
    for each in it.tests:
        yield f"{_INDENT}{harmless(each.path)}"
        yield from prose(f"{len(each.proves)} cases: {_counted(each.proves)}", f"{_INDENT}{_INDENT}")
    if it.untested:
        yield from prose(it.untested, _INDENT)


def _counted(proves: tuple[str, ...]) -> str:
    return ", ".join(f"{what} (×{count})" if count > 1 else what for what, count in Counter(proves).items())
