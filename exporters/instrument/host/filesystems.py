"""File systems: used, free and reserved bytes of each device. One that does not answer is left out, until it does."""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from exporters.instrument.host.mounts import mounted

_log = logging.getLogger(__name__)

# A device that works answers within a thousandth of that.
PATIENCE_SECONDS = 1.0


@dataclass(frozen=True)
class Usage:
    """Bytes of a file system, and where it is seen; what only root may fill is ``reserved``."""

    mountpoint: str
    used: int
    free: int
    reserved: int


class FileSystems:
    """Each device is asked in a thread of its own, since nothing can call back who asked one that hangs.

    ``mounts``: the places of each device.
    ``ask``: reads one place; None where it is no folder.
    """

    def __init__(
        self,
        mounts: Callable[[], Mapping[str, list[str]]] = mounted,
        ask: Callable[[str], Usage | None] | None = None,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._mounts = mounts
        self._ask = ask or usage
        self._patience_seconds = patience_seconds
        self._asking: dict[str, threading.Thread] = {}

    def families(self) -> Iterator[Metric]:
        """One family."""
        family = GaugeMetricFamily(
            "system_filesystem_usage_bytes",
            "Bytes of each file system by state.",
            labels=("device", "mountpoint", "state"),
        )
        for device, found in sorted(self._answers().items()):
            place = [_printable(device), _printable(found.mountpoint)]
            family.add_metric([*place, "used"], found.used)
            family.add_metric([*place, "free"], found.free)
            family.add_metric([*place, "reserved"], found.reserved)
        yield family

    def _answers(self) -> dict[str, Usage]:
        answers: dict[str, Usage] = {}
        # One that still hangs is not asked again: threads would pile up.
        hanging = {device: thread for device, thread in self._asking.items() if thread.is_alive()}
        asking: dict[str, threading.Thread] = {}
        for device, places in self._mounts().items():
            if device not in hanging:
                thread = threading.Thread(target=self._answer, args=(device, places, answers), daemon=True)
                thread.start()
                asking[device] = thread
        deadline = time.monotonic() + self._patience_seconds
        for device, thread in asking.items():
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                _log.warning("the file system on %s does not answer, and is left out", device)
        self._asking = {**hanging, **asking}
        # Who answers late does so into what nobody reads any more.
        return dict(answers)

    def _answer(self, device: str, places: list[str], answers: dict[str, Usage]) -> None:
        for place in places:
            try:
                found = self._ask(place)
            except OSError:
                # Unmounted just now, or not ours to see.
                continue
            if found is not None:
                answers[device] = found
                return


def usage(place: str) -> Usage | None:
    """What a file system says; None for a single file that is mounted, as containers have them.

    Raises:
        OSError: it cannot be asked.
    """
    if not Path(place).is_dir():
        return None
    found = os.statvfs(place)
    if not found.f_blocks:
        return None
    unit = found.f_frsize
    used, reserved = found.f_blocks - found.f_bfree, found.f_bfree - found.f_bavail
    return Usage(place, used * unit, found.f_bavail * unit, reserved * unit)


def _printable(path: str) -> str:
    # A name that is no UTF-8 would make the whole page fail.
    return path.encode("utf-8", "replace").decode()
