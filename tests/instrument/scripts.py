"""Python programs of a few lines, for what only a process of its own can show, and promtool on what they print."""

import os
import subprocess
import sys

from tests.compiling import ROOT
from tests.programs import program

FOLDER = "PROMETHEUS_MULTIPROC_DIR"


def script(code: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a program that must succeed, with variables beside the test's own."""
    surroundings = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120, env=surroundings)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def linted(text: str) -> str:
    """What ``promtool check metrics`` has to say of a page, and nothing where it is as it should be."""
    command = [program("promtool"), "check", "metrics"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=120)
    return done.stdout + done.stderr
