"""One PostgreSQL, and one Redis, for the tests of a module that need one."""

from collections.abc import Iterator

import pytest

from tests import clusters
from tests.redis_servers import RedisServer, redis_server


@pytest.fixture(scope="module")
def cluster() -> Iterator[clusters.Cluster]:
    with clusters.cluster() as found:
        yield found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as running:
        yield running
