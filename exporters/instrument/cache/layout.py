"""Where things lie in Redis, and the scripts that work on them there.

A key is a field of one of many hashes, about a hundred in each. Redis keeps such a hash in one piece of memory, which
is a fifth of what as many keys of their own take (Redis's documentation, "Memory optimization"). Redis 6 has no expiry
for a field: it is in the value's head, and the hash expires after the last of its fields. The field without a name is
the hash's version, which every change but a fill renews: a value that was loaded while its key changed is known by it,
and not kept.
"""

import hashlib
import os
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from exporters.instrument.cache.options import Options

KEYS_PER_HASH = 100
_TAG_VERSIONS = 1024
# So long a load may take and still be kept safely.
LEASE_MILLISECONDS = 3_600_000
# What no version is: nothing that is loaded for it is kept.
NEVER = b"-"


@dataclass(frozen=True)
class Script:
    """A script of Redis, and the name that Redis gives it."""

    text: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha", hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest())


def _script(name: str) -> Script:
    return Script((Path(__file__).parent / "lua" / f"{name}.lua").read_text())


READ, WRITE, UNTAG, SWEEP = (_script(name) for name in ("read", "write", "untag", "sweep"))


class Layout:
    """The names in Redis of one cache.

    ``sender`` is this cache object, among all that use the same names; ``begin`` makes it.
    """

    def __init__(self, name: str, options: Options) -> None:
        prefix = name if options.key_prefix is None else options.key_prefix
        self.hashes = max(1, options.expected_keys // KEYS_PER_HASH)
        # Processes that reckon with other numbers of keys do not read each other's.
        self.hash_prefix = f"{prefix}:{self.hashes}:".encode()
        self.tag_prefix = f"{prefix}:tag:".encode()
        self.channel = f"{prefix}:changes".encode()
        self.sweeper = f"{prefix}:{self.hashes}:sweeper".encode()
        self.size = f"{prefix}:{self.hashes}:size".encode()
        self.run = f"{prefix}:{self.hashes}:run".encode()
        self.sender = ""
        self._version_prefix = f"{prefix}:version:"
        self._versions = 0
        # What is expired should be found and counted by the sweeper before Redis removes the hash.
        self._longer_milliseconds = int(2 * options.sweep_seconds * 1000)

    def begin(self) -> None:
        """Be somebody of one's own: processes that a server forks begin with the same cache object."""
        self.sender = os.urandom(6).hex()

    def number_of(self, key: str) -> int:
        """Which of the hashes a key is in."""
        return zlib.crc32(key.encode()) % self.hashes

    def hash_of(self, key: str) -> bytes:
        """The hash that a key is in."""
        return b"%b%d" % (self.hash_prefix, zlib.crc32(key.encode()) % self.hashes)

    def tag_version(self, tag: str) -> bytes:
        """Where the version of a tag is; several tags share one."""
        return f"{self._version_prefix}{zlib.crc32(tag.encode()) % _TAG_VERSIONS}".encode()

    def next_version(self) -> str:
        """One that was never before."""
        self._versions += 1
        return f"{self.sender[:6]}{self._versions:x}"

    def hash_life(self, ttl_seconds: float) -> int:
        """How long the hash of an entry has to live, in milliseconds."""
        return int(ttl_seconds * 1000) + self._longer_milliseconds
