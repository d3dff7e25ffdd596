"""What this process holds of a key: its entry in memory, lookups and loads under way. A change makes all of it old."""

from collections.abc import Iterable

from exporters.instrument.cache.flight import Flights
from exporters.instrument.cache.memory import Memory
from exporters.instrument.cache.reads import Reads


class Nearby:
    """Takes changes, whoever made them."""

    def __init__(self, memory: Memory, reads: Reads, flights: Flights) -> None:
        self.memory = memory
        self.reads = reads
        self.flights = flights

    def changed(self, keys: Iterable[str]) -> int:
        """Keys were changed; how many entries in memory are forgotten."""
        dropped = 0
        for key in keys:
            dropped += self.memory.drop(key)
            self.reads.outdate(key)
            self.flights.outdate(key)
        return dropped

    def tag_changed(self, tag: str) -> int:
        """All entries with a tag are invalid; how many in memory are forgotten."""
        # What a lookup under way will bring may have the tag.
        self.reads.outdate_all()
        self.flights.outdate_tag(tag)
        return self.memory.drop_tag(tag)

    def messages_missed(self) -> None:
        """Anything may have changed. Loads stay: what they fill in is compared with the versions in Redis."""
        self.memory.clear()
        self.reads.outdate_all()

    def all_removed(self) -> None:
        """Everything has gone from Redis, the versions too."""
        self.messages_missed()
        self.flights.outdate_all()
