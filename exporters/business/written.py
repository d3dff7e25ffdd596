"""Where a person wrote the SQL of a query: in a domain file where that is at hand, else in the plan itself."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Literal

import ryaml

from exporters.business import positions
from exporters.business.plan import Plan, Query
from exporters.business.problems import Invalid, excerpt, read_text

Key = Literal["sql", "when"]

_YAML = frozenset({".yaml", ".yml"})
# A plan is ``output/<platform>/exporter/business.yml``, and beside ``output`` is ``domains``.
_TO_CHECKOUT = 3
_NAME = re.compile(r"[\w.]+")


@dataclass(frozen=True, slots=True)
class Place:
    """A file, the line and column in it where they are known, and what to show of it."""

    path: str
    line: int | None = None
    column: int | None = None
    excerpt: tuple[str, ...] = ()


def place(plan: Plan, plan_path: Path, query: Query, key: Key = "sql", position: int | None = None) -> Place:
    """Where a query's SQL is written; ``position`` counts its characters from 1, and becomes a line and column there.

    Where the very text is not in the file, as with the generated SQL of a record, the place is that of the entry behind
    it, and the excerpt is of the SQL.
    """
    path = _file(plan, plan_path, query)
    shown = str(_from_here(path))
    text, entry = _entry(path, path == plan_path.resolve(), query, key)
    sql = (query.when or "") if key == "when" else query.sql
    if text is None or entry is None:
        return Place(shown, excerpt=_of_sql(sql, position))
    if position is not None and (exact := _exact(text, entry, sql, position)):
        line, column = exact
        return Place(shown, line, column, excerpt(text, line, column))
    line, column = positions.find(text, entry) or (1, 1)
    if position is None:
        return Place(shown, line, column, excerpt(text, line, column))
    return Place(shown, line, column, _of_sql(sql, position))


def source_place(plan_path: Path, source: str) -> Place:
    """Where a plan says how its source is reached."""
    shown = str(_from_here(plan_path.resolve()))
    try:
        text = read_text(plan_path)
    except Invalid:
        return Place(shown)
    path = ("sources", source)
    if positions.lines(text, path) is None:
        return Place(shown)
    line, column = positions.find(text, path) or (None, None)
    return Place(shown, line, column)


def _file(plan: Plan, plan_path: Path, query: Query) -> Path:
    """The file that a query is written in, resolved; the plan where that file is not at hand."""
    whole = plan_path.resolve()
    name = PurePath(query.file)
    if name.is_absolute() or ".." in name.parts:
        return whole
    return next((path for path in _candidates(plan, whole, name) if path.is_file()), whole)


def _candidates(plan: Plan, plan_path: Path, name: PurePath) -> Iterator[Path]:
    folders = plan_path.parents
    yield folders[0] / name
    if len(folders) > _TO_CHECKOUT:
        yield folders[_TO_CHECKOUT] / "domains" / plan.platform / name
    yield Path("domains").resolve() / plan.platform / name


def _entry(path: Path, is_plan: bool, query: Query, key: Key) -> tuple[str | None, tuple[str | int, ...] | None]:
    """A file's text, and the path of keys in it to what the SQL is made of; None where it is not found."""
    if path.suffix not in _YAML:
        return None, None
    try:
        text = read_text(path)
    except Invalid:
        return None, None
    entries = _in_plan(text, query, key) if is_plan else _in_domain(query)
    return text, next((entry for entry in entries if positions.lines(text, entry)), None)


def _in_plan(text: str, query: Query, key: Key) -> Iterator[tuple[str | int, ...]]:
    try:
        value = ryaml.loads(text)
    except ryaml.InvalidYamlError:
        return
    queries = value.get("queries") if isinstance(value, dict) else None
    for index, one in enumerate(queries if isinstance(queries, list) else ()):
        if isinstance(one, dict) and one.get("name") == query.name:
            yield ("queries", index, key)


def _in_domain(query: Query) -> Iterator[tuple[str | int, ...]]:
    # <domain>/<metric>, <domain>/<shared query>, <domain>/<record>, or <domain>/<record>/<alert that lists its rows>
    parts = query.name.split("/")
    name = parts[min(1, len(parts) - 1)]
    if len(parts) < 3:
        yield ("metrics", name, "sql")
        yield ("queries", name, "sql")
    yield ("records", name)


def _exact(text: str, entry: tuple[str | int, ...], sql: str, position: int) -> tuple[int, int] | None:
    """The line and column of a character of the SQL, where the file has it letter by letter, or its name just once."""
    span = positions.lines(text, entry)
    if span is None:
        return None
    first, last = span
    lines = text.splitlines()[first - 1 : last]
    row, column = _row_and_column(sql, position)
    rows = sql.splitlines()
    written = rows[row - 1].strip() if row <= len(rows) else ""
    # A line may be there twice, as FROM is in a UNION: it is the same one of them in both texts.
    found = [at for at, line in enumerate(lines) if written and written in line]
    alike = [at for at, line in enumerate(rows) if written and written in line]
    if found and len(found) == len(alike):
        at = found[alike.index(row - 1)]
        indent = len(rows[row - 1]) - len(rows[row - 1].lstrip())
        return first + at, lines[at].index(written) + column - indent
    if (name := _NAME.match(sql, position - 1)) is None:
        return None
    pattern = re.compile(rf"(?<![\w.]){re.escape(name[0])}(?![\w.])")
    places = [(first + at, match.start() + 1) for at, line in enumerate(lines) for match in pattern.finditer(line)]
    return places[0] if len(places) == 1 else None


def _of_sql(sql: str, position: int | None) -> tuple[str, ...]:
    if position is None:
        return ()
    row, column = _row_and_column(sql, position)
    label = f"SQL line {row}" if len(sql.splitlines()) > 1 else "SQL"
    return excerpt(sql, row, column, label)


def _row_and_column(sql: str, position: int) -> tuple[int, int]:
    before = sql[: position - 1]
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def _from_here(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
