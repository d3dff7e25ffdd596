"""Moments as the database keeps them: what the services ask of it, and the store behind the cache of one."""

from collections.abc import Mapping, Sequence
from typing import Any

from exporters.instrument.database import MonitoredAsyncConnection, MonitoredAsyncPool

ONE = "SELECT id, player, play, price_usd::float8 AS price_usd FROM moments WHERE id = %s"
SOME = "SELECT id, player, play, price_usd::float8 AS price_usd FROM moments WHERE id = ANY(%s)"
PORTFOLIO = """
    SELECT count(*)::int AS moments, coalesce(sum(moments.price_usd), 0)::float8 AS worth_usd
    FROM holdings JOIN moments ON moments.id = holdings.moment_id
    WHERE holdings.owner = %s
"""
# There is no index on the play.
OF_A_PLAY = "SELECT id FROM moments WHERE play = %s"
SAVE = """
    INSERT INTO moments VALUES (%(id)s, %(player)s, %(play)s, %(price_usd)s)
    ON CONFLICT (id) DO UPDATE SET (player, play, price_usd) = (excluded.player, excluded.play, excluded.price_usd)
"""


class Moments:
    """The table as a cache's store: keys are ids, values what a page shows."""

    def __init__(self, pool: "MonitoredAsyncPool[MonitoredAsyncConnection[dict[str, Any]]]") -> None:
        self._pool = pool

    async def load_many(self, keys: Sequence[str]) -> Mapping[str, Any]:
        """Those that there are."""
        async with self._pool.connection() as connection:
            found = await connection.execute(SOME, [[int(key) for key in keys]])
            return {str(row["id"]): row for row in await found.fetchall()}

    async def save_many(self, values: Mapping[str, Any]) -> None:
        """Insert them, or change what there is."""
        async with self._pool.connection() as connection, connection.cursor() as cursor:
            await cursor.executemany(SAVE, list(values.values()))

    async def delete_many(self, keys: Sequence[str]) -> None:
        """Those that are there."""
        async with self._pool.connection() as connection:
            await connection.execute("DELETE FROM moments WHERE id = ANY(%s)", [[int(key) for key in keys]])
