"""How long entries live, how much memory they may take, and how long anybody waits for Redis."""

from dataclasses import dataclass

from exporters.instrument.bounds import at_least, positive
from exporters.instrument.cache.codec import JSON, Codec


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a cache keeps, where, and for how long.

    ``key_prefix``: before all names in Redis; None is the cache's name.
    ``ttl_seconds``: how long an entry lives that is not given a time of its own.
    ``ttl_jitter``: up to which part of that time each entry lives shorter, by chance, so that what was written together
    does not expire together.
    ``compress_from_bytes``: values from this size on are compressed, if that makes them smaller; None is never.
    ``codec``: how values become bytes, and back.
    ``memory_keys``, ``memory_bytes``: the most that the memory layer holds. 0 keys is no memory layer.
    ``memory_seconds``: how long the memory layer trusts itself: so long it can serve what another process has changed,
    if the message about it got lost.
    ``expected_keys``: how many keys there will be, in the order of magnitude. It decides on the number of hashes in
    Redis, so all processes have to say the same.
    ``timeout_seconds``: after how long an attempt to reach Redis has failed.
    ``retries``: how often one that failed is repeated.
    ``patience_seconds``: how long a caller waits for Redis at most, all attempts together. When Redis has been away for
    so long, nobody waits for it any more until it is back.
    ``remembered_changes``: how many keys and tags that were changed while Redis was away are remembered, to remove them
    when it is back. If there were more, all entries are removed.
    ``keeps_after_restart``: whether entries stay that a restarted Redis has read from its disk. They may be older than
    what was acknowledged, so that it is right only with ``appendfsync always``.
    ``sweep_seconds``: how long one walk over all of Redis takes, that removes what is expired and counts what is there.

    Raises:
        ValueError: a number that means no time, no size, or no count.
    """

    key_prefix: str | None = None
    ttl_seconds: float = 3600.0
    ttl_jitter: float = 0.1
    compress_from_bytes: int | None = 1024
    codec: Codec = JSON
    memory_keys: int = 50_000
    memory_bytes: int = 64 * 2**20
    memory_seconds: float = 60.0
    expected_keys: int = 1_000_000
    timeout_seconds: float = 0.5
    retries: int = 3
    patience_seconds: float = 1.0
    remembered_changes: int = 10_000
    keeps_after_restart: bool = False
    sweep_seconds: float = 60.0

    def __post_init__(self) -> None:
        if self.key_prefix is not None and not self.key_prefix:
            raise ValueError("key_prefix is empty")
        for name in ("ttl_seconds", "memory_seconds", "timeout_seconds", "patience_seconds", "sweep_seconds"):
            positive(name, getattr(self, name))
        for name in ("memory_keys", "memory_bytes", "retries", "remembered_changes"):
            at_least(name, getattr(self, name), 0)
        at_least("expected_keys", self.expected_keys, 1)
        if self.compress_from_bytes is not None:
            at_least("compress_from_bytes", self.compress_from_bytes, 0)
        if not 0 <= self.ttl_jitter < 1:
            raise ValueError(f"ttl_jitter is {self.ttl_jitter}, and has to be a part, from 0 to below 1")


@dataclass(frozen=True, kw_only=True)
class WriteBehind:
    """How writes get to the store after they were acknowledged.

    ``batch_size``: keys in one call of the store.
    ``interval_seconds``: how long a write waits for others, if the batch is not full before.
    ``most_pending``: how many keys may wait. Who writes more waits until there is room.
    ``first_delay_seconds``, ``longest_delay_seconds``: before a failed call is repeated. The delay doubles each time.

    Raises:
        ValueError: a number that means no time, or no count.
    """

    batch_size: int = 500
    interval_seconds: float = 0.2
    most_pending: int = 10_000
    first_delay_seconds: float = 0.1
    longest_delay_seconds: float = 30.0

    def __post_init__(self) -> None:
        at_least("batch_size", self.batch_size, 1)
        at_least("interval_seconds", self.interval_seconds, 0)
        at_least("most_pending", self.most_pending, 1)
        positive("first_delay_seconds", self.first_delay_seconds)
        at_least("longest_delay_seconds", self.longest_delay_seconds, self.first_delay_seconds)
