"""The series of analyses in a registry, one label set for each model."""

import logging
import threading
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram

from exporters.instrument.families import families_of

_log = logging.getLogger(__name__)

# Seconds. 5 is where an alert compares, so the quantile is exact there.
DURATION_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 30.0, 60.0, 120.0)
CONFIDENCE_BUCKETS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
# How many models are shown by their names; what a name may be that nobody declared.
MOST_MODELS = 50
OTHER = "_OTHER"
_LONGEST_NAME = 100
_LABELS = ("model",)


@dataclass
class Measures:
    """The series of one model; ``complained`` once the log has a score of it that is none."""

    model: str
    duration: Histogram
    confidence: Histogram
    errors: Counter
    complained: bool = False


class Families:
    """The families in a registry, and the models that they have."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._models: dict[str, Measures] = {}
        self._lock = threading.Lock()
        self._duration = Histogram(
            "ai_analysis_duration_seconds",
            "Duration of analyses, failed ones too.",
            _LABELS,
            buckets=DURATION_BUCKETS,
            registry=registry,
        )
        self._confidence = Histogram(
            "ai_analysis_confidence_ratio",
            "Confidence of analyses that succeeded.",
            _LABELS,
            buckets=CONFIDENCE_BUCKETS,
            registry=registry,
        )
        self._errors = Counter("ai_analysis_errors_total", "Analyses that failed.", _LABELS, registry=registry)

    def of(self, model: str) -> Measures:
        """The series of a model, or of ``_OTHER`` where it is one too many, or its name is none to show."""
        found = self._models.get(model)
        if found is not None:
            return found
        with self._lock:
            return self._models.get(model) or self._new(model)

    def _new(self, model: str) -> Measures:
        # What cannot be printed, half a surrogate pair say, would make the whole page fail.
        if not model or len(model) > _LONGEST_NAME or not model.isprintable():
            model = OTHER
        elif model != OTHER and len(self._models.keys() - {OTHER}) >= MOST_MODELS:
            if OTHER not in self._models:
                _log.warning("%d models are shown: further ones are %s", MOST_MODELS, OTHER)
            model = OTHER
        if model not in self._models:
            series = self._duration.labels(model), self._confidence.labels(model), self._errors.labels(model)
            self._models[model] = Measures(model, *series)
        return self._models[model]


def families(registry: CollectorRegistry) -> Families:
    """The families of a registry, made when they are asked for first."""
    return families_of(registry, Families)
