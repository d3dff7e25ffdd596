"""What a service puts around its analyses: a ``with``, or a decorator."""

import inspect
import logging
import math
from collections.abc import Callable, Iterable
from functools import wraps
from time import perf_counter
from types import TracebackType
from typing import Any, ParamSpec, SupportsFloat, SupportsIndex, TypeVar, cast

from prometheus_client import REGISTRY, CollectorRegistry

from exporters.instrument.ai.measures import MOST_MODELS, OTHER, Measures, families

P = ParamSpec("P")
R = TypeVar("R")
Score = SupportsFloat | SupportsIndex
_log = logging.getLogger(__name__)


class Analysis:
    """One analysis, from the ``with`` on; leaving it by any exception is a failure, a cancellation among them."""

    __slots__ = ("_measures", "_started", "confidence")

    def __init__(self, measures: Measures) -> None:
        self._measures = measures
        self._started = 0.0
        # How sure the model is, from 0 to 1; None where it does not say.
        self.confidence: Score | None = None

    def __enter__(self) -> "Analysis":
        self._started = perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        seconds = perf_counter() - self._started
        measures = self._measures
        measures.duration.observe(seconds)
        if kind is not None:
            measures.errors.inc()
        elif self.confidence is not None:
            _observe(self.confidence, measures)
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("%s %.0f ms %s", measures.model, seconds * 1000, "ok" if kind is None else kind.__qualname__)


class Analyses:
    """The analyses of a service.

    Args:
        models: their names, which stand at 0 from the start; every other one is then ``_OTHER``. With none, the first
            50 models that are measured are shown by their names.
        registry: where the series go.

    Raises:
        ValueError: a name that cannot be shown, or more than 50.
    """

    def __init__(self, models: Iterable[str] = (), *, registry: CollectorRegistry = REGISTRY) -> None:
        if isinstance(models, str):
            raise ValueError(f"models is a list of names, not the text {models!r}")
        names = list(dict.fromkeys(models))
        if len(names) > MOST_MODELS:
            raise ValueError(f"{len(names)} models are declared, and at most {MOST_MODELS} are shown")
        self._families = families(registry)
        self._declared: dict[str, Measures] = {}
        for name in names:
            self._declared[name] = self._families.of(name)
            if self._declared[name].model != name:
                raise ValueError(f"{name!r} cannot be shown as the name of a model")

    def measure(self, model: str) -> Analysis:
        """Measures what is done within ``with analyses.measure(model) as analysis``, in coroutines too."""
        if self._declared:
            return Analysis(self._declared.get(model) or self._families.of(OTHER))
        return Analysis(self._families.of(model))

    def measured(
        self, model: str, *, confidence: Callable[[Any], Score | None] | None = None
    ) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Decorates a function, or a coroutine function, that makes one analysis of a model.

        ``confidence``: reads how sure the model is off what the function returned.

        Raises:
            TypeError: the function is a generator, whose work is not done when it returns.
        """

        def decorate(function: Callable[P, R]) -> Callable[P, R]:
            if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
                raise TypeError("a generator works after it has returned: put analyses.measure() into it instead")
            if _is_coroutine_function(function):
                awaited = cast(Callable[P, Any], function)

                @wraps(function)
                async def measured_coroutine(*args: P.args, **kwargs: P.kwargs) -> Any:
                    with self.measure(model) as analysis:
                        result = await awaited(*args, **kwargs)
                        analysis.confidence = _read(confidence, result)
                    return result

                return cast(Callable[P, R], measured_coroutine)

            @wraps(function)
            def measured(*args: P.args, **kwargs: P.kwargs) -> R:
                with self.measure(model) as analysis:
                    result = function(*args, **kwargs)
                    analysis.confidence = _read(confidence, result)
                return result

            return measured

        return decorate


def _is_coroutine_function(function: Callable[..., object]) -> bool:
    # Models are often objects that can be called.
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _read(confidence: Callable[[Any], Score | None] | None, result: object) -> Score | None:
    if confidence is None:
        return None
    try:
        return confidence(result)
    except Exception:
        # The result is good. That it cannot be measured is no reason for the service not to have it.
        _log.warning("the confidence of an analysis cannot be read off its result", exc_info=True)
        return None


def _observe(confidence: Score, measures: Measures) -> None:
    try:
        score = float(confidence)
    except Exception:
        score = math.nan
    if 0 <= score <= 1:
        measures.confidence.observe(score)
        return
    # The analysis is good, so the service has it; once is enough for whoever reads the log.
    level = logging.DEBUG if measures.complained else logging.WARNING
    measures.complained = True
    _log.log(level, "a confidence of %s is %s, not a number from 0 to 1: left out", measures.model, score)
