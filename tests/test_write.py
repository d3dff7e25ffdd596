"""Artefacts to disk: what is the same stays untouched, what differs is replaced whole, what is left over goes."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from generator.diagnostics import Problem
from generator.emit.artefact import Artefact
from generator.write import Staged, Written, commit, discard, stage, write

FILES = {"prometheus/rules/sales.yml": b"groups: []\n", "prometheus/prometheus.yml": b"a: 1\n", "top.yml": b""}


def artefacts(files: dict[str, bytes]) -> Iterator[Artefact]:
    return (Artefact(path, content) for path, content in files.items())


def written(directory: Path, files: dict[str, bytes], *, check: bool = False) -> Written:
    result = write(directory, artefacts(files), check=check)
    assert isinstance(result, Written), result
    return result


def refused(directory: Path, files: dict[str, bytes]) -> Problem:
    result = write(directory, artefacts(files))
    assert isinstance(result, Problem), result
    return result


def tree(directory: Path) -> dict[str, bytes]:
    """Every file below a folder, and every empty folder as None."""
    return {
        path.relative_to(directory).as_posix(): path.read_bytes() if path.is_file() else b"(empty folder)"
        for path in sorted(directory.rglob("*"))
        if path.is_file() or not any(path.iterdir())
    }


@pytest.fixture
def output(tmp_path: Path) -> Path:
    directory = tmp_path / "output" / "shop"
    written(directory, FILES)
    return directory


def test_everything_is_written(tmp_path: Path) -> None:
    result = written(tmp_path / "a" / "b", FILES)
    assert tree(tmp_path / "a" / "b") == FILES
    assert result == Written(tuple(sorted(FILES)), (), ())


def test_what_is_the_same_is_not_touched(output: Path) -> None:
    for path in FILES:
        os.utime(output / path, ns=(1, 1))
    inode = (output / "top.yml").stat().st_ino
    changed = {**FILES, "prometheus/prometheus.yml": b"a: 2\n"}
    assert written(output, changed) == Written(
        ("prometheus/prometheus.yml",), ("prometheus/rules/sales.yml", "top.yml"), ()
    )
    assert (output / "top.yml").stat().st_mtime_ns == 1
    assert (output / "top.yml").stat().st_ino == inode
    assert (output / "prometheus/prometheus.yml").stat().st_mtime_ns > 1
    assert tree(output) == changed


def test_strays_and_leftovers_and_empty_folders_go(output: Path) -> None:
    (output / "old/deeper").mkdir(parents=True)
    (output / "old/deeper/rules.yml").write_text("x")
    (output / "old/link").symlink_to("/")
    (output / "linked").symlink_to(output.parent, target_is_directory=True)
    (output / "empty").mkdir()
    (output / "prometheus/.tocsin-99-prometheus.yml").write_text("half")
    (output / ".git").mkdir()
    (output / ".git/HEAD").write_text("ref")
    result = written(output, FILES)
    assert result.removed == ("linked", "old/deeper/rules.yml", "old/link")
    assert tree(output) == {".git/HEAD": b"ref", **FILES}


def test_check_says_what_would_change_and_changes_nothing(output: Path, tmp_path: Path) -> None:
    (output / "stray.yml").write_text("x")
    before = tree(tmp_path)
    changed = {"top.yml": b"new", "new/file.yml": b"", "prometheus/prometheus.yml": b"a: 1\n"}
    assert written(output, changed, check=True) == Written(
        ("new/file.yml", "top.yml"), ("prometheus/prometheus.yml",), ("prometheus/rules/sales.yml", "stray.yml")
    )
    assert written(tmp_path / "nowhere", FILES, check=True).written == tuple(sorted(FILES))
    assert tree(tmp_path) == before


def test_a_failure_midway_changes_nothing(output: Path, tmp_path: Path) -> None:
    def failing() -> Iterator[Artefact]:
        yield Artefact("top.yml", b"new")
        yield Artefact("new/deep/file.yml", b"new")
        raise ZeroDivisionError

    before = tree(tmp_path)
    with pytest.raises(ZeroDivisionError):
        write(output, failing())
    assert tree(tmp_path) == before
    with pytest.raises(ZeroDivisionError):
        write(tmp_path / "fresh", failing())
    assert not (tmp_path / "fresh").exists()


def test_parts_are_committed_together(output: Path) -> None:
    parts = [stage(output, artefacts({"a.yml": b"1"})), stage(output, artefacts({"b/c.yml": b"2"}))]
    assert not (output / "a.yml").exists()
    # Without anything of the old output this would be a foreign folder.
    parts.append(stage(output, artefacts({"top.yml": b""})))
    staged = [part for part in parts if isinstance(part, Staged)]
    assert len(staged) == 3
    assert isinstance(commit(output, staged), Written)
    assert tree(output) == {"a.yml": b"1", "b/c.yml": b"2", "top.yml": b""}


def test_discarding_leaves_nothing(output: Path) -> None:
    before = tree(output)
    staged = stage(output, artefacts({"a/b/c.yml": b"1", "top.yml": b"2"}))
    assert isinstance(staged, Staged)
    assert tree(output) != before
    discard(output, [staged])
    assert tree(output) == before


def test_artefacts_are_consumed_one_by_one(tmp_path: Path) -> None:
    alive: list[int] = []

    class Counted(bytes):
        def __del__(self) -> None:
            alive.remove(len(self))

    def many() -> Iterator[Artefact]:
        for number in range(1, 50):
            assert len(alive) <= 2
            alive.append(number)
            yield Artefact(f"{number}.yml", Counted(b"x" * number))

    assert isinstance(write(tmp_path / "shop", many()), Written)
    assert isinstance(write(tmp_path / "shop", many()), Written)


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    problem = refused(tmp_path, FILES)
    assert problem.code == "foreign-output"
    assert "notes.txt" in problem.message
    assert tree(tmp_path) == {"notes.txt": b"mine"}


def test_after_a_killed_first_run_the_folder_is_still_ours(tmp_path: Path) -> None:
    (tmp_path / "prometheus").mkdir()
    (tmp_path / "prometheus/.tocsin-99-prometheus.yml").write_text("half")
    assert written(tmp_path, FILES).removed == ()
    assert tree(tmp_path) == FILES


def test_a_link_out_of_the_output_is_not_followed(output: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "keep.yml").write_text("mine")
    (output / "grafana").symlink_to(elsewhere, target_is_directory=True)
    for content in (b"ours", b"mine"):
        problem = refused(output, {**FILES, "grafana/keep.yml": content})
        assert problem.message == "a link leads out of the output folder here"
    (output / "grafana").unlink()
    (output / "top.yml").unlink()
    (output / "top.yml").symlink_to(elsewhere / "keep.yml")
    assert refused(output, FILES).span.path.endswith("shop/top.yml")
    assert tree(elsewhere) == {"keep.yml": b"mine"}


def test_a_folder_where_a_file_belongs(output: Path) -> None:
    (output / "new.yml").mkdir()
    (output / "new.yml/inside").write_text("x")
    assert refused(output, {**FILES, "new.yml": b""}).message == "something else stands where this file belongs"


def test_a_file_where_a_folder_belongs(output: Path) -> None:
    assert refused(output, {**FILES, "top.yml/inside.yml": b""}).code == "unwritable-output"
    assert tree(output) == FILES
    output.with_name("plain").write_text("x")
    assert refused(output.with_name("plain"), FILES).code == "unwritable-output"


def test_no_room_is_said_in_one_line(output: Path) -> None:
    name = "x" * 250  # with the prefix of a temporary file too long for any file system
    problem = refused(output, {**FILES, "top.yml": b"new", name: b""})
    assert problem.message.startswith("the output cannot be written: ")
    assert tree(output) == FILES


def test_no_permission_is_said_in_one_line(output: Path) -> None:
    user = os.geteuid()
    output.chmod(0o500)
    try:
        if user == 0:
            os.seteuid(65534)  # root may write everywhere
        problem = refused(output, {**FILES, "top.yml": b"new"})
    finally:
        os.seteuid(user)
        output.chmod(0o700)
    assert problem.message == "the output cannot be written: permission denied"


@pytest.mark.parametrize("path", ["/etc/x", "../x", "a/../../x", "a//b", "", "./a"])
def test_a_path_outside_is_a_fault_of_ours(output: Path, path: str) -> None:
    with pytest.raises(ValueError, match="not a path below"):
        write(output, artefacts({"top.yml": b"new", path: b""}))
    assert tree(output) == FILES


def test_two_artefacts_with_one_path_are_a_fault_of_ours(output: Path) -> None:
    with pytest.raises(ValueError, match="one path"):
        write(output, iter([Artefact("top.yml", b"1"), Artefact("top.yml", b"2")]))
    assert tree(output) == FILES


WRITERS = """
import itertools, os, signal, sys, time
from pathlib import Path
from generator.emit.artefact import Artefact
from generator.write import write

def write_forever():
    for generation in itertools.count(1):
        content = (f"{generation}\\n" * 20_000).encode()
        names = [f"{group}/{number}.yml" for group in "abc" for number in range(8 if generation % 2 else 6)]
        write(Path(sys.argv[1]), (Artefact(name, content) for name in names))

for line in sys.stdin:
    writer = os.fork()
    if writer == 0:
        write_forever()
    time.sleep(float(line))
    os.kill(writer, signal.SIGKILL)
    os.waitpid(writer, 0)
    print("killed", flush=True)
"""


def test_killed_at_any_moment_every_file_is_whole(tmp_path: Path) -> None:
    directory = tmp_path / "shop"
    leftovers = 0
    command = [sys.executable, "-c", WRITERS, str(directory)]
    pipe, checkout = subprocess.PIPE, Path(__file__).parents[1]
    with subprocess.Popen(command, cwd=checkout, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for attempt in range(20):
            print(0.003 + attempt * 0.0037, file=process.stdin, flush=True)
            assert process.stdout.readline() == "killed\n"
            for path in directory.rglob("*.yml"):
                if path.name.startswith(".tocsin-"):
                    leftovers += 1
                    continue
                lines = path.read_text().split("\n")
                assert len(lines) == 20_001
                assert len(set(lines[:-1])) == 1
        process.stdin.close()
    assert leftovers, "no run was killed while it wrote: the test proves nothing"
    final = {f"a/{number}.yml": b"done" for number in range(3)}
    written(directory, final)
    assert tree(directory) == final
