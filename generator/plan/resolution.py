"""Names and conditions of one platform, resolved once for the checks and the plan."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from generator.condition import Scope
from generator.condition import resolve as resolve_condition
from generator.condition.tree import Condition, Fault, MetricSymbol
from generator.load import Files
from generator.plan.symbols import Symbols, symbols


@dataclass(frozen=True, slots=True)
class Resolution:
    """Every name of the platform, and every alert's condition or what is wrong with it, by (domain, alert)."""

    symbols: Symbols
    conditions: Mapping[tuple[str, str], Condition | tuple[Fault, ...]]


@lru_cache(maxsize=8)
def resolve(files: Files) -> Resolution:
    """Resolve all conditions; answers are kept, since one check after the other asks for them, and the plan last."""
    found = symbols(files)
    conditions = {}
    for file in files.domains:
        scope = found.scopes[file.model.domain]
        for name, alert in file.model.alerts.items():
            if alert.condition is not None:
                conditions[file.model.domain, name] = _condition(alert.condition, scope, tuple(alert.by))
    return Resolution(found, conditions)


def _condition(text: str, scope: Scope, by: tuple[str, ...]) -> Condition | tuple[Fault, ...]:
    """A condition; where only its ``by`` is wrong, what it is without: that is said at ``by`` itself."""
    found = resolve_condition(text, scope, by)
    if isinstance(found, Condition) or not by:
        return found
    undivided = resolve_condition(text, scope)
    if isinstance(undivided, Condition) and any(label not in label_names(undivided) for label in by):
        return undivided
    return found


def label_names(condition: Condition) -> tuple[str, ...]:
    """Every label of the metrics that a condition names."""
    metrics = (symbol for symbol in condition.symbols if isinstance(symbol, MetricSymbol))
    return tuple(dict.fromkeys(label.name for metric in metrics for label in metric.labels))
