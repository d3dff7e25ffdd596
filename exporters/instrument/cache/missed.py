"""What Redis has not heard of: keys and tags that were changed while it was away."""

import logging
from collections.abc import Iterable

_log = logging.getLogger(__name__)


class Missed:
    """Up to a number of names; beyond, all of the cache counts as changed."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.keys: set[str] = set()
        self.tags: set[str] = set()
        self.everything = False

    def __bool__(self) -> bool:
        return bool(self.keys or self.tags or self.everything)

    def add(self, keys: Iterable[str] = (), tags: Iterable[str] = ()) -> None:
        """Remember changes."""
        if self.everything:
            return
        self.keys.update(keys)
        self.tags.update(tags)
        if len(self.keys) + len(self.tags) > self._most:
            _log.debug("more than %d changes while Redis is away: all entries will be removed", self._most)
            self.keys.clear()
            self.tags.clear()
            self.everything = True
