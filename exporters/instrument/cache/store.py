"""What stands behind a cache."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class Store(Protocol):
    """For example a table. Each call gets every key once, and either does all of it or raises.

    Its timeouts are its own business. ``save_many`` and ``delete_many`` may come twice for the same.
    """

    async def load_many(self, keys: Sequence[str]) -> Mapping[str, Any]:
        """The values of those keys that there are."""
        ...

    async def save_many(self, values: Mapping[str, Any]) -> None:
        """Keep these values, in place of what was there."""
        ...

    async def delete_many(self, keys: Sequence[str]) -> None:
        """Forget these keys, whether they are there or not."""
        ...
