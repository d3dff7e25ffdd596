"""When people are not disturbed, and who is on call."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from generator.model.base import DashedName, Date, Model, TimeOfDay, TimeOfWeek, Timezone

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class QuietHours(Model):
    """When a channel or a contact hears nothing: ``from`` a time of day ``to`` another, on the ``days`` it begins on.

    Over midnight where ``to`` comes before ``from``; whole days where both are missing. ``except`` lists severities
    that come through all the same.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    from_: Annotated[TimeOfDay | None, Field(alias="from")] = None
    to: TimeOfDay | None = None
    days: list[Weekday] = []
    timezone: Timezone | None = None
    except_: Annotated[list[DashedName], Field(alias="except")] = []


class Shift(Model):
    """A stretch of every week in which one person is on call."""

    model_config = ConfigDict(serialize_by_alias=True)

    person: DashedName
    from_: Annotated[TimeOfWeek, Field(alias="from")]
    to: TimeOfWeek


class Rotation(Model):
    """Who is on call: each of ``people`` a week in turn, or the same ``shifts`` every week.

    Turns are dates, which ``starts`` and ``until`` bound; ``swaps`` gives the week that begins on a date to somebody
    else.
    """

    timezone: Timezone | None = None
    people: list[DashedName] = []
    hand_over: TimeOfWeek | None = None
    starts: Date | None = None
    until: Date | None = None
    swaps: dict[Date, DashedName] = {}
    shifts: list[Shift] = []
