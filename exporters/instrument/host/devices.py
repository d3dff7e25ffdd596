"""Bytes that went through disks and network interfaces."""

import re
from collections.abc import Iterator
from pathlib import Path

import psutil
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily

_LABELS = ("device", "direction")
# Whole devices; their parts would count the same bytes again.
_WHOLE = Path("/sys/block")
# They are in memory, or a file on another one.
_NO_DISK = re.compile(r"(?:loop|ram|zram)[0-9]+")
# One for each container or virtual machine, with a name made up: without end on a machine that starts many.
_OF_GUESTS = re.compile(r"(?:veth|cali|lxc|vnet|tap|br-).*")


def disk_families() -> Iterator[Metric]:
    """Read and written, of whole disks."""
    whole = {path.name.replace("!", "/") for path in _WHOLE.iterdir()} if _WHOLE.is_dir() else None
    family = CounterMetricFamily("system_disk_io_bytes", "Bytes read from and written to disks.", labels=_LABELS)
    for device, found in psutil.disk_io_counters(perdisk=True).items():
        if (whole is None or device in whole) and not _NO_DISK.fullmatch(device):
            family.add_metric([device, "read"], found.read_bytes)
            family.add_metric([device, "write"], found.write_bytes)
    yield family


def network_families() -> Iterator[Metric]:
    """Received and transmitted, of the interfaces of the host itself."""
    family = CounterMetricFamily(
        "system_network_io_bytes", "Bytes received and transmitted by network interfaces.", labels=_LABELS
    )
    for device, found in psutil.net_io_counters(pernic=True).items():
        if not _OF_GUESTS.fullmatch(device):
            family.add_metric([device, "receive"], found.bytes_recv)
            family.add_metric([device, "transmit"], found.bytes_sent)
    yield family
