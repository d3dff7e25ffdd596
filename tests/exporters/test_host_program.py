"""``tocsin-exporter host``: a process that serves the machine, with passwords if told to, until it is told to end."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bcrypt
import pytest
import requests
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parsed_openmetrics

from exporters.host import HostExporter
from tests.compiling import ROOT
from tests.instrument.measured import Measured
from tests.instrument.scripts import linted, script
from tests.programs import free_port, started, until

AUTH = ("prometheus", "right")
WEB = "basic_auth_users:\n  prometheus: {}\n"
OPENMETRICS = {"Accept": "application/openmetrics-text;version=1.0.0"}


@contextmanager
def running(folder: Path, *options: str) -> Iterator[tuple["subprocess.Popen[bytes]", str, Path]]:
    """The program, its address and its log."""
    address = f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "exporters", "host", "--listen", address, *options]
    log = folder / "host.log"
    with started(command, log, {"PYTHONPATH": str(ROOT)}) as process:

        def answers() -> bool:
            assert process.poll() is None, log.read_text()
            return requests.get(f"http://{address}/healthz", auth=AUTH, timeout=5).ok

        until(answers)
        yield process, f"http://{address}", log


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_the_machine_until_it_is_told_to_end(how: signal.Signals, tmp_path: Path) -> None:
    with running(tmp_path) as (process, url, log):
        text = requests.get(f"{url}/metrics", timeout=30).text
        names = {sample.name for sample in Measured(text).samples}
        assert {"system_memory_utilization", "system_filesystem_usage_bytes", "process_resident_memory_bytes"} <= names
        assert linted(text) == ""
        # From the first second on.
        until(lambda: "system_cpu_utilization{" in requests.get(f"{url}/metrics", timeout=30).text)
        other = requests.get(f"{url}/metrics", headers=OPENMETRICS, timeout=30)
        assert other.headers["Content-Type"].startswith("application/openmetrics-text")
        families = parsed_openmetrics(other.text)  # type: ignore[no-untyped-call]
        assert "system_memory_usage_bytes" in {family.name for family in families}
        assert requests.get(f"{url}/readyz", timeout=30).ok
        assert HostExporter.title in requests.get(url, timeout=30).text
        process.send_signal(how)
        assert process.wait(60) == 0, log.read_text()
        assert "Traceback" not in log.read_text()


def test_who_has_no_password_gets_nothing_and_a_broken_file_changes_nothing(tmp_path: Path) -> None:
    web = tmp_path / "web.yml"
    web.write_text(WEB.format(bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode()))
    with running(tmp_path, "--web.config.file", str(web)) as (process, url, log):
        assert requests.get(f"{url}/metrics", timeout=30).status_code == 401
        assert requests.get(f"{url}/metrics", auth=AUTH, timeout=30).ok
        web.write_text("basic_auth_users: 5\n")
        process.send_signal(signal.SIGHUP)
        until(lambda: "reload failed, what was stays" in log.read_text())
        assert requests.get(f"{url}/metrics", auth=AUTH, timeout=30).ok
        web.write_text(WEB.format(bcrypt.hashpw(b"new", bcrypt.gensalt(4)).decode()))
        process.send_signal(signal.SIGHUP)
        until(lambda: requests.get(f"{url}/metrics", auth=(AUTH[0], "new"), timeout=30).ok)


@pytest.mark.parametrize(("arguments", "code", "said"), [
    (["--listen", "9464"], 1, "HOST:PORT"),
    (["--web.config.file", "nowhere.yml"], 1, "nowhere.yml"),
    (["plan.yml"], 2, "unexpected extra argument"),
])  # fmt: skip
def test_wrong_use_is_said_in_words(arguments: list[str], code: int, said: str) -> None:
    command = [sys.executable, "-m", "exporters", "host", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_without_psutil_it_says_where_that_comes_from() -> None:
    code = """
import sys
sys.modules["psutil"] = None
sys.argv = ["tocsin-exporter", "host"]
from exporters import cli
try:
    cli.main()
except SystemExit as ended:
    assert ended.code == 1
"""
    assert script(code).stderr == "Error: psutil is not installed; it comes with tocsin[host]\n"
