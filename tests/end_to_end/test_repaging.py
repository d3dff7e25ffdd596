"""What ``tocsin generate`` warns of is what the real programs do: that is told again, and nothing else."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner

from generator.cli import tocsin
from tests.end_to_end.scrape_target import Target, served
from tests.programs import alertmanager, free_port, prometheus, until
from tests.webhooks import Message, webhooks

pytestmark = pytest.mark.timeout(200)

# Alertmanager takes an alert for ended after four times this long without news. For some five seconds after a reload
# Prometheus has not found Alertmanager, and what it sends just then comes again only after this time.
RESEND_SECONDS = 4
EVALUATIONS = re.compile(r"^prometheus_rule_group_iterations_total\S+ (\S+)$", re.MULTILINE)

PLATFORM = """\
platform: till
title: Till
scrape: {{interval: 1s, evaluation_interval: 1s, jobs: {{till: {{targets: ["127.0.0.1:{target}"]}}}}}}
alertmanagers: ["127.0.0.1:{alertmanager}"]
channels:
  ops: {{type: webhook, url: "{hooks}/ops"}}
  desk: {{type: webhook, url: "{hooks}/desk"}}
  spare: {{type: webhook, url: "{hooks}/spare"}}
notifications:
  immediate: {{group_wait: 1s, group_interval: 1s, repeat: 4h}}
severities: [high, medium, low]
escalation:
  high: {{respond_within: 2s, channels: [ops], next: team-lead}}
contacts:
  team: {{lead: anna}}
  anna: {{ops: "{hooks}/anna"}}
monitoring: {{owner: team, severity: low, channels: [spare]}}
links: {{prometheus: http://p, alertmanager: http://a, grafana: http://g, runbooks: http://r}}
"""
# Every metric is 5, so every alert fires all the time.
METRICS = ("queue", "errors", "lag", "jams", "fresh")
ALERTS = """\
  queue: {condition: queue > 1, severity: low, channels: [ops], for: 0s}
  errors: {condition: errors > 1, severity: low, channels: [ops, desk], for: 0s}
  lag: {condition: lag > 1, severity: low, channels: [desk], for: 0s}
  jams: {condition: jams > 1, severity: high, channels: [ops], for: 0s}
"""
EXTRA = '  extra: {{type: webhook, url: "{}/extra"}}\n'
FRESH = "  fresh: {condition: fresh > 1, severity: low, channels: [extra], for: 0s}\n"
# Who is told of what at first: an alert, and the path of its webhook.
AT_FIRST = {
    ("TillQueue", "/ops"), ("TillErrors", "/ops"), ("TillErrors", "/desk"), ("TillLag", "/desk"), ("TillJams", "/ops"),
    ("TillJams", "/anna"),
}  # fmt: skip


@dataclass
class Till:
    """The platform, run."""

    folder: Path
    prometheus: str
    alertmanager: str
    messages: list[Message]
    hooks: str

    def edit(self, name: str, *edits: tuple[str, str]) -> None:
        path = self.folder / "domains/till" / name
        text = path.read_text()
        for before, after in edits:
            assert before in text
            text = text.replace(before, after)
        path.write_text(text)

    def generate(self) -> set[str]:
        """The alerts that are warned of, with a star where only those are meant that have escalated."""
        return generated(self.folder)

    def deploy(self, told: set[tuple[str, str]], *, rules: bool = False) -> None:
        """Reload the routes, and the rules if they change; see that people are told of exactly this."""
        since, now = len(self.messages), time.time()
        for url in (self.alertmanager, self.prometheus)[: 1 + rules]:
            requests.post(f"{url}/-/reload", timeout=30).raise_for_status()
        until(lambda: self.told(since) >= told, 60)
        if rules:
            until(lambda: self._are_sent_since(now), 60)
        done = self._evaluations() + 3  # a second each, longer than Alertmanager's waits together
        until(lambda: self._evaluations() >= done, 60)
        assert self.told(since) == told

    def told(self, since: int = 0) -> set[tuple[str, str]]:
        """Who was told of what since so many messages; that something ended or goes on is not meant."""
        found: set[tuple[str, str]] = set()
        known: dict[tuple[str, str], set[str]] = {}
        for number, (path, body) in enumerate(list(self.messages)):
            firing = {one["fingerprint"] for one in body["alerts"] if one["status"] == "firing"}
            before = known.get((path, body["groupKey"]), set())
            only_ends = firing <= before and len(firing) < len(body["alerts"])
            known[path, body["groupKey"]] = firing
            if firing and not only_ends and number >= since:
                found |= {(one["labels"]["alertname"], path) for one in body["alerts"]}
        return found

    def _are_sent_since(self, moment: float) -> bool:
        """Whether Prometheus has found Alertmanager again, and sent all that fires."""
        after = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment + 1))
        there = self._in_alertmanager()
        return all(there.get(labels, "") > after for labels in self._firing())

    def _in_alertmanager(self) -> dict[str, str]:
        """When each alert was last heard of, by its labels."""
        found = requests.get(f"{self.alertmanager}/api/v2/alerts", timeout=10).json()
        return {json.dumps(one["labels"], sort_keys=True): one["updatedAt"] for one in found}

    def _firing(self) -> set[str]:
        found = requests.get(f"{self.prometheus}/api/v1/alerts", timeout=10).json()["data"]["alerts"]
        return {json.dumps(one["labels"], sort_keys=True) for one in found if one["state"] == "firing"}

    def _evaluations(self) -> float:
        return min(map(float, EVALUATIONS.findall(requests.get(f"{self.prometheus}/metrics", timeout=10).text)))


def generated(folder: Path) -> set[str]:
    done = CliRunner().invoke(
        tocsin, ["generate", f"{folder}/domains", "--output", f"{folder}/output", "--format", "json"]
    )
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stderr)
    assert {row["code"] for row in rows} <= {"pages-again"}
    return {
        name + "*" * ("escalated" in row["message"]) for row in rows for name in re.findall(r"Till\w+", row["message"])
    }


@pytest.fixture
def till(tmp_path: Path) -> Iterator[Till]:
    port, target = free_port(), Target("till", ("127.0.0.1", free_port()), time.time())
    target.gauges.update({f"till_{name}": 5.0 for name in METRICS})
    with ExitStack() as running:
        running.enter_context(served([target]))
        hooks = running.enter_context(webhooks())
        domains = tmp_path / "domains/till"
        domains.mkdir(parents=True)
        text = PLATFORM.format(target=target.address[1], alertmanager=port, hooks=hooks.url)
        (domains / "platform.yaml").write_text(text)
        metrics = "".join(
            f"  {name}: {{help: As it says., unit: none, job: till, promql: 'max(till_{name}{{job=\"till\"}})'}}\n"
            for name in METRICS
        )
        (domains / "till.yaml").write_text(
            f"domain: till\ntitle: Till\nowner: team\nmetrics:\n{metrics}alerts:\n{ALERTS}"
        )
        assert generated(tmp_path) == set()
        output = tmp_path / "output/till"
        routes = output / "alertmanager/alertmanager.yml"
        routes.write_text(routes.read_text().replace("  - severity\n", "", 1))
        alerting = running.enter_context(alertmanager(routes, tmp_path, port))
        config, flag = output / "prometheus/prometheus.yml", f"--rules.alert.resend-delay={RESEND_SECONDS}s"
        watching = running.enter_context(prometheus(config, tmp_path, flag))
        yield Till(tmp_path, watching, alerting, hooks.messages, hooks.url)


def test_those_are_told_again_who_are_warned_of(till: Till) -> None:
    until(lambda: till.told() >= AT_FIRST, 60)
    assert till.told() == AT_FIRST

    # Messages were grouped otherwise by an earlier version, so all of them come again.
    assert till.generate() == {*(name for name, _ in AT_FIRST), "TillJams*"}
    till.deploy(AT_FIRST)

    # The route of one severity's escalations matches on another one, too.
    till.edit("platform.yaml", ("contacts:", "  medium: {same_as: high}\ncontacts:"))
    assert till.generate() == {"TillJams*"}
    till.deploy({("TillJams", "/anna")})

    # Thresholds and times change, and there is something new beside: nobody is told again.
    till.edit("till.yaml", ("queue > 1", "queue > 2"), ("jams > 1", "jams > 3"), ("alerts:\n", f"alerts:\n{FRESH}"))
    till.edit("platform.yaml", ("repeat: 4h", "repeat: 3h"), ("  spare:", f"{EXTRA.format(till.hooks)}  spare:"))
    assert till.generate() == set()
    till.deploy({("TillFresh", "/extra")}, rules=True)

    # A channel more for one alert, and another name for a channel that two others have. What is left of the one that
    # had no other is told to those who watch the monitoring. This comes last: where one alert of a group has ended,
    # Alertmanager may send that alone after a reload, and then the others again.
    till.edit("till.yaml", ("[ops], for: 0s}\n  errors", "[extra, ops], for: 0s}\n  errors"))
    till.edit("till.yaml", ("[ops, desk]", "[ops, table]"), ("[desk]", "[table]"))
    till.edit("platform.yaml", ("  desk: {type", "  table: {type"))
    assert till.generate() == {"TillQueue", "TillErrors", "TillLag"}
    told = {("TillQueue", "/ops"), ("TillQueue", "/extra"), ("TillErrors", "/ops"), ("TillErrors", "/desk")}
    till.deploy({*told, ("TillLag", "/desk"), ("TillLag", "/spare")}, rules=True)
