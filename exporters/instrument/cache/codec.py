"""Values as bytes, and entries as they lie in Redis: a head that says until when, and the value behind it."""

import struct
import zlib
from typing import Any, NamedTuple, Protocol

import orjson

# Milliseconds since 1970 in six bytes, then the flags. Scripts in Redis read it as ``>I6``.
_HEAD = struct.Struct(">HIB")
_TAGS = struct.Struct(">H")
_COMPRESSED, _TAGGED = 1, 2
SEPARATOR = "\0"
MOST_TAGS_BYTES = 0xFFFF
# In seconds since 1970: what the head has room for.
LATEST = 2**48 / 1000


class Codec(Protocol):
    """How values become bytes, and back. What it gives back may not be shared with what it gave before."""

    def encode(self, value: Any) -> bytes:
        """The bytes of a value."""
        ...

    def decode(self, data: bytes) -> Any:
        """The value of bytes that ``encode`` made."""
        ...


class _Json:
    def __init__(self) -> None:
        self.decode = orjson.loads

    def encode(self, value: Any) -> bytes:
        # orjson writes into a buffer of kilobytes and shrinks it, which leaves a hole behind each value that is kept.
        return bytes(memoryview(orjson.dumps(value)))


JSON: Codec = _Json()


class Entry(NamedTuple):
    """A value with its expiry, in seconds since 1970."""

    deadline: float
    data: bytes
    tags: tuple[str, ...] = ()


def packed(entry: Entry, compress_from_bytes: int | None) -> bytes:
    """An entry as it lies in Redis. It expires before ``LATEST``, and its tags take up to ``MOST_TAGS_BYTES``."""
    flags, data, tags = 0, entry.data, b""
    if compress_from_bytes is not None and len(data) >= compress_from_bytes:
        smaller = zlib.compress(data)
        if len(smaller) < len(data):
            flags, data = _COMPRESSED, smaller
    if entry.tags:
        flags |= _TAGGED
        names = SEPARATOR.join(entry.tags).encode()
        tags = _TAGS.pack(len(names)) + names
    milliseconds = int(entry.deadline * 1000)
    return _HEAD.pack(milliseconds >> 32, milliseconds & 0xFFFFFFFF, flags) + tags + data


def unpacked(raw: bytes) -> Entry:
    """What ``packed`` packed.

    Raises:
        ValueError: this is no entry.
    """
    try:
        high, low, flags = _HEAD.unpack_from(raw)
        deadline = (high << 32 | low) / 1000
        if not flags:
            return Entry(deadline, raw[_HEAD.size :])
        start = _HEAD.size
        tags: tuple[str, ...] = ()
        if flags & _TAGGED:
            (length,) = _TAGS.unpack_from(raw, start)
            start += _TAGS.size
            tags = tuple(raw[start : start + length].decode().split(SEPARATOR))
            start += length
        data = raw[start:]
        return Entry(deadline, zlib.decompress(data) if flags & _COMPRESSED else data, tags)
    except (struct.error, zlib.error) as error:
        raise ValueError("this is no entry of a cache") from error
