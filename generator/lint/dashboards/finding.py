"""What the lint says of a dashboard."""

from dataclasses import dataclass
from typing import Protocol

Json = dict[str, object]


class File(Protocol):
    """A file of the output: its place and its bytes."""

    @property
    def path(self) -> str:
        """Its place below the platform's output."""

    @property
    def content(self) -> bytes:
        """Its bytes."""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One broken point of the checklist: which, its code, the dashboard's file, the panel's title, what is wrong."""

    point: int
    code: str
    dashboard: str
    panel: str
    message: str


def fields(value: object) -> Json:
    """A JSON object, empty where there is none."""
    return value if isinstance(value, dict) else {}


def items(value: object) -> list[Json]:
    """The objects of a JSON list, empty where there is none."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def words(value: object) -> list[str]:
    """The strings of a JSON list, empty where there is none."""
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
