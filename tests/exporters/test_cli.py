"""The command ``tocsin-exporter`` as a person types it: what it prints, and how it ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import click
import pytest

from exporters import cli
from tests.clusters import Cluster, cluster
from tests.exporters.running import DSN, exporter, plan_file, query

CHECKOUT = Path(__file__).parents[2]
SECRET = "correct-horse-battery"


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    with (
        cluster() as running,
        running.database("shop", "CREATE TABLE orders (state text); INSERT INTO orders VALUES ('open')"),
    ):
        yield running


def run(*arguments: str | Path, environment: Mapping[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "exporters", *(str(argument) for argument in arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, cwd=CHECKOUT, env={**os.environ, **(environment or {})}
    )


def plan(folder: Path, sql: str = "SELECT count(*) AS value FROM orders") -> Path:
    return plan_file(folder / "plan.yml", [query("orders/open", sql), query("stock/all", "SELECT 1 AS value")])


def test_a_plan_that_fits_is_shown_with_its_costs(tmp_path: Path, server: Cluster) -> None:
    done = run("check", plan(tmp_path), environment={DSN: server.dsn("monitoring", "shop")})
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["query", "orders/open", "stock/all"]


def test_what_does_not_fit_is_said_and_counted(tmp_path: Path, server: Cluster) -> None:
    wrong = plan(tmp_path, "SELECT count(*) AS value FROM ordres")
    done = run("check", wrong, environment={DSN: server.dsn("monitoring", "shop")})
    assert done.returncode == 1
    assert 'relation "ordres" does not exist' in done.stderr
    assert done.stderr.endswith("1 error\n")
    assert "Traceback" not in done.stderr


def test_domains_choose_queries(tmp_path: Path, server: Cluster) -> None:
    done = run("check", plan(tmp_path), "--domains", "stock", environment={DSN: server.dsn("monitoring", "shop")})
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["query", "stock/all"]


@pytest.mark.parametrize("command", ["check", "serve"])
def test_an_unknown_domain_is_named_beside_those_that_there_are(tmp_path: Path, command: str) -> None:
    done = run(command, plan(tmp_path), "--domains", "stock,prices")
    assert done.returncode == 1
    said = "error[domains]: --domains: no domain is called prices; there are orders, stock"
    assert done.stderr == f"{tmp_path / 'plan.yml'}: {said}\n1 error\n"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["serve", "nowhere.yml"], 1, "nowhere.yml"),
        (["check", "nowhere.yml"], 1, "nowhere.yml"),
        (["serve", "postgres", "--listen", "9187"], 1, "HOST:PORT"),
        (["serve", "postgres", "--web.config.file", "nowhere.yml"], 1, "nowhere.yml"),
        (["serve"], 2, "Missing argument"),
        (["serve", "postgres", "--nonsense"], 2, "No such option"),
        (["check", "postgres", "--dsn-env", "A", "--dsn-file", "b"], 2, "one of --dsn-env and --dsn-file"),
        (["serve", "postgres", "--dsn-env", "1 a"], 2, "no name of an environment variable"),
        (["serve", "postgres", "--dsn-file", ""], 2, "no file is named"),
        (["nonsense"], 2, "No such command"),
    ],
)
def test_wrong_use_is_said_in_words(arguments: list[str], code: int, said: str) -> None:
    done = run(*arguments)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_the_connection_string_can_be_told_and_is_never_said(tmp_path: Path, server: Cluster) -> None:
    (tmp_path / "dsn").write_text(server.dsn("monitoring", "shop") + "\n")
    assert run("check", plan(tmp_path), "--dsn-file", tmp_path / "dsn").returncode == 0
    (tmp_path / "dsn").write_text(f"host=127.0.0.1 port={server.port} user=nobody password={SECRET} dbname=shop")
    done = run("check", plan(tmp_path), "--dsn-file", tmp_path / "dsn")
    assert done.returncode == 1
    assert SECRET not in done.stdout + done.stderr
    assert "nobody" not in done.stdout + done.stderr


def test_a_file_stands_in_for_a_variable(tmp_path: Path, server: Cluster) -> None:
    (tmp_path / "dsn").write_text(server.dsn("monitoring", "shop"))
    assert run("check", plan(tmp_path), environment={f"{DSN}_FILE": str(tmp_path / "dsn")}).returncode == 0


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_zero_when_it_is_told_to(tmp_path: Path, server: Cluster, how: signal.Signals) -> None:
    with exporter(plan(tmp_path), tmp_path, {DSN: server.dsn("monitoring", "shop")}) as running:
        running.scrape()
        running.process.send_signal(how)
        assert running.process.wait(20) == 0, running.said()
        assert "Traceback" not in running.said()


def test_the_readme_names_every_command_and_option() -> None:
    readme = (CHECKOUT / "exporters" / "README.md").read_text()
    assert isinstance(cli.exporter, click.Group)
    for name, command in cli.exporter.commands.items():
        assert f"`tocsin-exporter {name}" in readme, name
        for option in (option for parameter in command.params for option in parameter.opts if option.startswith("--")):
            assert option in readme, f"{name} {option}"


def test_the_plan_that_comes_along_is_installed_with_the_package() -> None:
    assert all(path.is_file() for path in cli.SHIPPED.values())
    assert "*.yml" in (CHECKOUT / "pyproject.toml").read_text()
