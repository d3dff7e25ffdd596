"""Several worker processes: whichever is scraped answers for all, also for those that are gone."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from exporters.instrument import instrument_asgi
from tests.compiling import ROOT
from tests.instrument.calls import answering
from tests.instrument.measured import ACTIVE, Kind
from tests.instrument.serving import GUNICORN, GUNICORN_UVICORN, UVICORN, Served, served
from tests.programs import run, until

SERVERS = {
    "uvicorn": ("fastapi_app", (*UVICORN, "--workers", "2")),
    "gunicorn-uvicorn": ("fastapi_app", (*GUNICORN_UVICORN, "--workers", "2")),
    "gunicorn": ("flask_app", (*GUNICORN, "--workers", "2")),
    "gunicorn-preload": ("flask_app", (*GUNICORN, "--workers", "2", "--preload")),
}
FOLDER = "PROMETHEUS_MULTIPROC_DIR"
pytestmark = pytest.mark.timeout(180)


@pytest.fixture(params=list(SERVERS))
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Served]:
    app, command = SERVERS[request.param]
    # The folder is not there yet.
    with served(app, tmp_path, *command, environment={FOLDER: str(tmp_path / "made" / "counted")}) as running:
        yield running


def test_workers_count_together_and_the_dead_leave_nothing_behind(service: Served) -> None:
    asked: list[int] = []

    def both_answered() -> bool:
        asked.append(int(service.get("/who").text))
        return len(set(asked)) == 2

    until(both_answered)
    who = Kind("GET", "/who")
    # A worker counts when it has sent, and the client may be faster.
    until(lambda: service.scrape().counts() == {who: len(asked)})
    for _ in range(6):
        found = service.scrape()
        assert found.counts() == {who: len(asked)}
        assert found.active() == 0
        assert [sample.value for sample in found.samples if sample.name == "target_info"] == [1]

    with ExitStack() as open_ones:
        for _ in range(3):
            open_ones.enter_context(closing(service.asking("/slow/60.0")))
        until(lambda: service.scrape().active() == 3)
        for pid in set(asked):
            os.kill(pid, signal.SIGKILL)
        # New ones take their place, and with them nothing is being answered.
        until(lambda: int(service.get("/who").text) not in asked)
        until(lambda: service.scrape().active() == 0)
    assert service.scrape().counts()[who] > len(asked)


BEGINS = """
import os
from pathlib import Path
from prometheus_client import CollectorRegistry, Counter, generate_latest
from exporters.instrument.workers import Workers
Counter("orders", "Orders.", registry=CollectorRegistry()).inc(3)
folder = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
(folder / "histogram_1.db").touch()
registry = CollectorRegistry()
registry.register(Workers(folder))
print(generate_latest(registry).decode())
"""


def test_a_worker_that_makes_its_file_just_now_keeps_nobody_from_the_numbers_of_the_others(tmp_path: Path) -> None:
    program = "import os; os.environ['PROMETHEUS_MULTIPROC_DIR'] = os.sys.argv[1]\n" + BEGINS
    assert "orders_total 3.0" in run(sys.executable, "-c", program, tmp_path, cwd=ROOT)


OUTLIVED = f"""
import os
from pathlib import Path
from prometheus_client import CollectorRegistry, Gauge
stale = Gauge("{ACTIVE}", "Number of active HTTP server requests.", ["http_request_method", "url_scheme"],
              multiprocess_mode="livesum", registry=CollectorRegistry())
stale.labels("GET", "http").set(7)
from exporters.instrument import instrument_asgi, metrics_asgi
from tests.instrument.calls import answering, ask, body, start
app = instrument_asgi(answering(start(), body()), service_name="shop")
ask(app, "/")
print(ask(app, "/metrics")[1]["body"].decode())
"""


def test_a_worker_does_not_take_over_what_one_with_its_process_id_was_doing(tmp_path: Path) -> None:
    environment = {FOLDER: str(tmp_path), "PYTHONPATH": str(ROOT)}
    set_them = "; ".join(f"os.environ[{name!r}] = {value!r}" for name, value in environment.items())
    said = run(sys.executable, "-c", f"import os; {set_them}\n{OUTLIVED}", cwd=ROOT)
    assert f'{ACTIVE}{{http_request_method="GET",url_scheme="http"}} 0.0' in said.splitlines()


def test_a_folder_that_is_named_too_late_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER, str(tmp_path))
    with pytest.raises(RuntimeError, match="before prometheus_client is imported"):
        instrument_asgi(answering(), service_name="shop", registry=CollectorRegistry())
