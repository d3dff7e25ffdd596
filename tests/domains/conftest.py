"""A throw-away PostgreSQL for the domains' own SQL."""

from collections.abc import Iterator

import pytest

from tests.clusters import cluster


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Give the connection string of a running cluster, without a database name."""
    with cluster() as running:
        yield running.socket_dsn
