"""Whole compiles, byte for byte: the smallest useful platform, and one that uses every word of the language."""

import shutil
from pathlib import Path

import pytest

from tests.compiling import PLATFORMS, compiled, planned

GOLDEN = Path(__file__).parent / "golden" / "platforms"
CASES = [("minimal", None), ("everything", None), ("everything", "demo")]


@pytest.mark.parametrize(("name", "environment"), CASES, ids=lambda case: str(case))
def test_output_is_what_it_was(name: str, environment: str | None, tmp_path: Path, bless: bool) -> None:
    plan = planned(PLATFORMS[name], environment)
    output = compiled(plan, tmp_path / "output")
    golden = GOLDEN / plan.directory
    if bless:
        shutil.rmtree(golden, ignore_errors=True)
        shutil.copytree(output, golden)
    assert _files(output) == _files(golden)
    for path in _files(golden):
        assert (output / path).read_text() == (golden / path).read_text(), path


def _files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
