"""What ``make bench-fastbreak`` prints: the benchmark table of FastBreak's document, targets and what was measured.

Cache and database are those of ``tests.bench.cache`` and ``tests.bench.database``. The API is the sample service
``demo.fastbreak.api`` in one process, asked by wrk on 20 connections for moments by Zipf's law, with the exponent 1;
ten seconds before it is measured its cache is empty. Its numbers are what it says of itself, other than availability,
which is the share of questions for its health that were answered. All is on one machine,
whose cores the clients need too.
"""

import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import requests

from demo.fastbreak.outside import Outside
from demo.processes import answers
from tests.bench import cache, database
from tests.clusters import cluster
from tests.end_to_end.fastbreak_services import SETTINGS, create_database, environment_of, service
from tests.instrument.measured import DURATION, Measured
from tests.programs import free_port, program
from tests.redis_servers import redis_server

WARM_UP_SECONDS, SECONDS = 10, 20
CONNECTIONS = 20
# A power with a uniform exponent has Zipf's distribution, with the exponent 1. A tenth of the 20,000 fits into memory.
SCRIPT = 'request = function() return wrk.format("GET", "/moments/" .. math.floor(20000 ^ math.random())) end'


@dataclass(frozen=True, slots=True)
class Line:
    """One target of the document: ``measured`` in the unit of its text, ``form`` how it is written."""

    part: str
    name: str
    target: str
    measured: float
    form: str

    @property
    def is_met(self) -> bool:
        """Whether the number measured is on the right side of the target's."""
        sign, number = re.fullmatch(r"([<>])([\d,.]+).*", self.target).groups()  # type: ignore[union-attr]
        limit = float(number.replace(",", ""))
        return self.measured < limit if sign == "<" else self.measured > limit


@dataclass(frozen=True, slots=True)
class Api:
    """``p95_ms``: of the service's own histogram. ``per_second``: requests. The others are percentages."""

    p95_ms: float
    per_second: float
    errors: float
    availability: float


def api() -> Api:
    """Put the sample service under load."""
    with (
        tempfile.TemporaryDirectory(prefix="tocsin-bench-") as name,
        redis_server(Path(name)) as redis,
        cluster(**SETTINGS) as postgres,
        Outside(("127.0.0.1", free_port())) as outside,
    ):
        folder = Path(name)
        create_database(postgres)
        address = ("127.0.0.1", free_port())
        environment = environment_of(redis, postgres, outside, "http://127.0.0.1:9")
        with service("api", folder, address, environment, "uvicorn", "--no-access-log", "--port"):
            return _under_load(f"http://{address[0]}:{address[1]}", folder)


def _under_load(url: str, folder: Path) -> Api:
    script = folder / "moments.lua"
    script.write_text(SCRIPT, "utf-8")

    def ask(seconds: int) -> None:
        command = [program("wrk"), "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(script), url]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(done.stdout + done.stderr)

    ask(WARM_UP_SECONDS)
    over = Event()
    with ThreadPoolExecutor(1) as pool:
        probing = pool.submit(lambda: list(_probes(url, over)))
        before = _counts(url)
        try:
            ask(SECONDS)
        finally:
            over.set()
        after = _counts(url)
    buckets = {bound: after.buckets[bound] - before.buckets.get(bound, 0) for bound in after.buckets}
    number = buckets[float("inf")]
    found = probing.result()
    return Api(
        p95_ms=1000 * _quantile(0.95, buckets),
        per_second=number / SECONDS,
        errors=100 * (after.errors - before.errors) / number,
        availability=100 * sum(found) / len(found),
    )


@dataclass(frozen=True, slots=True)
class _Counts:
    buckets: dict[float, float]
    errors: float


def _counts(url: str) -> _Counts:
    samples = Measured(requests.get(f"{url}/metrics", timeout=30).text).samples
    buckets: dict[float, float] = {}
    errors = 0.0
    for sample in samples:
        if sample.name == f"{DURATION}_bucket":
            bound = float(sample.labels["le"])
            buckets[bound] = buckets.get(bound, 0) + sample.value
        elif sample.name == f"{DURATION}_count" and sample.labels["http_response_status_code"].startswith("5"):
            errors += sample.value
    return _Counts(buckets, errors)


def _quantile(wanted: float, buckets: dict[float, float]) -> float:
    """As Prometheus's ``histogram_quantile``: linear within a bucket."""
    rank = wanted * buckets[float("inf")]
    lower, below = 0.0, 0.0
    for bound, number in sorted(buckets.items()):
        if number >= rank:
            return lower if bound == float("inf") else lower + (bound - lower) * (rank - below) / (number - below)
        lower, below = bound, number
    raise AssertionError("the last bucket holds all")


def _probes(url: str, over: Event) -> Iterator[bool]:
    while not over.wait(0.1):
        yield answers(f"{url}/health", timeout_seconds=5)


def table(progress: Callable[[str], None]) -> list[Line]:
    """All lines, measured one after the other."""
    progress("the cache, with 1,000,000 keys")
    kept = cache.measure()
    progress("the database")
    asked = database.measured()
    progress("the API")
    served = api()
    most = max(load.most_active for load in (asked.alone, asked.threads, asked.tasks))
    return [
        Line("cache", "write operations", ">10,000/s", kept.writes_rate, ",.0f"),
        Line("cache", "read operations", ">50,000/s", kept.reads_rate, ",.0f"),
        Line("cache", "memory for 1M keys", "<100 MB", kept.memory_per_million_keys / 1e6, ",.0f"),
        Line("cache", "hit rate", ">90 %", 100 * kept.hit_rate, ".1f"),
        Line("database", "simple queries, average", "<10 ms", asked.alone.simple_ms, ".2f"),
        Line("database", "complex queries, average", "<100 ms", asked.alone.complex_ms, ".2f"),
        Line("database", "connections in use, at most", "<50", most, ".0f"),
        Line("database", "queries that use an index", ">95 %", 100 * asked.index_share, ".1f"),
        Line("API", "response time, p95", "<200 ms", served.p95_ms, ".1f"),
        Line("API", "throughput", ">1,000/s", served.per_second, ",.0f"),
        Line("API", "error rate", "<1 %", served.errors, ".2f"),
        Line("API", "availability", ">99.9 %", served.availability, ".2f"),
    ]


def main() -> None:
    """Print the table; exit 1 if a target was missed."""
    lines = table(lambda text: print(f"measuring {text}", file=sys.stderr))
    print(f"Python {platform.python_version()}, one process each\n")
    print(f"{'':9}{'':28}{'target':>12}{'measured':>12}")
    for line in lines:
        measured = format(line.measured, line.form)
        print(f"{line.part:9}{line.name:28}{line.target:>12}{measured:>12}  {'met' if line.is_met else 'NOT MET'}")
    sys.exit(not all(line.is_met for line in lines))


if __name__ == "__main__":
    main()
