"""What Prometheus would have stored of the API by now, had it been running for a day: OpenMetrics text for promtool."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from demo.fire22.traffic import BOUND_LABELS, DURATION, Histogram, Histograms, Load, Route, answered

DAY_SECONDS = 86400
# How often it was scraped; samples of an outage lie closer together, so that they leave the last day at about one time.
INTERVAL_SECONDS = 15
_OUTAGE_INTERVAL_SECONDS = 1
# Close enough that a rate over five minutes misses next to nothing at its edges.
_TRAFFIC_SECONDS, _TRAFFIC_INTERVAL_SECONDS = 600, 10
# One instance's outage that leaves an uptime of 99.91 %.
_OUTAGE_RATIO = 0.0009


@dataclass(frozen=True, slots=True)
class Uptime:
    """The samples of ``up`` of the day before: how many, of all instances together, and when it was 0."""

    samples: int
    outage: tuple[float, ...]
    """Seconds of Unix time, in order."""

    def zeros(self, now: float) -> int:
        """How many of its zeros are less than a day old."""
        return sum(at > now - DAY_SECONDS for at in self.outage)


def uptime(end: float, instances: int, outage_leaves_after: float) -> Uptime:
    """The history of ``up`` until ``end``."""
    samples = instances * DAY_SECONDS // INTERVAL_SECONDS
    last = end + outage_leaves_after - DAY_SECONDS
    zeros = round(samples * _OUTAGE_RATIO)
    return Uptime(samples, tuple(last - _OUTAGE_INTERVAL_SECONDS * number for number in range(zeros - 1, -1, -1)))


def lines(
    end: float, instances: Sequence[str], load: Load, counted: Sequence[Histograms], up: Uptime, job: str
) -> Iterator[str]:
    """The text line by line: a day of ``up``, ten minutes of the API's counters that end with ``counted`` at ``end``.

    ``load`` is what all instances together answered in a second.
    """
    yield "# TYPE up gauge\n"
    for index, instance in enumerate(instances):
        outage = up.outage if index == 0 else ()
        regular = (end - ago for ago in range(DAY_SECONDS, -1, -INTERVAL_SECONDS))
        samples = [(at, 1) for at in regular if not outage or not outage[0] - 1 < at < outage[-1] + 1]
        for at, value in sorted([*samples, *((at, 0) for at in outage)]):
            yield f'up{{job="{job}",instance="{instance}"}} {value} {at:.3f}\n'
    yield f"# TYPE {DURATION} histogram\n"
    for instance, histograms in zip(instances, counted, strict=True):
        share = replace(load, requests=load.requests / len(instances))
        second = {answers.key: answers for answers in answered(share)}
        for key, histogram in histograms.items():
            for ago in range(_TRAFFIC_SECONDS, -1, -_TRAFFIC_INTERVAL_SECONDS):
                earlier = Histogram(list(histogram.counts), histogram.seconds)
                earlier.add(second[key], -ago)
                yield from _histogram(f'job="{job}",instance="{instance}"', *key, earlier, end - ago)
    yield "# EOF\n"


def _histogram(target: str, route: Route, status: int, histogram: Histogram, at: float) -> Iterator[str]:
    labels = (
        f'{target},http_request_method="{route.method}",http_route="{route.path}",'
        f'http_response_status_code="{status}",url_scheme="http"'
    )
    counts = histogram.whole()
    for bound, count in zip(BOUND_LABELS, counts, strict=True):
        yield f'{DURATION}_bucket{{{labels},le="{bound}"}} {count} {at:.3f}\n'
    yield f"{DURATION}_count{{{labels}}} {counts[-1]} {at:.3f}\n"
    yield f"{DURATION}_sum{{{labels}}} {histogram.seconds!r} {at:.3f}\n"
