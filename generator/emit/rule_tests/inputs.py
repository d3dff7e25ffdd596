"""Which values of which series put an alert just below, at and just above its threshold.

The threshold is solved for one metric, the pivot; all other metrics of the condition get constants that leave the
decision to it. What is found is verified with the condition itself before it is used.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from generator.condition import evaluate, quantity_value, references
from generator.condition.tree import (
    And,
    Comparison,
    Condition,
    MetricSymbol,
    Node,
    Or,
    Quantity,
    Reference,
)
from generator.plan.alerts import comparisons
from generator.plan.types import Metric

Key = tuple[str, str]
_PROBES = (100.0, 1.0, 1000.0, 0.5, 0.0)


@dataclass(frozen=True, slots=True)
class Input:
    """One metric's values: not firing, exactly at the threshold, firing; all three are one for a constant."""

    metric: Metric
    fine: float
    at: float
    bad: float


@dataclass(frozen=True, slots=True)
class Inputs:
    """The inputs of one alert, the labels that its series carry, and whether it is met at the threshold itself, and
    when its series are gone."""

    metrics: tuple[Input, ...]
    labels: Mapping[str, str]
    met_at: bool
    met_gone: bool


@dataclass(slots=True)
class _World:
    """Values of metrics by key, and the labels of the one instance that the test drives."""

    metrics: Mapping[Key, Metric]
    labels: Mapping[str, str]
    values: dict[Key, float] = field(default_factory=dict)

    def value(self, reference: Reference) -> float:
        symbol = reference.symbol
        assert isinstance(symbol, MetricSymbol)
        for label, op, word in reference.matchers:
            if (self.labels.get(label) == word) != (op == "="):
                return math.nan
        metric = self.metrics[symbol.domain, symbol.name]
        if metric.definition is not None:
            return quantity_value(metric.definition, self.value)
        return self.values.get((metric.domain, metric.name), math.nan)

    def met(self, condition: Condition) -> bool:
        return evaluate(condition.root, self.value)


def inputs(condition: Condition, metrics: Mapping[Key, Metric]) -> Inputs | None:
    """Find inputs for a condition over metrics; None where no single metric decides it."""
    for comparison in comparisons(condition.root):
        labels = _labels(condition, comparison, metrics)
        for pivot in _leaves(comparison, metrics):
            if found := _solve(condition, comparison, pivot, _World(metrics, labels)):
                return found
    return None


def leaves(quantity: Quantity, metrics: Mapping[Key, Metric]) -> Iterator[Key]:
    """The metrics that a quantity comes from, ``expr:`` metrics unfolded."""
    for reference in references(quantity):
        symbol = reference.symbol
        assert isinstance(symbol, MetricSymbol)
        metric = metrics[symbol.domain, symbol.name]
        if metric.definition is not None:
            yield from leaves(metric.definition, metrics)
        else:
            yield metric.domain, metric.name


def _leaves(comparison: Comparison, metrics: Mapping[Key, Metric]) -> Iterator[Key]:
    yield from dict.fromkeys([*leaves(comparison.left, metrics), *leaves(comparison.right, metrics)])


def _labels(condition: Condition, pivot: Comparison, metrics: Mapping[Key, Metric]) -> dict[str, str]:
    chosen: dict[str, str] = {}
    refused: dict[str, set[str]] = {}
    others = [comparison for comparison in comparisons(condition.root) if comparison is not pivot]
    for comparison in (pivot, *others):
        for reference in (*references(comparison.left), *references(comparison.right)):
            for label, op, word in reference.matchers:
                if op == "=":
                    chosen.setdefault(label, word)
                else:
                    refused.setdefault(label, set()).add(word)
    for comparison in (pivot, *others):
        for key in _leaves(comparison, metrics):
            for label, values in metrics[key].labels:
                allowed = [value for value in values if value not in refused.get(label, set())]
                chosen.setdefault(label, allowed[0] if allowed else f"any-{label}")
    return chosen


def _solve(condition: Condition, comparison: Comparison, pivot: Key, world: _World) -> Inputs | None:
    for probe in _PROBES:
        world.values = {key: probe for other in comparisons(condition.root) for key in _leaves(other, world.metrics)}
        root = _root(comparison, pivot, world)
        if root is None or not _decide_others(condition.root, comparison, pivot, root, world):
            continue
        if found := _verified(condition, comparison, pivot, root, world):
            return found
    return None


def _difference(comparison: Comparison, pivot: Key, world: _World) -> Callable[[float], float]:
    def at(value: float) -> float:
        world.values[pivot] = value
        return quantity_value(comparison.left, world.value) - quantity_value(comparison.right, world.value)

    return at


def _root(comparison: Comparison, pivot: Key, world: _World) -> float | None:
    """Where both sides of a comparison are equal: exact for what is linear, else by bisection."""
    difference = _difference(comparison, pivot, world)
    zero, one = difference(0.0), difference(1.0)
    slope = one - zero
    if slope and math.isfinite(slope):
        candidate = -zero / slope
        for close in (float(f"{candidate:.12g}"), candidate):
            if difference(close) == 0:
                return close
        if math.isclose(difference(candidate) + 1, 1, rel_tol=1e-9):
            return candidate
    low = 0.0 if math.isfinite(zero) else 1.0
    start = difference(low)
    for exponent in range(-6, 13):
        high = 10.0**exponent
        end = difference(high)
        if math.isfinite(start) and math.isfinite(end) and start * end < 0:
            return _bisect(difference, low, high)
    return None


def _bisect(difference: Callable[[float], float], low: float, high: float) -> float:
    falling = difference(low) > 0
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if (difference(middle) > 0) == falling:
            low = middle
        else:
            high = middle
    rounded = float(f"{high:.9g}")
    return rounded if difference(rounded) == 0 else high


def _margin(value: float) -> float:
    if abs(value) >= 10 and value == int(value):
        return 1.0
    return abs(value) * 0.01 or 0.01


def _decide_others(root: Node, pivot_comparison: Comparison, pivot: Key, at: float, world: _World) -> bool:
    """Give the other comparisons values that leave the decision to the pivot; False where that cannot be."""
    settled = {pivot}
    for comparison, wanted in _wanted(root, pivot_comparison):
        world.values[pivot] = at
        if evaluate(comparison, world.value) == wanted:
            settled.update(_leaves(comparison, world.metrics))
            continue
        free = [key for key in _leaves(comparison, world.metrics) if key not in settled]
        if not free or not _force(comparison, free[0], wanted, world):
            return False
        settled.update(_leaves(comparison, world.metrics))
    return True


def _wanted(root: Node, pivot: Comparison) -> Iterator[tuple[Comparison, bool]]:
    """Every other comparison with the truth that makes the pivot decide: true beside it in AND, false in OR."""
    if isinstance(root, And | Or):
        for part in root.parts:
            if pivot in list(comparisons(part)):
                yield from _wanted(part, pivot)
            else:
                for comparison in comparisons(part):
                    yield comparison, isinstance(root, And)


def _force(comparison: Comparison, key: Key, wanted: bool, world: _World) -> bool:
    root = _root(comparison, key, world)
    if root is None:
        return False
    for candidate in (root - _margin(root), root + _margin(root), root):
        world.values[key] = candidate
        if evaluate(comparison, world.value) == wanted:
            return True
    return False


def _verified(condition: Condition, comparison: Comparison, pivot: Key, at: float, world: _World) -> Inputs | None:
    def met(value: float) -> bool:
        world.values[pivot] = value
        return world.met(condition)

    below, above = at - _margin(at), at + _margin(at)
    fine, bad = (above, below) if met(below) and not met(above) else (below, above)
    if met(at) and not met(below) and not met(above):
        fine, at, bad = below, above, at
    if met(fine) or not met(bad):
        return None
    met_at = met(at)
    del world.values[pivot]
    met_gone = _World(world.metrics, world.labels, _gone(world, {pivot: bad, **world.values})).met(condition)
    constants = tuple(Input(world.metrics[key], value, value, value) for key, value in sorted(world.values.items()))
    return Inputs((Input(world.metrics[pivot], fine, at, bad), *constants), world.labels, met_at, met_gone)


def _gone(world: _World, values: Mapping[Key, float]) -> dict[Key, float]:
    """What is left when the series of sources are gone: zeros that were asked for, and what is made from ``up``."""
    left: dict[Key, float] = {}
    for key, value in values.items():
        metric = world.metrics[key]
        if metric.health is None:
            left[key] = value
        elif metric.zero_filled and not metric.labels:
            left[key] = 0.0
    return left
