"""The queries that an explanation gives an operator, as they are shown, on a real PostgreSQL."""

from collections.abc import Iterator

import psycopg
import pytest

from generator.explain import as_text
from tests.clusters import cluster
from tests.compiling import PLATFORMS
from tests.explain.explaining import alerts, explained

SCHEMA = (PLATFORMS["fire22"] / "schema.sql").read_text()
ROW_ALERTS = [f"{alert.domain}/{alert.name}" for alert in alerts("fire22") if alert.kind == "rows"]
HEADING = "Rows that match now, the worst first\n"


@pytest.fixture(scope="module")
def connection() -> Iterator[psycopg.Connection]:
    with (
        cluster() as running,
        running.database("explained", SCHEMA) as name,
        psycopg.connect(running.dsn("monitoring", name), autocommit=True) as connection,
    ):
        yield connection


@pytest.mark.parametrize("path", ROW_ALERTS)
def test_shown_queries_run(connection: psycopg.Connection, path: str) -> None:
    it = explained("fire22", path)
    shown = as_text(it).partition(HEADING)[2].partition("\n\n")[0]
    assert it.rows is not None
    as_shown, as_made = (connection.execute(f"EXPLAIN (VERBOSE) {text}").fetchall() for text in (shown, it.rows.text))
    assert as_shown == as_made
    assert connection.execute(shown).fetchall() == []


def test_there_are_row_alerts() -> None:
    assert len(ROW_ALERTS) >= 10
