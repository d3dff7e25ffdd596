"""Inhibition: which firing alert mutes another.

From inhibit/inhibit.go at v0.25.0. A label of ``equal`` that both lack counts as equal, and an alert that matches both
sides of a rule is not inhibited by another that does, itself included.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from generator.routing.matchers import Labels, Matcher, all_match
from generator.routing.tree import matchers_of


@dataclass(frozen=True, slots=True)
class InhibitRule:
    """Sources that fire mute targets with the same values of the labels ``equal``."""

    source_matchers: tuple[Matcher, ...]
    target_matchers: tuple[Matcher, ...]
    equal: tuple[str, ...]

    def inhibitors(self, labels: Labels, firing: Iterable[Labels]) -> list[Labels]:
        """The firing alerts that mute an alert by this rule."""
        if not all_match(self.target_matchers, labels):
            return []
        has_both_sides = all_match(self.source_matchers, labels)
        return [
            source
            for source in firing
            if all_match(self.source_matchers, source)
            and all(source.get(name, "") == labels.get(name, "") for name in self.equal)
            and not (has_both_sides and all_match(self.target_matchers, source))
        ]


def inhibit_rule(values: Mapping[str, Any]) -> InhibitRule:
    """A rule from the values of a configuration."""
    return InhibitRule(matchers_of(values, "source_"), matchers_of(values, "target_"), tuple(values.get("equal") or ()))
