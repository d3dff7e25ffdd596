"""Whatever the model and the checks accept compiles, and the real programs accept what comes out."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import ryaml
from hypothesis import HealthCheck, given, reject, settings

from generator.emit import EMITTERS
from generator.load import Files, load
from generator.plan.build import plan
from tests import programs
from tests.compiling import PLATFORMS, ROOT, compiled, problems
from tests.strategies import platforms


def _written(folder: Path, files: dict[str, dict[str, Any]]) -> Path:
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_text(ryaml.dumps(content))
    return folder


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(platforms())
def test_what_is_accepted_compiles_and_is_accepted(files: dict[str, dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        loaded = load(_written(Path(scratch) / "shop", files))
        assert isinstance(loaded, Files), loaded
        if problems(loaded):
            reject()
        output = compiled(plan(loaded), Path(scratch) / "output")
        rules = sorted((output / "prometheus/rules").glob("*.yml"))
        programs.run("promtool", "check", "rules", "--lint=all", "--lint-fatal", *rules)
        programs.run("promtool", "check", "config", output / "prometheus/prometheus.yml")
        programs.run("promtool", "test", "rules", *sorted((output / "prometheus/tests").glob("*.yml")))
        programs.run("amtool", "check-config", output / "alertmanager/alertmanager.yml")


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(platforms())
def test_the_order_of_files_changes_no_byte(files: dict[str, dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        one = load(_written(Path(scratch) / "one" / "shop", files))
        other = load(_written(Path(scratch) / "other" / "shop", dict(reversed(files.items()))))
        assert isinstance(one, Files) and isinstance(other, Files)
        if problems(one):
            reject()
        assert _bytes(one) == _bytes(other)


def _bytes(files: Files) -> dict[str, bytes]:
    planned = plan(files)
    return {artefact.path: artefact.content for emit in EMITTERS for artefact in emit(planned)}


def test_the_seed_of_hashes_changes_no_byte(tmp_path: Path) -> None:
    for seed in ("0", "1"):
        for name in ("fire22", "everything"):
            folder = tmp_path / seed / name
            shutil.copytree(PLATFORMS[name], folder)
            command = [
                sys.executable,
                "-m",
                "generator.cli",
                "generate",
                str(folder),
                "--output",
                str(tmp_path / seed / "output"),
            ]
            environment = {**os.environ, "PYTHONHASHSEED": seed}
            done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120)
            assert done.returncode == 0, done.stderr
    trees = [tmp_path / seed / "output" for seed in ("0", "1")]
    files = [sorted(path.relative_to(tree) for path in tree.rglob("*") if path.is_file()) for tree in trees]
    assert files[0] == files[1]
    assert all((trees[0] / path).read_bytes() == (trees[1] / path).read_bytes() for path in files[0])
