"""The host: what its parts say is what the system says, and a part that fails takes no other along."""

import logging
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from prometheus_client import CollectorRegistry, Metric

from exporters.instrument.host import Host, devices, measure_host, memory
from exporters.instrument.host.filesystems import FileSystems, Usage
from exporters.instrument.host.mounts import Mount, mounted, places
from exporters.instrument.host.processors import Processors, cpu_times
from tests.instrument.measured import Measured
from tests.instrument.scripts import FOLDER, linted, script
from tests.programs import until


def values(page: Measured, name: str, *labels: str) -> dict[tuple[str, ...], float]:
    """The values of a series by some of its labels."""
    return {tuple(one.labels[label] for label in labels): one.value for one in page.samples if one.name == name}


def of(families: Iterator[Metric]) -> dict[tuple[str, ...], float]:
    """The values of all families by name and labels."""
    return {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}


def scraped() -> Measured:
    registry = CollectorRegistry()
    measure_host(registry)
    measure_host(registry)
    return Measured.of(registry)


def test_what_it_says_is_what_the_system_says() -> None:
    before = psutil.cpu_times(percpu=True)
    page = scraped()
    after = psutil.cpu_times(percpu=True)
    seconds = values(page, "system_cpu_time_seconds_total", "cpu", "state")
    assert {cpu for cpu, _ in seconds} == {str(number) for number in range(len(after))}
    for number, (early, late) in enumerate(zip(before, after, strict=True)):
        assert early.user <= seconds[str(number), "user"] <= late.user
        assert early.system <= seconds[str(number), "system"] <= late.system
    assert "guest" not in {state for _, state in seconds}

    size = psutil.virtual_memory().total
    usage = values(page, "system_memory_usage_bytes", "state")
    assert sum(usage.values()) == size
    assert usage[("used",)] == pytest.approx(size - psutil.virtual_memory().available, abs=size / 4)
    shares = values(page, "system_memory_utilization", "state")
    assert shares == {state: pytest.approx(found / size) for state, found in usage.items()}

    root = os.statvfs("/")
    whole = root.f_blocks * root.f_frsize
    usage = values(page, "system_filesystem_usage_bytes", "mountpoint", "state")
    at_root = {state: value for (place, state), value in usage.items() if place == "/"}
    assert set(at_root) == {"used", "free", "reserved"}
    assert sum(at_root.values()) == whole
    assert at_root["free"] == pytest.approx(root.f_bavail * root.f_frsize, abs=whole / 4)
    assert at_root["reserved"] == pytest.approx((root.f_bfree - root.f_bavail) * root.f_frsize, abs=whole / 100)

    network = values(page, "system_network_io_bytes_total", "device", "direction")
    assert 0 <= network["lo", "receive"] <= psutil.net_io_counters(pernic=True)["lo"].bytes_recv
    assert values(page, "system_cpu_load_average_1m")[()] >= 0
    assert linted(page.text) == ""


@dataclass(frozen=True)
class Bytes:
    read_bytes: int
    write_bytes: int


def test_disks_count_once_and_their_parts_not_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("sda", "cciss!c0d0", "loop7", "zram0"):
        (tmp_path / name).mkdir()
    found = dict.fromkeys(["sda", "sda1", "cciss/c0d0", "loop7", "zram0"], Bytes(5, 7))
    monkeypatch.setattr(psutil, "disk_io_counters", lambda perdisk: found)
    for blocks, disks in ((tmp_path, ["sda", "cciss/c0d0"]), (tmp_path / "none", ["sda", "sda1", "cciss/c0d0"])):
        monkeypatch.setattr(devices, "_WHOLE", blocks)
        assert values(scraped(), "system_disk_io_bytes_total", "device", "direction") == {
            (disk, direction): number for disk in disks for direction, number in (("read", 5), ("write", 7))
        }


def test_interfaces_of_guests_are_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = psutil.net_io_counters(pernic=True)["lo"]
    found = dict.fromkeys(["eth0", "docker0", "veth1a2b", "br-77aa", "cali1", "tap0"], counted)
    monkeypatch.setattr(psutil, "net_io_counters", lambda pernic: found)
    devices = values(scraped(), "system_network_io_bytes_total", "device")
    assert set(devices) == {("eth0",), ("docker0",)}


class Clock:
    """Time and processors that move when they are told to."""

    def __init__(self) -> None:
        self.now = 100.0
        self.times = {0: {"user": 10.0, "idle": 90.0}}
        self.processors = Processors(
            lambda: {cpu: dict(states) for cpu, states in self.times.items()}, lambda: self.now
        )

    def spend(self, seconds: float, user: float, idle: float, cpu: int = 0) -> None:
        self.now += seconds
        self.times[cpu] = {"user": self.times[cpu]["user"] + user, "idle": self.times[cpu]["idle"] + idle}

    def shares(self) -> dict[tuple[str, ...], float]:
        return {
            (cpu, state): value
            for (name, cpu, state), value in (
                (key, value) for key, value in of(self.processors.families()).items() if len(key) == 3
            )
            if name == "system_cpu_utilization"
        }


def test_a_processor_keeps_its_number_when_another_is_switched_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil, "PROCFS_PATH", str(tmp_path))
    (tmp_path / "stat").write_text("cpu  400 0 0 800\ncpu0 100 0 0 0 0 0 0 0 0 0\ncpu2 300 0 0 0 0 0 0 0 0 0\nintr 1\n")
    assert {number: times["user"] for number, times in cpu_times().items()} == {0: 1.0, 2: 3.0}
    # Between the two readings another one went.
    psutil_found = psutil.cpu_times(percpu=True)[:1]
    monkeypatch.setattr(psutil, "cpu_times", lambda percpu: psutil_found)
    assert {number: times["user"] for number, times in cpu_times().items()} == {0: 1.0}


def test_shares_are_those_since_the_look_before_and_no_look_is_a_moment() -> None:
    clock = Clock()
    clock.spend(0.5, user=0.5, idle=0)
    assert clock.shares() == {}
    clock.spend(0.5, user=0, idle=0.5)
    assert clock.shares() == {("0", "user"): 0.5, ("0", "idle"): 0.5}
    # Another who scrapes comes 50 ms later, in which there was nothing but work.
    clock.spend(0.05, user=0.05, idle=0)
    assert clock.shares() == {("0", "user"): 0.5, ("0", "idle"): 0.5}
    clock.spend(0.95, user=0.45, idle=0.5)
    assert clock.shares() == {("0", "user"): pytest.approx(0.5), ("0", "idle"): pytest.approx(0.5)}
    clock.spend(15, user=3, idle=12)
    assert clock.shares() == {("0", "user"): pytest.approx(0.2), ("0", "idle"): pytest.approx(0.8)}


def test_a_processor_that_stood_still_or_came_new_has_no_shares_and_idle_may_fall() -> None:
    clock = Clock()
    clock.spend(2, user=0, idle=0)
    assert clock.shares() == {}
    clock.spend(2, user=1, idle=-0.5)
    assert clock.shares() == {("0", "user"): 1, ("0", "idle"): 0}
    clock.times[1] = {"user": 0.0, "idle": 0.0}
    clock.spend(2, user=1, idle=1)
    assert clock.shares() == {}
    clock.spend(2, user=1, idle=3, cpu=1)
    assert clock.shares() == {("1", "user"): 0.25, ("1", "idle"): 0.75}


@pytest.mark.parametrize(("found", "parts"), [
    ((100, 60, 20, 10), {"used": 40, "free": 20, "buffers": 10, "cached": 30}),
    # The kernel's estimate keeps more back than is free.
    ((100, 15, 20, 10), {"used": 85, "free": 15, "buffers": 0, "cached": 0}),
    ((100, 25, 20, 10), {"used": 75, "free": 20, "buffers": 5, "cached": 0}),
    ((100, 110, 20, 0), {"used": 0, "free": 20, "buffers": 0, "cached": 80}),
])  # fmt: skip
def test_the_states_of_memory_make_up_the_whole(found: tuple[int, int, int, int], parts: Mapping[str, int]) -> None:
    assert memory.by_state(*found) == parts


ROOT_FS = Mount("overlay", "/", "overlay")
DATA = Mount("/dev/sda1", "/data", "ext4")
BOUND = Mount("/dev/sda1", "/etc/hosts", "ext4")
PAIRS = [
    ([ROOT_FS, DATA, BOUND], [DATA, BOUND], {"overlay": ["/"], "/dev/sda1": ["/data", "/etc/hosts"]}),
    ([Mount("overlay", "/var/lib/docker/x", "overlay")], [], {}),
    ([Mount("tmpfs", "/", "tmpfs"), Mount("nas:/a", "/a", "nfs4")], [], {}),
    # A snap's image is always full.
    ([Mount("/dev/loop1", "/snap/x", "squashfs")], [Mount("/dev/loop1", "/snap/x", "squashfs")], {}),
    # What is mounted over another one hides it.
    ([DATA, Mount("tmpfs", "/data", "tmpfs")], [DATA], {}),
]


@pytest.mark.parametrize(
    ("everything", "local", "found"), PAIRS, ids=["container", "nested", "memory", "image", "over"]
)
def test_which_file_systems_count(everything: list[Mount], local: list[Mount], found: dict[str, list[str]]) -> None:
    assert places(everything, local) == found


def test_in_a_chroot_the_root_counts_though_it_is_no_mount(monkeypatch: pytest.MonkeyPatch) -> None:
    proc = SimpleNamespace(device="proc", mountpoint="/proc", fstype="proc")
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: [proc] if all else [])
    assert mounted() == {"root": ["/"]}


def test_a_file_system_that_hangs_or_vanishes_is_left_out_and_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    hangs, answers = threading.Event(), threading.Event()
    asked: list[str] = []

    def ask(place: str) -> Usage | None:
        asked.append(place)
        if place == "/gone":
            raise FileNotFoundError(place)
        if place == "/hangs" and not answers.is_set():
            hangs.wait()
        return None if place == "/file" else Usage(place, 1, 2, 3)

    mounts = {"a": ["/gone"], "b": ["/hangs"], "c": ["/file", "/here"]}
    measured = FileSystems(lambda: mounts, ask, patience_seconds=0.05)
    name = "system_filesystem_usage_bytes"
    here = {(name, "c", "/here", "used"): 1, (name, "c", "/here", "free"): 2, (name, "c", "/here", "reserved"): 3}
    # The machine may be slow, so that the one that is well is late as well now and then.
    until(lambda: of(measured.families()) == here)
    until(lambda: of(measured.families()) == here)
    assert asked.count("/hangs") == 1
    assert [record.args for record in caplog.records if record.args == ("b",)] == [("b",)]
    answers.set()
    hangs.set()
    until(lambda: (name, "b", "/hangs", "used") in of(measured.families()))


def test_a_name_that_is_no_text_does_not_break_the_page() -> None:
    broken = os.fsdecode(b"/mnt/\xff")
    measured = FileSystems(lambda: {broken: [broken]}, lambda place: Usage(place, 1, 2, 3), patience_seconds=60)
    assert {key[1] for key in of(measured.families())} == {"/mnt/?"}


def test_a_part_that_fails_is_left_out_and_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    registry = CollectorRegistry()
    measure_host(registry)

    def fails(perdisk: bool) -> None:
        raise NotImplementedError("no disks here")

    monkeypatch.setattr(psutil, "disk_io_counters", fails)
    for _ in range(2):
        page = Measured.of(registry)
        assert values(page, "system_disk_io_bytes_total", "device") == {}
        assert values(page, "system_memory_usage_bytes", "state")
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    monkeypatch.undo()
    assert values(Measured.of(registry), "system_disk_io_bytes_total", "device")


V2 = {
    "cgroup.controllers": "cpu memory\n", "cgroup.events": "populated 1\n",
    "memory.current": "1000\n", "memory.stat": "anon 300\ninactive_file 400\n", "memory.max": "2000\n",
    "cpu.max": "150000 100000\n",
    "cpu.stat": "usage_usec 2500000\nnr_periods 10\nnr_throttled 4\nthrottled_usec 500000\n",
}  # fmt: skip
V1 = {
    "memory/memory.usage_in_bytes": "1000\n", "memory/memory.limit_in_bytes": "2000\n",
    "memory/memory.stat": "inactive_file 1\ntotal_inactive_file 400\n",
    "cpu,cpuacct/cpu.cfs_quota_us": "150000\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n",
    "cpu,cpuacct/cpu.stat": "nr_periods 10\nnr_throttled 4\nthrottled_time 500000000\n",
    "cpu,cpuacct/cpuacct.usage": "2500000000\n",
}  # fmt: skip
IN_V2 = "0::/\n"
IN_V1 = "2:memory:/docker/abc\n1:cpu,cpuacct:/docker/abc\n0::/\n"
USE = {"memory_usage_bytes": 1000, "memory_working_set_bytes": 600, "cpu_time_seconds_total": 2.5}
CPU_LIMIT = {
    "cpu_limit": 1.5, "cpu_cfs_periods_total": 10, "cpu_cfs_throttled_periods_total": 4,
    "cpu_cfs_throttled_seconds_total": 0.5,
}  # fmt: skip
MEMORY_LIMIT = {"memory_limit_bytes": 2000, "memory_available_bytes": 1400}
LIMITED = {**USE, **CPU_LIMIT, **MEMORY_LIMIT}
NO_LIMITS_V2 = {**V2, "memory.max": "max\n", "cpu.max": "max 100000\n"}
NO_LIMITS_V1 = {**V1, "memory/memory.limit_in_bytes": "9223372036854771712\n", "cpu,cpuacct/cpu.cfs_quota_us": "-1\n"}


def without(files: dict[str, str], *names: str) -> dict[str, str]:
    return {name: text for name, text in files.items() if name.rpartition("/")[2] not in names}


def below(files: dict[str, str], folder: str, at: int) -> dict[str, str]:
    """The files of a group further down; ``at`` is how many folders belong to where it is mounted."""
    parts = {name: name.split("/") for name in files}
    return {"/".join([*path[:at], folder, *path[at:]]): files[name] for name, path in parts.items()}


@pytest.mark.parametrize(("files", "membership", "found"), [
    (V2, IN_V2, LIMITED),
    (NO_LIMITS_V2, IN_V2, USE),
    ({**below(V2, "a/b", 0), "cgroup.controllers": "cpu\n"}, "0::/a/b\n", LIMITED),
    (V2, "0::/..\n", LIMITED),
    # All processes of the machine are in the one at the top.
    (without(V2, "cgroup.events"), IN_V2, {}),
    (without(V2, "memory.stat", "cpu.max"), IN_V2,
     {"memory_usage_bytes": 1000, "cpu_time_seconds_total": 2.5, "memory_limit_bytes": 2000}),
    ({**V2, "memory.current": "", "memory.max": "many\n", "cpu.max": "\n"}, IN_V2, {"cpu_time_seconds_total": 2.5}),
    ({**V2, "memory.stat": "inactive_file 4000\n"}, IN_V2,
     {**LIMITED, "memory_working_set_bytes": 0, "memory_available_bytes": 2000}),
    (V1, IN_V1, LIMITED),
    (NO_LIMITS_V1, IN_V1, USE),
    (below(V1, "docker/abc", 1), IN_V1, LIMITED),
    ({**V1, "memory/release_agent": ""}, IN_V1, {**CPU_LIMIT, "cpu_time_seconds_total": 2.5}),
    (V1, "1:cpu,cpuacct:/\n", {**CPU_LIMIT, "cpu_time_seconds_total": 2.5}),
    ({}, IN_V1, {}),
    (V2, None, {}),
], ids=["v2", "v2-no-limits", "v2-below", "v2-out-of-sight", "v2-top", "v2-missing", "v2-nonsense", "v2-inactive",
        "v1", "v1-no-limits", "v1-below", "v1-top", "v1-no-memory", "nothing", "no-membership"])  # fmt: skip
def test_a_container_s_limits_and_use(
    files: dict[str, str],
    membership: str | None,
    found: dict[str, float],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    root = tmp_path / "cgroup"
    root.mkdir()
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    if membership is not None:
        (tmp_path / "membership").write_text(membership)
    registry = CollectorRegistry()
    registry.register(Host(cgroups=root, membership=tmp_path / "membership"))
    page = Measured.of(registry)
    said = {one.name.removeprefix("container_"): one.value for one in page.samples if one.name.startswith("container_")}
    assert said == found
    assert "container" not in caplog.text
    assert linted(page.text) == ""


def test_a_file_that_is_not_ours_to_read_is_left_out(tmp_path: Path) -> None:
    for name, text in V2.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "memory.max").unlink()
    # Whoever runs the tests may read all files, but nobody reads a folder as one.
    (tmp_path / "memory.max").mkdir()
    (tmp_path / "membership").write_text(IN_V2)
    registry = CollectorRegistry()
    registry.register(Host(cgroups=tmp_path, membership=tmp_path / "membership"))
    page = Measured.of(registry)
    assert page.only("container_memory_usage_bytes") == 1000
    assert not [one for one in page.samples if one.name == "container_memory_limit_bytes"]


def test_with_several_workers_it_says_where_the_host_belongs(tmp_path: Path) -> None:
    code = "from exporters.instrument.host import measure_host; measure_host()"
    assert "run tocsin-exporter host beside the service" in script(code, **{FOLDER: str(tmp_path)}).stderr
    assert script(code).stderr == ""
