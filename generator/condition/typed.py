"""One pass over a condition's syntax: names become symbols, words matchers, NOT is pushed down, units are checked."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Literal, cast

from generator.condition import arithmetic, units
from generator.condition.context import Context, Meaning
from generator.condition.grammar import Abs, AllOf, Amount, AnyOf, Binary, Compare, Name, Not, Quoted, Syntax
from generator.condition.tree import (
    Absolute,
    And,
    Arithmetic,
    Comparison,
    ComparisonOp,
    Fault,
    FieldSymbol,
    Flag,
    Label,
    MetricSymbol,
    Node,
    Number,
    Or,
    Quantity,
    Reference,
    Symbol,
    WordTest,
)
from generator.condition.walk import with_references

_OPPOSITE: dict[ComparisonOp, ComparisonOp] = {">": "<=", "<=": ">", "<": ">=", ">=": "<", "=": "!=", "!=": "="}
_MIRRORED: dict[ComparisonOp, ComparisonOp] = {">": "<", "<": ">", ">=": "<=", "<=": ">=", "=": "=", "!=": "!="}
_BOOLEANS = ("true", "false")

Equality = Literal["=", "!="]
SymbolKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class LabelTest:
    """A label compared with a word; ``word_at`` is where the word stands."""

    name: str
    op: Equality
    word: str
    at: Syntax
    word_at: Syntax


@dataclass(frozen=True, slots=True)
class LabelTests:
    """Label comparisons that still wait for the metrics that they are ANDed to."""

    tests: tuple[LabelTest, ...]


Typed = Node | LabelTests | None


@dataclass(slots=True)
class Typing:
    """Types one condition; whatever has a fault in it becomes None, and the fault is kept in ``faults``.

    ``symbols`` and ``places`` hold what the condition names, in its order, and where it first does.
    """

    text: str
    context: Context
    faults: list[Fault]
    nouns: frozenset[str] = frozenset()
    symbols: dict[SymbolKey, Symbol] = field(default_factory=dict)
    places: dict[SymbolKey, Syntax] = field(default_factory=dict)

    def fault(self, code: str, message: str, at: Syntax, *hints: str) -> None:
        """Keep a fault of one stretch of the text."""
        fault = Fault(code, message, at.start, at.end, tuple(hint for hint in hints if hint))
        if fault not in self.faults:
            self.faults.append(fault)

    def condition(self, syntax: Syntax) -> Node | None:
        """Type the whole condition."""
        node = self._node(syntax, negated=False)
        if isinstance(node, LabelTests):
            self._without_metric(node.tests)
            return None
        return node

    # Conditions

    def _node(self, syntax: Syntax, *, negated: bool) -> Typed:
        match syntax:
            case Compare():
                return self._compare(syntax, negated=negated)
            case Not(operand):
                return self._node(operand, negated=not negated)
            case AllOf(parts) | AnyOf(parts):
                typed = [self._node(part, negated=negated) for part in parts]
                is_and = isinstance(syntax, AllOf) is not negated
                return self._all(typed) if is_and else self._any(parts, typed)
            case Name(text):
                return self._boolean(syntax, self.context.meaning(text), negated=negated)
            case _:
                self._not_a_boolean(syntax)
                return None

    def _all(self, parts: list[Typed]) -> Typed:
        tests = tuple(test for part in parts if isinstance(part, LabelTests) for test in part.tests)
        nodes = [part for part in parts if part is not None and not isinstance(part, LabelTests)]
        self._check_contradictions(tests)
        if any(part is None for part in parts):
            return None
        if not nodes:
            return LabelTests(tests)
        for test in tests:
            nodes = self._matched(test, nodes)
        flat = [each for node in nodes for each in (node.parts if isinstance(node, And) else (node,))]
        return flat[0] if len(flat) == 1 else And(tuple(flat))

    def _any(self, syntax: list[Syntax], parts: list[Typed]) -> Node | None:
        flat: list[Node] = []
        for at, part in zip(syntax, parts, strict=True):
            if isinstance(part, LabelTests):
                message = "a comparison of a label stands only beside AND"
                self.fault("label-mismatch", message, at, "it chooses the series that the whole AND looks at")
            elif part is not None:
                flat += part.parts if isinstance(part, Or) else (part,)
        return Or(tuple(flat)) if all(part is not None for part in parts) else None

    def _boolean(self, syntax: Name, meaning: Meaning | None, *, negated: bool) -> Node | None:
        if isinstance(meaning, FieldSymbol) and meaning.boolean:
            self._note(meaning, syntax)
            return Flag(meaning, not negated)
        if meaning is not None:
            self._not_a_boolean(syntax)
        return None

    def _not_a_boolean(self, syntax: Syntax) -> None:
        hint = "compare it with something"
        if isinstance(syntax, Name):
            match self.context.meaning(syntax.text):
                case FieldSymbol(values=tuple(values)):
                    hint = f"compare it with one of its words: {syntax.text} = {values[0]}"
                case FieldSymbol(unit=str(unit)) | MetricSymbol(unit=unit):
                    hint = f"compare it with {units.in_words(unit)}: {syntax.text} > {arithmetic.example(unit)}"
                case _:
                    pass
        elif self.quantity(syntax) is None:
            return
        self.fault("not-a-boolean", f"{self._words(syntax)} is neither met nor unmet by itself", syntax, hint)

    # Comparisons

    def _compare(self, syntax: Compare, *, negated: bool) -> Typed:
        op = _OPPOSITE[syntax.op] if negated else syntax.op
        left, right = syntax.left, syntax.right
        if symbol := self.context.takes_word(left, right):
            return self._word_test(syntax, symbol, left, op, right)
        if symbol := self.context.takes_word(right, left):
            return self._word_test(syntax, symbol, right, op, left)
        typed_left, typed_right = self.quantity(left), self.quantity(right)
        if typed_left is None or typed_right is None:
            return None
        return self._comparison(syntax, op, typed_left, typed_right)

    def _comparison(self, syntax: Compare, op: ComparisonOp, left: Quantity, right: Quantity) -> Node | None:
        if isinstance(left, Number) and isinstance(right, Number):
            message = "this compares constants, so it never changes"
            self.fault("constant-comparison", message, syntax, "one side names a metric or a field")
            return None
        fit = arithmetic.fit(left, right)
        if fit is None:
            self._mismatch("unit-mismatch", syntax, left, right)
            return None
        left, right = fit
        return Comparison(_MIRRORED[op], right, left) if isinstance(left, Number) else Comparison(op, left, right)

    def _mismatch(self, code: str, syntax: Compare | Binary, left: Quantity, right: Quantity) -> None:
        at: Syntax = syntax
        hint = ""
        if isinstance(right, Number):
            at, hint = syntax.right, arithmetic.way_to_write(right, left.unit)
        elif isinstance(left, Number):
            at, hint = syntax.left, arithmetic.way_to_write(left, right.unit)
        facts = [
            f"{self._words(side)} is {units.in_words(typed.unit)}"
            for side, typed in ((syntax.left, left), (syntax.right, right))
        ]
        self.fault(code, ", ".join(facts), at, hint)

    # Words

    def _word_test(
        self, syntax: Compare, symbol: FieldSymbol | Label, at: Syntax, op: ComparisonOp, other: Syntax
    ) -> Node | LabelTests | None:
        name = self._words(at)
        if isinstance(symbol, FieldSymbol):
            self._note(symbol, at)
        if op not in ("=", "!="):
            code = "label-mismatch" if isinstance(symbol, Label) else "unit-mismatch"
            self.fault(code, f"{name} holds words, which have no order", syntax, 'words take "=" and "!="')
            return None
        known = _BOOLEANS if isinstance(symbol, FieldSymbol) and symbol.boolean else symbol.values or ()
        word = self._word(other)
        if word is None:
            written = self.text[other.start : other.end]
            is_dashed = "-" in written and (written in known or not known)
            hint = f'write {name} = "{written}"' if is_dashed else _choice(name, known)
            self.fault("unknown-word", f"{name} is compared with one word", other, hint)
            return None
        if isinstance(symbol, Label):
            return LabelTests((LabelTest(symbol.name, op, word, syntax, other),))
        if symbol.boolean:
            word = word.lower()
        if word not in known:
            self._unknown_word(name, word, known, other)
            return None
        return Flag(symbol, (word == "true") is (op == "=")) if symbol.boolean else WordTest(symbol, op, word)

    def _word(self, syntax: Syntax) -> str | None:
        if isinstance(syntax, Name | Quoted):
            return syntax.text
        written = self.text[syntax.start : syntax.end]
        # 500 and 2xx are words, too, where a label or a field takes them.
        return written if isinstance(syntax, Amount) and not any(each.isspace() for each in written) else None

    def _unknown_word(self, name: str, word: str, known: tuple[str, ...], at: Syntax) -> None:
        near = units.nearest(word, list(known))
        hint = f"a word of {name} is near: {near}" if near else ""
        self.fault("unknown-word", f'{name} is never "{word}"', at, hint, _choice(name, known))

    # Label words

    def _matched(self, test: LabelTest, nodes: list[Node]) -> list[Node]:
        known: dict[SymbolKey, tuple[str, ...]] = {}

        def with_matcher(reference: Reference) -> Reference:
            symbol = reference.symbol
            label = next((each for each in _labels(symbol) if each.name == test.name), None)
            if label is None:
                return reference
            known[key(symbol)] = label.values
            matcher = (test.name, test.op, test.word)
            if matcher in reference.matchers:
                return reference
            return replace(reference, matchers=(*reference.matchers, matcher))

        matched = [with_references(node, with_matcher) for node in nodes]
        if not known:
            self._without_metric((test,))
        for (_, metric), values in known.items():
            if values and test.word not in values:
                self._unknown_word(f"{test.name} of {metric}", test.word, values, test.word_at)
        return matched

    def _without_metric(self, tests: tuple[LabelTest, ...]) -> None:
        for test in tests:
            message = f"no metric beside this has the label {test.name}"
            self.fault("label-mismatch", message, test.at, "a comparison of a label is ANDed to one of a metric")

    def _check_contradictions(self, tests: tuple[LabelTest, ...]) -> None:
        required: dict[str, str] = {}
        for test in tests:
            if test.op == "=" and required.setdefault(test.name, test.word) != test.word:
                message = f"{test.name} cannot be {required[test.name]} and {test.word} at once"
                self.fault("label-mismatch", message, test.at)
        for test in tests:
            if test.op == "!=" and required.get(test.name) == test.word:
                self.fault("label-mismatch", f"{test.name} cannot be {test.word} and not {test.word}", test.at)

    # Quantities

    def quantity(self, syntax: Syntax) -> Quantity | None:
        """Type a sum."""
        match syntax:
            case Amount():
                return self._number(syntax)
            case Name():
                return self._reference(syntax)
            case Abs(operand):
                typed = self.quantity(operand)
                if isinstance(typed, Number):
                    return replace(typed, value=abs(typed.value), text=self._words(syntax))
                return None if typed is None else Absolute(typed, typed.unit)
            case Binary():
                return self._arithmetic(syntax)
            case Quoted(text):
                message = f'"{text}" is a word, not a quantity'
                self.fault("unknown-word", message, syntax, "words compare with a field or label that takes words")
            case _:
                self.fault("condition-syntax", f"{self._words(syntax)} is met or unmet, not a quantity", syntax)
        return None

    def _number(self, syntax: Amount) -> Number | None:
        unit, factor = "none", Decimal(1)
        match syntax.unit:
            case None:
                pass
            case "%":
                unit, factor = "ratio", Decimal("0.01")
            case "$":
                unit = "usd"
            case word if word in units.UNIT_WORDS:
                unit, factor = units.UNIT_WORDS[word]
            case word if word in self._counted_nouns():
                unit = word
            case word:
                self._unknown_unit(syntax, word)
                return None
        return self._in_range(float(Decimal(syntax.number) * factor), unit, syntax)

    def _in_range(self, value: float, unit: str, syntax: Syntax) -> Number | None:
        if math.isfinite(value):
            return Number(value + 0.0, unit, self._words(syntax))  # -0.0 becomes 0.0
        self.fault("condition-syntax", "the number is too large", syntax)
        return None

    def _counted_nouns(self) -> frozenset[str]:
        scope, record = self.context.scope, self.context.record
        symbols: list[Symbol] = [*scope.metrics.values(), *scope.foreign.values()]
        if record is not None:
            symbols = list(scope.records[record].values())
        return self.nouns | {each.unit for each in symbols if each.unit is not None and units.is_counted(each.unit)}

    def _unknown_unit(self, syntax: Amount, word: str) -> None:
        at = Name(word, syntax.unit_start, syntax.unit_end)
        if word.lower() in ("usd", "dollar", "dollars"):
            hint = f"write ${syntax.number}"
        elif word.lower() in ("percent", "pct", "ratio"):
            hint = f"write {syntax.number}%"
        elif near := units.nearest(word, [*units.UNIT_WORDS, *self._counted_nouns()]):
            hint = f"a unit is near: {near}"
        else:
            hint = "units are ms, s, m, h, d, w, B, KB, MB, GB, KiB, MiB, GiB, rps, % and $; counted things need none"
        self.fault("unknown-unit", f'no unit is called "{word}"', at, hint)

    def _reference(self, syntax: Name) -> Reference | None:
        meaning = self.context.meaning(syntax.text)
        match meaning:
            case None:
                return None  # that is a fault already
            case Label(name):
                message = f"{name} is a label, not a quantity"
                self.fault("label-mismatch", message, syntax, 'a label takes "=" and "!=" and one word')
                return None
            case FieldSymbol(unit=None):
                kind = "true or false" if meaning.boolean else "a word"
                self.fault("unit-mismatch", f"{syntax.text} is {kind}, not a quantity", syntax)
                return None
            case _:
                self._note(meaning, syntax)
                return Reference(meaning, cast(str, meaning.unit))

    def _arithmetic(self, syntax: Binary) -> Quantity | None:
        left, right = self.quantity(syntax.left), self.quantity(syntax.right)
        if left is None or right is None:
            return None
        if syntax.op == "/" and isinstance(right, Number) and right.value == 0:
            self.fault("unit-arithmetic", "this divides by zero", syntax.right)
            return None
        unit: str | None
        if syntax.op in ("+", "-"):
            fit = arithmetic.fit(left, right)
            if fit is None:
                self._mismatch("unit-arithmetic", syntax, left, right)
                return None
            left, right = fit
            unit = left.unit
        else:
            unit = arithmetic.result_unit(syntax.op, left, right)
        if unit is None:
            self._no_unit(syntax, left, right)
            return None
        if isinstance(left, Number) and isinstance(right, Number):
            return self._in_range(arithmetic.folded(syntax.op, left, right), unit, syntax)
        return Arithmetic(syntax.op, left, right, unit)

    def _no_unit(self, syntax: Binary, left: Quantity, right: Quantity) -> None:
        verb = "times" if syntax.op == "*" else "divided by"
        message = f"{units.in_words(left.unit)} {verb} {units.in_words(right.unit)} has no unit"
        percent = next((each for each in (left, right) if isinstance(each, Number) and each.unit == "ratio"), None)
        hint = f"write {units.plain(percent.value)} for {percent.text}" if percent else ""
        self.fault("unit-arithmetic", message, syntax, hint)

    def _note(self, symbol: Symbol, syntax: Syntax) -> None:
        self.symbols.setdefault(key(symbol), symbol)
        self.places.setdefault(key(symbol), syntax)

    def _words(self, syntax: Syntax) -> str:
        """The text as written, on one line and short enough for a message."""
        words = " ".join(self.text[syntax.start : syntax.end].split())
        return words if len(words) <= 60 else f"{words[:57]}…"


def key(symbol: Symbol) -> SymbolKey:
    """What identifies a symbol within one condition."""
    return (symbol.domain if isinstance(symbol, MetricSymbol) else symbol.record, symbol.name)


def _labels(symbol: Symbol) -> tuple[Label, ...]:
    return symbol.labels if isinstance(symbol, MetricSymbol) else ()


def _choice(name: str, values: tuple[str, ...]) -> str:
    if not values:
        return f'write {name} = "…"'
    shown = ", ".join(values[:10])
    return f"{name} is one of {shown}" + (f" and {len(values) - 10} more" if len(values) > 10 else "")
