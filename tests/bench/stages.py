"""Where the time goes: every stage of compiling 20 domains by itself. Run by ``make bench``, after its table."""

from itertools import count, repeat
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from generator.checks import CHECKS
from generator.emit import EMITTERS, Emitter
from generator.lint.dashboards import lint_artefact
from generator.lint.dashboards.index import FOLDER, PlanIndex
from generator.load import Files, load
from generator.plan.build import plan
from generator.write import Written, write
from tests.bench.synthetic import write_platform
from tests.compiling import planned

DOMAINS = 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_platform(tmp_path_factory.mktemp("domains"), DOMAINS)


@pytest.fixture(scope="module")
def files(folder: Path) -> Files:
    loaded = load(folder)
    assert isinstance(loaded, Files), loaded
    return loaded


def test_load(benchmark: BenchmarkFixture, folder: Path) -> None:
    assert isinstance(benchmark(load, folder), Files)


def test_checks(benchmark: BenchmarkFixture, files: Files) -> None:
    assert benchmark(lambda: [problem for check in CHECKS for problem in check(files)]) == []


def test_plan(benchmark: BenchmarkFixture, files: Files) -> None:
    assert len(benchmark(plan, files).domains) >= DOMAINS


@pytest.mark.parametrize("emit", EMITTERS, ids=lambda emit: emit.__module__.removeprefix("generator.emit."))
def test_emit(benchmark: BenchmarkFixture, folder: Path, emit: Emitter) -> None:
    what = planned(folder)
    assert benchmark(lambda: list(emit(what)))


def test_lint(benchmark: BenchmarkFixture, folder: Path) -> None:
    what = planned(folder)
    index = PlanIndex.of(what)
    boards = [found for emit in EMITTERS for found in emit(what) if found.path.startswith(FOLDER)]
    assert benchmark(lambda: [problem for board in boards for problem in lint_artefact(index, board)]) == []


@pytest.mark.parametrize("state", ["first", "unchanged"])
def test_write(benchmark: BenchmarkFixture, folder: Path, tmp_path: Path, state: str) -> None:
    what = planned(folder)
    artefacts = [found for emit in EMITTERS for found in emit(what)]
    targets = count() if state == "first" else repeat(0)
    assert isinstance(benchmark(lambda: write(tmp_path / str(next(targets)), artefacts)), Written)
