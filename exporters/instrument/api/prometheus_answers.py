"""What Prometheus's HTTP API answers, as far as it is read here; numbers come as texts, NaN and infinity too."""

from typing import Literal

from pydantic import BaseModel


class Sample(BaseModel):
    """One series at one time; without ``value`` where it is a native histogram."""

    metric: dict[str, str]
    value: tuple[float, float] | None = None


class Vector(BaseModel):
    """What an instant query answers."""

    resultType: Literal["vector"]
    result: list[Sample]


class Range(BaseModel):
    """One series over time."""

    metric: dict[str, str]
    values: list[tuple[float, float]] = []


class Matrix(BaseModel):
    """What a range query answers."""

    resultType: Literal["matrix"]
    result: list[Range]


class Group(BaseModel):
    """A group of rules."""

    name: str


class Groups(BaseModel):
    """All rules."""

    groups: list[Group]
