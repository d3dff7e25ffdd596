"""The process and its garbage collector: one process or several, and never in anybody's way."""

import re
from pathlib import Path

import pytest

from exporters.instrument.runtime.numbers import GENERATIONS, PAUSE_BUCKETS, SIZE, add, total
from tests.instrument.measured import Measured
from tests.instrument.scripts import FOLDER, linted, script

COLLECTIONS = "python_gc_collections_total"
RESIDENT = "process_resident_memory_bytes"
PAUSES = "python_gc_duration_seconds"
# What the start of a program collects by itself is not to be counted.
PAGE = """
import gc, os, sys
gc.disable()
from exporters.instrument import measure_runtime, metrics_wsgi
from tests.instrument.calls import call, environ
app = metrics_wsgi()
def page():
    print("#PAGE")
    print(call(app, environ("/"))[1].decode(), flush=True)
"""


def pages(said: str) -> list[Measured]:
    return [Measured(text) for text in said.split("#PAGE\n")[1:]]


def by_generation(page: Measured, name: str) -> list[float]:
    found = {sample.labels["generation"]: sample.value for sample in page.samples if sample.name == name}
    return [found[generation] for generation in "012"]


LOCKED = """
import types
from prometheus_client import Counter, values
counter = Counter("made_total", "Made.")
held = vars(counter._value).get("_lock")
if held is None:
    cells = (cell.cell_contents for cell in type(counter._value).inc.__closure__)
    held = next(one for one in cells if hasattr(one, "acquire"))
before = len(gc.callbacks)
with held:
    for generation in (0, 0, 1, 2):
        gc.collect(generation)
measure_runtime()
measure_runtime()
assert len(gc.callbacks) == before
page()
"""


@pytest.mark.parametrize("shared", [False, True], ids=["one-process", "workers"])
def test_a_collection_while_a_counter_is_locked_is_counted_and_waits_for_nobody(shared: bool, tmp_path: Path) -> None:
    environment = {FOLDER: str(tmp_path)} if shared else {}
    (page,) = pages(script(PAGE + LOCKED, **environment).stdout)
    assert by_generation(page, f"{PAUSES}_count") == [2, 1, 1]
    assert 0 < by_generation(page, f"{PAUSES}_sum")[2] < 60
    if shared:
        assert by_generation(page, COLLECTIONS) == [2, 1, 1]
    # Each family once, also where prometheus_client has it itself.
    families = re.findall(r"^# TYPE (\S+)", page.text, re.MULTILINE)
    assert len(families) == len(set(families))
    assert {RESIDENT, COLLECTIONS, "python_gc_objects_uncollectable_total", PAUSES} <= set(families)
    assert linted(page.text) == ""


WORKERS = """
import subprocess, time
from pathlib import Path
folder = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
def resident(pid):
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
read, write = os.pipe()
gc.collect()
child = os.fork()
if child == 0:
    gc.collect()
    gc.collect(0)
    kept = b"x" * 300_000_000
    os.write(write, b"x")
    time.sleep(600)
os.read(read, 1)
print(resident(os.getpid()) + resident(child), file=sys.stderr)
page()
os.kill(child, 9)
os.waitpid(child, 0)
print(resident(os.getpid()), file=sys.stderr)
page()
# Somebody else has the id of a worker that is gone; and a worker is about to begin.
large = "kept = b'x' * 300_000_000; print(flush=True); input()"
other = subprocess.Popen([sys.executable, "-c", large], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
other.stdout.readline()
(folder / f"runtime_{child}.bin").rename(folder / f"runtime_{other.pid}.bin")
(folder / "runtime_1.bin").touch()
print(resident(os.getpid()), file=sys.stderr)
page()
other.communicate(b"\\n")
"""
# More than a page and its neighbours need between two looks, and less than what the worker holds.
ABOUT = 100e6


def test_workers_count_together_and_only_those_that_live_have_memory(tmp_path: Path) -> None:
    done = script(PAGE + WORKERS, **{FOLDER: str(tmp_path)})
    expected, found = [float(line) for line in done.stderr.splitlines()], pages(done.stdout)
    assert expected[0] > expected[1] + 2 * ABOUT
    assert [page.only(RESIDENT) for page in found] == [pytest.approx(value, abs=ABOUT) for value in expected]
    # Those that are gone have counted all the same.
    assert [by_generation(page, COLLECTIONS) for page in found] == [[1, 0, 2]] * 3
    assert [by_generation(page, f"{PAUSES}_count") for page in found] == [[1, 0, 2]] * 3


AGAIN = """
import gc, os
from pathlib import Path
from exporters.instrument.runtime.numbers import SIZE, add
old = memoryview(bytearray(SIZE)).cast("Q")
add(old, 2, 5, 7, 1)
path = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]) / f"runtime_{os.getpid()}.bin"
path.write_bytes(old.tobytes() + b"{more}")
"""
SELF_MADE = """
class Knot: pass
for _ in range(3):
    knot = Knot()
    knot.self = knot
    del knot
gc.collect()
page()
"""


@pytest.mark.parametrize(("more", "counted"), [("", 1 + 1), ("x", 1)], ids=["same", "of-another-length"])
def test_a_worker_goes_on_where_one_with_its_process_id_ended(more: str, counted: int, tmp_path: Path) -> None:
    (page,) = pages(script(AGAIN.replace("{more}", more) + PAGE + SELF_MADE, **{FOLDER: str(tmp_path)}).stdout)
    assert by_generation(page, COLLECTIONS) == [0, 0, counted]
    assert by_generation(page, "python_gc_objects_uncollectable_total")[2] == counted - 1
    assert by_generation(page, "python_gc_objects_collected_total")[2] >= 3 + 7 * (counted - 1)
    assert page.only(RESIDENT) > 0


def test_a_child_of_a_single_process_begins_at_zero() -> None:
    forked = "\ngc.collect()\nif os.fork():\n    os.wait()\nelse:\n    page()\n    os._exit(0)\n"
    (page,) = pages(script(PAGE + forked).stdout)
    assert by_generation(page, f"{PAUSES}_count") == [0, 0, 0]


def test_a_registry_of_the_service_s_own_has_pauses_if_it_asks() -> None:
    code = """
import gc
from prometheus_client import CollectorRegistry, generate_latest
from exporters.instrument import measure_runtime, metrics_wsgi
for asks in (False, True):
    registry = CollectorRegistry()
    metrics_wsgi(registry)
    assert not gc.callbacks
    if asks:
        measure_runtime(registry)
        measure_runtime(registry)
    print("#PAGE")
    print(generate_latest(registry).decode())
"""
    silent, asked = pages(script(code).stdout)
    assert silent.samples == []
    assert {sample.name for sample in asked.samples} == {f"{PAUSES}_{part}" for part in ("bucket", "sum", "count")}


@pytest.mark.parametrize("generation", range(GENERATIONS))
def test_a_pause_as_long_as_a_boundary_is_below_it(generation: int) -> None:
    numbers = memoryview(bytearray(SIZE)).cast("Q")
    for seconds in PAUSE_BUCKETS:
        add(numbers, generation, round(seconds * 1e9), 2, 1)
    add(numbers, generation, 10**12, 0, 0)
    found = total([numbers, numbers])
    assert found[generation].in_buckets == (2,) * (len(PAUSE_BUCKETS) + 1)
    assert (found[generation].collected, found[generation].uncollectable) == (
        4 * len(PAUSE_BUCKETS),
        2 * len(PAUSE_BUCKETS),
    )
    assert found[generation].seconds == pytest.approx(2 * (sum(PAUSE_BUCKETS) + 1000))
    assert [one.count for place, one in enumerate(found) if place != generation] == [0, 0]
