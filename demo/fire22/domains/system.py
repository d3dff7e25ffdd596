"""What happens to the API: slow answers, errors, silence, and an instance that is down."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from demo.fire22.api import WINDOW_SECONDS
from demo.fire22.incident import Incident

if TYPE_CHECKING:
    from demo.fire22.world import World

# Over five minutes: past the thresholds of 2 s and 1 %, and well back below.
_SLOW_SECONDS, _BACK_TO_SECONDS = 2.4, 1.4
_FAILING_RATIO, _BACK_TO_RATIO = 0.015, 0.006
_TIMEOUT_SECONDS = 30.0
_FAST_SECONDS = 0.05
# From the 210 requests per second of calm times, fewer than 100 over five minutes remain after less than three.
_SILENT_REQUESTS_PER_SECOND = 5.0
_BACK_TO_REQUESTS_PER_SECOND = 150.0
_LOW_UPTIME = 0.99885
# How long an alert takes to be seen, through evaluation and notification.
_SEEN_SECONDS = 15.0
# How long an instance is down at most, if nobody scrapes the others.
_DOWN_SECONDS = 60.0


def _slow_down(world: World) -> None:
    """What has waited for half a minute is answered, and new requests are slow: the mean is past its threshold."""
    window = world.api.window()
    world.api.surge(
        (_SLOW_SECONDS * window.requests - window.seconds) / (_TIMEOUT_SECONDS - _SLOW_SECONDS), _TIMEOUT_SECONDS
    )
    world.api.latency_seconds = _SLOW_SECONDS


def _speed_up(world: World) -> None:
    world.api.calm()
    window = world.api.window()
    fast = (window.seconds - _BACK_TO_SECONDS * window.requests) / (_BACK_TO_SECONDS - _FAST_SECONDS)
    world.api.surge(max(0.0, fast), _FAST_SECONDS)


def _fail(world: World) -> None:
    window = world.api.window()
    world.api.surge((_FAILING_RATIO * window.requests - window.errors) / (1 - _FAILING_RATIO), error_ratio=1)
    world.api.error_ratio = _FAILING_RATIO


def _succeed(world: World) -> None:
    world.api.calm()
    window = world.api.window()
    world.api.surge(max(0.0, window.errors / _BACK_TO_RATIO - window.requests), _FAST_SECONDS)


def _fall_silent(world: World) -> None:
    world.api.requests_per_second = _SILENT_REQUESTS_PER_SECOND


def _come_back(world: World) -> None:
    world.api.calm()
    missing = _BACK_TO_REQUESTS_PER_SECOND * WINDOW_SECONDS - world.api.window().requests
    world.api.surge(max(0.0, missing), _FAST_SECONDS)


def _lose_an_instance(world: World) -> None:
    """Close one instance for as many scrapes as it takes; the others go on, so that nothing is blind."""
    deadline = time.monotonic() + _DOWN_SECONDS
    before = world.api.missed_scrapes
    world.api.down(0)
    try:
        while time.monotonic() < deadline:
            samples, zeros = world.scraped(_SEEN_SECONDS)
            if world.api.missed_scrapes > before and zeros >= samples * (1 - _LOW_UPTIME):
                break
            time.sleep(0.05)
    finally:
        world.api.up(0)


INCIDENTS = (
    Incident(
        "system/high_response_time",
        begins="Requests have waited 30 seconds for their answers, and new ones take 2.4 seconds on average.",
        ends="A lock is released: answers take 90 ms again, and a queue of many short requests is served at once.",
        begin=_slow_down,
        end=_speed_up,
    ),
    Incident(
        "system/low_throughput",
        begins=(
            "Hardly any requests arrive at the API any more, 5 per second of 210; over five minutes, fewer than 100 per"
            " second are left after about three."
        ),
        ends="They had piled up at the load balancer: they are served at once, and new ones arrive.",
        begin=_fall_silent,
        end=_come_back,
    ),
    Incident(
        "system/high_error_rate",
        begins="The API answers 1.5% of its requests with server errors.",
        ends="The release is rolled back: no more errors, and many requests that clients try again succeed.",
        begin=_fail,
        end=_succeed,
    ),
    Incident(
        "system/low_uptime",
        begins="An instance of the API was down for some seconds, the second time within a day.",
        ends="The instance is up again, and yesterday's outage becomes older than 24 hours within two minutes.",
        begin=_lose_an_instance,
        end=lambda world: world.api.up(0),
    ),
)
