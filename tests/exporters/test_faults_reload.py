"""SIGHUP with a plan that is broken or new, and SIGTERM: no scrape notices, whatever goes on."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.clusters import Cluster, cluster
from tests.exporters.running import Running, Scrape, gauge, parsed, plan_file, query
from tests.exporters.shop import (
    COUNTED,
    asleep,
    backends,
    health,
    irregular,
    is_well,
    meanwhile,
    next_refresh,
    shop,
    shown,
)
from tests.programs import until

INTERVAL = 0.5
ODD = query("sales/odd", "SELECT NULL::int AS value", gauge("shop_sales_odd", absent="zero"))
ONE = query("sales/one", "SELECT 1 AS value")
ORDERS = query("sales/orders", COUNTED)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Cluster]:
    with cluster() as running:
        yield running


def loaded(scrape: Scrape) -> float | None:
    """Whether the last attempt to load the plan succeeded."""
    return scrape.value("shop_config_last_reload_successful")


def loaded_at(scrape: Scrape) -> float:
    """When the plan in use was loaded."""
    return scrape.value("shop_config_last_reload_success_timestamp_seconds") or 0.0


def _line_of(text: str, part: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), start=1) if part in line)


def test_a_broken_plan_changes_nothing_but_is_said(postgres: Cluster, tmp_path: Path) -> None:
    with shop(postgres, tmp_path, [ODD, ONE], interval=INTERVAL) as (running, _):
        plan = tmp_path / "plan.yml"
        good = plan.read_text()
        before = running.until_scrape(is_well)
        assert loaded(before) == 1
        unknown = good.replace("interval_seconds: 0.5\n", "interval_seconds: 0.5\nintervall: 1\n")
        wrong = good.replace("SELECT 1 AS value", "SELECT 1 AS valeu")
        not_sql = good.replace("SELECT 1 AS value", "SELEC 1 AS value")
        for text, line, said in (
            ("queries: [", 1, "error[yaml]: "),
            (unknown, _line_of(unknown, "intervall"), "error["),
            (good.replace("source: shop\n", "source: shoop\n", 1), _line_of(good, "source: shop"), "error["),
            (wrong, _line_of(good, "SELECT 1"), "sales/one"),
            (not_sql, _line_of(good, "SELECT 1"), "sales/one"),
            ("", None, "the file is empty"),
        ):
            plan.write_text(text)
            _assert_refused(running, before, f"{plan}:{line}:" if line else str(plan), said)
        plan.unlink()
        _assert_refused(running, before, str(plan), "the file cannot be read: no such file or directory")

        plan_file(plan, [ODD, ORDERS], interval=INTERVAL)
        running.reload()
        after = running.until_scrape(lambda scrape: loaded(scrape) == 1)
        assert is_well(after)
        assert shown(after) == {"shop_sales_odd": 0, "shop_sales_orders": 3}
        assert health(after) == {"odd": 1, "orders": 1}
        assert loaded_at(after) > loaded_at(before)
        assert after.irregularities("sales/odd", "null") > before.irregularities("sales/odd", "null")


def _assert_refused(running: Running, before: Scrape, place: str, said: str) -> None:
    """A reload fails, says why and where, and what was there before goes on."""
    times = running.said().count("reload failed, what was stays:")
    running.reload()
    until(lambda: running.said().count("reload failed, what was stays:") > times, 20)
    message = running.said().rpartition("reload failed, what was stays:")[2]
    assert place in message, message
    assert said in message, message
    for scrape in (running.scrape(), next_refresh(running)):
        assert loaded(scrape) == 0
        assert loaded_at(scrape) == loaded_at(before)
        assert is_well(scrape)
        assert shown(scrape) == {"shop_sales_odd": 0, "shop_sales_one": 1}


def test_a_broken_plan_is_good_again_when_what_was_wrong_is_undone(postgres: Cluster, tmp_path: Path) -> None:
    with shop(postgres, tmp_path, [ODD, ONE], interval=INTERVAL) as (running, _):
        before = running.until_scrape(is_well)
        plan = tmp_path / "plan.yml"
        good = plan.read_text()
        plan.write_text("no plan")
        running.reload()
        running.until_scrape(lambda scrape: loaded(scrape) == 0)
        plan.write_text(good)
        running.reload()
        after = running.until_scrape(lambda scrape: loaded(scrape) == 1)
        assert (is_well(after), shown(after)) == (True, shown(before))
        for what, times in irregular(before).items():
            assert irregular(after)[what] >= times


def test_a_reload_while_the_database_is_down_waits_for_a_better_time(postgres: Cluster, tmp_path: Path) -> None:
    with shop(postgres, tmp_path, [ONE], interval=INTERVAL) as (running, _):
        running.until_scrape(is_well)
        plan_file(tmp_path / "plan.yml", [ONE, ORDERS], interval=INTERVAL)
        postgres.stop()
        try:
            running.reload()
            running.until_scrape(lambda scrape: loaded(scrape) == 0 and health(scrape) == {"one": 0})
        finally:
            postgres.start()
        assert shown(running.until_scrape(is_well)) == {"shop_sales_one": 1}
        running.reload()
        assert shown(running.until_scrape(lambda scrape: loaded(scrape) == 1)) == {
            "shop_sales_one": 1,
            "shop_sales_orders": 3,
        }


def test_no_scrape_notices_a_reload(postgres: Cluster, tmp_path: Path) -> None:
    plans = [
        [ONE, query("sales/slow", f"SELECT {number} AS value FROM pg_sleep(0.05)"), *more]
        for number, more in enumerate(([], [ORDERS], [ODD]))
    ]
    with shop(postgres, tmp_path, plans[0], interval=INTERVAL) as (running, name):
        at = loaded_at(running.until_scrape(is_well))
        with ThreadPoolExecutor(20) as pool:
            enough = threading.Event()
            clients = [pool.submit(_asks, running, enough) for _ in range(20)]
            try:
                for plan in [*plans[1:], *plans, plans[-1], plans[-1]]:
                    plan_file(tmp_path / "plan.yml", plan, interval=INTERVAL)
                    asleep(postgres, name)
                    running.reload()
                    at = loaded_at(running.until_scrape(lambda scrape, before=at: loaded_at(scrape) > before))
            finally:
                enough.set()
            texts = {text for client in clients for text in client.result()}
        assert len(texts) > len(plans)
        for scrape in map(parsed, texts):
            assert is_well(scrape), scrape.text
            assert {f"shop_sales_{query}" for query in health(scrape)} == set(shown(scrape))
        assert len(backends(postgres, name)) == 1
        assert "ERROR" not in running.said()


def _asks(running: Running, enough: threading.Event) -> set[str]:
    """All different answers to scrape after scrape."""
    found = set()
    with requests.Session() as session:
        while not enough.is_set():
            answer = session.get(f"{running.url}/metrics", timeout=10)
            assert answer.status_code == 200, answer.text
            found.add(answer.text)
    return found


def test_an_end_lets_a_refresh_finish(postgres: Cluster, tmp_path: Path) -> None:
    slow = query("sales/slow", "SELECT 1 AS value FROM pg_sleep(0.4)")
    with shop(postgres, tmp_path, [ONE, slow], interval=1.2) as (running, name):
        running.until_scrape(is_well)
        with meanwhile(lambda: next_refresh(running)) as refresh:
            asleep(postgres, name)
            running.process.terminate()
            scrape = refresh.result()
        assert (is_well(scrape), shown(scrape)) == (True, {"shop_sales_one": 1, "shop_sales_slow": 1})
        assert running.process.wait(20) == 0
        until(lambda: not backends(postgres, name))
        assert [line for line in running.said().splitlines() if "INFO" not in line] == []


def test_an_end_cancels_what_nobody_waits_for(postgres: Cluster, tmp_path: Path) -> None:
    hangs = query("sales/hangs", "SELECT 1 AS value FROM pg_sleep(3600)")
    with shop(postgres, tmp_path, [hangs], interval=60) as (running, name):
        # The first refresh begins by itself and has nearly a minute.
        asleep(postgres, name)
        running.process.terminate()
        assert running.process.wait(20) == 0
        until(lambda: not backends(postgres, name))
