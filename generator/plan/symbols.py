"""The names that conditions may use, domain by domain, with ``expr:`` metrics resolved in the order they need."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from generator.condition import Scope, resolve_quantity
from generator.condition.tree import Fault, FieldSymbol, Label, MetricSymbol, Quantity
from generator.load import DomainFile, Files
from generator.model import Metric

_NAME = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)?")


@dataclass(frozen=True, slots=True)
class ExprFault:
    """A fault in the ``expr`` of one metric."""

    domain: str
    metric: str
    fault: Fault


@dataclass(frozen=True, slots=True)
class Symbols:
    """The scope of every domain, every metric's symbol by (domain, name), and what is wrong with ``expr`` metrics."""

    scopes: Mapping[str, Scope]
    metrics: Mapping[tuple[str, str], MetricSymbol]
    faults: tuple[ExprFault, ...]


class _Lines(Mapping[str, int]):
    """The line where a name is declared, looked up only when a hint needs it: finding lines reads the file again."""

    def __init__(self, files: Mapping[str, DomainFile], file: DomainFile) -> None:
        self._files = files
        self._file = file

    def __getitem__(self, name: str) -> int:
        first, _, rest = name.partition(".")
        model = self._file.model
        if not rest:
            return self._file.key_span(("metrics", first)).line
        if first in model.records:
            return self._file.key_span(("records", first, "fields", rest)).line
        if first in self._files:
            return self._files[first].key_span(("metrics", rest)).line
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def labels(metric: Metric) -> tuple[Label, ...]:
    """The labels of a metric as its file declares them; ``instance`` comes last where it is kept per instance."""
    if isinstance(metric.by, dict):
        declared = tuple(Label(name, tuple(values)) for name, values in metric.by.items())
    else:
        declared = tuple(Label(name) for name in metric.by)
    return (*declared, Label("instance")) if metric.per == "instance" else declared


def _fields(file: DomainFile) -> dict[str, dict[str, FieldSymbol]]:
    return {
        name: {
            field_name: FieldSymbol(
                record=name,
                name=field_name,
                sql=field.sql,
                unit=field.unit,
                values=tuple(field.values) if field.values is not None else None,
                boolean=field.boolean is True,
            )
            for field_name, field in record.fields.items()
        }
        for name, record in file.model.records.items()
    }


class _Resolver:
    """Resolves ``expr`` metrics depth first; a metric that needs itself is a fault where it is written."""

    def __init__(self, files: Files) -> None:
        self.files = {file.model.domain: file for file in files.domains}
        self.declared = {
            (file.model.domain, name): metric for file in files.domains for name, metric in file.model.metrics.items()
        }
        self.metrics: dict[tuple[str, str], MetricSymbol] = {}
        self.by_domain: dict[str, dict[str, MetricSymbol]] = {domain: {} for domain in self.files}
        self.foreign: dict[str, MetricSymbol] = {}
        self.faults: list[ExprFault] = []
        self.under_way: list[tuple[str, str]] = []
        self.lines = {file.model.domain: _Lines(self.files, file) for file in files.domains}

    def symbol(self, key: tuple[str, str]) -> None:
        """Put the symbol of one metric, and of all that its ``expr`` needs, into the tables."""
        if key in self.metrics or key in self.under_way:
            return
        metric = self.declared[key]
        definition = None
        if metric.expr is not None:
            self.under_way.append(key)
            definition = self._definition(key, metric.expr)
            self.under_way.pop()
        symbol = MetricSymbol(*key, metric.unit, labels(metric), metric.total, definition)
        self.metrics[key] = symbol
        self.by_domain[key[0]][key[1]] = symbol
        self.foreign[f"{key[0]}.{key[1]}"] = symbol

    def _definition(self, key: tuple[str, str], text: str) -> Quantity | None:
        for match in _NAME.finditer(text):
            needed = self._key(key[0], match.group())
            if needed in self.under_way:
                chain = " -> ".join(".".join(k) for k in (*self.under_way[self.under_way.index(needed) :], needed))
                fault = Fault("circular-expr", "the metric needs itself", match.start(), match.end(), (chain,))
                self.faults.append(ExprFault(*key, fault))
                return None
            if needed in self.declared:
                self.symbol(needed)
        by = tuple(label.name for label in labels(self.declared[key]))
        resolved = resolve_quantity(text, self.scope(key[0]), by)
        if isinstance(resolved, tuple):
            self.faults.extend(ExprFault(*key, fault) for fault in resolved)
            return None
        return resolved

    def _key(self, domain: str, name: str) -> tuple[str, str]:
        first, _, rest = name.partition(".")
        return (first, rest) if rest else (domain, first)

    def scope(self, domain: str) -> Scope:
        """What a condition of ``domain`` may name; a metric still under way is not in it."""
        return Scope(
            domain=domain,
            metrics=self.by_domain[domain],
            foreign=self.foreign,
            records=_fields(self.files[domain]),
            lines=self.lines[domain],
        )


def symbols(files: Files) -> Symbols:
    """Resolve every name of a platform once; faults are returned, never raised."""
    resolver = _Resolver(files)
    for file in files.domains:
        for name in file.model.metrics:
            resolver.symbol((file.model.domain, name))
    return Symbols(
        scopes={domain: resolver.scope(domain) for domain in resolver.files},
        metrics=resolver.metrics,
        faults=tuple(resolver.faults),
    )
