"""What outlives a refresh, a reload and a restart: when events were last seen, how far counters came, what was odd.

A window of events that was not looked at for a while is widened so that it begins where it began at the last success;
what happened meanwhile then counts for as long as any other event. Times are Unix seconds of the database's clock.
"""

import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from exporters.business.irregularities import Irregularity, Kind
from exporters.business.plan import Query
from exporters.business.snapshot import Histogram, Labels, Values

_VERSION = 1
# Refreshes follow each other within an interval; two more and something was missed.
_GAP_INTERVALS = 2


@dataclass(slots=True)
class Gap:
    """A time when nobody looked: until ``until``, windows begin no later than ``since``."""

    since: float
    until: float


@dataclass(slots=True)
class Progress:
    """How far a counter came: its last value in the database, and what it lost by falling."""

    value: float
    lost: float = 0


@dataclass(slots=True)
class Remembered:
    """One query: ``seen`` is the database's time at its last success, ``last_success`` this machine's."""

    seen: float | None = None
    last_success: float | None = None
    gaps: list[Gap] = field(default_factory=list)
    counters: dict[str, dict[Labels, Progress]] = field(default_factory=dict)
    irregularities: Counter[Kind] = field(default_factory=Counter)


class Memory:
    """What is remembered of every query, by its name; ``interval_seconds`` is the time between two refreshes."""

    def __init__(self, interval_seconds: float) -> None:
        self.interval_seconds = interval_seconds
        self._queries: dict[str, Remembered] = {}

    def of(self, query: Query) -> Remembered:
        """What is remembered of a query."""
        return self._queries.setdefault(query.name, Remembered())

    def window(self, query: Query, now: float) -> float:
        """The seconds that a query of events looks back now: ``within_seconds``, widened by gaps that still count."""
        within = query.within_seconds or 0
        known = self.of(query)
        since = [gap.since for gap in known.gaps if _counts(gap, now, within)]
        if gap := self._gap(query, known, now):
            since.append(gap.since)
        return max([within, *(now - start for start in since)])

    def succeeded(self, query: Query, now: float, here: float) -> None:
        """A query was read at ``now``, the database's clock, and ``here``, this machine's."""
        known = self.of(query)
        self._remember_gap(query, known, now)
        known.seen, known.last_success = now, here

    def seen_elsewhere(
        self, queries: Iterable[Query], now: float, active: float, *, after_outage: bool = False
    ) -> None:
        """Another replica reads these queries, and was last ``active`` at that time of the database's clock.

        ``after_outage``: the database was down until now, for that replica too, so it has the same gap.
        """
        for query in queries:
            known = self.of(query)
            if after_outage:
                self._remember_gap(query, known, now)
            known.seen = max(min(known.seen or 0, now), min(active, now))

    def noticed(self, query: Query, irregularities: Iterable[Irregularity]) -> None:
        """Count what was odd."""
        self.of(query).irregularities.update(irregularity.kind for irregularity in irregularities)

    def steady(self, query: Query, values: Values) -> tuple[Values, tuple[Irregularity, ...]]:
        """The values with counters that never fall, and which ones fell in the database.

        A fall of a counter looks like a restart to Prometheus, which would count all of its value once more.
        """
        counters = {series.name for series in query.series if series.type == "counter" and not series.resets}
        known = self.of(query)
        if not counters:
            known.counters = {}
            return values, ()
        found: dict[str, Mapping[Labels, float | Histogram]] = dict(values)
        fell = []
        progress = {name: states for name, states in known.counters.items() if name in counters}
        for name in sorted(counters & values.keys()):
            before = known.counters.get(name, {})
            after = {labels: _further(before.get(labels), value) for labels, value in values[name].items()}
            progress[name] = _latest({**{key: before[key] for key in before if key not in after}, **after}, query)
            found[name] = {labels: state.value + state.lost for labels, state in after.items()}
            if lower := sum(state.lost > before[labels].lost for labels, state in after.items() if labels in before):
                fell.append(Irregularity("counter_fell", f"series {name}: {lower} of {len(after)}"))
        known.counters = progress
        return found, tuple(fell)

    def _remember_gap(self, query: Query, known: Remembered, now: float) -> None:
        known.gaps = [gap for gap in known.gaps if _counts(gap, now, query.within_seconds or 0)]
        if gap := self._gap(query, known, now):
            known.gaps.append(gap)

    def _gap(self, query: Query, known: Remembered, now: float) -> Gap | None:
        between = max(self.interval_seconds, query.interval_seconds or 0)
        if query.within_seconds is None or known.seen is None or now - known.seen <= _GAP_INTERVALS * between:
            return None
        return Gap(since=known.seen - query.within_seconds, until=now + query.within_seconds)

    def dump(self, queries: Iterable[Query]) -> bytes:
        """What a restart needs of these queries, as JSON; empty where none needs anything."""
        found = {}
        for query in queries:
            known = self.of(query)
            if (query.within_seconds is None or known.seen is None) and not known.counters:
                continue
            found[query.name] = {
                "seen": known.seen,
                "gaps": [[gap.since, gap.until] for gap in known.gaps],
                "counters": {
                    name: [[list(labels), state.value, state.lost] for labels, state in states.items()]
                    for name, states in known.counters.items()
                },
            }
        if not found:
            return b""
        return orjson.dumps({"version": _VERSION, "queries": found})

    def restore(self, text: bytes) -> None:
        """Take up what an earlier run wrote.

        Raises:
            ValueError: it is not what ``dump`` writes.
        """
        if not text:
            return
        try:
            value = orjson.loads(text)
            if value["version"] != _VERSION:
                raise ValueError("another version wrote it")
            found = {name: _remembered(entry) for name, entry in value["queries"].items()}
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise ValueError("it is not the exporter's state") from error
        self._queries.update(found)


def save(path: Path, content: bytes) -> None:
    """Replace a file at once and whole.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _counts(gap: Gap, now: float, within: float) -> bool:
    """Whether a gap still counts; one that ends later than any can was made while the database's clock was wrong."""
    return now < gap.until <= now + within


def _latest(states: dict[Labels, Progress], query: Query) -> dict[Labels, Progress]:
    """The latest of them: one that is absent for a while goes on from where it was, but not without end."""
    excess = len(states) - 2 * query.row_limit
    return dict(list(states.items())[excess:]) if excess > 0 else states


def _further(before: Progress | None, value: "float | Histogram") -> Progress:
    assert not isinstance(value, Histogram)  # counters only
    if before is None:
        return Progress(value)
    return Progress(value, before.lost + max(0.0, before.value - value))


def _remembered(entry: dict[str, Any]) -> Remembered:
    return Remembered(
        seen=None if entry["seen"] is None else float(entry["seen"]),
        gaps=[Gap(float(since), float(until)) for since, until in entry["gaps"]],
        counters={
            name: {tuple(labels): Progress(float(value), float(lost)) for labels, value, lost in states}
            for name, states in entry["counters"].items()
        },
    )
