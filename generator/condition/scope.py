"""The names that a condition may use, and what is near a name that does not exist."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from generator.condition import units
from generator.condition.tree import FieldSymbol, MetricSymbol

_LISTED = 10


@dataclass(frozen=True, slots=True)
class Scope:
    """What one domain's conditions see.

    ``metrics`` are the domain's own by bare name, ``foreign`` those of other domains by ``domain.metric``, ``records``
    its records' fields. ``lines`` says where a name stands in the domain's file, for hints: ``metric``,
    ``other.metric`` or ``record.field``.
    """

    domain: str
    metrics: Mapping[str, MetricSymbol]
    foreign: Mapping[str, MetricSymbol]
    records: Mapping[str, Mapping[str, FieldSymbol]]
    lines: Mapping[str, int] = field(default_factory=dict)

    def metric(self, name: str) -> MetricSymbol | None:
        """The metric of this name; the domain's own may be written with its domain, too."""
        found = self.metrics.get(name)
        if found is None and "." in name:
            found = self.foreign.get(name)
            if found is None and name.startswith(f"{self.domain}."):
                found = self.metrics.get(name.partition(".")[2])
        return found

    def field(self, record: str, name: str) -> FieldSymbol | None:
        """The field of this name in a record, bare or as ``record.field``."""
        found = self.records[record].get(name)
        if found is None and name.startswith(f"{record}."):
            found = self.records[record].get(name.partition(".")[2])
        return found

    def meanings(self, name: str) -> Iterator[tuple[str | None, str]]:
        """Everything that a name may mean: the record (None for a metric), and how that is said to people."""
        if self.metric(name) is not None:
            yield None, f"a metric{self._line(name)}"
        for record in self.records:
            if found := self.field(record, name):
                yield record, f"a field of record {record}{self._line(f'{record}.{found.name}')}"

    def hints(self, name: str, over: str | None = None, *, decided: bool = False) -> tuple[str, ...]:
        """What is near an unknown name, or what there is: in the record ``over`` (None: the metrics) once decided."""
        if decided:
            return self._label_hint(name, over) or self._within(over).hints(name)
        elsewhere = sorted(key for key in self.foreign if key.partition(".")[2] == name)
        if elsewhere:
            return tuple(f"a metric of another domain has that name: {key}{self._line(key)}" for key in elsewhere)
        return self._label_hint(name, None) or tuple(self._near(name)) or tuple(self._everything())

    def _within(self, record: str | None) -> Scope:
        if record is None:
            return Scope(self.domain, self.metrics, self.foreign, {}, self.lines)
        return Scope(self.domain, {}, {}, {record: self.records[record]}, self.lines)

    def _label_hint(self, name: str, over: str | None) -> tuple[str, ...]:
        metrics = self.metrics.values() if over is None else ()
        labelled = sorted(metric.name for metric in metrics if any(label.name == name for label in metric.labels))
        hint = f"{name} is a label of {_enumeration(labelled)}: a condition on a label names its metric, too"
        return (hint,) if labelled else ()

    def _near(self, name: str) -> Iterator[str]:
        if found := units.nearest(name, list(self.metrics)):
            yield f"a metric is near: {found}{self._line(found)}"
        for record in sorted(self.records):
            if found := units.nearest(name, list(self.records[record])):
                yield f"a field of record {record} is near: {found}{self._line(f'{record}.{found}')}"
        # A name without a domain is compared without one; of several domains the first has it.
        own = f"{self.domain}."
        keys = [key for key in sorted(self.foreign, reverse=True) if "." in name or not key.startswith(own)]
        foreign = {key if "." in name else key.partition(".")[2]: key for key in keys}
        if found := units.nearest(name, list(foreign)):
            yield f"a metric of another domain is near: {foreign[found]}{self._line(foreign[found])}"

    def _everything(self) -> Iterator[str]:
        if self.metrics:
            yield f"the metrics here are {_enumeration(sorted(self.metrics))}"
        for record in sorted(self.records):
            yield f"the fields of record {record} are {_enumeration(sorted(self.records[record]))}"
        if not self.metrics and not self.records:
            yield "this domain has neither metrics nor records"

    def _line(self, key: str) -> str:
        found = self.lines.get(key)
        return f" (line {found})" if found is not None else ""


def _enumeration(names: list[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
