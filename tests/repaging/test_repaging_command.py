"""``tocsin generate`` and its warnings, as a person, a script and a continuous integration see them."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from generator import repaging
from generator.cli import tocsin
from generator.repaging import deployed, warning
from generator.repaging.deployed import Group
from tests.repaging.shop import SHOP

DOMAIN = Path("domains/shop/stock.yaml")
RULES = Path("output/shop/prometheus/rules/stock.yml")
EXACT = """\
domains/shop/stock.yaml:8:3: warning[pages-again]: StockEmpty is told again if it fires when this is deployed
 8 |   empty:
   |   ^^^^^
   = help: the label channels changes from "chat" to "chat,mail"
"""


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory in which the shop is compiled, and then tells another channel of an alert."""
    monkeypatch.chdir(tmp_path)
    DOMAIN.parent.mkdir(parents=True)
    for name, text in SHOP.items():
        (DOMAIN.parent / name).write_text(text, "utf-8")
    first = run("generate")
    assert (first.exit_code, first.stderr) == (0, "")
    DOMAIN.write_text(DOMAIN.read_text().replace("channels: [chat]", "channels: [chat, mail]"))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(tocsin, arguments)


def test_a_person_reads_it_after_the_summary_and_once() -> None:
    done = run("generate")
    assert (done.exit_code, done.stderr) == (0, f"{EXACT}1 warning\n")
    assert done.output.endswith(f"in output/shop\n{EXACT}1 warning\n")
    assert "channels: chat,mail" in RULES.read_text()
    again = run("generate")
    assert (again.exit_code, again.stderr) == (0, "")


def test_an_unchanged_run_looks_at_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    run("generate")
    monkeypatch.delattr(repaging, "warnings")
    assert run("generate").exit_code == 0


def test_continuous_integration_gets_an_annotation() -> None:
    done = run("generate", "--format", "github")
    message = "StockEmpty is told again if it fires when this is deployed"
    assert (done.exit_code, done.stderr) == (
        0,
        f"::warning file=domains/shop/stock.yaml,line=8,col=3::warning[pages-again]: {message}"
        '%0Ahelp: the label channels changes from "chat" to "chat,mail"\n',
    )


def test_editors_get_one_list() -> None:
    done = run("generate", "--format", "json")
    (row,) = json.loads(done.stderr)
    assert done.exit_code == 0
    assert (row["level"], row["code"], row["line"]) == ("warning", "pages-again", 8)
    assert json.loads(run("generate", "--format", "json").stderr) == []


def test_check_warns_beside_what_is_out_of_date() -> None:
    done = run("generate", "--check")
    assert done.exit_code == 1
    assert done.stderr.startswith(EXACT)
    assert done.stderr.endswith(" errors, 1 warning; run tocsin generate\n")
    assert f"{RULES.as_posix()}:1:1: error[out-of-date]" in done.stderr
    assert "channels: chat,mail" not in RULES.read_text()


def test_the_check_of_the_input_compares_nothing() -> None:
    done = run("check")
    assert (done.exit_code, done.stderr) == (0, "")


def test_an_error_comes_without_warnings() -> None:
    """Nothing is written, so nothing can be deployed."""
    platform = DOMAIN.with_name("platform.yaml")
    platform.write_text(platform.read_text().replace("title: Shop", "titel: Shop"))
    done = run("generate")
    assert (done.exit_code, "warning[" in done.stderr) == (1, False)


@pytest.mark.parametrize("content", [b"\xff\x00", b"groups: [{name: x, rules: [7]}]", b"# mine"])
def test_somebody_elses_file_is_no_fault(content: bytes) -> None:
    RULES.write_bytes(content)
    Path("output/shop/alertmanager/alertmanager.yml").write_bytes(content)
    done = run("generate")
    assert (done.exit_code, done.stderr) == (0, "")


def test_what_a_killed_run_left_is_not_what_is_deployed() -> None:
    RULES.with_name(".tocsin-1-stock.yml").write_text(RULES.read_text().replace("StockEmpty", "StockOther"))
    RULES.unlink()
    done = run("generate")
    assert (done.exit_code, done.stderr) == (0, "")


def test_only_what_differs_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[bytes] = []

    def deployed_group(content: bytes) -> Group | None:
        read.append(content)
        return deployed.deployed_group(content)

    monkeypatch.setattr(warning, "deployed_group", deployed_group)
    before = RULES.read_bytes()
    run("generate")
    assert read == [before]


def test_a_folder_in_the_place_of_a_stray_file_is_no_fault() -> None:
    Path("output/shop/prometheus/rules/mine.yml").mkdir()
    assert run("generate").exit_code == 0


def test_an_environment_is_compared_with_its_own_output() -> None:
    overlay = DOMAIN.parent / "environments/demo.yaml"
    overlay.parent.mkdir()
    overlay.write_text("durations: {scale: 0.01}\n")
    first = run("generate", "--env", "demo")
    assert (first.exit_code, first.stderr) == (0, "")
    overlay.write_text('durations: {scale: 0.01}\nchannels: {hook: {url: "http://elsewhere.example"}}\n')
    second = run("generate", "--env", "demo")
    assert (second.exit_code, second.stderr) == (0, "")


def test_a_fault_of_ours_leaves_everything_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("broken")

    before = {path: path.read_bytes() for path in Path("output").rglob("*") if path.is_file()}
    monkeypatch.setattr(repaging, "warnings", broken)
    assert isinstance(run("generate").exception, RuntimeError)
    assert {path: path.read_bytes() for path in Path("output").rglob("*") if path.is_file()} == before
