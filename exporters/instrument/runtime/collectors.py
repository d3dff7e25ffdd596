"""The series of a process, or of all worker processes that count into one folder.

The names are prometheus_client's own, which leaves these series out where there are several workers.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path

from prometheus_client import REGISTRY, CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from exporters.instrument.families import families_of
from exporters.instrument.runtime.numbers import PAUSE_BUCKETS, SIZE, Collections, total
from exporters.instrument.runtime.proc import look
from exporters.instrument.runtime.tally import tally
from exporters.instrument.workers import shared_folder

_LABELS = ("generation",)
_FILE = re.compile(r"runtime_(?P<pid>[0-9]+)\.bin")


class Pauses(Collector):
    """The garbage collector's pauses in this process; what else there is of it is prometheus_client's own."""

    def collect(self) -> Iterator[Metric]:
        """One family."""
        yield _durations(total([tally().numbers]))


class Runtime(Collector):
    """Memory of the workers that live, and the garbage collectors of all that there were."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterator[Metric]:
        """Sums over processes."""
        files = {int(found["pid"]): file for file in self._folder.iterdir() if (found := _FILE.fullmatch(file.name))}
        read = {pid: file.read_bytes() for pid, file in files.items()}
        # One of another size is just being made.
        processes = {pid: memoryview(data).cast("Q") for pid, data in read.items() if len(data) == SIZE}
        if (resident := _resident_bytes(processes)) is not None:
            yield GaugeMetricFamily(
                "process_resident_memory_bytes", "Resident memory size in bytes.", value=float(resident)
            )
        generations = total(list(processes.values()))
        yield _counter("python_gc_objects_collected", "Objects collected during gc", [g.collected for g in generations])
        yield _counter(
            "python_gc_objects_uncollectable",
            "Uncollectable objects found during GC",
            [g.uncollectable for g in generations],
        )
        yield _counter(
            "python_gc_collections", "Number of times this generation was collected", [g.count for g in generations]
        )
        yield _durations(generations)


def measure_runtime(registry: CollectorRegistry = REGISTRY) -> None:
    """Measure the pauses of this process's garbage collector; with several workers also what else ``Runtime`` has.

    A service that has this library's page ``/metrics`` needs no call.

    ``registry``: where the pauses go. With several workers every page shows all.

    Raises:
        RuntimeError: ``PROMETHEUS_MULTIPROC_DIR`` was set too late.
    """
    if shared_folder() is None:
        families_of(registry, _pauses)
    else:
        tally()


def _pauses(registry: CollectorRegistry) -> Pauses:
    pauses = Pauses()
    registry.register(pauses)
    return pauses


def _resident_bytes(processes: Mapping[int, memoryview]) -> int | None:
    """Memory of those that live; None where the system does not say."""
    living = [(process, look(pid)) for pid, process in processes.items()]
    # Another program may have the id of one that is gone.
    memory = [found.resident_bytes for process, found in living if found is not None and found.began == process[0]]
    return sum(memory) if memory else None


def _counter(name: str, text: str, values: Sequence[int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=_LABELS)
    for generation, value in enumerate(values):
        family.add_metric([str(generation)], value)
    return family


def _durations(generations: Sequence[Collections]) -> Metric:
    family = HistogramMetricFamily("python_gc_duration_seconds", "Duration of garbage collections.", labels=_LABELS)
    for generation, found in enumerate(generations):
        ends = [*(str(seconds) for seconds in PAUSE_BUCKETS), "+Inf"]
        buckets = list(zip(ends, map(float, accumulate(found.in_buckets)), strict=True))
        family.add_metric([str(generation)], buckets=buckets, sum_value=found.seconds)
    return family
