"""Fire22's API as its monitoring sees it: instances behind one load balancer, with OpenTelemetry's HTTP series.

The traffic is simulated: counters move with the clock, at a rate, a latency and an error ratio that can be set.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from random import Random

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from demo.fire22.listener import Listener
from demo.fire22.traffic import (
    BOUND_LABELS,
    CALM_ERROR_RATIO,
    CALM_LATENCY_SECONDS,
    CALM_REQUESTS_PER_SECOND,
    DURATION,
    Histograms,
    Load,
    answered,
    histograms,
)

# What alerts on traffic look back at.
WINDOW_SECONDS = 300.0
# How long the API has been running when it is started.
_RUNNING_SECONDS = 10800.0


@dataclass(frozen=True, slots=True)
class _Counted:
    at: float
    load: Load


class Api:
    """N instances, one per port of 127.0.0.1. All of it may be used from any thread; ``clock`` counts seconds."""

    def __init__(self, ports: Sequence[int], *, seed: int = 22, clock: Callable[[], float] = time.monotonic) -> None:
        self.instances = tuple(f"127.0.0.1:{port}" for port in ports)
        self._clock = clock
        self._lock = threading.RLock()
        # Per second.
        self._calm = self._load = Load(CALM_REQUESTS_PER_SECOND, CALM_LATENCY_SECONDS, CALM_ERROR_RATIO)
        self._counted: deque[_Counted] = deque()
        self._advanced = clock()
        self._scrapes = 0
        self._missed = 0.0
        chance = Random(seed)
        before = replace(self._calm, requests=self._calm.requests * _RUNNING_SECONDS / max(1, len(ports)))
        self._histograms = [histograms(before, chance) for _ in ports]
        self._listeners = [Listener(port, self._metrics(index)) for index, port in enumerate(ports)]
        self.assume_calm()

    @property
    def requests_per_second(self) -> float:
        """Requests per second to all instances together."""
        return self._load.requests

    @requests_per_second.setter
    def requests_per_second(self, value: float) -> None:
        self._change(requests=value)

    @property
    def latency_seconds(self) -> float:
        """Mean time that an answer takes."""
        return self._load.latency

    @latency_seconds.setter
    def latency_seconds(self, value: float) -> None:
        self._change(latency=value)

    @property
    def error_ratio(self) -> float:
        """Share of the requests that get a server error."""
        return self._load.error_ratio

    @error_ratio.setter
    def error_ratio(self, value: float) -> None:
        self._change(error_ratio=value)

    @property
    def scrapes(self) -> int:
        """How often instances were scraped, all together."""
        return self._scrapes

    @property
    def missed_scrapes(self) -> float:
        """How many scrapes found an instance down, judged by how often the others were scraped meanwhile."""
        return self._missed

    def start(self) -> None:
        """Have all instances answer. Raises ``OSError`` if a port is taken."""
        try:
            for index in range(len(self._listeners)):
                self.up(index)
        except OSError:
            self.stop()
            raise

    def stop(self) -> None:
        """Have no instance answer."""
        for index in range(len(self._listeners)):
            self.down(index)

    def down(self, index: int) -> None:
        """Have an instance refuse connections; the others get its requests. Its counters are kept."""
        with self._lock:
            self._advance()
            self._listeners[index].close()

    def up(self, index: int) -> None:
        """Have an instance answer again, on the same port."""
        with self._lock:
            self._advance()
            self._listeners[index].open()

    def calm(self) -> None:
        """Back to the traffic of calm times."""
        with self._lock:
            self._advance()
            self._load = self._calm

    def surge(self, requests: float, latency: float = CALM_LATENCY_SECONDS, error_ratio: float = 0) -> None:
        """Answer many requests at once, which took ``latency`` seconds on average."""
        with self._lock:
            self._advance()
            self._count(Load(requests, latency, error_ratio))

    def window(self) -> Load:
        """What was answered in the last five minutes."""
        with self._lock:
            self._advance()
            oldest = self._clock() - WINDOW_SECONDS
            recent = [one.load for one in self._counted if one.at > oldest]
        requests = sum(load.requests for load in recent)
        if not requests:
            return Load(0, 0, 0)
        seconds, errors = sum(load.seconds for load in recent), sum(load.errors for load in recent)
        return Load(requests, seconds / requests, errors / requests)

    def assume_calm(self) -> tuple[Load, tuple[Histograms, ...]]:
        """Take it that traffic was for five minutes as it is now; the load per second, and each instance's counts."""
        with self._lock:
            self._advance()
            self._counted.clear()
            second = self._load
            self._counted.extend(
                _Counted(self._advanced - WINDOW_SECONDS + passed, second)
                for passed in range(1, int(WINDOW_SECONDS) + 1)
            )
            return second, tuple(deepcopy(self._histograms))

    def _change(self, **changes: float) -> None:
        with self._lock:
            self._advance()
            self._load = replace(self._load, **changes)

    def _advance(self) -> None:
        with self._lock:
            now = self._clock()
            passed, self._advanced = now - self._advanced, now
            self._count(replace(self._load, requests=self._load.requests * passed))
            while self._counted and self._counted[0].at <= now - WINDOW_SECONDS:
                self._counted.popleft()

    def _count(self, load: Load) -> None:
        """Count requests with the instances that are up; while none is, they are nobody's."""
        serving = [index for index, listener in enumerate(self._listeners) if listener.is_open]
        if not serving or not load.requests:
            return
        self._counted.append(_Counted(self._advanced, load))
        for answers in answered(load):
            for index in serving:
                self._histograms[index][answers.key].add(answers, 1 / len(serving))

    def _metrics(self, index: int) -> Callable[[], bytes]:
        registry = CollectorRegistry()
        registry.register(_Series(lambda: self._snapshot(index)))

        def scrape() -> bytes:
            with self._lock:
                serving = sum(listener.is_open for listener in self._listeners)
                self._scrapes += 1
                self._missed += (len(self._listeners) - serving) / max(1, serving)
            return generate_latest(registry)

        return scrape

    def _snapshot(self, index: int) -> tuple[Histograms, float]:
        with self._lock:
            self._advance()
            return deepcopy(self._histograms[index]), self._load.seconds / len(self._listeners)


class _Series(Collector):
    """One instance's series, made when asked for, from its histograms and how many requests it is at work on."""

    def __init__(self, snapshot: Callable[[], tuple[Histograms, float]]) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        found, active = self._snapshot()
        labels = ("http_request_method", "http_route", "http_response_status_code", "url_scheme")
        duration = HistogramMetricFamily(DURATION, "Duration of HTTP server requests.", labels=labels)
        for (route, status), histogram in found.items():
            counts = zip(BOUND_LABELS, map(float, histogram.whole()), strict=True)
            duration.add_metric((route.method, route.path, str(status), "http"), list(counts), histogram.seconds)
        yield duration
        requests = GaugeMetricFamily(
            "http_server_active_requests", "Number of active HTTP server requests.", labels=(labels[0], labels[-1])
        )
        for method in sorted({route.method for route, _ in found}):
            share = sum(route.share for route, status in found if route.method == method and status == 500)
            requests.add_metric((method, "http"), round(active * share))
        yield requests
