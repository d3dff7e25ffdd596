"""``tocsin route`` as a person and a program run it."""

import json
import shutil
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from generator import cli
from generator.plan.types import Alert, Escalation
from generator.routing.picture import as_svg
from generator.routing.steps import Question, answer
from tests.compiling import PLATFORMS, ROOT, planned

AT = ("--at", "2026-12-07T09:02")


@pytest.fixture(autouse=True)
def checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def route(*words: str) -> Result:
    return CliRunner().invoke(cli.tocsin, ["route", *words])


def text(*words: str) -> str:
    run = route(*words)
    assert run.exit_code == 0, run.output
    return run.stdout


def test_an_alert_at_once_and_then_whoever_comes_next() -> None:
    assert (
        text("fire22/collections/settlement_overdue", *AT)
        == """\
fire22/collections/settlement_overdue: critical, immediate, owned by Collections team
fires on Monday 2026-12-07 09:02 UTC

when  who               over                                                               again
+0s   Collections team  email ops@fire22.example, slack #fire22-alerts, sms fire22-oncall  every 4h
+5m   On-call engineer  sms +46700000001, phone, slack @fire22-oncall                      every 4h

then      nobody comes next; a silence made from a message stops every step that is left
resolved  Collections team and On-call engineer hear it if it came to them
"""
    )


def test_who_took_it_hears_nothing_more() -> None:
    assert (
        text("collections/settlement_overdue", "domains/fire22", "--silenced", *AT)
        == """\
fire22/collections/settlement_overdue: critical, immediate, owned by Collections team
fires on Monday 2026-12-07 09:02 UTC

when  who     over      again
+0s   nobody  silenced
+5m   nobody  silenced

then      if it still fires when the silence ends, everybody whose time has come is told
resolved  nobody hears it, if it ends while it is silenced
"""
    )


def test_a_weekly_alert_waits_for_its_window() -> None:
    assert (
        text("adjustment/high_rejection_rate", "--at", "2026-12-09T14:03")
        == """\
fire22/adjustment/high_rejection_rate: warning, weekly, owned by Adjustment team
fires on Wednesday 2026-12-09 14:03 UTC, when its condition has held for 30s

when                         who              over                        again
+0s                          nobody           outside its window: weekly
Monday 2026-12-14 09:00 UTC  Adjustment team  slack #fire22-alerts        Monday 2026-12-21 09:00 UTC

then      nobody comes next
resolved  nobody hears it: the next of these messages leaves out what has ended
"""
    )


def test_a_worse_alert_of_the_same_subject_mutes_it() -> None:
    # Of another instance, it does not.
    assert "inhibited" not in text("host/disk_filling", "instance=db-1", "--also", "host/disk_almost_full", *AT)
    found = text("host/disk_filling", "--also", "fastbreak/host/disk_almost_full", *AT)
    assert found.startswith("fastbreak/host/disk_filling: ")
    assert ", for each mountpoint=<mountpoint> instance=<instance>\n" in found
    assert "+0s   nobody  inhibited by host/disk_almost_full\n" in found
    assert found.endswith("resolved  nobody hears it, if it ends while it is inhibited\n")


def test_the_watchdog_is_discarded_where_nobody_listens() -> None:
    assert "+0s   nobody  discarded: its receiver has no channel\n" in text("fire22/tocsin/watchdog", *AT)
    assert "+0s   dead man's switch  webhook alert-webhook:3001  every 1m\n" in text("fastbreak/tocsin/watchdog", *AT)


def test_bare_labels() -> None:
    known = text("domains/fire22", "channels=slack,sms", "notification=immediate", "foo=bar", *AT)
    assert "+0s   everybody there  slack #fire22-alerts, sms fire22-oncall  every 4h\n" in known
    assert "then      bare labels have no next step: the rules of a named alert have\n" in known
    unknown = text("domains/fire22", "foo=bar", *AT)
    assert "unrouted  no route knows its labels, so those are told who watch the monitoring itself\n" in unknown


def test_a_time_with_its_own_zone_is_shown_in_the_platforms() -> None:
    assert "fires on Monday 2026-12-07 08:02 UTC" in text("collections/queue_backup", "--at", "2026-12-07T09:02+01:00")


def test_an_environment_has_times_of_its_own() -> None:
    found = text("fire22/collections/settlement_overdue", "--env", "demo", *AT)
    assert "\n+3s   On-call engineer" in found


def test_json_says_the_same(tmp_path: Path) -> None:
    found = json.loads(text("fire22/collections/settlement_overdue", "--format", "json", *AT))
    assert found["alert"] == "fire22/collections/settlement_overdue"
    assert [(step["after"], step["who"], step["sent_at"]) for step in found["steps"]] == [
        (0, "Collections team", "2026-12-07T09:02:10+00:00"),
        (300, "On-call engineer", "2026-12-07T09:07:01+00:00"),
    ]
    assert found["resolved"] == ["Collections team", "On-call engineer"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("collections/setlement_overdue",), 1, "near: fire22/collections/settlement_overdue (domains/fire22/coll"),
        (("nonsense",), 1, "an alert is named domain/alert, or platform/domain/alert"),
        (("fire22/collections/queue_backup", "--also", "collections/nothing"), 1, "error[unknown-alert]: no alert is"),
        (("fire22/collections/queue_backup", "--env", "moon"), 1, 'there is no environment "moon"'),
        (("collections/a", "collections/b"), 2, "one alert at a time: collections/a, collections/b"),
        (("severity=critical",), 2, "labels alone are routed in one platform"),
        (("domains/fire22", "1st=x"), 2, '"1st" is no name of a label'),
        (("domains/fire22",), 2, "name an alert (domain/alert), or labels"),
        (("fire22/collections/queue_backup", "severity=low"), 2, '"severity" of an alert is what its file says'),
        (("fire22/collections/queue_backup", "--at", "yesterday"), 2, '"yesterday" is no time'),
        (("fire22/collections/queue_backup", "--svg", "nowhere/at/all.svg"), 1, "nowhere/at/all.svg"),
        ((), 2, "Missing argument"),
    ],
)
def test_wrong_input_is_said_without_a_traceback(words: tuple[str, ...], code: int, said: str) -> None:
    run = route(*words)
    assert (run.exit_code, run.stdout) == (code, "")
    assert said in run.stderr
    assert "Traceback" not in run.stderr


def test_problems_of_the_files_are_said(tmp_path: Path) -> None:
    shutil.copytree(PLATFORMS["minimal"], tmp_path / "shop")
    domain = next(path for path in (tmp_path / "shop").glob("*.yaml") if path.name != "platform.yaml")
    domain.write_text(domain.read_text().replace("\ntitle:", "\ntitel:", 1))
    run = route(str(tmp_path), f"{domain.stem}/whatever")
    assert run.exit_code == 1
    assert "error[unknown-key]" in run.stderr
    assert run.stderr.endswith("; nobody is told\n")


def test_the_picture_is_xml_with_its_texts_escaped(tmp_path: Path) -> None:
    file = tmp_path / "route.svg"
    text("domains/fire22", "foo=<script>&", *AT, "--svg", str(file))
    found = "".join(ElementTree.fromstring(file.read_text()).itertext())
    assert "foo=<script>&" in found
    assert "slack #fire22-alerts" in found
    assert "<script>" not in file.read_text()


def test_every_step_is_in_the_picture_and_inside_it() -> None:
    what = planned(PLATFORMS["fire22"])
    alert = next(one for domain in what.domains for one in domain.alerts if one.name == "settlement_overdue")
    root = ElementTree.fromstring(
        as_svg(answer(Question(what, str, long(alert), (), datetime(2026, 12, 7, tzinfo=UTC))))
    )
    height = float(root.attrib["height"])
    texts = [(float(each.attrib["y"]), each.text) for each in root.iter() if each.tag.endswith("text")]
    assert [text for _, text in texts if text and text.startswith("+")] == ["+0s", *(f"+{5 * n}m" for n in range(1, 8))]
    assert max(y for y, _ in texts) < height


def long(alert: Alert) -> Alert:
    """The alert with seven more steps."""
    steps = tuple(Escalation("on-call-engineer", "On-call", 300_000 * number, ("sms",)) for number in range(1, 8))
    return replace(alert, escalations=steps)
