"""A service without asyncio uses a cache over a portal: threads ask, one event loop answers."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import flask
import pytest
from anyio.from_thread import start_blocking_portal
from prometheus_client import CollectorRegistry

from exporters.instrument.cache import Cache, Options, redis_from_environment
from tests.instrument.caches import series
from tests.redis_servers import RedisServer, redis_server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as running:
        yield running


def test_a_flask_service_with_threads_shares_one_cache(server: RedisServer) -> None:
    registry = CollectorRegistry()
    loads: list[str] = []

    async def load(key: str) -> dict[str, str]:
        loads.append(key)
        return {"name": key}

    patient = Options(timeout_seconds=20, patience_seconds=20)
    cache = Cache("players", redis_from_environment(server.environment), patient, registry=registry)
    with start_blocking_portal() as portal:
        app = flask.Flask("players")

        @app.get("/players/<key>")
        def player(key: str) -> Any:
            return portal.call(partial(cache.get_or_load, key, load, tags=["players"]))

        def ask(number: int) -> Any:
            return app.test_client().get(f"/players/p{number % 5}").json

        with ThreadPoolExecutor(8) as threads:
            assert list(threads.map(ask, range(100))) == [{"name": f"p{number % 5}"} for number in range(100)]
        assert sorted(loads) == [f"p{number}" for number in range(5)]
        portal.call(cache.invalidate_tag, "players")
        assert portal.call(cache.get, "p1") is None
        portal.call(cache.close)
    assert series(registry)["operations get hit"] + series(registry)["operations get miss"] == 101
