"""FastBreak's rules, as they are compiled, on a real Prometheus that scrapes a FastAPI and a Flask service."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import pytest
import requests

from demo.addresses import targets
from tests.compiling import ROOT
from tests.end_to_end.stacks import overlaid
from tests.instrument.serving import GUNICORN, UVICORN, Served, served
from tests.programs import prometheus, until

OVERLAY = (ROOT / "tests/end_to_end/fastbreak_overlay.yaml").read_text("utf-8")
pytestmark = pytest.mark.timeout(240)
AT_ONCE = 100
FAST, FAILING = 300, 12


@dataclass(frozen=True)
class Watched:
    """Two services, and the Prometheus that watches them."""

    fastapi: Served
    flask: Served
    prometheus: str

    def values(self, query: str) -> dict[str, float]:
        """What a query finds, by route."""
        found = requests.get(f"{self.prometheus}/api/v1/query", params={"query": query}, timeout=10).json()
        return {one["metric"].get("http_route", ""): float(one["value"][1]) for one in found["data"]["result"]}

    def firing(self) -> set[str]:
        """The alerts of the HTTP domain that fire."""
        found = requests.get(f"{self.prometheus}/api/v1/alerts", timeout=10).json()["data"]["alerts"]
        return {
            one["labels"]["alertname"]
            for one in found
            if one["state"] == "firing" and one["labels"].get("domain") == "http"
        }


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    plan, output = overlaid("fastbreak", OVERLAY.replace(', "127.0.0.1:19303"', ""), tmp_path)
    ports = [port for _, port in targets(plan, "fastbreak-services")]
    folders = [tmp_path / name for name in ("fastapi", "flask", "prometheus")]
    for folder in folders:
        folder.mkdir()
    with (
        served("fastapi_app", folders[0], *UVICORN, port=ports[0]) as fastapi,
        served("flask_app", folders[1], *GUNICORN, port=ports[1]) as flask,
        prometheus(output / "prometheus/prometheus.yml", folders[2]) as url,
    ):
        yield Watched(fastapi, flask, url)


def _fast(service: Served, number: int) -> None:
    """Requests one after the other on one connection."""
    with closing(HTTPConnection("127.0.0.1", service.port, timeout=30)) as connection:
        for item in range(number):
            connection.request("GET", f"/items/{item}")
            connection.getresponse().read()


def test_the_alerts_of_http_fire_and_resolve_on_what_services_say_of_themselves(watched: Watched) -> None:
    # A counter that Prometheus has not seen before has not grown.
    for service in (watched.fastapi, watched.flask):
        for path in ("/items/1", "/fails", "/slow/0.0"):
            service.get(path)
    until(lambda: len(watched.values("fastbreak_http_throughput_by_route_per_second")) >= 5)

    with ThreadPoolExecutor(AT_ONCE) as threads:
        slow = [threads.submit(watched.fastapi.get, "/slow/5.0") for _ in range(AT_ONCE)]
        until(lambda: watched.values("fastbreak_http_active_requests").get("", 0) >= AT_ONCE)
        assert all(future.result().ok for future in slow)
    for service, path in ((watched.fastapi, "/fails"), (watched.flask, "/fails")):
        for _ in range(FAILING // 2):
            assert service.get(path).status_code == 500
    _fast(watched.fastapi, FAST // 2)
    _fast(watched.flask, FAST // 2)
    bad = {"HttpSlowResponses", "HttpHighResponseTime", "HttpHighErrorRate"}
    until(lambda: watched.firing() == bad | {"HttpLowThroughput"})
    by_route = watched.values("fastbreak_http_throughput_by_route_per_second")
    assert by_route.keys() == {
        "/items/{item}", "/fails", "/slow/{seconds}", "/items/<item>", "/slow/<float:seconds>"
    }  # fmt: skip

    # Enough good ones, and the bad ones are few. A throughput of 1,000 a second is more than this test makes.
    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(_fast, watched.fastapi, 600) for _ in range(4)]:
            done.result()
    until(lambda: watched.firing() == {"HttpLowThroughput"})
