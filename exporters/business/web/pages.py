"""What the web server needs to know of the exporter behind it."""

from dataclasses import dataclass
from typing import Protocol

from exporters.business.exposition import Format


class TooLate(Exception):
    """The refresh that a scrape waits for did not end within its timeout."""


@dataclass(frozen=True, slots=True)
class Ready:
    """Whether the exporter answers scrapes, and a line for people that says why (not)."""

    ready: bool
    text: str


class Exporter(Protocol):
    """The exporter as its pages see it."""

    @property
    def title(self) -> str:
        """Its name."""
        ...

    @property
    def description(self) -> str:
        """What it does, in a line."""
        ...

    async def metrics(self, format_: Format, *, gzip: bool, timeout_seconds: float) -> bytes:
        """The exposition, at most one scrape interval old.

        Raises:
            TooLate: it could not be had in time.
        """
        ...

    def ready(self) -> Ready:
        """Whether scrapes are answered."""
        ...
