"""``make demo`` as a new user meets it: started, used, changed under way, stopped; and what it says when it cannot."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from tests.compiling import ROOT
from tests.end_to_end.stacks import with_free_ports
from tests.programs import until

pytestmark = pytest.mark.timeout(400)

PATIENCE = 120
COLLECTIONS = "domains/fire22/collections.yaml"
OVERLAY = "domains/fire22/environments/demo.yaml"


class Checkout:
    """A copy of this checkout, whose demo listens on ports that nobody uses."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # What the demo keeps is in here, so that it can be seen whether it leaves anything behind.
        self.temporary = folder / "tmp"
        for name in ("demo", "exporters", "generator", "domains"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        self.temporary.mkdir()
        self.write(OVERLAY, with_free_ports(self.read(OVERLAY)))
        self.generate()

    def read(self, path: str) -> str:
        return (self.folder / path).read_text("utf-8")

    def write(self, path: str, text: str) -> None:
        (self.folder / path).write_text(text, "utf-8")

    @property
    def environment(self) -> dict[str, str]:
        # The same Python finds its packages in this folder first.
        return {**os.environ, "PYTHONPATH": str(self.folder), "TMPDIR": str(self.temporary)}

    def generate(self) -> None:
        """What ``make generate`` does for the demo."""
        command = [sys.executable, "-m", "generator.cli", "generate", "domains/fire22", "--env", "demo"]
        subprocess.run(command, cwd=self.folder, env=self.environment, check=True, capture_output=True, timeout=120)

    def link(self, name: str) -> str:
        """An address that the overlay gives."""
        found = re.search(rf"^  {name}: (http://\S+)$", self.read(OVERLAY), re.MULTILINE)
        assert found is not None
        return found[1]

    def ask(self, *arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run the demo until it ends by itself."""
        return subprocess.run(
            [sys.executable, "-m", "demo", *arguments],
            cwd=self.folder,
            env={**self.environment, **(environment or {})},
            capture_output=True,
            text=True,
            timeout=300,
        )


@pytest.fixture(scope="module")
def checkout() -> Iterator[Checkout]:
    # Not in pytest's folder, into which nobody else may look: root runs PostgreSQL as somebody else.
    with tempfile.TemporaryDirectory(prefix="tocsin-checkout-") as folder:
        Path(folder).chmod(0o711)
        yield Checkout(Path(folder))


class Demo:
    """A demo that runs, and what it has printed."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.process = process
        self.log = log

    def printed(self) -> str:
        return self.log.read_text("utf-8")

    def wait_printed(self, text: str) -> None:
        def is_there() -> bool:
            assert self.process.poll() is None or text in self.printed(), self.printed()
            return text in self.printed()

        until(is_there, PATIENCE)


@contextmanager
def demo(checkout: Checkout, *arguments: str) -> Iterator[Demo]:
    log = checkout.folder / "demo.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "demo", *arguments],
            cwd=checkout.folder, env=checkout.environment, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        yield Demo(process, log)
    finally:
        process.terminate()
        process.wait(60)


def test_started_changed_and_stopped(checkout: Checkout) -> None:
    with demo(checkout) as running:
        running.wait_printed("Ctrl-C stops everything.")
        for place in ("grafana", "prometheus", "alertmanager"):
            assert checkout.link(place) in running.printed()
            assert requests.get(checkout.link(place), timeout=10).ok
        assert checkout.read(COLLECTIONS).count("condition: pending_settlements > 100") == 1
        changed = checkout.read(COLLECTIONS).replace("pending_settlements > 100", "pending_settlements > 20")
        checkout.write(COLLECTIONS, changed)
        checkout.generate()
        running.wait_printed("Prometheus has taken on what was generated.")
        # On an ordinary day some 47 settlements wait.
        page = until(lambda: told(checkout, "#fire22-alerts", "CollectionsQueueBackup"), PATIENCE)
        assert re.search(r"\b\d\d settlements \(threshold > 20 settlements\)", page["text"]), page["text"]
        assert_links_lead_somewhere(page["links"])
        everything = processes(checkout)
        # PostgreSQL, two exporters, Alertmanager, Prometheus.
        assert len(everything) >= 5, everything
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(60) == 0, running.printed()
        assert "Stopped; nothing is left behind." in running.printed()
        # That Prometheus had no Alertmanager for a moment as it reloaded is nobody's trouble.
        assert "cannot hand alerts" not in running.printed()
        assert "Traceback" not in running.printed()
    assert_nothing_is_left(checkout, everything)


def told(checkout: Checkout, inbox: str, alertname: str) -> dict[str, Any] | None:
    messages = requests.get(f"{checkout.link('grafana')}/api/messages", timeout=10).json()
    about = (one for one in messages if any(alertname.lower() in link for link in one["links"]))
    return next((one for one in about if one["to"] == inbox), None)


def assert_links_lead_somewhere(links: list[str]) -> None:
    runbooks = [link for link in links if "/runbooks/" in link]
    panels = [link for link in links if "/d/" in link]
    assert runbooks and panels
    text = requests.get(runbooks[0], timeout=10).text
    assert f'<a id="{runbooks[0].partition("#")[2]}"></a>' in text
    graph = requests.get(panels[0], timeout=10)
    assert graph.ok and "pending_settlements" in graph.url, graph.url


def processes(checkout: Checkout) -> list[psutil.Process]:
    """All that a demo has started: each names the folder in which it keeps what it needs."""
    found = psutil.process_iter(["cmdline"])
    return [one for one in found if any(str(checkout.temporary) in part for part in one.info["cmdline"] or ())]


def assert_nothing_is_left(checkout: Checkout, everything: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(everything, timeout=20)
    assert alive == []
    assert list(checkout.temporary.iterdir()) == []


def test_an_incident_is_told_escalated_and_over(checkout: Checkout) -> None:
    done = checkout.ask("--incident", "collections/settlement_overdue", "--once")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    order = [
        "Incident: Three settlements of high priority have been open for 30 hours.",
        "[CRITICAL] High-priority settlements",
        "[CRITICAL, escalated to On-call engineer] High-priority settlements",
        "Put right: ",
        "[resolved] High-priority settlements",
        "It is over.",
    ]
    places = [next(index for index, line in enumerate(lines) if text in line) for text in order]
    assert places == sorted(places), done.stdout
    assert list(checkout.temporary.iterdir()) == []


@pytest.mark.parametrize("moment", ["PostgreSQL", "Postgres exporter"])
def test_stopped_while_it_starts(checkout: Checkout, moment: str) -> None:
    with demo(checkout) as running:
        running.wait_printed(f"Starting: {moment}\n")
        everything = processes(checkout)
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(60) == 0
        assert "Stopped; nothing is left behind." in running.printed()
    assert_nothing_is_left(checkout, [*everything, *processes(checkout)])


def test_an_incident_that_does_not_exist(checkout: Checkout) -> None:
    done = checkout.ask("--incident", "collections/setlement_overdue")
    assert done.returncode == 1
    assert done.stderr.startswith(
        'demo: no incident is called "collections/setlement_overdue"; collections/settlement_overdue is near.'
    )
    names = checkout.ask("--incident", "list").stdout.split()
    assert all(f"  {name}\n" in f"{done.stderr}\n" for name in names)
    assert len(names) >= 30


def test_without_prometheus_it_says_how_to_get_it(checkout: Checkout, tmp_path: Path) -> None:
    done = checkout.ask(environment={"PATH": str(tmp_path)})
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert "apt-get install prometheus prometheus-alertmanager" in line


def test_beside_another_one_it_says_what_is_taken(checkout: Checkout) -> None:
    port = checkout.link("prometheus").rpartition(":")[2]
    with subprocess.Popen(
        [sys.executable, "-m", "http.server", port, "--bind", "127.0.0.1"], stderr=subprocess.DEVNULL
    ) as other:
        try:
            until(lambda: requests.get(checkout.link("prometheus"), timeout=5).ok)
            done = checkout.ask()
        finally:
            other.terminate()
    assert done.returncode == 1
    assert f"demo: something listens already on 127.0.0.1:{port}" in done.stderr
    assert list(checkout.temporary.iterdir()) == []
