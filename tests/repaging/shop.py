"""A small platform to edit, and what is warned of when it was deployed as it stands and is compiled as edited."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from generator.diagnostics import Problem
from generator.emit import alertmanager, rules
from generator.load import Files, load
from generator.plan.build import plan
from generator.repaging import warnings
from tests.compiling import problems

Texts = Mapping[str, str]

PLATFORM = """\
platform: shop
title: Shop
sources:
  shop: {type: postgres, dsn_env: SHOP_DSN}
scrape:
  jobs:
    api: {targets: ["api:8000"]}
channels:
  chat: {type: slack, api_url_file: /run/secrets/slack, channel: "#alerts"}
  mail: {type: email, to: [ops@shop.example], from: alerts@shop.example, smarthost: "smtp.shop.example:587"}
  hook: {type: webhook, url: "http://desk.example/alerts"}
notifications:
  immediate: {}
  hourly: {every: 1h, group_interval: 15m}
  daily: {at: "09:00"}
severities: [critical, high, medium, low]
escalation:
  critical: {respond_within: 5m, channels: [chat, mail], next: [team-lead, bo]}
  high: {respond_within: 15m, channels: [chat], next: team-lead}
  medium: {same_as: high}
contacts:
  team: {lead: anna}
  anna: {chat: "@anna", mail: anna@shop.example, hook: "http://desk.example/anna"}
  bo: {lead: anna, chat: "@bo", mail: bo@shop.example}
monitoring: {owner: bo, severity: low, channels: [mail]}
links:
  prometheus: https://prometheus.example
  alertmanager: https://alertmanager.example
  grafana: https://grafana.example
  runbooks: https://runbooks.example
"""

SALES = """\
domain: sales
title: Sales
owner: team
source: shop
records:
  order:
    table: orders
    fields:
      age: {sql: now() - created_at, unit: seconds}
      size: {sql: size, values: [small, large]}
metrics:
  waiting:
    help: Orders that wait.
    unit: orders
    by: {size: [small, large]}
    total: sum
    sql: SELECT size, count(*) AS value FROM orders GROUP BY size
  lost:
    help: Orders that are lost.
    unit: orders
    sql: SELECT count(*) AS value FROM orders
alerts:
  queue:
    condition: waiting > 100
    severity: high
    channels: [chat]
  losses:
    condition: lost > 5
    severity: critical
  stuck:
    condition: age > 2 hours
    severity: high
    channels: [chat, mail]
    notification: hourly
  digest:
    condition: lost > 1
    severity: low
    channels: [mail]
    notification: daily
  errors:
    promql: sum by (route) (rate(errors_total[5m])) > 1
    by: [route]
    severity: medium
    channels: [hook]
"""

STOCK = """\
domain: stock
title: Stock
owner: team
source: shop
metrics:
  items: {help: Items on the shelves., unit: items, sql: SELECT count(*) AS value FROM items}
alerts:
  empty:
    condition: items < 10
    severity: medium
    channels: [chat]
"""

SHOP: Texts = {"platform.yaml": PLATFORM, "sales.yaml": SALES, "stock.yaml": STOCK}


@dataclass(frozen=True)
class Compiled:
    """A platform compiled: its files, and what decides who is told again."""

    files: Files
    output: Mapping[str, bytes]

    def warnings_after(self, before: Mapping[str, bytes]) -> list[Problem]:
        """What is warned of where ``before`` is deployed."""
        changed = {path for path, content in self.output.items() if before.get(path) != content}
        there = {path: content for path, content in before.items() if self.output.get(path) != content}
        return sorted(warnings(self.files, plan(self.files), changed, there))


def compiled(folder: Path, texts: Texts) -> Compiled:
    """Compile texts that nothing is wrong with."""
    folder.mkdir(parents=True)
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")
    files = load(folder)
    assert isinstance(files, Files), files
    assert not (found := problems(files)), found
    what = plan(files)
    artefacts = [*rules.emit(what), *alertmanager.emit(what)]
    return Compiled(files, {one.path: one.content for one in artefacts if one.path.endswith(".yml")})


def edited(texts: Texts, *edits: tuple[str, str, str]) -> Texts:
    """Replace texts, each of which stands in its file."""
    found = dict(texts)
    for name, before, after in edits:
        assert before in found[name], before
        found[name] = found[name].replace(before, after)
    return found


def shown(problem: Problem) -> tuple[str, str, tuple[str, ...]]:
    """What a warning points at, what it says, and why."""
    line = Path(problem.span.path).read_text("utf-8").splitlines()[problem.span.line - 1]
    pointed = line[problem.span.column - 1 : problem.span.end - 1]
    return f"{Path(problem.span.path).name}: {pointed}", problem.message, problem.help
