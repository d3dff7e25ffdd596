"""The commands; the only module that reads arguments, prints and exits."""

import gc
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click

from generator import write
from generator.checks import APART, CHECKS, Check
from generator.checks.secrets import without_quotes
from generator.diagnostics import Problem, Span, render, render_github, render_json
from generator.emit import EMITTERS, Emitter
from generator.emit.artefact import Artefact
from generator.lint.dashboards import lint_artefact
from generator.lint.dashboards.index import FOLDER, PlanIndex
from generator.load import Files, load, load_all
from generator.parallel import cores, forked
from generator.plan.build import plan
from generator.plan.types import Plan

LARGE = 50  # domains from which on several processes are faster than one
FINE, INPUT_WRONG, OUR_FAULT, INTERRUPTED, PIPE_CLOSED = 0, 1, 3, 130, 141

_Format = click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "github", "json"]),
    default="text",
    help="How problems are printed: for people, for GitHub's annotations, or for editors.",
)
_Domains = click.argument(
    "domains", type=click.Path(exists=True, file_okay=False, path_type=Path), default=Path("domains")
)


@dataclass(frozen=True, slots=True)
class _Compiled:
    """One platform, staged but not yet in place."""

    plan: Plan
    directory: Path
    parts: tuple[write.Staged, ...]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def tocsin() -> None:
    """Compile domain files into everything that watches the business."""


@tocsin.command()
@_Domains
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("output"),
    help="The folder to write to; each platform gets its own folder in it.",
)
@click.option("--env", "environment", metavar="NAME", help="Compile for environments/NAME.yaml.")
@click.option("--check", is_flag=True, help="Write nothing; fail if the output is out of date.")
@_Format
def generate(domains: Path, output: Path, environment: str | None, check: bool, format_: str) -> None:
    """Compile the platforms in DOMAINS, or the one platform whose folder it is."""
    platforms, problems = _checked([load(folder, environment) for folder in _folders(domains)])
    if problems:
        _fail(problems, format_)
    problems = _generate(platforms, output, check=check)
    if problems:
        outdated = check and all(problem.code == "out-of-date" for problem in problems)
        _fail(problems, format_, "run tocsin generate" if outdated else "nothing was written")
    _report_none(format_)


@tocsin.command()
@_Domains
@_Format
def check(domains: Path, format_: str) -> None:
    """Check the platforms in DOMAINS, each with all of its environments, and write nothing."""
    loaded: list[Files | tuple[Problem, ...]] = []
    for folder in _folders(domains):
        every = load_all(folder)
        loaded.extend(files if isinstance(files, Files) else (files,) for files in every)
    platforms, problems = _checked(loaded)
    if problems:
        _fail(problems, format_, "nothing was generated")
    for files in platforms:
        if files.environment is None:
            names = [
                other.environment for other in platforms if other.directory == files.directory and other.environment
            ]
            also = f", environments {', '.join(names)}" if names else ""
            alerts = sum(len(domain.model.alerts) for domain in files.domains)
            click.echo(
                f"{files.platform.model.platform}: {len(files.domains)} domains, {alerts} alerts{also}: no errors"
            )
    _report_none(format_)


def main() -> None:
    """Run the command line; a fault of ours is told from a fault of the input by its exit code."""
    # Nearly everything that a run makes lives until its end, and is looked through in vain again and again: a third of
    # the time. Never looking costs a third of the memory, since some parse trees are cycles.
    gc.set_threshold(100_000, 20, 100)
    try:
        with tocsin.make_context("tocsin", sys.argv[1:]) as context:  # main() of click has exit codes of its own
            tocsin.invoke(context)
        sys.stdout.flush()
        code = FINE
    except click.exceptions.Exit as exit_:
        code = exit_.exit_code
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)  # else the interpreter complains when it exits
        for stream in (sys.stdout, sys.stderr):
            os.dup2(nowhere, stream.fileno())
        code = PIPE_CLOSED
    except Exception:
        traceback.print_exc()
        click.echo("this is a fault of tocsin, not of the files; nothing was written", err=True)
        code = OUR_FAULT
    sys.exit(code)


def _folders(domains: Path) -> list[Path]:
    """The folders of the platforms: the given one itself, or those in it that hold YAML."""
    if (domains / "platform.yaml").exists():
        return [domains]
    inside = sorted(path for path in domains.iterdir() if path.is_dir() and path.name[0] not in "._")
    folders = [folder for folder in inside if any(folder.glob("*.yaml"))]
    if not folders:
        raise click.UsageError(
            f"there is no platform in {domains.as_posix()}: a platform is a folder with platform.yaml"
        )
    return folders


def _checked(loaded: Sequence[Files | tuple[Problem, ...]]) -> tuple[list[Files], list[Problem]]:
    """Run all checks on what could be loaded."""
    platforms = [files for files in loaded if isinstance(files, Files)]
    problems = [problem for files in loaded if not isinstance(files, Files) for problem in files]
    problems.extend(_same_names(platforms))
    problems.extend(problem for files in platforms for problem in _found(files))
    return platforms, sorted(set(without_quotes(problems)))


def _found(files: Files) -> list[Problem]:
    """What the checks find; of a large platform some of them look in a process beside this one."""
    if len(files.domains) < LARGE or cores() == 1:
        return _run_checks(files, CHECKS)
    here = [check for check in CHECKS if check not in APART]
    with forked([partial(_run_checks, files, APART)], 1) as beside:
        return _run_checks(files, here) + beside[0].result()


def _run_checks(files: Files, checks: Sequence[Check]) -> list[Problem]:
    return [problem for check in checks for problem in check(files)]


def _same_names(platforms: Sequence[Files]) -> Iterator[Problem]:
    """Two platforms of one name would write to one folder."""
    folders: dict[str, str] = {}
    for files in platforms:
        name = files.platform.model.platform
        first = folders.setdefault(name, files.directory)
        if first != files.directory:
            message = f'another platform is called "{name}"'
            yield Problem(files.platform.span(("platform",)), "duplicate-platform", message, (f"it is in {first}",))


def _generate(platforms: Sequence[Files], output: Path, *, check: bool) -> list[Problem]:
    """Stage every platform, and only then put any of it into place."""
    compiled: list[_Compiled] = []
    problems: list[Problem] = []
    try:
        for files in platforms:
            result = _compile(files, output, problems, check=check)
            if isinstance(result, _Compiled):
                compiled.append(result)
            else:
                problems.append(result)
    except BaseException:
        _discard(compiled)
        raise
    obstacles = (write.obstacle(result.directory, result.parts) for result in compiled)
    problems.extend(problem for problem in obstacles if problem is not None)
    if problems:
        _discard(compiled)
        return problems
    for result in compiled:
        written = write.commit(result.directory, result.parts, check=check)
        if isinstance(written, Problem):
            problems.append(written)
        elif check:
            problems.extend(_out_of_date(result.directory, written))
            continue
        else:
            click.echo(_summary(result, written))
    return problems


def _compile(files: Files, output: Path, problems: list[Problem], *, check: bool) -> _Compiled | Problem:
    """Plan, emit, lint and stage one platform; artefacts pass through one by one."""
    platform = files.platform.model.platform
    directory = output / (f"{platform}.{files.environment}" if files.environment else platform)
    what = plan(files)
    parts: list[write.Staged] = []
    obstacles: list[Problem] = []
    try:
        for staged, found in _staged(what, directory, check=check):
            problems.extend(found)
            if isinstance(staged, write.Staged):
                parts.append(staged)
            else:
                obstacles.append(staged)
    except BaseException:
        write.discard(directory, parts)
        raise
    if obstacles:
        write.discard(directory, parts)
        return obstacles[0]
    return _Compiled(what, directory, tuple(parts))


_Part = tuple[write.Staged | Problem, list[Problem]]


def _staged(what: Plan, directory: Path, *, check: bool) -> Iterator[_Part]:
    """Stage what all emitters give; large platforms in several processes, an emitter in each."""
    if len(what.domains) < LARGE or (workers := cores()) == 1:
        yield _emitted(what, directory, EMITTERS, check=check)
        return
    tasks = [partial(_emitted, what, directory, (emit,), check=check) for emit in EMITTERS]
    gc.freeze()  # or the workers would copy all of it as they look for what is no longer needed
    with forked(tasks, workers - 1) as parts:
        for task, part in reversed(list(zip(tasks, parts, strict=True))):
            yield task() if part.cancel() else part.result()  # what no worker has begun is done here meanwhile


def _emitted(what: Plan, directory: Path, emitters: Sequence[Emitter], *, check: bool) -> _Part:
    problems: list[Problem] = []
    return write.stage(directory, _linted(what, emitters, problems), check=check), problems


def _linted(what: Plan, emitters: Sequence[Emitter], problems: list[Problem]) -> Iterator[Artefact]:
    index = None
    for emit in emitters:
        for artefact in emit(what):
            if artefact.path.startswith(FOLDER):
                index = index or PlanIndex.of(what)
                problems.extend(lint_artefact(index, artefact))
            yield artefact


def _discard(compiled: Iterable[_Compiled]) -> None:
    for result in compiled:
        write.discard(result.directory, result.parts)


def _out_of_date(directory: Path, written: write.Written) -> Iterator[Problem]:
    for path in written.written:
        message = "this file is out of date" if (directory / path).exists() else "this file is missing"
        yield Problem(Span((directory / path).as_posix()), "out-of-date", message)
    for path in written.removed:
        yield Problem(Span((directory / path).as_posix()), "out-of-date", "this file is generated no longer")


def _summary(result: _Compiled, written: write.Written) -> str:
    alerts = sum(len(domain.alerts) for domain in result.plan.domains)
    files = f"{len(written.written)} files written, {len(written.unchanged)} unchanged, {len(written.removed)} removed"
    where = result.directory.as_posix()
    return f"{result.plan.platform}: {len(result.plan.domains)} domains, {alerts} alerts; {files} in {where}"


def _fail(problems: Sequence[Problem], format_: str, written: str = "nothing was written") -> None:
    """Print all problems and exit."""
    shown: Callable[[Sequence[Problem]], str]
    if format_ == "github":
        shown = render_github
    elif format_ == "json":
        shown = render_json
    else:
        texts = {path: _text(path) for path in {problem.span.path for problem in problems}}
        click.echo(
            render(problems, {path: text for path, text in texts.items() if text is not None}, written),
            nl=False,
            err=True,
        )
        sys.exit(INPUT_WRONG)
    click.echo(shown(problems), nl=False, err=True)
    sys.exit(INPUT_WRONG)


def _report_none(format_: str) -> None:
    """An editor reads a list even when it is empty."""
    if format_ == "json":
        click.echo(render_json(()), nl=False, err=True)


def _text(path: str) -> str | None:
    """The text of a file that is shown beside its problems."""
    try:
        return Path(path).read_bytes().decode("utf-8", "replace")
    except OSError:
        return None


if __name__ == "__main__":
    main()
