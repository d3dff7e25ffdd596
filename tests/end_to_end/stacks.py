"""Whole stacks for tests: a platform compiled with an overlay whose ports are free ones, and run."""

import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from demo.fire22.running import Fire22
from demo.stack import NO_FLAGS
from generator.plan.types import Plan
from tests.clusters import cluster
from tests.compiling import PLATFORMS, ROOT, compiled, planned
from tests.programs import free_port, until

DEMO = ROOT / "domains/fire22/environments/demo.yaml"
_ADDRESS = re.compile(r"127\.0\.0\.1:(\d+)")


def with_free_ports(overlay: str) -> str:
    """An overlay in which every loopback port is another one, which nobody listens on; equal ones stay equal."""
    ports = {written: str(free_port()) for written in sorted(set(_ADDRESS.findall(overlay)))}
    assert len(set(ports.values())) == len(ports)
    return _ADDRESS.sub(lambda match: f"127.0.0.1:{ports[match[1]]}", overlay)


def overlaid(
    platform: str,
    overlay: str,
    folder: Path,
    environment: str = "demo",
    *,
    more: Iterable[Path] = (),
    edited: Callable[[str], str] | None = None,
) -> tuple[Plan, Path]:
    """A platform's plan with an overlay, ports free, and the folder where it is compiled to.

    ``more`` are domains; ``edited`` makes of the platform's own files what is compiled in their place.
    """
    domains = folder / "domains" / platform
    shutil.copytree(PLATFORMS[platform], domains)
    if edited is not None:
        for file in domains.glob("*.yaml"):
            file.write_text(edited(file.read_text("utf-8")), "utf-8")
    for domain in more:
        shutil.copy(domain, domains)
    (domains / "environments").mkdir(exist_ok=True)
    (domains / "environments" / f"{environment}.yaml").write_text(with_free_ports(overlay), "utf-8")
    plan = planned(domains, environment)
    return plan, compiled(plan, folder / "output" / f"{platform}.{environment}")


@contextmanager
def fire22(folder: Path, *, flags: Mapping[str, str] = NO_FLAGS, beside_thresholds: bool = False) -> Iterator[Fire22]:
    """Fire22 with still rows on Debian's PostgreSQL, all of it seen by Prometheus.

    ``beside_thresholds``: with hardly more traffic and uptime than its alerts want.
    """
    plan, output = overlaid("fire22", DEMO.read_text("utf-8"), folder)
    running = folder / "running"
    running.mkdir()
    schema = (ROOT / "domains/fire22/schema.sql").read_text("utf-8")
    with (
        cluster() as database,
        Fire22(
            plan, output, running, schema, database,
            workload=False, flags=flags,
            requests_per_second=101 if beside_thresholds else None, near_low_uptime=beside_thresholds,
        ) as found,
    ):  # fmt: skip
        until(found.stack.is_seen)
        yield found
