"""Over what a condition runs: the metrics, or one record; decided by its names, before anything is typed."""

from __future__ import annotations

from dataclasses import dataclass, field

from generator.condition import units
from generator.condition.grammar import Abs, AllOf, AnyOf, Binary, Compare, Name, Not, Quoted, Syntax
from generator.condition.scope import Scope
from generator.condition.tree import Fault, FieldSymbol, Label, MetricSymbol

Meaning = MetricSymbol | FieldSymbol | Label


@dataclass(slots=True)
class Mentions:
    """The names of a condition: loose ones, and those of comparisons, one side of which may be a word."""

    loose: list[Name] = field(default_factory=list)
    comparisons: list[tuple[Compare, list[Name]]] = field(default_factory=list)

    def all_names(self) -> list[Name]:
        """Every name and bare word, in the order of the text."""
        found = [*self.loose, *(name for _, names in self.comparisons for name in names)]
        return sorted(found, key=lambda name: name.start)


def mentions(syntax: Syntax) -> Mentions:
    """Collect the names of a condition."""
    found = Mentions()
    _collect(syntax, found, found.loose)
    return found


def _collect(node: Syntax, found: Mentions, names: list[Name]) -> None:
    match node:
        case Name():
            names.append(node)
        case Compare(_, left, right):
            compared: list[Name] = []
            _collect(left, found, compared)
            _collect(right, found, compared)
            found.comparisons.append((node, compared))
        case Binary(_, left, right):
            _collect(left, found, names)
            _collect(right, found, names)
        case Not(operand) | Abs(operand):
            _collect(operand, found, names)
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                _collect(part, found, names)
        case _:
            pass


@dataclass(slots=True)
class Context:
    """What names mean when a condition runs over the metrics (``record`` None) or over one record.

    ``labels`` are those of the metrics that the condition names.
    """

    scope: Scope
    record: str | None
    labels: dict[str, Label]

    def meaning(self, name: str) -> Meaning | None:
        """What a name means here."""
        if self.record is None:
            return self.scope.metric(name) or self.labels.get(name)
        return self.scope.field(self.record, name)

    def takes_word(self, side: Syntax, other: Syntax) -> FieldSymbol | Label | None:
        """The field or label that a side of a comparison is, where the other side is one of its words."""
        if not isinstance(side, Name):
            return None
        meaning = self.meaning(side.text)
        if isinstance(meaning, FieldSymbol):
            return meaning if meaning.unit is None else None
        if isinstance(meaning, MetricSymbol):
            # A label may be called like a metric: against a word it is the label.
            is_word = isinstance(other, Quoted) or (isinstance(other, Name) and self.meaning(other.text) is None)
            return self.labels.get(side.text) if is_word else None
        return meaning

    def missing(self, found: Mentions) -> list[Name]:
        """The names that mean nothing here."""
        missing = [name for name in found.loose if self.meaning(name.text) is None]
        for compare, names in found.comparisons:
            if self.takes_word(compare.left, compare.right) or self.takes_word(compare.right, compare.left):
                continue
            unknown = [name for name in names if self.meaning(name.text) is None]
            # Of two unknown names side by side (`stats = failed`) the second is most likely a word.
            missing += unknown[:1] if unknown == [compare.left, compare.right] else unknown
        return missing

    def mirrored(self, found: Mentions) -> int:
        """How many comparisons have their word on the left, which few people write."""
        compares = [compare for compare, _ in found.comparisons]
        return sum(
            self.takes_word(each.left, each.right) is None and self.takes_word(each.right, each.left) is not None
            for each in compares
        )


def _misfit(ranked: tuple[list[Name], int, Context]) -> tuple[int, int]:
    return len(ranked[0]), ranked[1]


def choose(scope: Scope, found: Mentions, *, only_metrics: bool = False) -> tuple[Context, list[Fault]]:
    """The context in which most names mean something, and what is wrong with the others."""
    names = found.all_names()
    records: dict[str | None, None] = {}
    for name in names:
        if scope.metric(name.text) is not None:
            records[None] = None
        for record in () if only_metrics else scope.records:
            if scope.field(record, name.text) is not None:
                records[record] = None
    contexts = [_context(scope, record, names) for record in records] or [_context(scope, None, names)]
    if len(contexts) == 1:
        context, missing = contexts[0], contexts[0].missing(found)
    else:
        ranked = sorted(((each.missing(found), each.mirrored(found), each) for each in contexts), key=_misfit)
        missing, _, context = ranked[0]
        if not missing and _misfit(ranked[0]) == _misfit(ranked[1]):
            return context, [_ambiguous(scope, names, {each.record for absent, _, each in ranked if not absent})]
    return context, [_missing(scope, context, names, name) for name in missing]


def _context(scope: Scope, record: str | None, names: list[Name]) -> Context:
    labels: dict[str, Label] = {}
    if record is None:
        for name in names:
            if metric := scope.metric(name.text):
                labels.update({label.name: label for label in metric.labels})
    return Context(scope, record, labels)


def _ambiguous(scope: Scope, names: list[Name], records: set[str | None]) -> Fault:
    every = [(name, [each for each in scope.meanings(name.text) if each[0] in records]) for name in names]
    name, meanings = max(every, key=lambda pair: len(pair[1]))
    ways = [f"{record or scope.domain}.{name.text}" for record, _ in meanings]
    return Fault(
        "ambiguous-name",
        f'"{name.text}" may be {_either([words for _, words in meanings])}',
        name.start,
        name.end,
        () if "." in name.text else (f"write {_either(ways)}",),
    )


def _missing(scope: Scope, context: Context, names: list[Name], name: Name) -> Fault:
    if name.text.lower() in ("true", "false"):
        message = f"{name.text} alone never changes"
        return Fault("constant-comparison", message, name.start, name.end, ("compare a boolean field with it",))
    anchor = next((each.text for each in names if context.meaning(each.text) is not None), None)
    elsewhere = [words for _, words in scope.meanings(name.text)]
    if not elsewhere:
        message = f'no metric or field is called "{name.text}"'
        label = units.nearest(name.text, list(context.labels))
        hints: tuple[str, ...] = (f"a label is near: {label}",) if label else ()
        hints += scope.hints(name.text, context.record, decided=anchor is not None)
        return Fault("unknown-name", message, name.start, name.end, hints)
    if anchor is None:
        message, hint = f'"{name.text}" is {_either(elsewhere)}', "this is made of metrics alone"
    else:
        home = "a metric" if context.record is None else f"a field of record {context.record}"
        message = f'"{name.text}" is {_either(elsewhere)}, "{anchor}" is {home}'
        hint = "all names of one condition are metrics, or all are fields of one record"
    return Fault("mixed-records-and-metrics", message, name.start, name.end, (hint,))


def _either(options: list[str]) -> str:
    return " or ".join(options)
