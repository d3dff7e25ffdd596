"""Compile a platform folder as the command line does, without its checks of what is on disk."""

from pathlib import Path

from generator.checks import CHECKS
from generator.diagnostics import Problem
from generator.emit import EMITTERS
from generator.load import Files, load
from generator.plan.build import plan
from generator.plan.types import Plan

ROOT = Path(__file__).resolve().parents[1]
PLATFORMS = {
    "fire22": ROOT / "domains/fire22",
    "fastbreak": ROOT / "domains/fastbreak",
    "minimal": ROOT / "tests/platforms/minimal",
    "everything": ROOT / "tests/platforms/everything",
}


def problems(files: Files) -> list[Problem]:
    """Everything that the checks find."""
    return sorted({problem for check in CHECKS for problem in check(files)})


def planned(folder: Path, environment: str | None = None) -> Plan:
    """The plan of a platform that has no problems."""
    files = load(folder, environment)
    assert isinstance(files, Files), files
    return plan(files)


def compiled(what: Plan, directory: Path) -> Path:
    """All output of a plan, written below ``directory``."""
    for emit in EMITTERS:
        for artefact in emit(what):
            path = directory / artefact.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(artefact.content)
    return directory
