"""``tocsin-exporter api`` as a person starts it."""

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import requests

from exporters import cli
from tests.compiling import ROOT
from tests.instrument.pages import Played, nothing, played
from tests.programs import free_port, started, until

SECRET = "correct-horse-battery"
API = (sys.executable, "-m", "exporters", "api")


@dataclass(frozen=True)
class Running:
    """The program's process."""

    process: "subprocess.Popen[bytes]"
    url: str
    log: Path

    def get(self, path: str) -> requests.Response:
        return requests.get(self.url + path, timeout=30, headers={"Connection": "close"})


@contextmanager
def running(folder: Path, port: int, *options: str, environment: Mapping[str, str]) -> Iterator[Running]:
    log = folder / "api.log"
    command = [*API, "--platform", "shop", *options]
    with started(command, log, {"PYTHONPATH": str(ROOT), **environment}) as process:
        found = Running(process, f"http://127.0.0.1:{port}", log)

        def answers() -> bool:
            assert process.poll() is None, log.read_text()
            return found.get("/health").status_code in (200, 503)

        until(answers)
        yield found


def test_port_is_taken_from_the_environment_and_it_ends_with_zero(tmp_path: Path) -> None:
    port = free_port()
    with played(nothing) as prometheus:
        url = prometheus.url.replace("//", f"//nobody:{SECRET}@")
        with running(tmp_path, port, environment={"PORT": str(port), "PROMETHEUS_URL": url}) as api:
            assert api.get("/api/metrics/current").json()["platform"] == "shop"
            health = api.get("/health").json()
            assert (health["status"], health["checks"]["prometheus"]["status"]) == ("ok", "ok")
            page = api.get("/metrics").text
            assert 'target_info{service_name="monitoring-api"} 1.0' in page
            assert 'http_route="/api/metrics/current"' in page
            head = requests.head(f"{api.url}/api/system/info", timeout=30)
            assert (head.status_code, head.content) == (200, b"")
            assert requests.post(f"{api.url}/metrics", timeout=30).status_code == 405
            api.process.send_signal(signal.SIGTERM)
            assert api.process.wait(60) == 0
    said = api.log.read_text()
    assert f"listening on http://127.0.0.1:{port}\n" in said
    assert "Traceback" not in said
    assert SECRET not in said


def test_listen_comes_before_port_and_a_prometheus_that_is_away_is_said(tmp_path: Path) -> None:
    port = free_port()
    options = ["--listen", f"127.0.0.1:{port}", "--prometheus", f"http://127.0.0.1:{free_port()}"]
    with running(tmp_path, port, *options, environment={"PORT": "1"}) as api:
        health = api.get("/health")
        assert health.status_code == 503
        assert health.json()["checks"]["prometheus"]["error"] == "ConnectionError"
        assert api.get("/api/metrics/history").status_code == 503


def test_a_request_in_flight_gets_its_answer_before_the_end(tmp_path: Path) -> None:
    port, held, goes_on = free_port(), threading.Event(), threading.Event()

    def holding(handler: BaseHTTPRequestHandler, known: Played) -> None:
        if "query_range" in handler.path:
            held.set()
            goes_on.wait(60)
        nothing(handler, known)

    with played(holding) as prometheus, ThreadPoolExecutor(1) as clients:
        options = ["--listen", f"127.0.0.1:{port}", "--prometheus", prometheus.url]
        with running(tmp_path, port, *options, environment={}) as api:
            asked = clients.submit(api.get, "/api/metrics/history")
            assert held.wait(60)
            api.process.send_signal(signal.SIGTERM)
            until(lambda: _refuses(port))
            goes_on.set()
            assert asked.result().status_code == 200
            assert api.process.wait(60) == 0
    assert "Traceback" not in api.log.read_text()


def _refuses(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.parametrize(("options", "environment", "code", "said"), [
    ([], {}, 2, "PROMETHEUS_URL"),
    (["--prometheus", "prometheus:9090"], {}, 1, "http://HOST:PORT"),
    (["--prometheus", f"http://nobody:{SECRET}@prometheus:x"], {}, 1, "port"),
    ([], {"PROMETHEUS_URL": f"nobody:{SECRET}"}, 1, "http://HOST:PORT"),
    (["--prometheus", "http://a"], {"PORT": "http"}, 1, "PORT: error[listen]: 'http' is no port"),
    (["--prometheus", "http://a"], {"PORT": "0"}, 1, "no port"),
    (["--prometheus", "http://a"], {"PORT": "65536"}, 1, "no port"),
    (["--prometheus", "http://a", "--listen", "3001"], {}, 1, "HOST:PORT"),
    (["--prometheus", "http://a", "--platform", "a-b"], {}, 1, "platform"),
    (["--prometheus", "http://a", "--prometheus-auth-file", "nowhere"], {}, 1, "cannot be read"),
])  # fmt: skip
def test_what_is_wrong_is_said_at_the_start(
    options: list[str],
    environment: dict[str, str],
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("PORT", "PROMETHEUS_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["tocsin-exporter", "api", "--platform", "shop", *options])
    monkeypatch.setattr(cli, "_log_to_stderr", lambda: None)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    error = capsys.readouterr().err
    assert ended.value.code == code, error
    assert said in error
    assert SECRET not in error
    assert "Traceback" not in error
