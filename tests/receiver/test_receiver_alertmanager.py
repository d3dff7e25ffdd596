"""A real Alertmanager's messages arrive complete, and again after a receiver that refused or was silent."""

import html
import re
from collections.abc import Iterator

import pytest

from demo.receiver import Kind, Message, Receiver
from tests.receiver.deliveries import PEOPLE, Delivering, delivering

ALL = "email,hook,phone,slack,sms"
HOSTILE = "Quote \" ' ` {{ .Labels }} back\\slash 🔥 é <script>alert(1)</script> <!channel> & $1 | second\nline"
ONE_LINE = " ".join(HOSTILE.split())
LOOPBACK = ("127.0.0.1", 0)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Delivering]:
    with (
        Receiver(LOOPBACK, LOOPBACK, title="Test", people=PEOPLE) as receiver,
        delivering(tmp_path_factory.mktemp("alertmanager"), receiver) as running,
    ):
        yield running


@pytest.fixture
def working(told: Delivering) -> Iterator[Delivering]:
    """All kinds work, before and after."""
    told.receiver.clear()
    yield told
    for kind in ("slack", "email", "sms", "phone", "webhook"):
        told.receiver.fail(kind, None)
        told.receiver.fail(kind, None, "@anna")


def by_address(arrived: tuple[Message, ...]) -> dict[tuple[Kind, str], Message]:
    return {(one.kind, one.to): one for one in arrived}


TEAM: set[tuple[Kind, str]] = {
    ("slack", "#alerts"), ("email", "ops@example.org"), ("email", "lead@example.org"), ("sms", "+46700000001"),
    ("phone", "olle-key"), ("webhook", "tickets"),
}  # fmt: skip
ANNA: set[tuple[Kind, str]] = {
    ("slack", "@anna"), ("email", "lead@example.org"), ("sms", "+46700000002"), ("phone", "anna-key")
}  # fmt: skip


def test_every_kind_arrives_and_ends(working: Delivering) -> None:
    working.post("SettlementOverdue", ALL)
    first = working.arrived("SettlementOverdue", len(TEAM))
    assert {(one.kind, one.to) for one in first} == TEAM
    assert {one.status for one in first} == {"firing"}
    titles = {one.kind: one.title for one in first}
    began = r"since \d+ \w+ \d\d:\d\d UTC"
    sms = rf"FIRING CRITICAL SettlementOverdue 150 settlements \(> 100 settlements\), Operations, {began}"
    assert re.fullmatch(sms, titles.pop("sms"))
    assert titles == {
        "slack": "[CRITICAL] SettlementOverdue is overdue",
        "email": "[CRITICAL] SettlementOverdue is overdue",
        "phone": "[CRITICAL] SettlementOverdue is overdue: 150 settlements (threshold > 100 settlements)",
        "webhook": "SettlementOverdue",
    }
    for one in first:
        if one.kind != "sms":
            assert "https://runbooks.fire22.example/collections.md#collectionsqueuebackup" in one.links
            assert "150 settlements" in one.text
    assert [one.number for one in working.receiver.messages()] == list(range(1, len(TEAM) + 1))
    assert [one.at for one in first] == sorted(one.at for one in first)

    working.post("SettlementOverdue", ALL, ended=True)
    last = working.arrived("SettlementOverdue", 2 * len(TEAM))[len(TEAM) :]
    assert {(one.kind, one.to) for one in last} == TEAM
    assert {one.status for one in last} == {"resolved"}


def test_an_escalation_arrives_and_ends(working: Delivering) -> None:
    working.post("Escalated", ALL, escalation="anna")
    first = working.arrived("Escalated", len(ANNA))
    assert {(one.kind, one.to) for one in first} == ANNA
    assert {one.status for one in first} == {"firing"}
    assert by_address(first)["sms", "+46700000002"].title.startswith("ESCALATED to Anna: CRITICAL Escalated")
    assert by_address(first)["slack", "@anna"].title == "[CRITICAL, escalated to Anna] Escalated is overdue"
    working.post("Escalated", ALL, escalation="anna", ended=True)
    last = working.arrived("Escalated", 2 * len(ANNA))[len(ANNA) :]
    assert {one.status for one in last} == {"resolved"}
    assert by_address(last)["email", "lead@example.org"].title == "[resolved, escalated to Anna] Escalated is overdue"


def test_an_event_ends_with_no_new_event(working: Delivering) -> None:
    quiet = {"resolved": "no new event for 1h"}
    working.post("Fraud", ALL, annotations=quiet)
    working.arrived("Fraud", len(TEAM))
    working.post("Fraud", ALL, annotations=quiet, ended=True)
    last = working.arrived("Fraud", 2 * len(TEAM))[len(TEAM) :]
    assert {one.status for one in last} == {"resolved"}
    assert by_address(last)["sms", "+46700000001"].title.startswith("NO NEW EVENT FOR 1H")


def test_hostile_text_arrives_unchanged(working: Delivering) -> None:
    working.post("Hostile", ALL, annotations={"summary": HOSTILE, "description": HOSTILE})
    found = by_address(working.receiver.wait(lambda all_: all_ if len(all_) >= len(TEAM) else None, 30))
    assert found["slack", "#alerts"].title == f"[CRITICAL] {ONE_LINE}"
    assert HOSTILE in found["slack", "#alerts"].text
    assert found["email", "ops@example.org"].title == f"[CRITICAL] {ONE_LINE}"
    assert HOSTILE in found["email", "ops@example.org"].text
    assert HOSTILE in html.unescape(found["email", "ops@example.org"].payload["html"])
    assert found["phone", "olle-key"].title.startswith(f"[CRITICAL] {ONE_LINE}: 150 settlements")
    assert HOSTILE in found["phone", "olle-key"].text
    assert f"description: {HOSTILE}" in found["webhook", "tickets"].text


CHANNELS: list[tuple[Kind, str]] = [
    ("slack", "slack"), ("email", "email"), ("sms", "sms"), ("phone", "phone"), ("webhook", "hook")
]  # fmt: skip


@pytest.mark.parametrize("how", ["refuse", "hang"])
@pytest.mark.parametrize(("kind", "channel"), CHANNELS, ids=[kind for kind, _ in CHANNELS])
def test_what_failed_arrives_once_it_works_again(working: Delivering, kind: Kind, channel: str, how: str) -> None:
    receiver = working.receiver
    alertname = f"{how}{kind}".title()
    receiver.fail(kind, "hang" if how == "hang" else "refuse")
    working.post(alertname, channel)
    receiver.wait(lambda _: receiver.refused, 30)
    assert receiver.messages() == ()
    receiver.fail(kind, None)
    expected = 2 if kind == "email" else 1
    working.arrived(alertname, expected)
    # What Alertmanager tells next comes after whatever it might have told twice.
    working.post(alertname, channel, ended=True)
    arrived = working.arrived(alertname, 2 * expected)
    assert [one.status for one in arrived] == ["firing"] * expected + ["resolved"] * expected


def test_one_address_fails_alone(working: Delivering) -> None:
    receiver = working.receiver
    receiver.fail("slack", "refuse", "@anna")
    working.post("Alone", "slack")
    working.post("Alone", "slack", escalation="anna")
    receiver.wait(lambda all_: receiver.refused and slack_addresses(all_), 30)
    assert slack_addresses(receiver.messages()) == ["#alerts"]
    receiver.fail("slack", None, "@anna")
    receiver.wait(lambda all_: "@anna" in slack_addresses(all_), 30)


def slack_addresses(arrived: tuple[Message, ...]) -> list[str]:
    return [one.to for one in arrived if one.kind == "slack"]
