"""What the control group of this process may have of the machine, and has had, by the kernel's files.

Version 2 has one folder for a group, version 1 one for each controller:
https://docs.kernel.org/admin-guide/cgroup-v2.html, https://docs.kernel.org/admin-guide/cgroup-v1/.
"""

from dataclasses import dataclass
from pathlib import Path

# Version 1 writes the greatest whole number, down to a page, where there is no limit.
_NO_LIMIT = 2**62


@dataclass(frozen=True)
class Group:
    """Bytes, seconds and CPUs; None where there is no limit, or no file that says it."""

    memory_usage: int | None = None
    memory_inactive_file: int | None = None
    memory_limit: int | None = None
    cpu_seconds: float | None = None
    cpu_limit: float | None = None
    periods: int | None = None
    throttled_periods: int | None = None
    throttled_seconds: float | None = None


def look(root: Path, membership: Path) -> Group:
    """The group that a process is in; nothing of the group that all are in, which is the machine.

    ``root``: where control groups are mounted.
    ``membership``: the process's ``/proc/<pid>/cgroup``.
    """
    try:
        lines = [line.split(":", 2) for line in membership.read_text().splitlines()]
    except OSError:
        return Group()
    paths = {controllers: path for _, controllers, path in lines}
    if (root / "cgroup.controllers").exists():
        return _version_2(_below(root, paths.get("", "/")))
    return _version_1(*(_folder(root, paths, controller) for controller in ("memory", "cpu", "cpuacct")))


def _version_2(folder: Path) -> Group:
    # The one at the top has no events.
    if not (folder / "cgroup.events").exists():
        return Group()
    cpu = _table(folder, "cpu.stat")
    quota, period = _pair(folder, "cpu.max")
    return Group(
        memory_usage=_number(folder, "memory.current"),
        memory_inactive_file=_table(folder, "memory.stat").get("inactive_file"),
        memory_limit=_number(folder, "memory.max"),
        cpu_seconds=_divided(cpu.get("usage_usec"), 1e6),
        cpu_limit=_divided(quota, period),
        periods=cpu.get("nr_periods"),
        throttled_periods=cpu.get("nr_throttled"),
        throttled_seconds=_divided(cpu.get("throttled_usec"), 1e6),
    )


def _version_1(memory: Path | None, cpu: Path | None, accounting: Path | None) -> Group:
    limit = _number(memory, "memory.limit_in_bytes")
    quota = _number(cpu, "cpu.cfs_quota_us")
    throttling = _table(cpu, "cpu.stat")
    return Group(
        memory_usage=_number(memory, "memory.usage_in_bytes"),
        memory_inactive_file=_table(memory, "memory.stat").get("total_inactive_file"),
        memory_limit=None if limit is None or limit >= _NO_LIMIT else limit,
        cpu_seconds=_divided(_number(accounting, "cpuacct.usage"), 1e9),
        cpu_limit=None if quota is None or quota < 0 else _divided(quota, _number(cpu, "cpu.cfs_period_us")),
        periods=throttling.get("nr_periods"),
        throttled_periods=throttling.get("nr_throttled"),
        throttled_seconds=_divided(throttling.get("throttled_time"), 1e9),
    )


def _folder(root: Path, paths: dict[str, str], controller: str) -> Path | None:
    """A controller's folder in version 1; None where the process is in the group of all, or in none."""
    for controllers, path in paths.items():
        if controller in controllers.split(","):
            mount = root / controllers
            folder = _below(mount if mount.is_dir() else root / controller, path)
            # Only the one at the top has it.
            return None if (folder / "release_agent").exists() else folder
    return None


def _below(mount: Path, path: str) -> Path:
    """A group's folder; the mount itself in a container, where the rest of the path is out of sight."""
    folder = mount / path.lstrip("/")
    return folder if ".." not in folder.parts and folder.is_dir() else mount


def _text(folder: Path | None, name: str) -> str:
    if folder is None:
        return ""
    try:
        return (folder / name).read_text()
    except OSError:
        return ""


def _number(folder: Path | None, name: str) -> int | None:
    """The number in a file; None for the word ``max``, which means no limit."""
    text = _text(folder, name).strip()
    return int(text) if text.removeprefix("-").isdigit() else None


def _pair(folder: Path, name: str) -> tuple[int | None, int | None]:
    words = _text(folder, name).split()
    return (int(words[0]), int(words[1])) if len(words) > 1 and words[0].isdigit() else (None, None)


def _table(folder: Path | None, name: str) -> dict[str, int]:
    pairs = (line.split() for line in _text(folder, name).splitlines())
    return {words[0]: int(words[1]) for words in pairs if len(words) > 1 and words[1].isdigit()}


def _divided(number: int | None, by: float | None) -> float | None:
    return None if number is None or not by else number / by
