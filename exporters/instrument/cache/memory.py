"""The memory layer: the entries of this process that were used last."""

import sys
from collections.abc import Callable, Iterable

from cachebox import LRUCache

from exporters.instrument.cache.codec import Entry

# Bytes of an entry beside its key and its data: the tuple, the number, the object around the data, its place.
_AROUND = 72 + 24 + 33 + 72


class Memory:
    """Entries up to a number and a size; who was not used for longest goes first.

    ``used`` is the entry of a key, which then counts as used; it may have expired.
    ``evicted`` counts those that had to go to make room.
    """

    def __init__(self, most_keys: int, most_bytes: int) -> None:
        # Its own limit would evict without telling.
        self._entries: LRUCache[str, Entry] = LRUCache(0)
        self.used: Callable[[str], Entry | None] = self._entries.get
        self.size_bytes = 0
        self.evicted = 0
        self._most_keys = most_keys
        self._most_bytes = most_bytes
        self._by_tag: dict[str, set[str]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def has_room(self) -> bool:
        """Whether another entry makes no other one go, unless it is a big one."""
        return len(self._entries) < self._most_keys and self.size_bytes < self._most_bytes

    def put(self, key: str, entry: Entry) -> None:
        """Take an entry in; others go if it needs their room."""
        entries = self._entries
        before = entries.insert(key, entry)
        if before is not None:
            self._left(key, before)
        self.size_bytes += sys.getsizeof(key) + len(entry[1]) + _AROUND
        for tag in entry[2]:
            self._by_tag.setdefault(tag, set()).add(key)
        while len(entries) > self._most_keys or self.size_bytes > self._most_bytes:
            self._left(*entries.popitem())
            self.evicted += 1

    def drop(self, key: str) -> bool:
        """Forget an entry; whether there was one."""
        entry = self._entries.pop(key, None)
        if entry is None:
            return False
        self._left(key, entry)
        return True

    def drop_unless(self, key: str, entry: Entry) -> None:
        """Forget what is there for a key, if it is not this very entry."""
        found = self._entries.peek(key)
        if found is not entry and found is not None:
            self.drop(key)

    def drop_tag(self, tag: str) -> int:
        """Forget all entries with a tag; how many."""
        return self.drop_all(tuple(self._by_tag.get(tag, ())))

    def drop_all(self, keys: Iterable[str]) -> int:
        """Forget entries; how many there were."""
        return sum(self.drop(key) for key in keys)

    def sizes(self) -> tuple[int, int, int]:
        """How many keys there are, how many bytes they take, and how many were evicted so far."""
        return len(self._entries), self.size_bytes, self.evicted

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._by_tag.clear()
        self.size_bytes = 0

    def _left(self, key: str, entry: Entry) -> None:
        self.size_bytes -= sys.getsizeof(key) + len(entry[1]) + _AROUND
        for tag in entry[2]:
            keys = self._by_tag[tag]
            keys.discard(key)
            if not keys:
                del self._by_tag[tag]
