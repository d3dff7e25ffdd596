"""An answer as people and programs read it: a line per step, or JSON."""

import json
from collections.abc import Iterator, Sequence, Set
from datetime import datetime

from generator import durations, naming
from generator.diagnostics import visible
from generator.routing.steps import Answer, Step, Told

Row = tuple[str, str, str, str]

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_HEADS: Row = ("when", "who", "over", "again")


def as_text(answer: Answer) -> str:
    """The table, with what comes after it."""
    found = [_HEADS, *rows(answer)]
    widths = [max(len(row[column]) for row in found) for column in range(len(_HEADS))]
    lines = [*heading(answer), ""]
    lines += ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in found]
    lines += ["", *(f"{name.ljust(len('resolved'))}  {text}" for name, text in afterwards(answer))]
    return "".join(f"{visible(line).rstrip()}\n" for line in lines)


def heading(answer: Answer) -> tuple[str, str]:
    """Which alert it is, and when it fires."""
    alert = answer.alert
    labels = dict(answer.labels)
    if alert is None:
        first = " ".join(f"{name}={value}" for name, value in answer.labels)
    else:
        facts = [alert.severity, alert.notification, f"owned by {answer.owner}"]
        first = f"{answer.name}: {', '.join(fact for fact in facts if fact)}"
        instances = [f"{name}={labels[name]}" for name in alert.by]
        first += f", for each {' '.join(instances)}" if instances else ""
    lasted = f", when its condition has held for {durations.text(alert.for_)}" if alert and alert.for_ else ""
    return first, f"fires on {day_and_time(answer.fires_at)}{lasted}"


def rows(answer: Answer) -> list[Row]:
    """When, who, over what, and again when."""
    return [row for step in answer.steps for told in step.told for row in _rows(step, told, answer.fires_at)]


def _rows(step: Step, told: Told, fires_at: datetime) -> Iterator[Row]:
    when = f"+{durations.text(step.after)}"
    if told.reason is not None:
        yield when, told.who, why_nobody(told), ""
    elif told.waits_until is None:
        yield when, told.who, ", ".join(told.over), again(told)
    else:
        if told.closed is not None:
            yield when, "nobody", told.closed, ""
        yield day_and_time(told.waits_until), told.who, ", ".join(told.over), again(told)


def why_nobody(told: Told) -> str:
    """Why some receivers tell nobody."""
    if told.reason == "discarded":
        return "discarded: its receiver has no channel"
    if told.reason == "inhibited":
        return f"inhibited by {told.inhibited_by}"
    if told.reason == "never open":
        return f"its window never opens: {', '.join(told.window)}"
    return "silenced"


def again(told: Told) -> str:
    """When the same message comes again while the alert lasts."""
    if told.again_at is not None:
        return day_and_time(told.again_at)
    return f"every {durations.text(told.every)}" if told.every is not None else ""


def afterwards(answer: Answer) -> Iterator[tuple[str, str]]:
    """Who comes after the last step, and who hears that it is over."""
    reasons = {told.reason for step in answer.steps for told in step.told}
    if any(naming.UNROUTED_RECEIVER in told.receivers for step in answer.steps for told in step.told):
        yield "unrouted", "no route knows its labels, so those are told who watch the monitoring itself"
    if answer.alert is None:
        yield "then", "bare labels have no next step: the rules of a named alert have"
    elif "silenced" in reasons:
        yield "then", "if it still fires when the silence ends, everybody whose time has come is told"
    elif "inhibited" in reasons:
        yield "then", "if it still fires when the other has ended, everybody whose time has come is told"
    elif reasons == {"discarded"}:
        yield "then", "nobody"
    elif len(answer.steps) > 1:
        yield "then", "nobody comes next; a silence made from a message stops every step that is left"
    else:
        yield "then", "nobody comes next"
    yield "resolved", _resolved(answer, reasons)


def _resolved(answer: Answer, reasons: Set[str | None]) -> str:
    hear = hearers(answer)
    if hear:
        closes = any(told.closes for step in answer.steps for told in step.told if told.hears_end)
        only = " if it came to them" if len(hear) > 1 or len(answer.steps) > 1 or closes else ""
        if closes:
            only += ", unless quiet hours or a hand-over came between"
        return f"{_listed(hear)} {'hears' if len(hear) == 1 else 'hear'} it{only}"
    if "silenced" in reasons:
        return "nobody hears it, if it ends while it is silenced"
    if "inhibited" in reasons:
        return "nobody hears it, if it ends while it is inhibited"
    if reasons == {"discarded"}:
        return "nobody hears it"
    if any(told.again_at for step in answer.steps for told in step.told):
        return "nobody hears it: the next of these messages leaves out what has ended"
    return "nobody hears it: this receiver is told no ends"


def hearers(answer: Answer) -> list[str]:
    """Who is told that the alert has ended."""
    return list(dict.fromkeys(told.who for step in answer.steps for told in step.told if told.hears_end))


def day_and_time(moment: datetime) -> str:
    """``Monday 2026-12-07 09:02 UTC``."""
    seconds = f":{moment.second:02d}" if moment.second else ""
    return f"{_WEEKDAYS[moment.weekday()]} {moment:%Y-%m-%d %H:%M}{seconds} {moment.tzname()}"


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def as_json(answer: Answer) -> str:
    """The same for programs; durations in seconds."""
    value = {
        "alert": answer.name,
        "labels": dict(answer.labels),
        "fires_at": answer.fires_at.isoformat(),
        "silenced": answer.silenced,
        "steps": [_step(step, told) for step in answer.steps for told in step.told],
        "resolved": hearers(answer),
    }
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _step(step: Step, told: Told) -> dict[str, object]:
    return {
        "after": step.after / 1000,
        "escalation": step.contact,
        "who": told.who if told.reason is None else None,
        "over": list(told.over),
        "receivers": list(told.receivers),
        "sent_at": told.at.isoformat() if told.at is not None else None,
        "outside": list(told.window),
        "again_every": told.every / 1000 if told.every is not None else None,
        "again_at": told.again_at.isoformat() if told.again_at is not None else None,
        "hears_end": told.hears_end,
        "why_nobody": told.reason,
        "inhibited_by": told.inhibited_by,
    }
