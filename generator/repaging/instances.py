"""The labels that tell the instances of an alert apart, as far as its expression says."""

from collections.abc import Iterator, Mapping

import promql_parser

from generator.checks._promql_shape import Reading


def instance_labels(expr: str, recordings: Mapping[str, str]) -> frozenset[str] | None:
    """The labels of what an expression yields; None where they depend on series that nobody here knows.

    ``recordings`` are the expressions of the series that the group records itself.
    """
    return _labels(expr, _Recorded(recordings))


def _labels(expr: str, known: "_Recorded") -> frozenset[str] | None:
    try:
        return Reading(promql_parser.parse(expr), known).shape.labels.only
    except ValueError:
        return None


class _Recorded(Mapping[str, frozenset[str]]):
    """The labels of recorded series, worked out when they are asked for; those that cannot be told are not in it."""

    def __init__(self, recordings: Mapping[str, str]) -> None:
        self._recordings = recordings
        self._found: dict[str, frozenset[str] | None] = {}

    def __getitem__(self, series: str) -> frozenset[str]:
        if series not in self._found:
            expr = self._recordings[series]
            # A held series reads itself, too, and has no labels from there that it does not have from elsewhere.
            self._found[series] = frozenset()
            self._found[series] = _labels(expr, self)
        found = self._found[series]
        if found is None:
            raise KeyError(series)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._recordings)

    def __len__(self) -> int:
        return len(self._recordings)
