"""A lost series is not good news: a real Prometheus, real scrapes, and alerts that keep their state through blindness.

The times of the platform are a hundredth of what is written: ``for: 100s`` is one second.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import requests

from generator import naming
from generator.emit import prometheus, rules
from generator.load import Files, load
from generator.plan.types import Alert, ExporterSeries, Job, Metric, Plan
from tests import pages, programs
from tests.compiling import PLATFORMS, compiled, planned, problems

Value = float | Callable[[], float]
Found = dict[str, Any]
INTERVAL = timedelta(seconds=1)
PATIENCE = 20

PLATFORM = """
platform: shop
title: Shop
sources:
  orders: {type: postgres, dsn_env: ORDERS_DSN}
  stock: {type: postgres, dsn_env: STOCK_DSN}
scrape:
  interval: 1s
  evaluation_interval: 1s
  jobs:
    exporter: {targets: [<orders>, <stock>, <swing>]}
    exporter-twin: {targets: [<twin>], labels: {zone: second}}
    hosts: {targets: [<hosts>]}
    api: {targets: [<api>]}
channels:
  hook: {type: webhook, url: "http://localhost:9/hook"}
severities: [high, low]
escalation:
  high: {respond_within: 300s, channels: [hook], next: ada}
contacts:
  ops: {title: "Operations {{ of the shop }}"}
  ada: {title: 'Ada "the {{ lead }}"', hook: "http://localhost:9/ada"}
links: {prometheus: "http://p", alertmanager: "http://a", grafana: "http://g", runbooks: "http://r"}
"""

ORDERS = """
domain: orders
title: Orders
owner: ops
source: orders
records:
  order:
    table: orders
    fields:
      age: {sql: now() - created_at, unit: seconds}
      size: {sql: size, values: [small, large]}
metrics:
  pending:
    help: Orders that wait.
    unit: orders
    by: {priority: [high, low]}
    sql: SELECT priority, count(*) AS value FROM orders GROUP BY priority
  waiting_time:
    help: How long the oldest order waits.
    unit: seconds
    sql: SELECT extract(epoch FROM max(now() - created_at)) AS value FROM orders
alerts:
  pile: {condition: pending > 100, severity: high, channels: [hook], for: 100s}
  late: {condition: waiting_time > 30s, severity: low, channels: [hook], for: 400s}
  forgotten: {condition: age > 1 day, by: [size], severity: high, channels: [hook]}
"""

STOCK = """
domain: stock
title: Stock
owner: ops
source: stock
metrics:
  missing:
    help: Articles that are sold out.
    unit: articles
    by: {shelf: [a, b]}
    sql: SELECT shelf, count(*) AS value FROM articles WHERE amount = 0 GROUP BY shelf
  swing:
    help: A number that goes up and down.
    unit: articles
    sql: SELECT count(*) AS value FROM articles
alerts:
  sold_out: {condition: missing > 10, severity: low, channels: [hook]}
  swinging: {condition: swing > 10, severity: high, channels: [hook], for: 0s, cooldown: 400s}
"""

HOSTS = """
domain: hosts
title: Hosts
owner: ops
metrics:
  load:
    help: Load of each host.
    unit: ratio
    per: instance
    job: hosts
    promql: max by (instance) (host_load_ratio{job="hosts"})
alerts:
  busy: {condition: load > 90%, severity: low, channels: [hook]}
  unseen: {condition: load > 99%, severity: low, channels: [hook], no_data: alert, for: 0s}
"""

API = """
domain: api
title: API
owner: ops
metrics:
  failures:
    help: Requests that failed, per second.
    unit: rps
    job: api
    promql: sum(rate(api_failures_total{job="api"}[4s]))
  queue:
    help: Requests that wait.
    unit: requests
    job: api
    promql: max(api_queue{job="api"})
alerts:
  failing: {condition: failures > 5rps, severity: low, channels: [hook], for: 0s}
  silent: {condition: queue > 1000, severity: low, channels: [hook], no_data: alert, for: 0s}
"""

# Reads what another group records: that group may be evaluated later than this one.
ANOTHER = """
domain: another
title: Another
owner: ops
alerts:
  queue: {condition: api.queue > 10, severity: low, channels: [hook], for: 0s}
"""
DOMAINS = {"orders": ORDERS, "stock": STOCK, "hosts": HOSTS, "api": API, "another": ANOTHER}


@dataclass
class Target:
    """What Prometheus scrapes: by path, the series that it serves; a target that is down answers with an error."""

    up: bool = True
    series: dict[str, Value] = field(default_factory=dict)
    address: str = ""

    def text(self) -> str:
        """The series in Prometheus's format."""
        values = {name: value() if callable(value) else value for name, value in self.series.copy().items()}
        return "".join(f"{name} {value!r}\n" for name, value in values.items())

    def healthy(self, *queries: str) -> None:
        """Queries that the exporter asked with success."""
        for query in queries:
            self.series[f'shop_query_success{{query="{query}"}}'] = 1

    def failing(self, query: str, series: str) -> None:
        """A query that fails: its series are gone."""
        self.series[f'shop_query_success{{query="{query}"}}'] = 0
        self.series = {name: value for name, value in self.series.items() if not name.startswith(series)}


@contextmanager
def served(targets: Mapping[str, Target]) -> Iterator[str]:
    """Serve targets by path on one port of loopback; its address."""

    def page(path: str) -> str | None:
        target = targets.get(path)
        return target.text() if target is not None and target.up else None

    with pages.serving(page) as address:
        yield address


@dataclass
class Running:
    """A Prometheus that evaluates compiled rules."""

    url: str

    def get(self, path: str, **parameters: str) -> Any:
        """Data of the API."""
        answer = requests.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=10)
        answer.raise_for_status()
        return answer.json()["data"]

    def query(self, expr: str) -> list[Found]:
        """An instant query's samples."""
        samples: list[Found] = self.get("query", query=expr)["result"]
        return samples

    def seen(self, expr: str) -> None:
        """Wait until a query has a result, and then until every rule has been evaluated twice since."""
        programs.until(lambda: self.query(expr), PATIENCE)
        self.settled()

    def settled(self) -> None:
        """Wait until every group has been evaluated twice from now on."""
        moment = datetime.now(UTC) + INTERVAL

        def evaluated() -> bool:
            groups = self.get("rules")["groups"]
            return all(datetime.fromisoformat(group["lastEvaluation"]) > moment for group in groups)

        programs.until(evaluated, PATIENCE)

    def alerts(self, name: str, state: str | None = None, **labels: str) -> list[Found]:
        """Active alerts of a name; without ``escalation`` among the labels, none that was escalated."""
        wanted = {"alertname": name, "escalation": None, **labels}
        return [
            alert
            for alert in self.get("alerts")["alerts"]
            if all(alert["labels"].get(label) == value for label, value in wanted.items())
            and state in (None, alert["state"])
        ]

    def firing(self, name: str, **labels: str) -> Found:
        """The one alert of this name and these labels, as soon as it fires."""
        found = programs.until(lambda: self.alerts(name, "firing", **labels), PATIENCE)
        assert len(found) == 1, found
        return found[0]

    def gone(self, name: str, **labels: str) -> None:
        """Wait until an alert has resolved."""
        programs.until(lambda: not self.alerts(name, **labels), PATIENCE)

    def held(self, alert: Found) -> Found:
        """The same alert now: it fires, it never stopped since, and nothing of its identity has changed."""
        labels = {key: value for key, value in alert["labels"].items() if key != "alertname"}
        found = self.alerts(alert["labels"]["alertname"], "firing", **labels)
        assert len(found) == 1, (alert, found)
        assert found[0]["labels"] == alert["labels"]
        assert found[0]["activeAt"] == alert["activeAt"]
        return found[0]

    def failures(self) -> list[Found]:
        """Rules that do not evaluate."""
        groups = self.get("rules")["groups"]
        return [rule for group in groups for rule in group["rules"] if rule["health"] == "err"]


@dataclass
class World:
    """The shop: what is scraped, and the Prometheus that watches it."""

    folder: Path
    output: Path
    addresses: dict[str, list[str]]
    orders: Target
    stock: Target
    twin: Target
    swing: Target
    hosts: list[Target]
    api: Target
    running: Running

    def compile(self, *edits: tuple[str, str]) -> None:
        """Compile the shop anew, texts replaced in its files."""
        platform = PLATFORM
        for name, addresses in self.addresses.items():
            platform = platform.replace(f"<{name}>", ", ".join(f'"{address}"' for address in addresses))
        files = {"platform": platform, **DOMAINS}
        for name, text in files.items():
            for old, new in edits:
                text = text.replace(old, new)
            (self.folder / f"{name}.yaml").write_text(text, "utf-8")
        # Times are shortened in an environment alone.
        environment = self.folder / "environments" / "quick.yaml"
        environment.parent.mkdir(exist_ok=True)
        environment.write_text("durations: {scale: 0.01}\n", "utf-8")
        loaded = load(self.folder, "quick")
        assert isinstance(loaded, Files), loaded
        assert problems(loaded) == []
        compiled(planned(self.folder, "quick"), self.output)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("shop")
    found = World(
        folder, tmp_path_factory.mktemp("output"), {},
        Target(), Target(), Target(), Target(), [Target(), Target(), Target()], Target(), Running(""),
    )  # fmt: skip
    with ExitStack() as stack:
        everything = (found.orders, found.stock, found.twin, found.swing, found.api, *found.hosts)
        for target in everything:
            target.address = stack.enter_context(served({"/metrics": target}))
        found.addresses = {
            "orders": [found.orders.address],
            "stock": [found.stock.address],
            "twin": [found.twin.address],
            "swing": [found.swing.address],
            "hosts": [host.address for host in found.hosts],
            "api": [found.api.address],
        }
        found.compile()
        found.orders.healthy("orders/pending", "orders/waiting_time", "orders/order")
        url = stack.enter_context(programs.prometheus(found.output / "prometheus/prometheus.yml", folder))
        found.running = Running(url)
        yield found


def what_fires_is_held_until_it_is_seen_to_be_over(world: World) -> None:
    running, exporter = world.running, world.orders
    high, low = 'shop_orders_pending{priority="high"}', 'shop_orders_pending{priority="low"}'
    rows, worst = 'forgotten_matching_rows{size="large"}', 'forgotten_worst_seconds{size="large"}'
    exporter.series |= {high: 101, low: 7, "shop_orders_waiting_time_seconds": 1}
    exporter.series |= {f"shop_orders_{rows}": 2, f"shop_orders_{worst}": 100_000}
    exporter.series |= {"shop_orders_forgotten_matching_rows{size='small'}".replace("'", '"'): 0}
    pile = running.firing("OrdersPile", priority="high")
    forgotten = running.firing("OrdersForgotten", size="large")
    assert pile["annotations"]["value"] == "101 orders"
    assert forgotten["annotations"]["value"] == "2 rows, worst 1d 3h 46m 40s"

    exporter.series["shop_orders_waiting_time_seconds"] = 31
    late = programs.until(lambda: running.alerts("OrdersLate", "pending"), PATIENCE)[0]
    exporter.up = False
    running.seen(f'up{{instance="{exporter.address}"}} == 0')
    assert running.held(pile)["annotations"]["value"] == "101 orders (held, source blind)"
    assert running.held(forgotten)["annotations"]["value"] == "2 rows, worst 1d 3h 46m 40s (held, source blind)"
    assert running.firing("OrdersLate")["activeAt"] == late["activeAt"], "what is pending fires while blind"
    blind = running.firing("SourceBlindOrders")["annotations"]
    assert "Blind: OrdersPile, OrdersLate, OrdersForgotten." in blind["description"]
    assert blind["value"] == "not seen"
    copy = running.firing("OrdersPile", escalation="ada")
    assert copy["labels"] == {**pile["labels"], "escalation": "ada"}, "escalation goes on"
    said = copy["annotations"]
    assert (said["escalated_after"], said["escalated_from"]) == ("3s", "Operations {{ of the shop }}")
    running.held(pile)

    exporter.up = True
    running.seen(f'up{{instance="{exporter.address}"}} == 1')
    for alert in (pile, copy, forgotten, late):
        assert "blind" not in running.held(alert)["annotations"]["value"]
    assert not running.alerts("SourceBlindOrders")

    exporter.failing("orders/pending", "shop_orders_pending")
    failing = running.firing("QueryFailingOrders", query="orders/pending")["annotations"]
    assert "Blind: OrdersPile." in failing["description"]
    assert "blind" in running.held(pile)["annotations"]["value"]
    assert "blind" not in running.held(forgotten)["annotations"]["value"], "health is per query"
    assert not running.alerts("SourceBlindOrders")

    exporter.series |= {low: 7, "shop_orders_waiting_time_seconds": 30}
    exporter.healthy("orders/pending")
    running.gone("OrdersPile", priority="high")
    running.gone("OrdersLate")
    running.settled()
    assert not running.alerts("OrdersPile", escalation="ada")
    assert not running.alerts("QueryFailingOrders")
    running.held(forgotten)
    exporter.series[f"shop_orders_{rows}"] = 0
    running.gone("OrdersForgotten")


def a_host_that_is_down_holds_its_alert_and_one_that_is_removed_does_not(world: World) -> None:
    running, (well, down, removed) = world.running, world.hosts
    for host in world.hosts:
        host.series["host_load_ratio"] = 0.95
    kept = running.firing("HostsBusy", instance=down.address)
    leaving = running.firing("HostsBusy", instance=removed.address)
    staying = running.firing("HostsBusy", instance=well.address)
    assert staying["annotations"]["value"] == "95%"
    down.up = removed.up = False
    blind = running.firing("InstanceBlindHosts", instance=down.address)
    assert "Blind: HostsBusy, HostsUnseen." in blind["annotations"]["description"]
    running.settled()
    unseen = running.firing("HostsUnseen", instance=down.address)
    assert unseen["annotations"]["value"] == "unknown (held, source blind)"
    assert not running.alerts("HostsUnseen", instance=well.address)
    assert running.held(kept)["annotations"]["value"] == "95% (held, source blind)"
    assert running.held(staying)["annotations"]["value"] == "95%"
    running.held(leaving)
    assert not running.alerts("SourceBlindHosts")

    world.addresses["hosts"] = [well.address, down.address]
    world.compile(("load > 90%", "load > 80%"))
    requests.post(f"{running.url}/-/reload", timeout=10).raise_for_status()
    running.gone("HostsBusy", instance=removed.address)
    running.settled()
    after = running.held(kept)
    assert after["annotations"]["threshold"] == "> 80%", "an edited threshold tells nobody"
    running.held(staying)
    well.series["host_load_ratio"] = 0.8
    running.gone("HostsBusy", instance=well.address)

    well.up = False
    blind = running.firing("SourceBlindHosts")
    assert "Blind: HostsBusy, HostsUnseen." in blind["annotations"]["description"]
    running.held(kept)
    assert not running.alerts("HostsBusy", instance=well.address)


def a_rate_does_not_resolve_when_its_service_comes_back(world: World) -> None:
    running, api = world.running, world.api
    start = time.monotonic()
    api.series |= {"api_failures_total": lambda: (time.monotonic() - start) * 100, "api_queue": 20}
    failing, queue = running.firing("ApiFailing"), running.firing("AnotherQueue")
    assert re.fullmatch(r"[\d.]+ requests/s", failing["annotations"]["value"])
    api.up = False
    programs.until(lambda: not running.query("rate(api_failures_total[4s])"), PATIENCE)
    assert "blind" in running.held(failing)["annotations"]["value"]
    assert "blind" in running.held(queue)["annotations"]["value"]
    assert running.firing("ApiSilent")["annotations"]["value"] == "unknown (held, source blind)"
    api.up = True
    running.seen('up{job="api"} == 1')
    assert not running.alerts("ApiSilent")
    running.held(queue)
    running.seen('min_over_time(up{job="api"}[4s]) == 1')
    assert "blind" not in running.held(failing)["annotations"]["value"]
    running.held(queue)
    api.series["api_failures_total"] = 0
    running.gone("ApiFailing")


def two_replicas_of_the_exporter_raise_one_alert(world: World) -> None:
    running, first, second = world.running, world.stock, world.twin
    for replica in (first, second):
        replica.healthy("stock/missing")
        replica.series['shop_stock_missing{shelf="a"}'] = 11
    alert = running.firing("StockSoldOut", shelf="a")
    first.up = False
    running.seen(f'up{{instance="{first.address}"}} == 0')
    assert running.held(alert)["annotations"]["value"] == "11 articles", "the other one still sees"
    second.series['shop_stock_missing{shelf="a"}'] = 10
    running.gone("StockSoldOut")
    first.up = True
    running.firing("StockSoldOut", shelf="a")


def an_alert_that_flaps_escalates(world: World) -> None:
    running, exporter = world.running, world.swing
    exporter.healthy("stock/swing")
    exporter.series["shop_stock_swing"] = lambda: 20 if time.time() % 4 < 2 else 0
    base = running.firing("StockSwinging")
    copy = running.firing("StockSwinging", escalation="ada")
    running.held(base)
    assert copy["labels"] == {**base["labels"], "escalation": "ada"}
    waited = datetime.fromisoformat(copy["activeAt"]) - datetime.fromisoformat(base["activeAt"])
    assert timedelta(seconds=2) <= waited <= timedelta(seconds=9)
    assert running.query("resets(shop_stock_swing[1m]) > 0"), "it did flap"
    exporter.series["shop_stock_swing"] = 0
    running.gone("StockSwinging")
    running.gone("StockSwinging", escalation="ada")


SITUATIONS: tuple[Callable[[World], None], ...] = (
    what_fires_is_held_until_it_is_seen_to_be_over,
    a_host_that_is_down_holds_its_alert_and_one_that_is_removed_does_not,
    a_rate_does_not_resolve_when_its_service_comes_back,
    two_replicas_of_the_exporter_raise_one_alert,
    an_alert_that_flaps_escalates,
)


def test_alerts_through_blindness(world: World, subtests: pytest.Subtests) -> None:
    """All at the same time, each with targets of its own: they mostly wait."""
    with ThreadPoolExecutor(len(SITUATIONS)) as pool:
        outcomes = {situation.__name__: pool.submit(situation, world) for situation in SITUATIONS}
    for name, outcome in outcomes.items():
        with subtests.test(name):
            outcome.result()
    assert world.running.failures() == []


@dataclass
class Clock:
    """Counters that grow by ``rate`` per second."""

    rate: float
    started: float = field(default_factory=time.monotonic)

    def __call__(self) -> float:
        return (time.monotonic() - self.started) * self.rate


class Loud:
    """A whole platform with all that it watches in one process, and values that put most of its alerts to fire."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.targets: dict[str, Target] = {f"/{job.name}": Target() for job in plan.jobs}
        self.targets["/exporter"] = Target()

    def loud_plan(self, address: str) -> Plan:
        """The same alerts without ``for``, escalated after a second, and everything scraped every second."""
        jobs = tuple(Job(path[1:], (address,), 1000, 1000, path, "http", ()) for path in self.targets)
        domains = tuple(
            replace(domain, alerts=tuple(self._loud(alert) for alert in domain.alerts)) for domain in self.plan.domains
        )
        return replace(self.plan, scrape_interval=1000, evaluation_interval=1000, jobs=jobs, domains=domains)

    @staticmethod
    def _loud(alert: Alert) -> Alert:
        return replace(alert, for_=0, escalations=tuple(replace(step, after=1000) for step in alert.escalations))

    def up(self, up: bool) -> None:
        """All targets at once."""
        for target in self.targets.values():
            target.up = up

    def serve(self, value: float) -> None:
        """Every series that is watched, at a value; ratios at what they can be."""
        exporter: dict[str, Value] = {}
        for domain in self.plan.domains:
            for query in domain.queries:
                exporter[f'{naming.query_success(self.plan.platform)}{{query="{query.name}"}}'] = 1
                for series in query.series:
                    exporter |= self._exported(series, value)
        for target in self.targets.values():
            target.series = {}
        self.targets["/exporter"].series = exporter
        for metric in (metric for domain in self.plan.domains for metric in domain.metrics if metric.promql):
            for job, text, counter in self._scraped(metric):
                share = min(value, 0.97) if metric.unit == "ratio" else value
                # Of what is counted in buckets, most is above the last bound: quantiles are high.
                rate = 10.0 if re.search(r'_count\b|le="\+Inf"', text) else 0.1 if "le=" in text else min(value, 100.0)
                answer = self.targets[f"/{job}"].series
                if counter:
                    answer[text] = Clock(rate)
                else:
                    answer.setdefault(text, share)

    @staticmethod
    def _exported(series: ExporterSeries, value: float) -> dict[str, Value]:
        if series.name.endswith("_ratio"):
            value = min(value, 0.97)
        known = [[(name, each) for each in values or ("any",)] for name, values in series.labels]
        return {_text(series.name, dict(labels)): value for labels in product(*known)}

    @staticmethod
    def _scraped(metric: Metric) -> Iterator[tuple[str, str, bool]]:
        """The series that a metric's PromQL looks at: their job, their text, and whether they are counters."""
        found: list[tuple[promql_parser.VectorSelector, bool]] = []

        def visit(node: object) -> bool:
            if isinstance(node, promql_parser.VectorSelector):
                found.append((node, False))
            if isinstance(node, promql_parser.MatrixSelector):
                found.append((node.vector_selector, True))
            return True

        promql_parser.walk(promql_parser.parse(metric.promql or ""), visit)
        for selector, counter in found:
            matchers = {each.name: each.value for each in selector.matchers.matchers if str(each.op) == "MatchOp.Equal"}
            job = matchers.pop("job", None)
            if job is None or selector.name in (None, "up"):
                continue
            labels = {name: (values or ("any",))[0] for name, values in metric.labels if name != "instance"}
            buckets = ("10", "+Inf") if selector.name.endswith("_bucket") else (None,)
            for bucket in buckets:
                le = {} if bucket is None else {"le": bucket}
                yield job, _text(selector.name, {**labels, **matchers, **le}), counter


def _text(name: str, labels: Mapping[str, str]) -> str:
    written = ",".join(f'{label}="{value}"' for label, value in labels.items())
    return f"{name}{{{written}}}" if written else name


READABLE = {
    "seconds": r"-?\d[\de+.]*(ns|us|µs|ms|s|m|h|d)( \d+[hms])*",
    "ratio": r"-?[\d.]+%",
    "bytes": r"-?[\d.]+[KMGTPEZY]?i?B",
    "usd": r"\$-?\d+\.\d\d",
    "rps": r"-?[\d.]+[munkMGT]? requests/s",
    "none": r"-?[\d.]+[munkMGT]?",
}


def readable(alert: Alert, value: str) -> bool:
    """Whether a value is a number in its unit, with its worst row where there is one."""
    if alert.value_text is not None:
        return value == alert.value_text
    unit = READABLE.get(alert.value_unit, rf"{READABLE['none']} {re.escape(alert.value_unit.replace('_', ' '))}")
    if alert.kind == "rows":
        worst = f", worst {unit}" if alert.worst is not None else ""
        unit = rf"(1 row|[\d.]+[munkMGT]? rows){worst}"
    return re.fullmatch(rf"{unit}( \(held, source blind\))?", value) is not None


# How many of a platform's alerts one value for everything, low or high, makes fire.
SHARES = {"fire22": 0.85, "fastbreak": 0.7}


def test_what_every_alert_says(tmp_path: Path, subtests: pytest.Subtests) -> None:
    for name in SHARES:
        (tmp_path / name).mkdir()
    with ThreadPoolExecutor(len(SHARES)) as pool:
        outcomes = {name: pool.submit(say, name, share, tmp_path / name) for name, share in SHARES.items()}
    for name, outcome in outcomes.items():
        with subtests.test(name):
            outcome.result()


def say(name: str, share: float, folder: Path) -> None:
    """Make a platform's alerts fire, escalate and be held, and read what they say."""
    loud = Loud(planned(PLATFORMS[name]))
    planned_alerts = {alert.alertname: alert for domain in loud.plan.domains for alert in domain.alerts}
    said: dict[str, Found] = {}

    def hear(running: Running) -> list[Found]:
        alerts = running.get("alerts")["alerts"]
        for alert in alerts:
            assert_readable(planned_alerts[alert["labels"]["alertname"]], alert)
            said.setdefault(alert["labels"]["alertname"], alert)
        firing: list[Found] = [alert for alert in alerts if alert["state"] == "firing"]
        return firing

    with served(loud.targets) as address:
        plan = loud.loud_plan(address)
        for artefact in (*rules.emit(plan), *prometheus.emit(plan)):
            path = folder / artefact.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(artefact.content)
        loud.serve(0.001)
        with programs.prometheus(folder / "prometheus/prometheus.yml", folder) as url:
            running = Running(url)
            running.seen("up == 1")
            running.settled()  # rates come with the second scrape
            hear(running)
            loud.serve(1_000_000)
            for _ in range(3):
                running.settled()  # and escalations a second later
            firing = hear(running)
            copies = {_identity(alert) for alert in firing if "escalation" in alert["labels"]}
            for alert in firing:
                planned_alert = planned_alerts[alert["labels"]["alertname"]]
                if "escalation" not in alert["labels"]:
                    wanted = {_identity(alert, step.contact) for step in planned_alert.escalations}
                    assert wanted <= copies, alert
            loud.up(False)
            running.seen('up{job="exporter"} == 0' if loud.plan.sources else "up == 0")
            for alert in hear(running):
                planned_alert = planned_alerts[alert["labels"]["alertname"]]
                # What is kept firing though its condition is no longer met says what it said last.
                if planned_alert.reads and (not planned_alert.keep_firing_for or running.query(planned_alert.expr)):
                    assert alert["annotations"]["value"].endswith(" (held, source blind)"), alert
            assert running.failures() == []
    business = {name for name, alert in planned_alerts.items() if alert.domain != naming.OWN_DOMAIN}
    missing = sorted(business - said.keys())
    assert len(missing) <= (1 - share) * len(business), missing


def _identity(alert: Found, escalation: str | None = None) -> frozenset[tuple[str, str]]:
    labels = alert["labels"] if escalation is None else {**alert["labels"], "escalation": escalation}
    return frozenset(labels.items())


def assert_readable(alert: Alert, found: Found) -> None:
    """What an alert says in a real Prometheus can be read by whoever was woken by it."""
    annotations: dict[str, str] = found["annotations"]
    for text in annotations.values():
        assert "<error" not in text and "<no value>" not in text and "%!" not in text, found
        assert text.strip(), found
    assert readable(alert, annotations["value"]), (alert.value_unit, annotations["value"])
    assert annotations["runbook_url"].startswith("http") and annotations["dashboard_url"].startswith("http")
    for label in alert.by:
        assert label in found["labels"], found
        assert f"{label} {found['labels'][label]}" in annotations["summary"]
