"""What requests are counted by, and into what, for a registry. Names are those of OpenTelemetry's conventions."""

import logging
import math
import os
import threading
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry

from exporters.instrument.families import families_of
from exporters.instrument.http.labels import OTHER, SCHEMES, VERSIONS, known_methods
from exporters.instrument.http.series import Active, OwnSeries, Record, Series, SharedSeries
from exporters.instrument.workers import shared_folder

_log = logging.getLogger(__name__)

# Seconds: the boundaries that the conventions advise for http.server.request.duration.
DURATION_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
# How many label sets there may be, as in OpenTelemetry's SDKs. What comes after loses its route and its kind of error.
MOST_LABEL_SETS = 2000

# Route, status (empty where no answer was sent), kind of error.
Outcome = tuple[str, int | str, str]


class Measures:
    """The families in a registry."""

    def __init__(self, registry: CollectorRegistry, buckets: tuple[float, ...]) -> None:
        self.buckets = buckets
        self._methods = known_methods()
        make = OwnSeries if shared_folder() is None else SharedSeries
        self._series: Series = make(registry, buckets)
        self._kinds: dict[tuple[str, str, str], Kind] = {}
        self._label_sets = 0
        # As in ``OwnSeries``: a garbage collection under it may end a request.
        self._lock = threading.RLock()
        os.register_at_fork(after_in_child=self._begin_at_zero)

    def kind(self, method: str, scheme: str, version: str) -> "Kind":
        """What requests of a method, a scheme and a version of HTTP count into, each as the client sent it."""
        return self._kinds.get((method, scheme, version)) or self._new_kind(method, scheme, version)

    def new_record(self, kind: "Kind", outcome: Outcome) -> Record:
        """What counts requests of a label set, or of a coarser one when there are too many."""
        with self._lock:
            if self._label_sets >= MOST_LABEL_SETS:
                _, status, error = outcome
                outcome = ("", status, error and OTHER)
            record = kind.records.get(outcome)
            if record is None:
                method, scheme, version = kind.labels
                route, status, error = outcome
                record = self._series.record((method, route, str(status), error, version, scheme))
                kind.records[outcome] = record
                self._label_sets += 1
                if self._label_sets == MOST_LABEL_SETS:
                    _log.warning("%d label sets of HTTP requests: further ones lose their route", MOST_LABEL_SETS)
            return record

    def _new_kind(self, method: str, scheme: str, version: str) -> "Kind":
        labels = (self._methods.get(method, OTHER), SCHEMES.get(scheme, ""), VERSIONS.get(version, ""))
        with self._lock:
            kind = self._kinds.get(labels)
            if kind is None:
                kind = self._kinds[labels] = Kind(self, labels, self._series.active((labels[0], labels[1])))
            return kind

    def _begin_at_zero(self) -> None:
        self._lock = threading.RLock()
        self._series.begin_at_zero()


class Kind:
    """Requests of one method, scheme and version; what counted them before is at hand."""

    __slots__ = ("_measures", "began", "ended", "labels", "records")

    def __init__(self, measures: Measures, labels: tuple[str, str, str], active: Active) -> None:
        self._measures = measures
        self.labels = labels
        self.records: dict[Outcome, Record] = {}
        self.began: Callable[[], None] = active.inc
        self.ended: Callable[[], None] = active.dec

    def record(self, outcome: Outcome, seconds: float, received: int, sent: int) -> None:
        """Count a request that is over, with the bytes of its two bodies."""
        (self.records.get(outcome) or self._measures.new_record(self, outcome))(seconds, received, sent)
        if _log.isEnabledFor(logging.DEBUG):
            route, status, error = outcome
            words = (self.labels[0], route or "(no route)", status, f"{seconds * 1000:.1f} ms", error)
            _log.debug("%s", " ".join(str(word) for word in words if word != ""))


def measures_of(registry: CollectorRegistry, duration_targets: Iterable[float]) -> Measures:
    """The families of a registry, made when they are asked for first.

    ``duration_targets``: seconds that become boundaries beside the conventions' own.

    Raises:
        ValueError: a target is no positive number, or the registry has the families with other boundaries.
    """
    targets = tuple(float(target) for target in duration_targets)
    if wrong := [target for target in targets if not 0 < target < math.inf]:
        raise ValueError(f"{wrong[0]} is no time in which a request could be answered")
    buckets = tuple(sorted({*DURATION_BUCKETS, *targets}))
    found = families_of(registry, Measures, buckets)
    if found.buckets != buckets:
        raise ValueError("duration_targets differ from those that this process measures with already")
    return found
