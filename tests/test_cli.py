"""The commands as a person, a script and a continuous integration run them."""

import gc
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from generator import cli, emit

PLATFORMS = Path(__file__).parent / "platforms"
CHECKOUT = Path(__file__).parents[1]
MAIN = [sys.executable, "-c", "from generator.cli import main; main()"]


@dataclass(frozen=True)
class Run:
    code: int
    out: str
    err: str


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with two small platforms in domains/."""
    for name in ("first", "second"):
        shutil.copytree(PLATFORMS / "minimal", tmp_path / "domains" / name)
        platform = tmp_path / "domains" / name / "platform.yaml"
        platform.write_text(re.sub(r"(?m)^platform: .*$", f"platform: {name}", platform.read_text()))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    return tmp_path


@pytest.fixture
def tocsin(work: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> "Tocsin":
    return Tocsin(monkeypatch, capfd)


class Tocsin:
    """Runs a command in this process, down to its exit code."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capfd = capfd
        self._thresholds = gc.get_threshold()

    def __call__(self, *arguments: str) -> Run:
        self._monkeypatch.setattr(sys, "argv", ["tocsin", *arguments])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        gc.set_threshold(*self._thresholds)
        out, err = self._capfd.readouterr()
        assert isinstance(exit_.value.code, int)
        return Run(exit_.value.code, out, err)


def tree(directory: Path) -> dict[str, tuple[bytes, int]]:
    return {
        path.relative_to(directory).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def break_second(work: Path) -> None:
    file = work / "domains/second/orders.yaml"
    file.write_text(file.read_text().replace("\ntitle:", "\ntitel:", 1))


def test_generate_writes_every_platform_and_says_so(tocsin: Tocsin, work: Path) -> None:
    run = tocsin("generate")
    assert (run.code, run.err) == (0, "")
    assert re.fullmatch(
        r"first: \d+ domains?, \d+ alerts?; \d+ files written, 0 unchanged, 0 removed in output/first\n"
        r"second: \d+ domains?, \d+ alerts?; \d+ files written, 0 unchanged, 0 removed in output/second\n",
        run.out,
    )
    assert (work / "output/first/prometheus/prometheus.yml").is_file()
    assert (work / "output/second/alertmanager/alertmanager.yml").is_file()


def test_a_second_run_touches_nothing(tocsin: Tocsin, work: Path) -> None:
    tocsin("generate")
    before = tree(work / "output")
    run = tocsin("generate")
    assert ", 0 removed" in run.out
    assert " 0 files written" in run.out
    assert tree(work / "output") == before


def test_one_platform_by_its_folder(tocsin: Tocsin, work: Path) -> None:
    assert tocsin("generate", "domains/second", "--output", "elsewhere").code == 0
    assert [path.name for path in (work / "elsewhere").iterdir()] == ["second"]


def test_nothing_is_written_while_anything_is_wrong(tocsin: Tocsin, work: Path) -> None:
    break_second(work)
    run = tocsin("generate")
    assert (run.code, run.out) == (1, "")
    assert "domains/second/orders.yaml:2:1: error[unknown-key]" in run.err
    assert " 2 | titel: " in run.err
    assert run.err.endswith("error; nothing was written\n")
    assert not (work / "output").exists()


def test_nothing_is_written_while_one_folder_cannot_be(tocsin: Tocsin, work: Path) -> None:
    (work / "output/second").mkdir(parents=True)
    (work / "output/second/thesis.txt").write_text("mine")
    run = tocsin("generate")
    assert (run.code, run.out) == (1, "")
    assert "error[foreign-output]: the folder holds files that were not generated, such as thesis.txt" in run.err
    assert list(tree(work / "output")) == ["second/thesis.txt"]
    assert not (work / "output/first").exists()


def test_check_flag_names_every_file_that_is_out_of_date(tocsin: Tocsin, work: Path) -> None:
    tocsin("generate")
    assert tocsin("generate", "--check") == Run(0, "", "")
    (work / "output/first/prometheus/prometheus.yml").write_text("edited")
    (work / "output/second/alertmanager/alertmanager.yml").unlink()
    (work / "output/second/stray.txt").write_text("x")
    before = tree(work)
    run = tocsin("generate", "--check")
    assert (run.code, run.err.splitlines()) == (
        1,
        [
            "output/first/prometheus/prometheus.yml:1:1: error[out-of-date]: this file is out of date",
            " 1 | edited",
            "   | ^",
            "output/second/alertmanager/alertmanager.yml:1:1: error[out-of-date]: this file is missing",
            "output/second/stray.txt:1:1: error[out-of-date]: this file is generated no longer",
            " 1 | x",
            "   | ^",
            "3 errors; run tocsin generate",
        ],
    )
    assert tree(work) == before


def test_an_environment_has_a_folder_of_its_own(tocsin: Tocsin, work: Path) -> None:
    overlay = work / "domains/first/environments/demo.yaml"
    overlay.parent.mkdir()
    overlay.write_text("durations: {scale: 0.01}\n")
    assert tocsin("generate", "domains/first", "--env", "demo").out.endswith("in output/first.demo\n")
    assert [path.name for path in (work / "output").iterdir()] == ["first.demo"]
    run = tocsin("generate", "--env", "demo")
    assert run.code == 1
    assert 'error[unknown-environment]: there is no environment "demo"' in run.err


def test_check_looks_into_every_environment(tocsin: Tocsin, work: Path) -> None:
    assert tocsin("check").code == 0
    assert not (work / "output").exists()
    overlay = work / "domains/first/environments/demo.yaml"
    overlay.parent.mkdir()
    overlay.write_text("links: {grafana: nowhere}\n")
    assert tocsin("generate").code == 0
    run = tocsin("check")
    assert run.code == 1
    assert "domains/first/environments/demo.yaml:1:18: error[invalid-value]" in run.err
    assert run.err.count("error[") == 1
    assert run.err.endswith("1 error; nothing was generated\n")


def test_two_platforms_of_one_name(tocsin: Tocsin, work: Path) -> None:
    shutil.copytree(work / "domains/first", work / "domains/third")
    run = tocsin("check")
    assert run.code == 1
    assert 'domains/third/platform.yaml:2:11: error[duplicate-platform]: another platform is called "first"' in run.err
    assert "it is in domains/first" in run.err


@pytest.mark.parametrize("command", ["check", "generate"])
def test_problems_for_machines(tocsin: Tocsin, work: Path, command: str) -> None:
    fine = tocsin(command, "--format", "json")
    assert (fine.code, json.loads(fine.err)) == (0, [])
    break_second(work)
    rows = json.loads(tocsin(command, "--format", "json").err)
    assert [(row["path"], row["line"], row["code"]) for row in rows] == [
        ("domains/second/orders.yaml", 2, "unknown-key")
    ]
    run = tocsin(command, "--format", "github")
    assert run.code == 1
    assert run.err.startswith("::error file=domains/second/orders.yaml,line=2,col=1::error[unknown-key]: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ("generate", "nowhere"),
        ("generate", "--format", "xml"),
        ("explode",),
        ("generate", "--output"),
        ("check", "empty"),
    ],
)
def test_wrong_usage(tocsin: Tocsin, work: Path, arguments: tuple[str, ...]) -> None:
    (work / "empty").mkdir()
    run = tocsin(*arguments)
    assert (run.code, run.out) == (2, "")
    assert "Error: " in run.err
    assert "Traceback" not in run.err


def test_help_is_help(tocsin: Tocsin) -> None:
    assert tocsin("--help").code == 0
    assert "--check" in tocsin("generate", "-h").out


def test_a_fault_of_ours_is_told_as_such(tocsin: Tocsin, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise RuntimeError("the emitter is broken")

    tocsin("generate")
    before = tree(work / "output")
    platform = work / "domains/first/platform.yaml"
    platform.write_text(re.sub(r"(?m)^title: .*$", "title: Other", platform.read_text()))
    monkeypatch.setattr(emit, "EMITTERS", (*emit.EMITTERS, broken))
    run = tocsin("generate")
    assert run.code == 3
    assert "Traceback" in run.err
    assert "RuntimeError: the emitter is broken" in run.err
    assert run.err.endswith("this is a fault of tocsin, not of the files; nothing was written\n")
    assert tree(work / "output") == before


def test_the_order_of_hashes_does_not_matter(work: Path) -> None:
    for seed in ("1", "2"):
        command = [*MAIN, "generate", "domains/first", "--output", f"output-{seed}"]
        subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": seed}, cwd=work, check=True, capture_output=True)
    contents = [{path: content for path, (content, _) in tree(work / f"output-{seed}").items()} for seed in "12"]
    assert contents[0] == contents[1]


def test_a_closed_pipe_is_quiet(work: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    run = subprocess.run([*MAIN, "check"], cwd=work, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (run.returncode, run.stderr) == (cli.PIPE_CLOSED, b"")


def heeding() -> None:
    """A child of tests that run in the background would ignore an interrupt, as they do."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_an_interrupt_is_quiet_and_writes_nothing(work: Path) -> None:
    (work / "domains/first/slow.py").write_text("import time\nprint('reading', flush=True)\ntime.sleep(120)\n")
    with subprocess.Popen(
        [*MAIN, "generate"], cwd=work, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=heeding
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"reading\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(90) == cli.INTERRUPTED
        assert process.stderr.read() == b""
    assert not (work / "output").exists()
