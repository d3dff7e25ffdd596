"""Entries out of values: encoded, with a time to live and with tags."""

import random
from collections.abc import Callable, Iterable
from typing import Any

from exporters.instrument.bounds import positive
from exporters.instrument.cache.codec import LATEST, MOST_TAGS_BYTES, SEPARATOR, Entry, packed
from exporters.instrument.cache.measures import Operation
from exporters.instrument.cache.memory import Memory
from exporters.instrument.cache.options import Options
from exporters.instrument.cache.writes import Change


class Making:
    """How entries of one cache are made, for Redis and for its memory layer."""

    def __init__(self, options: Options, memory: Memory, clock: Callable[[], float]) -> None:
        self.encode = options.codec.encode
        self.decode = options.codec.decode
        self._options = options
        self._memory = memory
        self._clock = clock

    def entry(self, value: Any, ttl_seconds: float | None, tags: Iterable[str]) -> Entry:
        """A value as an entry. It lives somewhat shorter than it may, by chance.

        Raises:
            ValueError: the time is no time, or a tag no tag.
            TypeError: the value cannot be encoded.
        """
        return self.entry_of(self.encode(value), ttl_seconds, checked_tags(tags))

    def entry_of(self, data: bytes, ttl_seconds: float | None, tags: tuple[str, ...]) -> Entry:
        """The same of a value that is encoded.

        Raises:
            ValueError: the time is no time.
        """
        if ttl_seconds is None:
            ttl_seconds = self._options.ttl_seconds
        else:
            positive("ttl_seconds", ttl_seconds)
        deadline = self._clock() + ttl_seconds * (1 - self._options.ttl_jitter * random.random())
        if deadline >= LATEST:
            raise ValueError(f"ttl_seconds is {ttl_seconds}, and so late no entry can expire")
        return Entry(deadline, data, tags)

    def keep(self, key: str, entry: Entry) -> Entry:
        """Put an entry into the memory layer, for as long as that trusts itself; what is there now."""
        until = self._clock() + self._options.memory_seconds
        kept = entry if entry[0] <= until else Entry(until, entry[1], entry[2])
        self._memory.put(key, kept)
        return kept

    def setting(self, key: str, entry: Entry, operation: Operation) -> Change:
        """The change that brings an entry to Redis; it is in the memory layer at once."""
        change = self.change("set", key, entry, operation)
        change.kept = self.keep(key, entry)
        return change

    def filling(self, key: str, entry: Entry, operation: Operation, versions: list[tuple[bytes, bytes]]) -> Change:
        """The change that brings an entry to Redis if nothing changed since the versions were read."""
        change = self.change("fill", key, entry, operation)
        change.versions = versions
        return change

    def change(self, kind: Any, key: str, entry: Entry, operation: Operation) -> Change:
        """A change with an entry."""
        raw = packed(entry, self._options.compress_from_bytes)
        return Change(kind, key, operation, entry, raw, ttl_seconds=max(0.0, entry.deadline - self._clock()))


def checked_keys(keys: Iterable[str]) -> None:
    """Refuse what can be no key, before anything is done: later it would fail all that is sent together with it.

    Raises:
        TypeError: a key is no text.
        ValueError: a key is empty, or has half of a surrogate pair in it, which no UTF-8 has.
    """
    if "" in keys:
        raise ValueError("a key is empty")
    "".join(keys).encode()


def checked_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Tags without repetition.

    Raises:
        TypeError: it is a text, whose letters would each be a tag.
        ValueError: a tag is empty, has a zero character or half of a surrogate pair in it, or they are longer than
            64 KiB together.
    """
    if not tags:
        return ()
    if isinstance(tags, str):
        raise TypeError("tags is a text, and has to be a list of texts")
    found = tuple(dict.fromkeys(tags))
    if not all(found) or any(SEPARATOR in tag for tag in found):
        raise ValueError("a tag is empty, or has a zero character in it")
    if len(SEPARATOR.join(found).encode()) > MOST_TAGS_BYTES:
        raise ValueError("the tags of an entry are longer than 64 KiB")
    return found
