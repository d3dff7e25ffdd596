"""The reference in domains/README.md: every key of every model, and examples that compile to what is shown."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pydantic.fields import FieldInfo

from generator import durations, model, naming
from generator.condition import resolve, row_predicate
from generator.condition.tree import Condition
from generator.condition.units import FIXED_UNITS, UNIT_WORDS
from generator.diagnostics import render
from generator.load import Files, load
from generator.model.base import Model
from generator.model.platform import Durations
from generator.plan import cadences
from generator.plan.build import plan
from generator.plan.resolution import resolve as resolve_names
from generator.plan.types import Plan
from generator.source import Source, parse
from tests.compiling import PLATFORMS, ROOT, compiled, problems

README = (ROOT / "domains/README.md").read_text(encoding="utf-8")
REFERENCE = README.partition("\n## Fire22: ")[0]
NAMES = REFERENCE.partition("\n## Names that come out")[2]

# What stands in the first cell of the table of a model's keys.
TABLES: dict[str, type[Model]] = {
    "`platform.yaml`": model.Platform,
    "`targets`": model.Targets,
    "`sources.<name>`": model.PostgresSource,
    "`scrape`": model.Scrape,
    "`scrape.jobs.<name>`": model.Job,
    "`channels.<name>`, `type: slack`": model.SlackChannel,
    "`channels.<name>`, `type: email`": model.EmailChannel,
    "`channels.<name>`, `type: sns`": model.SnsChannel,
    "`channels.<name>`, `type: pagerduty`": model.PagerDutyChannel,
    "`channels.<name>`, `type: webhook`": model.WebhookChannel,
    "`notifications.<name>`": model.Cadence,
    "`escalation.<severity>`": model.SeverityRow,
    "`contacts.<name>`": model.Contact,
    "`contacts.<name>.<channel>` of pagerduty": model.RoutingKey,
    "quiet hours": model.QuietHours,
    "`contacts.<name>.rotation`": model.Rotation,
    "`contacts.<name>.rotation.shifts`": model.Shift,
    "`monitoring`": model.Monitoring,
    "`tracing`": model.Tracing,
    "`tracing.services.<name>`": model.TracedService,
    "`roles.<name>`": model.Role,
    "`playbooks.<name>`": model.Playbook,
    "`links`": model.Links,
    "`durations`": Durations,
    "a domain file": model.Domain,
    "`dashboard`": model.Dashboard,
    "`queries.<name>`": model.Query,
    "`metrics.<name>`": model.Metric,
    "`records.<name>`": model.Record,
    "`records.<name>.each`": model.Each,
    "`records.<name>.fields.<name>`": model.Field,
    "`kpis.<name>`": model.Kpi,
    "`alerts.<name>`": model.Alert,
}
KEY_COLUMNS = ("Form", "Default", "Meaning")

Rows = list[list[str]]


def tables(text: str) -> Iterator[tuple[tuple[str, ...], Rows]]:
    """Every table: its headings, and its rows as cells."""
    for found in re.finditer(r"^\|.*\|\n\|[-|]+\|\n((?:\|.*\|\n)*)", text, re.MULTILINE):
        heading, _, *rows = [[cell.strip() for cell in line[1:-1].split("|")] for line in found[0].splitlines()]
        yield tuple(heading), rows


def table(*heading: str) -> Rows:
    found = [rows for names, rows in tables(REFERENCE) if names == heading]
    assert len(found) == 1, f"the reference has {len(found)} tables {heading}"
    assert found[0]
    return found[0]


def keys(of: type[Model]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in of.model_fields.items()}


def quoted(cell: str) -> str:
    """The one text in backticks that a cell is."""
    match = re.fullmatch(r"`([^`]+)`", cell)
    assert match, f"not one text in backticks: {cell}"
    return match[1]


# --- keys ---


def models(of: type[Model]) -> Iterator[type[Model]]:
    for each in of.__subclasses__():
        yield each
        yield from models(each)


def test_every_model_has_a_table_and_every_table_a_model() -> None:
    headings = [names[0] for names, _ in tables(REFERENCE) if names[1:] == KEY_COLUMNS]
    assert sorted(headings) == sorted(TABLES)
    assert set(TABLES.values()) == set(models(Model))


@pytest.mark.parametrize("heading", TABLES)
def test_a_table_has_exactly_the_keys_of_its_model(heading: str) -> None:
    of = TABLES[heading]
    written = [quoted(row[0]) for row in table(heading, *KEY_COLUMNS)]
    free = ["<channel>"] if of.model_config.get("extra") == "allow" else []
    assert sorted(written) == sorted([*keys(of), *free])


def defaults(value: object) -> list[str]:
    """What a default's cell must show, each in backticks."""
    if isinstance(value, bool | int | float | str):
        return [json.dumps(value).strip('"')]
    return [str(item) for item in value] if isinstance(value, list | dict) else []


@pytest.mark.parametrize("heading", TABLES)
def test_defaults_are_those_of_the_model(heading: str) -> None:
    known = keys(TABLES[heading])
    for name, _, default, _ in table(heading, *KEY_COLUMNS):
        field = known.get(quoted(name))
        if field is None:
            continue
        assert (default == "required") == field.is_required(), name
        assert default, name
        if shown := defaults(field.default):
            assert re.findall(r"`([^`]+)`", default) == shown, name
        else:
            assert not re.fullmatch(r"`[^`]+`", default), name


def test_a_key_is_found_missing_or_invented() -> None:
    """What the tests above rest on: aliases count, names of attributes do not."""
    assert "for" in keys(model.Alert)
    assert "for_" not in keys(model.Alert)
    assert defaults([]) == []
    assert defaults(True) == ["true"]


def test_timings_of_cadences_are_those_of_the_plan() -> None:
    shown = {quoted(row[0]): row[2] for row in table("`notifications.<name>`", *KEY_COLUMNS)}
    text = durations.text
    assert shown["group_wait"] == f"{text(cadences.AT_ONCE_GROUP_WAIT)} at once, else {text(cadences.GROUP_WAIT)}"
    assert shown["group_interval"] == (
        f"{text(cadences.AT_ONCE_GROUP_INTERVAL)} at once, `every`, or {text(cadences.SLOT_GROUP_INTERVAL)} with `at`"
    )
    assert shown["repeat"] == (
        f"{text(cadences.AT_ONCE_REPEAT)} at once, `every`, or {text(cadences.SLOT_REPEAT)} with `at`"
    )


def test_every_unit_is_listed() -> None:
    rows = table("Unit of the metric or field", "What a condition may say")
    words = {word: row[0] for row in rows for word in re.findall(r"`([^`]+)`", row[1])}
    assert {quoted(row[0]) for row in rows[:-1]} == set(FIXED_UNITS)
    assert {word: f"`{base}`" for word, (base, _) in UNIT_WORDS.items()}.items() <= words.items()
    assert words.keys() - UNIT_WORDS.keys() == {"%", "1%", "$"}


def test_every_reserved_label_is_named() -> None:
    assert [label for label in sorted(naming.RESERVED_LABELS) if f"`{label}`" not in NAMES] == []


# --- examples ---


@dataclass(frozen=True)
class Piece:
    """A block of the reference: the file that it is a piece of, and what stands in it."""

    file: str
    text: str


# Where a name stands depends on how the examples are put together.
LINE = re.compile(r" \(line \d+\)")
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PIECE = re.compile(r"# ((?:environments/)?[a-z_]+\.(?:yaml|py))\n(.*)", re.DOTALL)


def pieces() -> Iterator[Piece]:
    for language, body in FENCED.findall(REFERENCE):
        if language:
            match = PIECE.fullmatch(body)
            assert match, f"a block of {language} begins with the file that it is a piece of: {body[:60]}"
            assert match[1].endswith({"yaml": ".yaml", "python": ".py"}[language])
            yield Piece(*match.groups())


def value(text: str) -> Any:
    source = parse("domains/README.md", text.encode())
    assert isinstance(source, Source), render(source, {"domains/README.md": text})
    return source.value


def spliced(base: Any, piece: Any, path: str) -> Any:
    """Mappings merge; nothing is said twice in two ways."""
    if isinstance(base, dict) and isinstance(piece, dict):
        both = {key: spliced(base[key], piece[key], f"{path}.{key}") for key in base.keys() & piece.keys()}
        return {**base, **piece, **both}
    assert base == piece, f"{path} is {base} in one example and {piece} in another"
    return base


def bakery() -> dict[str, Any]:
    """The smallest platform with every piece of the reference in its place: files and what stands in them."""
    files = {path.name: value(path.read_text("utf-8")) for path in PLATFORMS["minimal"].glob("*.yaml")}
    for piece in pieces():
        if piece.file.endswith(".py"):
            assert piece.file not in files
            files[piece.file] = piece.text
        else:
            files[piece.file] = spliced(files.get(piece.file, {}), value(piece.text), piece.file)
    return files


def written(files: dict[str, Any], folder: Path) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # JSON is YAML 1.2, and reads back as what was written.
        path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return folder


@cache
def conditions() -> tuple[tuple[str, tuple[str, ...], str, str], ...]:
    """Every condition that the reference works out: its text, what splits it, what comes out, and its alert's name."""
    over_metrics = table("Condition", "`by` of the alert", "PromQL")
    over_rows = [[condition, "", sql] for condition, sql in table("Condition", "SQL")]
    return tuple(
        (quoted(condition), tuple(re.findall(r"`(\w+)`", by)), quoted(output), f"worked_example_{index}")
        for index, (condition, by, output) in enumerate([*over_metrics, *over_rows])
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """The bakery with an alert for every condition that the reference works out."""
    content = bakery()
    for text, by, _, name in conditions():
        alert = {"condition": text, "severity": "critical", "by": list(by), "escalate": False}
        content["orders.yaml"]["alerts"][name] = alert
    return loaded(written(content, tmp_path_factory.mktemp("bakery")))


@pytest.fixture(scope="module")
def planned(files: Files) -> Plan:
    found = problems(files)
    assert not found, "\n".join(f"{problem.code}: {problem.message}" for problem in found)
    return plan(files)


def loaded(folder: Path, environment: str | None = None) -> Files:
    found = load(folder, environment)
    assert isinstance(found, Files), "\n".join(problem.message for problem in found)
    return found


def test_the_smallest_platform_is_shown_whole() -> None:
    first: dict[str, Any] = {}
    for piece in pieces():
        first.setdefault(piece.file, piece.text)
    for name in ("platform.yaml", "orders.yaml"):
        assert value(first[name]) == value((PLATFORMS["minimal"] / name).read_text("utf-8"))


def test_the_examples_compile_together(tmp_path: Path) -> None:
    folder = written(bakery(), tmp_path)
    environments = [path.stem for path in (folder / "environments").iterdir()]
    assert environments == ["demo"]
    for environment in (None, *environments):
        found = problems(loaded(folder, environment))
        assert not found, "\n".join(f"{problem.code}: {problem.message}" for problem in found)
        assert any(compiled(plan(loaded(folder, environment)), tmp_path / "output").iterdir())


def test_the_examples_use_every_part_of_a_file() -> None:
    content = bakery()
    assert keys(model.Platform).keys() - content["platform.yaml"].keys() == {"alertmanagers", "durations"}
    assert keys(model.Domain).keys() - content["orders.yaml"].keys() == {"description"}


def test_conditions_become_what_is_shown(planned: Plan) -> None:
    orders = next(domain for domain in planned.domains if domain.name == "orders")
    alerts = {alert.name: alert for alert in orders.alerts}
    shared = next(query.sql for query in orders.queries if query.name == "orders/order")
    for text, _, shown, name in conditions():
        alert = alerts[name]
        assert alert.condition is not None
        if alert.kind == "metrics":
            assert alert.expr == shown, text
        else:
            assert row_predicate(alert.condition) == shown, text
            assert f"(WHERE {shown})" in shared, text


def test_faults_are_said_as_shown(files: Files) -> None:
    scope = resolve_names(files).symbols.scopes["orders"]
    for condition, shown in table("Condition", "Error"):
        found = resolve(quoted(condition), scope)
        assert not isinstance(found, Condition), condition
        said = [f"error[{fault.code}]: {LINE.sub('', fault.message)}" for fault in found]
        assert said == [quoted(shown)]


def test_names_come_out_as_shown(planned: Plan, tmp_path: Path) -> None:
    output = "\n".join(path.read_text("utf-8") for path in compiled(planned, tmp_path).rglob("*") if path.is_file())
    shown = [name for row in table("What", "Name", "Example") for name in re.findall(r"`([^`]+)`", row[2])]
    assert len(shown) > 10
    assert [name for name in shown if not re.search(rf"(?<![\w:]){re.escape(name)}(?![\w:])", output)] == []


def test_the_shortest_window_of_an_event_is_the_one_of_the_checks(tmp_path: Path) -> None:
    shown = re.search(r"(\S+) with the\s+defaults", REFERENCE)
    assert shown
    least = durations.milliseconds(shown[1])
    outcome: Callable[[int], list[str]] = lambda within: codes_with_window(tmp_path / str(within), within)  # noqa: E731
    assert outcome(least) == []
    assert outcome(least - 1) == ["event-window"]


def codes_with_window(folder: Path, within: int) -> list[str]:
    content = bakery()
    content["orders.yaml"]["records"]["refund"]["within"] = durations.text(within)
    content["orders.yaml"]["alerts"]["large_refund"]["escalate"] = False
    return [problem.code for problem in problems(loaded(written(content, folder)))]
