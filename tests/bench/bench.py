"""What ``make bench`` prints: how long compiling takes and how much memory, beside what promtool takes to read it."""

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.synthetic import METRIC_ALERTS, ROW_ALERTS, write_platform

ALERTS = ROW_ALERTS + METRIC_ALERTS
SAMPLE_SECONDS = 0.02
CHECKOUT = Path(__file__).parents[2]
TOCSIN = Path(sys.executable).with_name("tocsin")


@dataclass(frozen=True, slots=True)
class Run:
    """One process from start to end, with all its children."""

    seconds: float
    peak_bytes: int


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--domains", type=int, nargs="*", default=[10, 100, 1000], help="sizes of the platform")
    sizes = parser.parse_args().domains
    subprocess.run([sys.executable, "-m", "compileall", "-q", "generator"], cwd=CHECKOUT, check=True)
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as scratch:
        print(_cold(Path(scratch)), flush=True)
        print()
        print("| domains | alerts | first run | alerts/s | peak memory | unchanged run | promtool | run / promtool |")
        print("|---:|---:|---:|---:|---:|---:|---:|---:|", flush=True)
        totals = {}
        for size in sizes:
            totals[size] = _row(Path(scratch), size)
        print()
        print(_route(Path(scratch)))
        if shutil.which("promtool"):
            print()
            print(_rule_tests(Path(scratch)))
    if len(totals) >= 3:
        print()
        print(_growth(totals))


def _cold(scratch: Path) -> str:
    runs = []
    for attempt in range(5):
        output = scratch / f"cold-{attempt}"
        runs.append(_run([TOCSIN, "generate", "--output", output], CHECKOUT))
    platforms = len(list((scratch / "cold-0").iterdir()))
    median = statistics.median(run.seconds for run in runs)
    peak = max(run.peak_bytes for run in runs)
    return f"cold: {platforms} platforms from nothing in {median:.2f} s, {_megabytes(peak)} (median of 5 processes)"


def _row(scratch: Path, size: int) -> float:
    folder = scratch / f"{size}"
    write_platform(folder / "domains", size)
    repeats = range(1 if size >= 1000 else 3)
    runs = [_run([TOCSIN, "generate", "domains", "--output", f"output-{number}"], folder) for number in repeats]
    seconds = statistics.median(run.seconds for run in runs)
    peak = max(run.peak_bytes for run in runs)
    before = dict(_modified(folder / "output-0"))
    again = _run([TOCSIN, "generate", "domains", "--output", "output-0"], folder)
    if dict(_modified(folder / "output-0")) != before:
        sys.exit("bench: a run that changes nothing wrote something")
    rules = sorted((folder / "output-0").glob("*/prometheus/rules/*.yml"))
    alerts = sum(path.read_text().count(" runbook_url:") for path in rules)
    if alerts < size * ALERTS:
        sys.exit(f"bench: {size} domains gave {alerts} alerting rules")
    promtool = _promtool(rules, repeats)
    ratio = f"{seconds / promtool:.2f}" if promtool else "–"
    read = f"{promtool:.2f} s" if promtool else "not installed"
    print(
        f"| {size} | {size * ALERTS} | {seconds:.2f} s | {size * ALERTS / seconds:,.0f} |"
        f" {_megabytes(peak)} | {again.seconds:.2f} s | {read} | {ratio} |",
        flush=True,
    )
    shutil.rmtree(folder)
    return seconds


def _route(scratch: Path) -> str:
    """Who is told of one alert of 2,000: reads the platform's file and one domain's."""
    folder, size = scratch / "routed", 2000 // ALERTS
    platform = write_platform(folder / "domains", size)
    domain = sorted(platform.glob("part_*.yaml"))[size // 2].stem
    runs = [_run([TOCSIN, "route", f"{domain}/rows_0"], folder) for _ in range(5)]
    seconds = statistics.median(run.seconds for run in runs)
    return f"route: one alert of {size * ALERTS} in {seconds:.2f} s, as a whole process (median of 5)"


def _promtool(rules: list[Path], repeats: range) -> float | None:
    if shutil.which("promtool") is None:
        return None
    return statistics.median(_run(["promtool", "check", "rules", *rules], CHECKOUT).seconds for _ in repeats)


def _rule_tests(scratch: Path) -> str:
    """Runs the generated tests of 1,000 alerts; promtool is quicker with one thread and a lazier collector each."""
    folder, size = scratch / "tested", 1000 // ALERTS
    write_platform(folder / "domains", size)
    _run([TOCSIN, "generate", "domains"], folder)
    files = [str(path) for path in sorted(folder.glob("output/*/prometheus/tests/*.yml"))]
    environment = {**os.environ, "GOMAXPROCS": "1", "GOGC": "400"}
    start = time.perf_counter()
    halves = [
        subprocess.Popen(["promtool", "test", "rules", *files[half::2]], env=environment, stdout=subprocess.DEVNULL)
        for half in (0, 1)
    ]
    codes = [process.wait() for process in halves]
    if any(codes):
        sys.exit("bench: the generated rule tests fail")
    seconds = time.perf_counter() - start
    return f"rule tests: {size * ALERTS} alerts in {seconds:.1f} s, {len(files)} files in two promtool processes"


def _growth(totals: dict[int, float]) -> str:
    """Compares what each further domain costs, so that the start, which is paid once, does not count."""
    small, middle, large = sorted(totals)[-3:]
    before = (totals[middle] - totals[small]) / (middle - small)
    after = (totals[large] - totals[middle]) / (large - middle)
    return (
        f"growth: a further domain costs {after * 1000:.1f} ms between {middle} and {large},"
        f" {after / before:.2f} times what it costs between {small} and {middle} (1.00 is linear)"
    )


def _run(command: Sequence[str | Path], folder: Path) -> Run:
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    sampler = _Sampler(process.pid)
    sampler.start()
    assert process.stderr is not None
    complaint = process.stderr.read().decode(errors="replace")
    process.wait()
    seconds = time.perf_counter() - start
    peak = sampler.stop()
    if process.returncode:
        sys.exit(f"bench: {command[0]} {command[1]} exited {process.returncode}:\n{complaint[-2000:]}")
    return Run(seconds, peak)


class _Sampler(threading.Thread):
    """Adds up the memory of a process and its descendants, again and again, and keeps the most."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._peak = 0
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.wait(SAMPLE_SECONDS):
            self._peak = max(self._peak, sum(map(_memory, _tree(self._pid))))

    def stop(self) -> int:
        """The peak in bytes."""
        self._stopped.set()
        self.join()
        return self._peak


def _tree(pid: int) -> Iterator[int]:
    yield pid
    try:
        children = [
            int(child)
            for thread in Path(f"/proc/{pid}/task").iterdir()
            for child in (thread / "children").read_text().split()
        ]
    except OSError:  # it has ended meanwhile
        return
    for child in children:
        yield from _tree(child)


def _memory(pid: int) -> int:
    """The proportional set size: pages that forked processes share count once, not once for each."""
    try:
        return int(re.findall(r"^Pss: +(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)[0]) * 1024
    except (OSError, IndexError):  # it has ended meanwhile
        return 0


def _modified(folder: Path) -> Iterator[tuple[Path, int]]:
    return ((path, path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file())


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"


if __name__ == "__main__":
    main()
