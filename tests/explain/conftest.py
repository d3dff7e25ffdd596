"""Paths in explanations are those of the working directory."""

import pytest

from tests.compiling import ROOT


@pytest.fixture(autouse=True)
def from_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test stands in the repository's root, as whoever runs the command does."""
    monkeypatch.chdir(ROOT)
