"""A platform of one domain, for checks of single texts."""

import shutil
from pathlib import Path

from generator.checks import CHECKS
from generator.diagnostics import Problem
from generator.load import Files, load
from tests.compiling import ROOT

HEAD = "domain: orders\ntitle: Orders\nowner: sales\nsource: shop\n"


def problems(tmp_path: Path, domain: str) -> list[Problem]:
    """What the checks say of the platform of tests/invalid with this domain."""
    folder = tmp_path / "shop"
    shutil.copytree(ROOT / "tests/invalid/base", folder)
    (folder / "orders.yaml").write_text(HEAD + domain)
    files = load(folder)
    assert isinstance(files, Files), files
    return sorted(problem for check in CHECKS for problem in check(files))
