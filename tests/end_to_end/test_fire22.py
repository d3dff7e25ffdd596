"""From rows to phones: every alert of Fire22 on the whole stack, all in one run of two minutes."""

import re
from collections.abc import Iterator

import pytest
import yaml

from demo.addresses import Inbox
from demo.receiver import Message
from tests.compiling import ROOT
from tests.end_to_end import stacks
from tests.end_to_end.fire22_alerts import ALERTS, DOCUMENT, Expected
from tests.end_to_end.fire22_rows import BESIDE
from tests.end_to_end.fire22_story import Record, play

pytestmark = pytest.mark.timeout(900)

every_alert = pytest.mark.parametrize("expected", [pytest.param(one, id=one.name) for one in ALERTS])


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Record]:
    with stacks.fire22(tmp_path_factory.mktemp("fire22"), beside_thresholds=True) as fire22:
        wanted = {one.name: one.at_once | one.later for one in ALERTS}
        yield play(fire22, wanted, [one.name for one in ALERTS if not one.is_digest])


def told(messages: tuple[Message, ...], status: str) -> set[Inbox]:
    return {(one.kind, one.to) for one in messages if one.status == status}


def test_no_alert_is_left_out() -> None:
    written = {
        f"{path.stem}/{name}"
        for path in (ROOT / "domains/fire22").glob("*.yaml")
        for name in yaml.safe_load(path.read_text("utf-8")).get("alerts", {})
    }
    assert written == {one.name for one in ALERTS} == set(BESIDE)
    assert {f"{domain}/{name}" for domain, alerts in DOCUMENT.items() for name in alerts} <= written


@every_alert
def test_beside_the_threshold_it_was_seen(record: Record, expected: Expected) -> None:
    found, beside = record.beside[expected.name], BESIDE[expected.name]
    assert found is not None
    assert beside.low <= found <= beside.high


def test_beside_the_thresholds_nobody_is_paged(record: Record) -> None:
    # The Watchdog's message shows that one would have come.
    assert {(one.kind, one.to, one.title) for one in record.quiet} <= {("webhook", "heartbeat", "Watchdog")}


@every_alert
def test_nobody_is_told_before_it_happens(record: Record, expected: Expected) -> None:
    assert min(one.at for one in record.messages[expected.name]) > record.begun[expected.name]


@every_alert
def test_exactly_those_are_told(record: Record, expected: Expected) -> None:
    assert told(record.messages[expected.name], "firing") == expected.at_once | expected.later


@every_alert
def test_who_comes_next_is_told_after_the_first(record: Record, expected: Expected) -> None:
    firing = [one for one in record.messages[expected.name] if one.status == "firing"]
    first = min(one.at for one in firing if (one.kind, one.to) in expected.at_once)
    escalated = [one for one in firing if (one.kind, one.to) in expected.later]
    assert all(one.at > first for one in escalated)
    assert all("escalated" in one.title.lower() for one in escalated)


@every_alert
def test_the_message_says_what_is_wrong_and_what_to_do(record: Record, expected: Expected) -> None:
    firing = [one for one in record.messages[expected.name] if one.status == "firing"]
    assert firing
    for message in firing:
        text = f"{message.title}\n{message.text}"
        assert expected.severity.upper() in text
        # The threshold follows in brackets, so that it is not taken for the value.
        assert re.search(rf"(^|\W){expected.value} \(", text), text
        assert expected.owner in text
        assert ("did not respond" in text) == ((message.kind, message.to) in expected.later)
        if message.kind == "sms":  # one segment: no room for addresses, nor for the whole of a long condition
            assert re.search(rf"\b{expected.alertname}\b", text, re.IGNORECASE)
            assert expected.threshold[:15] in text
            continue
        assert re.search(r"\bsince \d{4}-\d\d-\d\d \d\d:\d\d UTC", text, re.IGNORECASE)
        assert expected.threshold in text
        page = re.escape(f"/runbooks/{expected.domain}.md#{expected.alertname}")
        assert any(re.search(f"{page}$", link) for link in message.links), message.links
        panel = re.escape(f"/d/fire22-{expected.domain.replace('_', '-')}?viewPanel=")
        assert any(re.search(rf"{panel}\d+$", link) for link in message.links), message.links
        silence = re.compile(rf"/#/silences/new\?filter=%7Balertname%3D%22{expected.alertname}%22", re.IGNORECASE)
        assert any(silence.search(link) for link in message.links), message.links


@every_alert
def test_who_was_told_hears_the_end(record: Record, expected: Expected) -> None:
    messages = record.messages[expected.name]
    ended = told(messages, "resolved")
    assert ended == (set() if expected.is_digest else told(messages, "firing"))
    # And nothing after it.
    last = {(one.kind, one.to): one.status for one in messages}
    assert expected.is_digest or set(last.values()) == {"resolved"}


@every_alert
def test_the_end_is_not_told_before_it_is_put_right(record: Record, expected: Expected) -> None:
    """Or, of an event, before there was no other for as long as one counts."""
    ends = [one.at for one in record.messages[expected.name] if one.status == "resolved"]
    no_sooner = record.ended
    if expected.counts_for is not None:
        no_sooner = min(no_sooner, record.begun[expected.name] + expected.counts_for)
    assert all(at > no_sooner for at in ends)
