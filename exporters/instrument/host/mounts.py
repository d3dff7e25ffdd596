"""Which file systems count: those on devices of this machine, each once, and the root whatever it is."""

from collections.abc import Sequence
from dataclasses import dataclass

import psutil

_IN_MEMORY = frozenset({"tmpfs", "ramfs", "rootfs", "devtmpfs"})
# Always full, and nothing can be done about it.
_IMAGES = frozenset({"squashfs", "iso9660", "udf", "erofs", "cramfs"})


@dataclass(frozen=True)
class Mount:
    """A file system in the place where it is seen."""

    device: str
    mountpoint: str
    kind: str


_ROOT = Mount("root", "/", "unknown")


def mounted() -> dict[str, list[str]]:
    """The places of each device that counts, those near the root first."""
    everything = _partitions(on_all=True)
    if all(mount.mountpoint != "/" for mount in everything):
        # In a chroot the kernel does not say what the root lies on.
        everything.insert(0, _ROOT)
    return places(everything, _partitions(on_all=False))


def places(everything: Sequence[Mount], on_devices: Sequence[Mount]) -> dict[str, list[str]]:
    """The same out of all that is mounted, in order, and what of it is on devices of this machine."""
    # What is mounted later in the same place hides what was there.
    visible = {mount.mountpoint: mount for mount in everything}.values()
    local = set(on_devices)
    found: dict[str, list[str]] = {}
    for mount in sorted(visible, key=lambda mount: (len(mount.mountpoint), mount.mountpoint)):
        # A container's root lies on no device of its own.
        if (mount in local or mount.mountpoint == "/") and mount.kind not in _IN_MEMORY | _IMAGES:
            found.setdefault(mount.device, []).append(mount.mountpoint)
    return found


def _partitions(*, on_all: bool) -> list[Mount]:
    return [Mount(one.device, one.mountpoint, one.fstype) for one in psutil.disk_partitions(all=on_all)]
