"""Simulated HTTP traffic: what an API would have counted, as a function of rate, latency and errors.

Nobody sends these requests and nobody waits for their answers: that is how half a minute of latency can be shown at
once.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import accumulate
from random import Random

CALM_REQUESTS_PER_SECOND = 210.0
CALM_LATENCY_SECONDS = 0.09
CALM_ERROR_RATIO = 0.0002

# OpenTelemetry's advice for http.server.request.duration, in seconds.
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, math.inf)
# The same as Prometheus labels them.
BOUND_LABELS = tuple("+Inf" if math.isinf(bound) else str(bound) for bound in BOUNDS)
DURATION = "http_server_request_duration_seconds"
# How wide latencies spread: with a mean of 90 ms the median is 65 ms, the 95th percentile 240 ms, the 99th 420 ms.
_SPREAD = 0.8


@dataclass(frozen=True, slots=True)
class Route:
    """Requests of one kind: their share of all, how slow they are and how often they fail, compared with the mean."""

    method: str
    path: str
    share: float
    slowness: float
    proneness: float


def _weighted(*routes: tuple[str, str, float, float, float]) -> tuple[Route, ...]:
    """Routes whose shares add up to 1, and whose slowness and proneness are 1 on average."""
    requests = sum(share for _, _, share, _, _ in routes)
    slow = sum(share * slowness for _, _, share, slowness, _ in routes) / requests
    prone = sum(share * proneness for _, _, share, _, proneness in routes) / requests
    return tuple(
        Route(method, path, share / requests, slowness / slow, proneness / prone)
        for method, path, share, slowness, proneness in routes
    )


ROUTES = _weighted(
    ("GET", "/collections", 12, 1.3, 1),
    ("GET", "/collections/{id}", 14, 0.8, 1),
    ("POST", "/collections/process-settlement", 8, 1.8, 1.2),
    ("POST", "/distributions/payment", 6, 2.0, 2),
    ("GET", "/distributions/{id}", 9, 0.9, 1.2),
    ("GET", "/free-play/bonuses", 12, 1.0, 0.6),
    ("POST", "/free-play/bonuses/{id}/redemption", 6, 1.5, 0.8),
    ("GET", "/free-play/campaigns", 5, 1.1, 0.5),
    ("GET", "/balance/{customer}", 30, 0.6, 0.35),
    ("POST", "/balance/{customer}/transactions", 18, 1.2, 0.45),
    ("GET", "/adjustment/{id}", 5, 0.8, 1),
    ("POST", "/adjustment", 3, 1.5, 1.2),
    ("GET", "/health", 2, 0.1, 0.1),
)


@dataclass(frozen=True, slots=True)
class Load:
    """Requests and how they went: their number, mean latency in seconds, and the share that got a server error."""

    requests: float
    latency: float
    error_ratio: float

    @property
    def seconds(self) -> float:
        """The time that all their answers took together."""
        return self.requests * self.latency

    @property
    def errors(self) -> float:
        """How many of them got a server error."""
        return self.requests * self.error_ratio


Key = tuple[Route, int]
"""What a histogram is about: a route, and the status of its answers."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Requests that got one status on one route: how many, their seconds in all, the share at most at each bound."""

    key: Key
    requests: float
    seconds: float
    below: tuple[float, ...]


@dataclass(slots=True)
class Histogram:
    """The answers with one status on one route: how many took at most as long as each bound, and the seconds of all."""

    counts: list[float] = field(default_factory=lambda: [0.0] * len(BOUNDS))
    seconds: float = 0.0

    def add(self, answers: Answers, times: float = 1) -> None:
        """Count answers; so many times over, or so many times less where that is negative."""
        requests = answers.requests * times
        self.counts = [count + requests * share for count, share in zip(self.counts, answers.below, strict=True)]
        self.seconds += answers.seconds * times

    def whole(self) -> tuple[int, ...]:
        """The counts as an API shows them: nothing is counted before it is answered."""
        return tuple(math.floor(count) for count in self.counts)


Histograms = Mapping[Key, Histogram]


def answered(load: Load) -> Iterator[Answers]:
    """How requests spread over routes and statuses."""
    for route in ROUTES:
        latency = load.latency * route.slowness
        below = _below(latency)
        failing = min(1.0, load.error_ratio * route.proneness)
        requests = load.requests * route.share
        good = requests * (1 - failing)
        yield Answers((route, 201 if route.method == "POST" else 200), good, good * latency, below)
        yield Answers((route, 500), requests * failing, requests * failing * latency, below)


def histograms(load: Load, chance: Random) -> dict[Key, Histogram]:
    """What an API has counted that has answered all these requests; how far it is to the next whole one is chance."""
    found = {}
    for answers in answered(load):
        found[answers.key] = Histogram()
        found[answers.key].add(replace(answers, requests=answers.requests + chance.random()))
    return found


def _below(latency: float) -> tuple[float, ...]:
    if latency <= 0:
        return (1.0,) * len(BOUNDS)
    middle = math.log(latency) - _SPREAD**2 / 2
    shares = (
        1.0 if math.isinf(bound) else (1 + math.erf((math.log(bound) - middle) / (_SPREAD * math.sqrt(2)))) / 2
        for bound in BOUNDS
    )
    return tuple(accumulate(shares, max))
