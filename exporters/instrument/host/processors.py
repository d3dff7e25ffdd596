"""Processors: time by state since the start, its share since the last look, and the load."""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import psutil
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

# The kernel counts in hundredths of a second, so a second is exact to one in a hundred.
LEAST_SECONDS = 1.0
# The kernel counts guests as users too, so with these the sum would be more than the time.
_COUNTED_TWICE = ("guest", "guest_nice")
_PROCESSOR = re.compile(r"^cpu([0-9]+) ", re.MULTILINE)
# Seconds by processor, then by state.
Times = Mapping[int, Mapping[str, float]]


class Processors:
    """Shares are those between two looks that are at least a second apart.

    Several who scrape share the looks: who comes within a second of another gets the same shares.
    """

    def __init__(self, read: Callable[[], Times] | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._read = read or cpu_times
        self._clock = clock
        self._looked = clock()
        self._times = self._read()
        self._shares: Times = {}

    def families(self) -> Iterator[Metric]:
        """The time, its shares from the first second on, and the load."""
        now, times = self._clock(), self._read()
        if now - self._looked >= LEAST_SECONDS:
            # Elsewhere than on Linux one that was switched on or off moves the numbers of the others.
            self._shares = shares(self._times, times) if self._times.keys() == times.keys() else {}
            self._looked, self._times = now, times
        yield _by_state(CounterMetricFamily, "system_cpu_time_seconds", "Time of each logical CPU by state.", times)
        yield _by_state(
            GaugeMetricFamily,
            "system_cpu_utilization",
            "Share of each logical CPU's time by state, since the scrape before.",
            self._shares,
        )
        for minutes, load in zip((1, 5, 15), psutil.getloadavg(), strict=True):
            yield GaugeMetricFamily(
                f"system_cpu_load_average_{minutes}m", f"Load average of {minutes} minutes.", value=load
            )


def cpu_times() -> Times:
    """What each processor did since the machine began, with psutil's names of states."""
    found = psutil.cpu_times(percpu=True)
    numbers: Sequence[int] = _numbers()
    if len(numbers) != len(found):
        # No Linux, or one was switched on or off between the two readings.
        numbers = range(len(found))
    return {
        number: {name: seconds for name, seconds in times._asdict().items() if name not in _COUNTED_TWICE}
        for number, times in zip(numbers, found, strict=True)
    }


def _numbers() -> list[int]:
    """The processors that are on, by the kernel's numbers, which psutil leaves out; none where it is not Linux."""
    try:
        text = Path(getattr(psutil, "PROCFS_PATH", "/proc"), "stat").read_text()
    except OSError:
        return []
    return [int(number) for number in _PROCESSOR.findall(text)]


def shares(before: Times, after: Times) -> Times:
    """What part of the time between was which state; nothing for a processor that stood still."""
    found = {}
    for number, times in after.items():
        # The kernel may take back a little of idle and iowait.
        spent = {state: max(0.0, seconds - before[number][state]) for state, seconds in times.items()}
        if whole := sum(spent.values()):
            found[number] = {state: seconds / whole for state, seconds in spent.items()}
    return found


def _by_state(make: type[CounterMetricFamily] | type[GaugeMetricFamily], name: str, text: str, times: Times) -> Metric:
    family = make(name, text, labels=("cpu", "state"))
    for number, states in times.items():
        for state, value in states.items():
            family.add_metric([str(number), state], value)
    return family
