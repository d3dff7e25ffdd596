"""One PostgreSQL for the tests of a module that need one."""

from collections.abc import Iterator

import pytest

from tests import clusters


@pytest.fixture(scope="module")
def cluster() -> Iterator[clusters.Cluster]:
    with clusters.cluster() as found:
        yield found
