"""The timing of messages: what an operator writes becomes what Alertmanager needs to keep to it.

Alertmanager looks at a group only on the ticks of its ``group_interval``. A ``repeat_interval`` that is an exact
multiple slips to the tick after it, so half an interval is taken off; one beyond the retention of its notification log
(120h by default) is forgotten and repeats early, so it is cut. A slot at a time of day is paced by its window, the next
whole minutes above its group interval: it holds one tick for certain, a second one hardly ever, and repeats nothing.
"""

from generator import durations
from generator.model import Cadence as WrittenCadence
from generator.plan.types import Cadence

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY
RETENTION = 120 * HOUR

# At once: a breath in which the instances of one alert gather, then news every minute and a reminder every four hours.
AT_ONCE_GROUP_WAIT = 10 * SECOND
AT_ONCE_GROUP_INTERVAL = MINUTE
AT_ONCE_REPEAT = 4 * HOUR
GROUP_WAIT = 30 * SECOND
# A slot: short, so that the message comes when it was asked for, and just under whole minutes, so that the window is
# hardly longer; the repeat only has to lie between window and period. One that is always open fits into no window.
SLOT_GROUP_INTERVAL = 5 * MINUTE - SECOND
OPEN_SLOT_GROUP_INTERVAL = 5 * MINUTE
SLOT_REPEAT = 12 * HOUR


def repeat_interval(repeat: int, group_interval: int) -> int:
    """The wish for a reminder every ``repeat``, half a group interval early: the nearest multiple that fits."""
    count = (2 * repeat + group_interval) // (2 * group_interval)
    count = max(1, min(count, RETENTION // group_interval))
    return max(1, min(count * group_interval - group_interval // 2, RETENTION // 2 if count == 1 else RETENTION))


def slot_minutes(group_interval: int) -> int:
    """How long a slot's window is: the next whole minutes above a group interval, at most a day."""
    return min(group_interval // MINUTE + 1, DAY // MINUTE)


def cadence(
    name: str, written: WrittenCadence, timezone: str, scale: float, *, slots_are_open: bool = False
) -> Cadence:
    """A cadence, its durations scaled; a slot stays at its time of day, and only its group interval is scaled.

    With ``slots_are_open`` a slot speaks at any time, and repeats after a day or a week as scaled.
    """
    is_open = slots_are_open and written.at is not None
    every = _duration(written.every)
    if written.at is not None:
        wait, interval, repeat = GROUP_WAIT, SLOT_GROUP_INTERVAL, SLOT_REPEAT
        if is_open:
            interval, repeat = OPEN_SLOT_GROUP_INTERVAL, DAY if written.day is None else WEEK
    elif every is not None:
        wait, interval, repeat = GROUP_WAIT, every, every
    else:
        wait, interval, repeat = AT_ONCE_GROUP_WAIT, AT_ONCE_GROUP_INTERVAL, AT_ONCE_REPEAT
    wait = _scaled(_or(_duration(written.group_wait), wait), scale)
    interval = max(1, _scaled(_or(_duration(written.group_interval), interval), scale))
    repeat = _scaled(_or(_duration(written.repeat), repeat), scale if written.at is None or is_open else 1.0)
    repeat = repeat_interval(repeat, interval)
    return Cadence(name, wait, interval, repeat, written.at, written.day, timezone, is_open)


def _duration(text: str | None) -> int | None:
    return None if text is None else durations.milliseconds(text)


def _or(written: int | None, default: int) -> int:
    return default if written is None else written


def _scaled(duration: int, scale: float) -> int:
    return round(duration * scale)
