"""Time works: first messages, escalations, silences, ends, cooldown, with two Alertmanagers and with one of them dead.

One story, played at the same time on three stacks: with both, and with either of the two killed after the first
messages. That a message is early is a failure by a millisecond; late it may be by what a busy machine takes.
"""

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import pytest

from demo.addresses import Inbox
from demo.receiver import Message
from tests.end_to_end.escalation_cases import (
    CASES,
    FLAPPING,
    INFO,
    LATE,
    LOW,
    NOT_TAKEN,
    RESPONSE,
    SHELVES,
    TAKEN,
    TAKEN_FOR_A_WHILE,
    Case,
)
from tests.end_to_end.escalation_story import APART, DOWN, PEER_TIMEOUT, Instance, Record, play
from tests.end_to_end.fire22_alerts import CHANNELS

pytestmark = pytest.mark.timeout(400)

EVALUATION, GROUP_WAIT, GROUP_INTERVAL = 1.0, 0.5, 6.0
COOLDOWN = 6.0
# What a busy machine may take for it; on an idle one it is a tenth of a second.
MARGIN = 8.0
LATE_BY = EVALUATION + GROUP_WAIT + PEER_TIMEOUT + MARGIN
# Which of the two dies: by its position in their cluster.
STORIES = {"both live": None, "the one that sends dies": 0, "the one that waits dies": 1}

BASE = Instance(None)


def by_name(cases: Iterable[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", [pytest.param(one, id=one.name) for one in cases])


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Record]:
    with ThreadPoolExecutor(len(STORIES)) as at_once:
        played = {
            story: at_once.submit(play, tmp_path_factory.mktemp("escalation"), kill) for story, kill in STORIES.items()
        }
        return {story: one.result() for story, one in played.items()}


@pytest.fixture(params=STORIES)
def record(request: pytest.FixtureRequest, records: dict[str, Record]) -> Record:
    return records[request.param]


def counted(record: Record, name: str, status: str) -> Counter[Inbox]:
    """How many messages about an alert each inbox got."""
    return Counter((one.kind, one.to) for one in record.messages[name] if one.status == status)


def firing(record: Record, case: Case, inboxes: Iterable[Inbox]) -> list[Message]:
    """The messages that it fires to some inboxes, in order."""
    wanted = set(inboxes)
    return [one for one in record.messages[case.name] if one.status == "firing" and (one.kind, one.to) in wanted]


def since(record: Record, case: Case, instance: Instance = BASE) -> float:
    """When it became active, which it did once: however often it flaps, in whatever state Prometheus has it."""
    (moment,) = record.active[case.name][instance]
    return moment


def assert_told(messages: list[Message], number: int, due: float, late_by: float) -> None:
    """So many messages, none early, none late."""
    assert len(messages) == number
    for one in messages:
        assert due <= one.at <= due + late_by, f"{one.at - due:+.3f} s: {one.kind} to {one.to}: {one.title}"


@by_name(CASES)
def test_the_first_message_comes_within_group_wait_and_an_evaluation(record: Record, case: Case) -> None:
    first = {(one.kind, one.to): one for one in reversed(firing(record, case, case.at_once))}
    instance = Instance(None, "left") if case is SHELVES else BASE
    # The one that waits lets its time pass until it takes it that the other is dead.
    late_by = EVALUATION + MARGIN + (PEER_TIMEOUT if case is LATE else 0)
    due = since(record, case, instance) + case.lasting + GROUP_WAIT
    assert_told(list(first.values()), len(case.at_once), due, late_by)


@by_name((*NOT_TAKEN, FLAPPING))
def test_who_comes_next_is_told_in_time_and_not_before(record: Record, case: Case) -> None:
    active = since(record, case)
    # The age of an alert with a cooldown counts from the whole second.
    active = float(int(active)) if case is FLAPPING else active
    for step, inboxes in enumerate(case.later, start=1):
        assert_told(firing(record, case, inboxes), len(inboxes), active + case.after(step), LATE_BY)


@by_name([case for case in CASES if case not in (TAKEN, SHELVES)])
def test_each_is_told_once_and_nobody_else(record: Record, case: Case) -> None:
    assert counted(record, case.name, "firing") == Counter(case.told)


@by_name([case for case in CASES if case is not TAKEN])
def test_everybody_who_was_told_hears_the_end_once(record: Record, case: Case) -> None:
    assert counted(record, case.name, "resolved") == Counter(case.told)
    ends = [one for one in record.messages[case.name] if one.status == "resolved"]
    earliest = record.ended[case.name] + (COOLDOWN if case is FLAPPING else 0)
    # A scrape, an evaluation, and the next look at the group; with a cooldown, the evaluation after it.
    assert_told(ends, len(case.told), earliest, 2 * EVALUATION + GROUP_INTERVAL + PEER_TIMEOUT + MARGIN)
    assert max(one.at for one in record.messages[case.name] if one.status == "firing") < earliest


@pytest.mark.parametrize("case", [LOW, INFO], ids=lambda case: case.name)
def test_nobody_comes_next_after_mild_ones(record: Record, case: Case) -> None:
    """Though they last longer than any of the matrix's times within which others are told."""
    assert record.ended[case.name] - since(record, case) > max(RESPONSE.values())
    assert counted(record, case.name, "firing") == Counter(case.at_once)


def test_a_further_instance_is_told_with_the_next_look_and_escalates_in_its_own_time(record: Record) -> None:
    left, right = (since(record, SHELVES, Instance(None, shelf)) for shelf in ("left", "right"))
    assert right > left + EVALUATION
    for inboxes, after in ((SHELVES.at_once, SHELVES.lasting), (SHELVES.later[0], SHELVES.after(1))):
        messages = firing(record, SHELVES, inboxes)
        one, both = ([m for m in messages if ("shelf right" in m.text) == is_both] for is_both in (False, True))
        assert all("shelf left" in message.text for message in messages)
        assert_told(one, len(inboxes), left + after, LATE_BY)
        assert_told(both, len(inboxes), right + after, GROUP_INTERVAL + LATE_BY)


def test_while_it_flaps_it_stays_one_incident(record: Record) -> None:
    # It was seen to come and go, three times.
    assert record.flaps >= 6
    assert [one.status for one in record.messages[FLAPPING.name]] == ["firing"] * 4 + ["resolved"] * 4


def test_a_silence_from_the_first_message_stops_all_steps_and_its_end_resumes_them(record: Record) -> None:
    case, silenced = TAKEN_FOR_A_WHILE, record.silenced[TAKEN_FOR_A_WHILE.name]
    active = since(record, case)
    first, second, third = (active + case.after(step) for step in (1, 2, 3))
    # Made after the first message, before anybody else was due; two were due while it held, one afterwards.
    assert silenced.starts < first < second < silenced.ends < third
    for inboxes in case.later[:2]:
        assert_told(firing(record, case, inboxes), len(inboxes), silenced.ends, GROUP_INTERVAL + LATE_BY)
    assert_told(firing(record, case, case.later[2]), len(case.later[2]), third, LATE_BY)


def test_who_took_it_until_its_end_is_told_nothing_more(record: Record) -> None:
    """Neither escalation nor end, also not when the silence is over: what was taken is forgotten."""
    silenced = record.silenced[TAKEN.name]
    due = since(record, TAKEN) + TAKEN.after(1)
    assert silenced.starts < due < record.ended[TAKEN.name] < silenced.ends
    assert counted(record, TAKEN.name, "firing") == Counter(TAKEN.at_once)
    assert counted(record, TAKEN.name, "resolved") == Counter()


@pytest.mark.parametrize("story", [name for name, kill in STORIES.items() if kill is not None])
def test_it_died_after_the_first_messages_and_before_the_others(records: dict[str, Record], story: str) -> None:
    record = records[story]
    assert record.killed is not None
    for case in CASES:
        first = [one.at for one in firing(record, case, case.at_once)]
        later = [one.at for inboxes in case.later for one in firing(record, case, inboxes)]
        assert (min(first) > record.killed) == (case is LATE), case.name
        assert all(at > record.killed for at in later), case.name


def test_a_dead_alertmanager_is_told_of(record: Record) -> None:
    told = {CHANNELS["slack"], CHANNELS["email"], ("slack", "@astrid"), ("email", "astrid@fire22.example")}
    assert counted(record, DOWN, "firing") == (Counter() if record.killed is None else Counter(told))
    # Nor is one of them, alone, taken for one that does not see the other.
    assert record.messages[APART] == ()
