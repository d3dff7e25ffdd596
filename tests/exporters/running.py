"""The exporter as its users run it: a process of its own, scraped over HTTP."""

import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import ryaml
from prometheus_client.parser import text_string_to_metric_families

from tests.programs import free_port, started, until

# The environment variable that plans of tests name.
DSN = "SHOP_DSN"


@dataclass(frozen=True)
class Scrape:
    """What one scrape said."""

    text: str
    values: Mapping[tuple[str, frozenset[tuple[str, str]]], float]

    def value(self, name: str, **labels: str) -> float | None:
        """One sample, None where there is none."""
        return self.values.get((name, frozenset(labels.items())))

    def samples(self, name: str) -> dict[frozenset[tuple[str, str]], float]:
        """All samples of a name by their labels."""
        return {labels: value for (found, labels), value in self.values.items() if found == name}

    def success(self, query: str, platform: str = "shop") -> float | None:
        """The health of a query."""
        return self.value(f"{platform}_query_success", query=query)

    def irregularities(self, query: str, kind: str, platform: str = "shop") -> float:
        """How often a query was odd in a way."""
        return self.value(f"{platform}_query_irregularities_total", query=query, kind=kind) or 0.0


@dataclass
class Running:
    """An exporter's process."""

    process: "subprocess.Popen[bytes]"
    url: str
    log: Path
    session: requests.Session = field(default_factory=requests.Session)

    def scrape(self, timeout: float = 10, **headers: str) -> Scrape:
        """One scrape as Prometheus does it."""
        sent = {"X-Prometheus-Scrape-Timeout-Seconds": str(timeout), "Accept": "text/plain;version=0.0.4", **headers}
        answer = self.session.get(f"{self.url}/metrics", headers=sent, timeout=timeout + 5)
        assert answer.status_code == 200, f"{answer.status_code}: {answer.text}\n{self.said()}"
        return parsed(answer.text)

    def said(self) -> str:
        """All that it logged."""
        return self.log.read_text()

    def reload(self) -> None:
        """Have it read its plan again."""
        self.process.send_signal(signal.SIGHUP)

    def until_scrape(self, what: Any, seconds: float = 20) -> Scrape:
        """Scrape until a scrape fulfils a condition."""
        last: list[Scrape] = []

        def fulfilled() -> Scrape | None:
            last[:] = [self.scrape()]
            return last[0] if what(last[0]) else None

        try:
            return until(fulfilled, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{last[0].text if last else ''}\n{self.said()}") from None


def parsed(text: str) -> Scrape:
    """An exposition in the text format."""
    values = {
        (sample.name, frozenset(sample.labels.items())): float(sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    return Scrape(text, values)


@contextmanager
def exporter(
    plan: Path | str,
    folder: Path,
    environment: Mapping[str, str],
    *options: str,
    name: str = "exporter",
) -> Iterator[Running]:
    """A running exporter that answers; its state and its log are in the folder."""
    port = free_port()
    log = folder / f"{name}.log"
    command = [
        sys.executable, "-m", "exporters", "serve", str(plan), "--listen", f"127.0.0.1:{port}",
        "--state-dir", str(folder / f"{name}.state"), *options,
    ]  # fmt: skip
    with started(command, log, environment) as process:
        running = Running(process, f"http://127.0.0.1:{port}", log)
        try:
            until(lambda: _answers(running))
            yield running
        finally:
            running.session.close()


def _answers(running: Running) -> bool:
    assert running.process.poll() is None, running.said()
    return requests.get(f"{running.url}/healthz", timeout=5).ok


def plan_file(
    path: Path, queries: Sequence[Mapping[str, Any]], *, interval: float = 0.2, max_age: float = 0, **more: Any
) -> Path:
    """Write a plan for the platform ``shop`` with one source; queries as ``query()`` gives them."""
    plan = {
        "version": 1,
        "platform": "shop",
        "query_success": "shop_query_success",
        "interval_seconds": interval,
        "sources": {"shop": {"type": "postgres", "dsn_env": DSN, "max_age_seconds": max_age}},
        "queries": list(queries),
        **more,
    }
    path.write_text(ryaml.dumps(plan))
    return path


def query(name: str, sql: str, *series: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A query of the source ``shop``; without series, one gauge from the column ``value``."""
    return {"name": name, "file": f"{name.partition('/')[0]}.yaml", "source": "shop", "sql": sql,
            "series": list(series) or [gauge(f"shop_{name.replace('/', '_')}")], **more}  # fmt: skip


def gauge(name: str, **more: Any) -> dict[str, Any]:
    """A gauge from the column ``value``."""
    return {"name": name, "help": "A number.", "type": "gauge", "column": "value", "absent": "gone", **more}
