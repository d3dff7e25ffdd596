"""What ``make bench`` prints of the exporter: scrapes of ten queries beside two others, in one run on one PostgreSQL.

Beside it run Debian's prometheus-sql-exporter and PyPI's query-exporter, which ``.ci/setup bench`` installs. All ask
the database every five seconds and keep the answer in between; the last rows ask it at every scrape.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import requests
import ryaml

from tests.clusters import Cluster, cluster
from tests.exporters.running import DSN, gauge, plan_file, query
from tests.programs import free_port, program, started, until

SECONDS = 6
INTERVAL = 5
QUERY_EXPORTER = Path(sys.prefix) / "query-exporter" / "bin" / "query-exporter"
SCHEMA = """
CREATE TABLE orders (id int PRIMARY KEY, shop int, state text, amount numeric(12, 2), created_at timestamptz);
INSERT INTO orders
  SELECT n, n % 7, (ARRAY['open', 'paid', 'sent', 'back'])[n % 4 + 1], n % 500, now() - n * interval '1 s'
  FROM generate_series(1, 50000) AS n;
CREATE TABLE payments (id int PRIMARY KEY, orders int, method text, failed boolean, amount numeric(12, 2));
INSERT INTO payments SELECT n, n, (ARRAY['card', 'bank', 'cash'])[n % 3 + 1], n % 50 = 0, n % 300
  FROM generate_series(1, 50000) AS n;
CREATE TABLE refunds (id int PRIMARY KEY, reason text, amount numeric(12, 2));
INSERT INTO refunds SELECT n, (ARRAY['late', 'broken', 'other'])[n % 3 + 1], n % 90 FROM generate_series(1, 5000) AS n;
ANALYZE;
"""
# Name, labels, SQL: ten aggregates with a label each.
QUERIES = (
    ("orders", "state", "SELECT state, count(*)::float8 AS value FROM orders GROUP BY state"),
    ("order_amount", "state", "SELECT state, sum(amount)::float8 AS value FROM orders GROUP BY state"),
    ("largest_order", "state", "SELECT state, max(amount)::float8 AS value FROM orders GROUP BY state"),
    ("orders_by_shop", "shop", "SELECT shop::text AS shop, count(*)::float8 AS value FROM orders GROUP BY shop"),
    ("amount_by_shop", "shop", "SELECT shop::text AS shop, sum(amount)::float8 AS value FROM orders GROUP BY shop"),
    ("payments", "method", "SELECT method, count(*)::float8 AS value FROM payments GROUP BY method"),
    (
        "failed",
        "method",
        "SELECT method, count(*) FILTER (WHERE failed)::float8 AS value FROM payments GROUP BY method",
    ),
    ("payment_amount", "method", "SELECT method, avg(amount)::float8 AS value FROM payments GROUP BY method"),
    ("refunds", "reason", "SELECT reason, count(*)::float8 AS value FROM refunds GROUP BY reason"),
    ("refund_amount", "reason", "SELECT reason, sum(amount)::float8 AS value FROM refunds GROUP BY reason"),
)
_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk measured: milliseconds, requests per second; and the exporter's processor time per scrape."""

    p50: float
    p99: float
    rate: float
    processor: float


def main() -> None:
    """Measure and print."""
    print(
        "| exporter | 1 client: p50 / p99 ms | scrapes/s | 8 clients: p50 / p99 ms | scrapes/s | CPU ms/scrape | RSS |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|", flush=True)
    rates: dict[str, Load] = {}
    with (
        tempfile.TemporaryDirectory(prefix="tocsin-bench-") as scratch,
        cluster() as running,
        running.database("bench", SCHEMA),
    ):
        for name, start in EXPORTERS.items():
            with start(running, Path(scratch)) as (url, process):
                until(partial(_complete, url), 30)
                one, eight = _load(url, 1, process), _load(url, 8, process)
                rates[name] = eight
                print(
                    f"| {name} | {one.p50:.2f} / {one.p99:.2f} | {one.rate:,.0f} | {eight.p50:.2f} / {eight.p99:.2f}"
                    f" | {eight.rate:,.0f} | {eight.processor:.3f} | {_resident(process):.0f} MB |",
                    flush=True,
                )
    ours, theirs = rates[OURS], rates[SQL_EXPORTER]
    other = rates[QUERY_EXPORTER_NAME]
    print()
    print(
        f"At 8 clients {ours.rate / theirs.rate:.1f} times the scrapes of {SQL_EXPORTER}, with"
        f" {ours.processor / theirs.processor:.2f} of its CPU per scrape and {ours.processor / other.processor:.2f} of"
        f" {QUERY_EXPORTER_NAME}'s"
    )


def _complete(url: str) -> bool:
    text = requests.get(url, timeout=30).text
    return all(re.search(rf"^\w*{name}{{", text, re.MULTILINE) for name, _, _ in QUERIES)


def _load(url: str, clients: int, process: "subprocess.Popen[bytes]") -> Load:
    before = _processor_seconds(process)
    command = [program("wrk"), "-t1", f"-c{clients}", f"-d{SECONDS}s", "--latency", url]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        sys.exit(f"bench: {url} did not answer each scrape:\n{said}")
    requests_done = int(_found(r"(\d+) requests in", said))
    return Load(
        p50=_milliseconds(_found(r"50%\s+(\S+)", said)),
        p99=_milliseconds(_found(r"99%\s+(\S+)", said)),
        rate=float(_found(r"Requests/sec:\s+(\S+)", said)),
        processor=(_processor_seconds(process) - before) / requests_done * 1000,
    )


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        sys.exit(f"bench: wrk said what is not understood:\n{text}")
    return found[1]


def _milliseconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()  # type: ignore[union-attr]
    return float(number) * _UNITS[unit]


def _processor_seconds(process: "subprocess.Popen[bytes]") -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident(process: "subprocess.Popen[bytes]") -> float:
    return int(_found(r"VmRSS:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text())) / 1024


Started = Iterator[tuple[str, "subprocess.Popen[bytes]"]]


def _tocsin(interval: float) -> Callable[[Cluster, Path], Any]:
    @contextmanager
    def start(running: Cluster, scratch: Path) -> Started:
        queries = [
            query(f"shop/{name}", sql, gauge(f"shop_{name}", labels={label: []})) for name, label, sql in QUERIES
        ]
        plan = plan_file(scratch / "plan.yml", queries, interval=interval)
        port = free_port()
        command = [sys.executable, "-m", "exporters", "serve", str(plan), "--listen", f"127.0.0.1:{port}",
                   "--state-dir", str(scratch)]  # fmt: skip
        with started(command, scratch / "tocsin.log", {DSN: running.dsn("monitoring", "bench")}) as process:
            yield f"http://127.0.0.1:{port}/metrics", process

    return start


@contextmanager
def _sql_exporter(running: Cluster, scratch: Path) -> Started:
    user = f"postgres://monitoring@127.0.0.1:{running.port}/bench?sslmode=disable"
    queries = [
        {"name": name, "help": "A number.", "labels": [label], "values": ["value"], "query": sql}
        for name, label, sql in QUERIES
    ]
    job = {"name": "bench", "interval": f"{INTERVAL}s", "connections": [user], "queries": queries}
    (scratch / "sql-exporter.yml").write_text(ryaml.dumps({"jobs": [job]}))
    port = free_port()
    command = [program("prometheus-sql-exporter"), "-config.file", str(scratch / "sql-exporter.yml"),
               "-web.listen-address", f"127.0.0.1:{port}"]  # fmt: skip
    with started(command, scratch / "sql-exporter.log") as process:
        yield f"http://127.0.0.1:{port}/metrics", process


def _query_exporter(interval: int | None) -> Callable[[Cluster, Path], Any]:
    @contextmanager
    def start(running: Cluster, scratch: Path) -> Started:
        config: dict[str, Any] = {
            "databases": {"bench": {"dsn": f"postgresql://monitoring@127.0.0.1:{running.port}/bench",
                                    "connection-pool": {"size": 4}}},
            "metrics": {name: {"type": "gauge", "labels": [label]} for name, label, _ in QUERIES},
            "queries": {},
        }  # fmt: skip
        for name, _, sql in QUERIES:
            asked = {"databases": ["bench"], "metrics": [name], "sql": sql.replace("AS value", f"AS {name}")}
            config["queries"][name] = asked | ({"interval": interval} if interval else {})
        (scratch / "query-exporter.yml").write_text(ryaml.dumps(config))
        port = free_port()
        command = [str(QUERY_EXPORTER), "-H", "127.0.0.1", "-p", str(port), "--config",
                   str(scratch / "query-exporter.yml")]  # fmt: skip
        with started(command, scratch / "query-exporter.log") as process:
            yield f"http://127.0.0.1:{port}/metrics", process

    return start


OURS = "tocsin-exporter"
SQL_EXPORTER = "prometheus-sql-exporter"
QUERY_EXPORTER_NAME = "query-exporter"
EXPORTERS: dict[str, Callable[[Cluster, Path], Any]] = {
    OURS: _tocsin(INTERVAL),
    SQL_EXPORTER: _sql_exporter,
    QUERY_EXPORTER_NAME: _query_exporter(INTERVAL),
    f"{OURS}, asks at every scrape": _tocsin(0.001),
    f"{QUERY_EXPORTER_NAME}, asks at every scrape": _query_exporter(None),
}

if __name__ == "__main__":
    main()
