"""Every problem that input can have, as the exact text that a person reads.

A case is a folder of ``invalid/``, called like the code of its problem, with ``.variant`` where a code has several. Its
files lie over those of ``invalid/base``; ``expected.txt`` is what ``tocsin check`` prints. ``--bless`` rewrites it.
"""

import ast
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from generator.checks import CHECKS
from generator.cli import tocsin
from generator.load import Files, load_all
from tests.compiling import PLATFORMS, ROOT

INVALID = ROOT / "tests/invalid"
BASE = INVALID / "base"
CASES = sorted(path for path in INVALID.iterdir() if path.is_dir() and path != BASE)
GENERATOR = ROOT / "generator"
# Where problems of the input are made; the rest of the package makes none, or of the output's folder alone.
SOURCES = [
    *(GENERATOR / name for name in ("source.py", "yaml_syntax.py", "load.py", "model_problems.py", "plan/symbols.py")),
    *sorted((GENERATOR / "condition").glob("*.py")),
    *sorted((GENERATOR / "checks").glob("*.py")),
]
# Words with a dash that are no codes, and codes that need more than the files of one platform; test_cli.py has those.
NO_CODES = {"utf-8", "on-call"}
ELSEWHERE = {"missing-platform", "unknown-environment", "unreadable-file"}


def checked(work: Path, case: Path) -> str:
    """What ``tocsin check`` prints of a case, run in the folder that holds ``domains/``."""
    folder = work / "domains/shop"
    shutil.copytree(BASE, folder)
    shutil.copytree(case, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("expected.txt", "__pycache__"))
    result = CliRunner().invoke(tocsin, ["check", "domains"])
    assert isinstance(result.exception, SystemExit), result.exception or result.output
    assert result.exit_code == 1
    return result.stderr


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_exact_text(case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, bless: bool) -> None:
    monkeypatch.chdir(tmp_path)
    text = checked(tmp_path, case)
    expected = case / "expected.txt"
    if bless:
        expected.write_text(text)
    assert text == expected.read_text()
    assert f"error[{case.name.partition('.')[0]}]" in text


def test_base_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(BASE, tmp_path / "domains/shop")
    result = CliRunner().invoke(tocsin, ["check", "domains"])
    assert result.exit_code == 0, result.output


def codes() -> Iterator[str]:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            word = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
            if re.fullmatch(r"[a-z]+(-[a-z0-9]+)+", word) and word not in NO_CODES:
                yield word


def test_every_code_has_a_case() -> None:
    """Codes that are put together (unknown-channel) have theirs by the names of the kinds."""
    kinds = set(re.findall(r'unknown\(\s*"(\w+)"', "".join(path.read_text() for path in SOURCES)))
    needed = {*codes(), *(f"unknown-{kind}" for kind in kinds)} - ELSEWHERE
    assert needed - {case.name.partition(".")[0] for case in CASES} == set()


def test_every_module_is_a_check() -> None:
    modules = {path.stem for path in (GENERATOR / "checks").glob("*.py") if not path.stem.startswith("_")}
    assert {check.__module__.rpartition(".")[2] for check in CHECKS} == modules
    assert len(CHECKS) == len(modules)


@pytest.mark.parametrize("name", PLATFORMS)
def test_platforms_have_no_problems(name: str) -> None:
    found = load_all(PLATFORMS[name])
    for files in found:
        assert isinstance(files, Files), files
        assert [problem for check in CHECKS for problem in check(files)] == []
