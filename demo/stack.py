"""One compiled platform run on this machine: receiver, Alertmanagers, Prometheus, exporters, where its plan says."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from demo import pages
from demo.addresses import Address, addresses, people, write_secrets
from demo.processes import DemoError, Process, answers, free_port, is_free, page, program
from demo.receiver import Receiver
from generator.plan.types import Plan

Report = Callable[[str], None]
NO_FLAGS: Mapping[str, str] = {}

HOW_TO_GET_THEM = (
    "the demo needs Prometheus and Alertmanager: apt-get install prometheus prometheus-alertmanager (as root), or put"
    " prometheus, promtool and alertmanager from prometheus.io/download into the PATH"
)
# Longer than the longest pause between two messages about one alert, else it is told again too early.
_RETENTION = "240h"
# What the real SNS would check; the receiver does not.
_AWS = {"AWS_ACCESS_KEY_ID": "demo", "AWS_SECRET_ACCESS_KEY": "demo", "AWS_EC2_METADATA_DISABLED": "true"}


def check_programs() -> None:
    """DemoError with how to get them, where Prometheus or Alertmanager is missing."""
    try:
        program("prometheus")
        program("promtool")
        program("prometheus-alertmanager", "alertmanager")
    except DemoError as error:
        raise DemoError(HOW_TO_GET_THEM) from error


def check_free(wanted: Iterable[Address]) -> None:
    """DemoError that names every address that something listens on already."""
    taken = [f"{host}:{port}" for host, port in wanted if not is_free(host, port)]
    if taken:
        raise DemoError(f"something listens already on {', '.join(taken)}: another demo, perhaps; stop it first")


def receiver(plan: Plan, compiled: Path) -> Receiver:
    """The receiver at the end of every channel of a plan; its page also leads to runbooks and panels."""
    where = addresses(plan)
    return Receiver(
        where.pages,
        where.smtp,
        title=f"{plan.title}: who is told what",
        people=people(plan),
        routes=pages.routes(compiled, plan.links.prometheus),
    )


def alertmanagers(plan: Plan, compiled: Path, folder: Path, flags: Mapping[str, str] = NO_FLAGS) -> tuple[Process, ...]:
    """Every Alertmanager with the compiled configuration, secrets below ``folder``; several are one cluster.

    ``flags`` are beside or in place of the usual ones, the same for each.
    """
    listens = addresses(plan).alertmanagers
    cluster = [f"{host}:{free_port(host)}" for host, _ in listens] if len(listens) > 1 else [""]
    found = []
    for index, (address, member) in enumerate(zip(listens, cluster, strict=True)):
        name = "alertmanager" if len(listens) == 1 else f"alertmanager-{index + 1}"
        usual = {
            "config.file": str((compiled / "alertmanager/alertmanager.yml").resolve()),
            "storage.path": str(folder / name),
            "web.listen-address": f"{address[0]}:{address[1]}",
            "data.retention": _RETENTION,
            "cluster.listen-address": member,
        }
        peers = [f"--cluster.peer={other}" for other in cluster if other != member]
        command = [program("prometheus-alertmanager", "alertmanager"), *_flags(usual | dict(flags)), *peers]
        found.append(Process(name.capitalize(), command, folder / f"{name}.log", _is_ready(address), _AWS, folder))
    return tuple(found)


def _flags(given: Mapping[str, str]) -> list[str]:
    return [f"--{name}={value}" for name, value in given.items()]


def _is_ready(address: Address) -> Callable[[], bool]:
    return lambda: answers(f"http://{address[0]}:{address[1]}/-/ready")


def prometheus(plan: Plan, compiled: Path, folder: Path, flags: Mapping[str, str] = NO_FLAGS) -> Process:
    """Prometheus with its compiled configuration; ``flags`` are beside or in place of the usual ones."""
    host, port = addresses(plan).prometheus
    usual = {
        "config.file": str((compiled / "prometheus/prometheus.yml").resolve()),
        "storage.tsdb.path": str(folder / "prometheus"),
        "web.listen-address": f"{host}:{port}",
        "rules.alert.for-grace-period": "0s",
    }
    return Process(
        "Prometheus",
        [program("prometheus"), *_flags(usual | dict(flags))],
        folder / "prometheus.log",
        _is_ready((host, port)),
    )


def load_history(folder: Path, history: str) -> None:
    """Give Prometheus, before its first start, series of the past (OpenMetrics with times).

    promtool reads all of it once per block, so blocks are long; its help hides that flag.
    """
    written = folder / "history.txt"
    written.write_text(history, "utf-8")
    command = [
        program("promtool"), "tsdb", "create-blocks-from", "--max-block-duration=24h", "openmetrics", "--quiet",
        str(written), str(folder / "prometheus"),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    written.unlink()
    if done.returncode != 0:
        raise RuntimeError(f"promtool could not take the history: {done.stderr}")


def exporter(
    name: str, plan: str | Path, address: Address, folder: Path, environment: Mapping[str, str], *options: str
) -> Process:
    """One of Tocsin's exporters, at the address where its job looks."""
    host, port = address
    state = folder / f"{name}.state"
    where = ["--listen", f"{host}:{port}", "--state-dir", str(state)]
    return Process(
        name,
        [sys.executable, "-m", "exporters", "serve", str(plan), *where, *options],
        folder / f"{name}.log",
        lambda: answers(f"http://{host}:{port}/healthz"),
        environment,
    )


class Stack:
    """Receiver, Alertmanagers and Prometheus of one plan, whose output is in ``compiled``; a context manager.

    What they keep is below ``folder``. ``history`` is what Prometheus finds of the past; ``flags`` are its own, and
    ``alertmanager_flags`` those of each Alertmanager.
    """

    def __init__(
        self,
        plan: Plan,
        compiled: Path,
        folder: Path,
        *,
        history: str | None = None,
        flags: Mapping[str, str] = NO_FLAGS,
        alertmanager_flags: Mapping[str, str] = NO_FLAGS,
    ) -> None:
        self.plan = plan
        self.compiled = compiled
        self.folder = folder
        self.receiver = receiver(plan, compiled)
        self.alertmanagers = alertmanagers(plan, compiled, folder, alertmanager_flags)
        self.prometheus = prometheus(plan, compiled, folder, flags)
        self.history = history
        self._running = ExitStack()

    def __enter__(self) -> Self:
        self.start(lambda text: None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, report: Report) -> None:
        """Start all of them in order, and say so; whatever fails, what has started is stopped."""
        try:
            write_secrets(self.plan, self.folder, self.compiled / "alertmanager")
            report("Receiver")
            self._running.enter_context(self.receiver)
            for alertmanager in self.alertmanagers:
                report(alertmanager.name)
                self._running.enter_context(alertmanager)
            report("Prometheus")
            if self.history is not None:
                load_history(self.folder, self.history)
            self._running.enter_context(self.prometheus)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop all of them, Prometheus first."""
        self._running.close()

    def is_seen(self) -> bool:
        """Whether every target is up, every group of rules was evaluated, and all Alertmanagers are found and agree."""
        url = self.plan.links.prometheus
        names = ("targets?state=active", "rules", "alertmanagers")
        found, rules, alertmanagers = (page(f"{url}/api/v1/{name}") or "" for name in names)
        wanted = sum(len(job.targets) for job in self.plan.jobs)
        return (
            found.count('"health":"up"') == wanted
            and '"health":"ok"' in rules
            and '"health":"unknown"' not in rules
            and alertmanagers.count("/api/v2/alerts") == len(self.plan.alertmanagers)
            and all(map(self._is_settled, self.plan.alertmanagers))
        )

    def _is_settled(self, alertmanager: str) -> bool:
        """Whether an Alertmanager sees all others; until its cluster has settled it sends nothing."""
        status = page(f"http://{alertmanager}/api/v2/status")
        if len(self.plan.alertmanagers) == 1 or status is None:
            return status is not None
        cluster = json.loads(status)["cluster"]
        return cluster["status"] == "ready" and len(cluster["peers"]) == len(self.plan.alertmanagers)
