"""The house itself: what lies where, what is listed where, and what no file may name."""

import ast
import importlib
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from generator import cli

CHECKOUT = Path(__file__).parents[1]
TOP_LEVEL = {
    "pyproject.toml", "README.md", "Makefile", "docker-compose.yml", "LICENSE", "CHANGELOG.md",
    "domains", "generator", "exporters", "demo", "output", "tests",
}  # fmt: skip
ALLOWED_BESIDE = {"docs"}
# Modules of emit/ that emitters share, and that yield no files themselves.
SHARED_BY_EMITTERS = {"artefact", "yaml_text", "annotations"}
# In parts, so that this file does not name what it looks for.
REGISTRIES = ["py" + "pi.org", "pythonhosted" + ".org", "registry.npm" + "js", "crates" + ".io", "deb.debian" + ".org"]
MACHINE_PATHS = ["/" + "work/", "/" + "root/", "/" + "home/", "/" + "tmp/probe", "/" + "Users/"]
ISSUE_NUMBER = re.compile(r"\b(?:issue|closes|fixes|see) #\d+", re.IGNORECASE)


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=CHECKOUT,
        capture_output=True,
        check=True,
    )
    paths = (CHECKOUT / name for name in listed.stdout.decode().split("\0") if name)
    return [path for path in paths if path.is_file()]


def written_by_people() -> Iterator[tuple[Path, str]]:
    for path in tracked():
        if path.is_relative_to(CHECKOUT / "output"):
            continue
        try:
            yield path.relative_to(CHECKOUT), path.read_text()
        except UnicodeDecodeError:  # a file that is not UTF-8 on purpose
            continue


def test_the_top_level_is_as_designed() -> None:
    names = {path.relative_to(CHECKOUT).parts[0] for path in tracked()}
    visible = {name for name in names if not name.startswith(".")}
    assert visible - ALLOWED_BESIDE == TOP_LEVEL
    assert (CHECKOUT / ".ci" / "run").stat().st_mode & 0o100


def modules(package: str) -> set[str]:
    folder = CHECKOUT / "generator" / package
    names = {path.stem for path in folder.glob("*.py")} | {path.parent.name for path in folder.glob("*/__init__.py")}
    return {name for name in names if not name.startswith("_")}


@pytest.mark.parametrize(("package", "listed", "shared"), [
    ("emit", "EMITTERS", SHARED_BY_EMITTERS),
    ("checks", "CHECKS", set()),
])  # fmt: skip
def test_the_tuple_lists_every_module(package: str, listed: str, shared: set[str]) -> None:
    module = importlib.import_module(f"generator.{package}")
    entries = getattr(module, listed)
    assert isinstance(entries, tuple)
    found = {entry.__module__ if callable(entry) else entry.__name__ for entry in entries}
    names = {name.removeprefix(f"generator.{package}.").split(".")[0] for name in found}
    assert names == modules(package) - shared


def test_make_help_lists_every_target() -> None:
    makefile = (CHECKOUT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony is not None
    printed = subprocess.run(["make", "--no-print-directory"], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    described = re.findall(r"^ *make ([a-z-]+) +\S", printed.stdout, re.MULTILINE)
    assert sorted(described) == sorted(phony[1].split())
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    assert targets == set(described)


def test_the_readme_names_every_command() -> None:
    readme = (CHECKOUT / "README.md").read_text()
    assert isinstance(cli.tocsin, click.Group)
    assert cli.tocsin.commands
    for name, command in cli.tocsin.commands.items():
        assert f"`tocsin {name}" in readme, name
        for option in (option for parameter in command.params for option in parameter.opts if option.startswith("--")):
            assert option in readme, f"{name} {option}"


def test_every_version_is_pinned() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    lines = (CHECKOUT / ".ci" / "constraints.txt").read_text().splitlines()
    pinned = dict(line.split("==") for line in lines if not line.startswith("#"))
    own = f"{project['name']}["
    for requirement in (one for one in wanted if not one.startswith(own)):
        name, _, version = requirement.partition(";")[0].partition("==")
        assert pinned[re.sub(r"\[.*", "", name)] == version.strip(), requirement


def test_no_file_names_a_registry_a_machine_or_an_issue() -> None:
    for path, text in written_by_people():
        assert not [host for host in REGISTRIES if host in text], path
        assert not [place for place in MACHINE_PATHS if place in text], path
        assert not ISSUE_NUMBER.search(text), path


def test_the_product_names_no_platform() -> None:
    platforms = {path.parent.name for path in (CHECKOUT / "domains").glob("*/platform.yaml")}
    assert len(platforms) >= 2
    for path, text in written_by_people():
        if path.suffix in {".py", ".j2", ".lark", ".tmpl", ".json"} and path.parts[0] in {"generator", "exporters"}:
            assert not [name for name in platforms if name in text.lower()], path


def test_tests_cannot_vanish_by_a_typo() -> None:
    for path in (CHECKOUT / "tests").rglob("test_*.py"):
        defined = [node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)]
        assert len(defined) == len(set(defined)), path
        assert not [name for name in defined if re.match(r"(tets|tset|tes|est)_", name)], path
