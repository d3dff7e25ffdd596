"""Artefacts to disk: compare with what is there, replace file by file, remove strays.

Two steps, so that nothing changes before everything is known: ``stage`` writes what differs beside its target,
``commit`` renames all of it into place. Each rename is atomic: a run that is killed leaves every file whole, old or
new, and at worst a temporary file, which the next run removes.
"""

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from generator.diagnostics import Problem, Span
from generator.emit.artefact import Artefact

_TEMPORARY = ".tocsin-"
_FOREIGN_HELP = "choose another folder with --output, or delete this one if nobody needs it"


@dataclass(frozen=True, slots=True)
class Staged:
    """Artefacts that were compared with what is there; those that differ wait beside their targets."""

    changed: tuple[str, ...]
    unchanged: tuple[str, ...]
    temporary: tuple[tuple[str, str], ...]
    """The temporary file of each changed artefact; none when only compared."""
    folders: tuple[str, ...]
    """The folders that had to be made."""


@dataclass(frozen=True, slots=True)
class Written:
    """What became of the output folder, as paths below it."""

    written: tuple[str, ...]
    unchanged: tuple[str, ...]
    removed: tuple[str, ...]


def write(directory: Path, artefacts: Iterable[Artefact], *, check: bool = False) -> Written | Problem:
    """Make a folder hold exactly these artefacts; with ``check`` only say what would change."""
    staged = stage(directory, artefacts, check=check)
    return commit(directory, [staged], check=check) if isinstance(staged, Staged) else staged


def stage(directory: Path, artefacts: Iterable[Artefact], *, check: bool = False) -> Staged | Problem:
    """Compare artefacts with what is there and stage those that differ; on any failure nothing is left behind.

    Several processes may each stage a part; what they return is committed together.
    """
    staging = _Staging(directory)
    try:
        for artefact in artefacts:
            _refuse_path_outside(artefact.path)
            try:
                staging.take(artefact, check=check)
            except OSError as error:
                staging.discard()
                return _unwritable(directory / artefact.path, error)
    except BaseException:
        staging.discard()
        raise
    return staging.staged()


def obstacle(directory: Path, parts: Sequence[Staged]) -> Problem | None:
    """Why a folder must not be written to: it holds somebody else's files, and strays would be removed."""
    wanted = {path for part in parts for path in (*part.changed, *part.unchanged)}
    try:
        there = [path for path in _files(directory) if not Path(path).name.startswith(_TEMPORARY)]
    except OSError as error:
        return _unwritable(directory, error)
    if not there or not wanted.isdisjoint(there):
        return None
    message = f"the folder holds files that were not generated, such as {min(there)}"
    return Problem(Span(directory.as_posix()), "foreign-output", message, (_FOREIGN_HELP,))


def commit(directory: Path, parts: Sequence[Staged], *, check: bool = False) -> Written | Problem:
    """Rename what was staged into place and remove everything else from the folder."""
    changed = sorted(path for part in parts for path in part.changed)
    unchanged = sorted(path for part in parts for path in part.unchanged)
    wanted = {*changed, *unchanged}
    if len(wanted) < len(changed) + len(unchanged):
        discard(directory, parts)
        raise ValueError("two artefacts have one path")
    if (problem := obstacle(directory, parts)) is not None:
        discard(directory, parts)
        return problem
    staged = {temporary for part in parts for _, temporary in part.temporary}
    try:
        strays = [path for path in _files(directory) if path not in staged and path not in wanted]
        if not check:
            for target, temporary in sorted(item for part in parts for item in part.temporary):
                (directory / temporary).replace(directory / target)
            for path in strays:
                (directory / path).unlink(missing_ok=True)
            _remove_empty_folders(directory)
    except OSError as error:
        discard(directory, parts)
        return _unwritable(directory, error)
    removed = sorted(path for path in strays if not Path(path).name.startswith(_TEMPORARY))
    return Written(tuple(changed), tuple(unchanged), tuple(removed))


def discard(directory: Path, parts: Iterable[Staged]) -> None:
    """Take back what was staged."""
    for part in parts:
        _discard(directory, part.temporary, part.folders)


def _discard(directory: Path, temporary: Iterable[tuple[str, str]], folders: Iterable[str]) -> None:
    with contextlib.suppress(OSError):  # what cannot be removed now, the next run removes
        for _, path in temporary:
            (directory / path).unlink(missing_ok=True)
    for folder in sorted(folders, reverse=True):
        with contextlib.suppress(OSError):  # not empty: somebody else's
            Path(folder).rmdir()


def _refuse_path_outside(path: str) -> None:
    """A path that leaves the folder is a fault of ours, never of the input."""
    if path.startswith("/") or not set(path.split("/")).isdisjoint({"", ".", ".."}):
        raise ValueError(f"not a path below the output folder: {path!r}")


class _NoFileError(OSError):
    """A link or folder stands where a file belongs."""


class _LinkError(OSError):
    """A folder inside the output is a link to somewhere else."""


class _Staging:
    """What ``stage`` has done so far."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._root = str(directory)
        self._changed: list[str] = []
        self._unchanged: list[str] = []
        self._temporary: list[tuple[str, str]] = []
        self._folders: list[str] = []
        self._seen: set[str] = set()
        self._made: set[str] = set()

    def take(self, artefact: Artefact, *, check: bool) -> None:
        parent = artefact.path.rpartition("/")[0]
        if parent not in self._seen:
            self._refuse_links(parent)
            self._seen.add(parent)
        if self._is_same(artefact):
            self._unchanged.append(artefact.path)
            return
        self._changed.append(artefact.path)
        if check:
            return
        if parent not in self._made:
            self._make_folder(parent)
            self._made.add(parent)
        self._write_temporary(artefact, parent)

    def staged(self) -> Staged:
        return Staged(tuple(self._changed), tuple(self._unchanged), tuple(self._temporary), tuple(self._folders))

    def discard(self) -> None:
        _discard(self._directory, self._temporary, self._folders)

    def _refuse_links(self, parent: str) -> None:
        folder = self._directory
        for part in parent.split("/"):
            folder = folder / part
            if folder.is_symlink() and folder != self._directory:
                raise _LinkError

    def _is_same(self, artefact: Artefact) -> bool:
        # Thousands of files: a Path would cost more than the look at the file.
        target = f"{self._root}/{artefact.path}"
        try:
            status = os.lstat(target)
        except FileNotFoundError:
            return False
        if not stat.S_ISREG(status.st_mode):
            raise _NoFileError
        if status.st_size != len(artefact.content):
            return False
        with open(target, "rb") as file:  # noqa: PTH123 - as above
            return file.read() == artefact.content

    def _write_temporary(self, artefact: Artefact, parent: str) -> None:
        name = artefact.path.rpartition("/")[2]
        path = f"{parent}/{_TEMPORARY}{os.getpid()}-{name}".removeprefix("/")
        self._temporary.append((artefact.path, path))
        with open(f"{self._root}/{path}", "wb") as file:  # noqa: PTH123 - as above
            file.write(artefact.content)

    def _make_folder(self, parent: str) -> None:
        folder = self._directory / parent
        for missing in reversed([path for path in (folder, *folder.parents) if not path.exists()]):
            with contextlib.suppress(FileExistsError):  # another process was faster
                missing.mkdir()
                self._folders.append(str(missing))
        if not folder.is_dir():
            raise _NoFileError


def _files(directory: Path) -> Iterator[str]:
    """Every file below a folder, links included and never followed; a repository's own folder is not looked into."""
    for folder, names, files in os.walk(directory):
        if ".git" in names:
            names.remove(".git")
        links = [name for name in names if os.path.islink(os.path.join(folder, name))]  # noqa: PTH114, PTH118
        for name in (*files, *links):
            yield (Path(folder) / name).relative_to(directory).as_posix()


def _remove_empty_folders(directory: Path) -> None:
    for folder, _, _ in os.walk(directory, topdown=False):
        if not any(Path(folder).iterdir()):
            with contextlib.suppress(OSError):
                Path(folder).rmdir()


def _unwritable(path: Path, error: OSError) -> Problem:
    span = Span(path.as_posix())
    help_: tuple[str, ...]
    if isinstance(error, _LinkError):
        message, help_ = "a link leads out of the output folder here", ("delete the link",)
    elif isinstance(error, _NoFileError):
        message, help_ = "something else stands where this file belongs", ("move it out of the output folder",)
    else:
        reason = (error.strerror or str(error) or type(error).__name__).lower()
        message, help_ = f"the output cannot be written: {reason}", ()
    return Problem(span, "unwritable-output", message, help_)
