"""The parameters of the pages, and how they are read: one that is unknown, repeated or wrong is named."""

import json
import re
from collections.abc import Iterable
from typing import Annotated, Any, TypeVar, get_origin

from pydantic import BaseModel, BeforeValidator, Field, ValidationError
from pydantic_core import PydanticCustomError

from exporters.instrument.api.problems import ParameterError, Refusal

T = TypeVar("T", bound="CurrentParameters")

LONGEST_HOURS = 168
_NAMES = 50
_NAME_LENGTH = 200
# JSON's, so that what is taken is what the description calls a number. Python's float takes more: 1_0, ٣, nan.
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,30})(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,4})?")
# Names are not ours: a client's is cut before it is said again.
_SHOWN = 100


def _number(text: object) -> object:
    if not isinstance(text, str):
        return text
    if not _NUMBER.fullmatch(text):
        raise PydanticCustomError("number", "this is no number")
    return json.loads(text)


MetricName = Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$", max_length=_NAME_LENGTH)]


class CurrentParameters(BaseModel):
    """What can be asked of the metrics now."""

    metric: list[MetricName] = Field(
        default_factory=list,
        max_length=_NAMES,
        description="Only metrics of this full name. May be given several times; without it, all of the platform.",
    )


class HistoryParameters(CurrentParameters):
    """What can be asked of the metrics over time."""

    hours: Annotated[float, BeforeValidator(_number)] = Field(
        24, gt=0, le=LONGEST_HOURS, description="How far back, in hours."
    )
    step: Annotated[int | None, BeforeValidator(_number)] = Field(
        None,
        ge=1,
        le=LONGEST_HOURS * 3600,
        description="Seconds between two points. Where a series would have more points than are given, it is longer; "
        "the answer says how long. Without it, whole scrape intervals.",
        json_schema_extra={"type": "integer"},
    )


def read(model: type[T], items: Iterable[tuple[str, str]]) -> T:
    """Read the pairs of a query string.

    Raises:
        Refusal: a parameter is unknown, given twice where one is taken, or has a value that is not taken.
    """
    lists = {name for name, field in model.model_fields.items() if get_origin(field.annotation) is list}
    given: dict[str, Any] = {}
    wrong: list[ParameterError] = []
    for name, value in items:
        if name not in model.model_fields:
            known = ", ".join(sorted(model.model_fields))
            wrong.append(_error(name, f"there is no such parameter; there are {known}"))
        elif name in lists:
            given.setdefault(name, []).append(value)
        elif name in given:
            wrong.append(_error(name, "this is given more than once"))
        else:
            given[name] = value
    try:
        found = model.model_validate(given)
    except ValidationError as error:
        wrong += [
            _error(str(one["loc"][0]), one["msg"])
            for one in error.errors(include_url=False, include_context=False, include_input=False)
        ]
    if wrong:
        raise Refusal(422, f"{wrong[0].parameter}: {wrong[0].detail}", wrong)
    return found


def _error(name: str, detail: str) -> ParameterError:
    return ParameterError(parameter=name[:_SHOWN], detail=detail)
