"""The commands; the only module that reads arguments, prints and exits."""

from __future__ import annotations

import contextlib
import gc
import os
import re
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn
from zoneinfo import ZoneInfo

import click

from generator import checks, emit, write
from generator.checks import APART, CHECKS, Check
from generator.checks.secrets import without_quotes
from generator.diagnostics import Problem, Span, render, render_github, render_json
from generator.load import Files, load, load_all
from generator.parallel import cores, forked
from generator.plan import people
from generator.plan.build import plan
from generator.plan.types import Alert, Plan
from generator.routing import picture, table
from generator.routing.scope import files_of_alert, files_of_platform, without_the_rest
from generator.routing.steps import Question, answer

# What a command needs alone is imported in it: emitters and what looks at dashboards take as long to start as all else.
if TYPE_CHECKING:
    from generator.emit import Emitter
    from generator.emit.artefact import Artefact
    from generator.explain import Selected

_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
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
    """One platform, staged but not yet in place; ``warnings`` are about what is there until then."""

    plan: Plan
    directory: Path
    parts: tuple[write.Staged, ...]
    warnings: tuple[Problem, ...]


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
    problems, warnings = _generate(platforms, output, check=check)
    if problems:
        outdated = check and all(problem.code == "out-of-date" for problem in problems)
        _fail([*problems, *warnings], format_, "run tocsin generate" if outdated else "nothing was written")
    _report(warnings, format_)


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
    _report((), format_)


@tocsin.command()
@click.argument("alert", metavar="PATH")
@_Domains
@click.option("--env", "environment", metavar="NAME", help="As it is in environments/NAME.yaml.")
@click.option(
    "--format", "format_", type=click.Choice(["text", "json"]), default="text", help="For people, or for editors."
)
def explain(alert: str, domains: Path, environment: str | None, format_: str) -> None:
    """Show one alert whole: its words, its rule, its queries, who is told, what to do, what tests it.

    PATH is platform/domain/alert, or domain/alert where one platform in DOMAINS has it.
    """
    from generator.explain import as_json, as_text, describe, likely

    folders = _folders(domains)
    found = _found_alert(likely(folders, alert, environment), alert, environment, format_)
    if isinstance(found, Problem) and found.code == "unknown-alert" and environment is None:
        found = _found_alert(folders, alert, environment, format_)  # a folder may be called otherwise than its platform
    if isinstance(found, Problem):
        _fail([found], format_, "nothing to explain")
    explanation = describe(found.known.files, found.known.plan, found.alert.domain, found.alert.name)
    click.echo(as_json(explanation) if format_ == "json" else as_text(explanation), nl=False)
    _report((), format_)


def _found_alert(folders: Sequence[Path], alert: str, environment: str | None, format_: str) -> Selected | Problem:
    """The alert of this name in any of these folders; ends with all that is wrong with them."""
    from generator.explain import Known, select

    platforms, problems = _checked([load(folder, environment) for folder in folders])
    if problems:
        _fail(problems, format_, "nothing to explain")
    return select([Known(files, plan(files)) for files in platforms], alert)


@tocsin.command()
@click.argument("words", nargs=-1, required=True, metavar="[DOMAINS] ALERT|LABEL=VALUE…")
@click.option("--at", metavar="TIME", help="When it fires: 2026-12-07T09:02, in the platform's time zone; else now.")
@click.option("--silenced", is_flag=True, help="Somebody has taken it: a silence from its message holds.")
@click.option("--also", metavar="ALERT", multiple=True, help="Another alert that fires at that time; may be repeated.")
@click.option("--env", "environment", metavar="NAME", help="As it is in environments/NAME.yaml.")
@click.option("--svg", type=click.Path(dir_okay=False, path_type=Path), help="Draw the timeline into this file, too.")
@click.option(
    "--format", "format_", type=click.Choice(["text", "json"]), default="text", help="For people, or for programs."
)
def route(
    words: tuple[str, ...],
    at: str | None,
    silenced: bool,
    also: tuple[str, ...],
    environment: str | None,
    svg: Path | None,
    format_: str,
) -> None:
    """Say who is told of an alert, over what, at once and then at each step until nobody is left.

    ALERT is platform/domain/alert, or domain/alert where one platform in DOMAINS has it. Labels beside it say which
    instance is meant. Labels alone are routed as they are.
    """
    domains, name, labels = _asked(words)
    files, what, alert, others = _known_alerts(domains, name, labels, also, environment, format_)
    if alert is not None and (own := [label for label, _ in labels if label in dict(alert.labels)]):
        raise click.UsageError(f'"{own[0]}" of an alert is what its file says; give labels alone to try others')
    question = Question(
        what, partial(people.title, files.platform.model), alert, labels, _moment(at, what.timezone), others, silenced
    )
    found = answer(question)
    if svg is not None:
        try:
            svg.write_text(picture.as_svg(found), "utf-8")
        except OSError as error:
            raise click.FileError(str(svg), (error.strerror or "unknown").lower()) from error
    click.echo(table.as_json(found) if format_ == "json" else table.as_text(found), nl=False)


_Labels = tuple[tuple[str, str], ...]
# Who is told does not depend on SQL, and its library takes long to import.
_DECIDING = tuple(check for check in CHECKS if check is not checks.sql.check)


def _asked(words: tuple[str, ...]) -> tuple[Path, str | None, _Labels]:
    """The folder, the alert's name and the labels that stand in any order on the command line."""
    folders = [Path(word) for word in words if Path(word).is_dir()]
    names = [word for word in words if "=" not in word and not Path(word).is_dir()]
    labels = dict(word.split("=", 1) for word in words if "=" in word)
    if len(folders) > 1 or len(names) > 1:
        raise click.UsageError(f"one alert at a time: {', '.join(map(str, names or folders))}")
    if not names and not labels:
        raise click.UsageError("name an alert (domain/alert), or labels (severity=critical channels=slack)")
    if strange := [label for label in labels if not _LABEL.fullmatch(label)]:
        raise click.UsageError(f'"{strange[0]}" is no name of a label')
    domains = folders[0] if folders else Path("domains")
    if not domains.is_dir():
        raise click.UsageError(f"there is no folder {domains.as_posix()}")
    return domains, names[0] if names else None, tuple(labels.items())


def _known_alerts(
    domains: Path, name: str | None, labels: _Labels, also: tuple[str, ...], environment: str | None, format_: str
) -> tuple[Files, Plan, Alert | None, tuple[Alert, ...]]:
    """The alerts that are meant; reads no more than they need, which is everything where others fire."""
    folders = _folders(domains)
    files: Files | tuple[Problem, ...] | None = None
    if name is None:
        folders = _folders_of(folders, dict(labels).get("platform"))
        files = files_of_platform(folders[0], environment) if not also else None
    elif not also:
        files = files_of_alert(folders, name, environment)
    if files is None:
        return _among_all(folders, name, also, environment, format_)
    if not isinstance(files, Files):
        _fail(files, format_, "nobody is told")
    looked_at = files if name is None else without_the_rest(files, name)
    if _run_checks(looked_at, _DECIDING):
        looked_at = files  # what is near a name that is wrong may be in the rest
        if problems := _run_checks(files, CHECKS):
            _fail(sorted(set(without_quotes(problems))), format_, "nobody is told")
    what = plan(looked_at, with_sql=False)
    every = {f"{alert.domain}/{alert.name}": alert for domain in what.domains for alert in domain.alerts}
    return files, what, every["/".join(name.split("/")[-2:])] if name is not None else None, ()


def _among_all(
    folders: list[Path], name: str | None, also: tuple[str, ...], environment: str | None, format_: str
) -> tuple[Files, Plan, Alert | None, tuple[Alert, ...]]:
    """The alerts that are meant, looked for in everything that their platforms say."""
    from generator.explain import Known, likely, select

    def selected(name: str) -> Selected:
        found = select(known, name)
        if isinstance(found, Problem):
            _fail([found], format_, "nobody is told")
        return found

    several = likely(folders, name or also[0], environment)
    platforms, problems = _checked([load(folder, environment) for folder in several])
    if problems:
        _fail(problems, format_, "nobody is told")
    known = [Known(files, plan(files)) for files in platforms]
    alert = None
    if name is not None:
        first = selected(name)
        known, alert = [first.known], first.alert
    return known[0].files, known[0].plan, alert, tuple(selected(other).alert for other in also)


def _folders_of(folders: list[Path], platform: str | None) -> list[Path]:
    """The one platform whose routes bare labels are held against."""
    found = [folder for folder in folders if platform in (None, folder.resolve().name)] or folders
    if len(found) > 1:
        names = ", ".join(folder.as_posix() for folder in found)
        raise click.UsageError(f"labels alone are routed in one platform: name its folder ({names})")
    return found


def _moment(at: str | None, timezone: str) -> datetime:
    """The time that is meant, in the platform's time zone."""
    zone = ZoneInfo(timezone)
    if at is None:
        return datetime.now(zone).replace(microsecond=0)
    try:
        moment = datetime.fromisoformat(at)
    except ValueError as error:
        form = "write 2026-12-07T09:02, or with its zone 2026-12-07T09:02+01:00"
        raise click.UsageError(f'"{at}" is no time: {form}') from error
    return moment.replace(tzinfo=zone) if moment.tzinfo is None else moment.astimezone(zone)


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


def _generate(platforms: Sequence[Files], output: Path, *, check: bool) -> tuple[list[Problem], list[Problem]]:
    """Stage every platform, and only then put any of it into place; what is wrong, and what people are warned of."""
    compiled: list[_Compiled] = []
    problems: list[Problem] = []
    warnings: list[Problem] = []
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
        return problems, []
    for result in compiled:
        written = write.commit(result.directory, result.parts, check=check)
        if isinstance(written, Problem):
            problems.append(written)
            continue
        warnings.extend(result.warnings)
        if check:
            problems.extend(_out_of_date(result.directory, written))
        else:
            click.echo(_summary(result, written))
    return problems, warnings


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
        warnings = _told_again(files, what, directory, parts) if not obstacles else ()
    except BaseException:
        write.discard(directory, parts)
        raise
    if obstacles:
        write.discard(directory, parts)
        return obstacles[0]
    return _Compiled(what, directory, tuple(parts), tuple(warnings))


def _told_again(files: Files, what: Plan, directory: Path, parts: Sequence[write.Staged]) -> Sequence[Problem]:
    """Warnings of what becomes of the alerts that fire, where the rules or routes that are there will change."""
    from generator.emit import alertmanager, rules

    unchanged = {path for part in parts for path in part.unchanged}
    before: dict[str, bytes] = {}
    for folder in (rules.FOLDER, alertmanager.FOLDER):
        for file in (directory / folder).glob("[!.]*.yml"):
            path = f"{folder}/{file.name}"
            with contextlib.suppress(OSError):
                if path not in unchanged and file.is_file():
                    before[path] = file.read_bytes()
    if not before:
        return ()
    from generator.repaging import warnings

    return warnings(files, what, {path for part in parts for path in part.changed}, before)


_Part = tuple[write.Staged | Problem, list[Problem]]


def _staged(what: Plan, directory: Path, *, check: bool) -> Iterator[_Part]:
    """Stage what all emitters give; large platforms in several processes, an emitter in each."""
    if len(what.domains) < LARGE or (workers := cores()) == 1:
        yield _emitted(what, directory, emit.EMITTERS, check=check)
        return
    tasks = [partial(_emitted, what, directory, (emitter,), check=check) for emitter in emit.EMITTERS]
    gc.freeze()  # or the workers would copy all of it as they look for what is no longer needed
    with forked(tasks, workers - 1) as parts:
        for task, part in reversed(list(zip(tasks, parts, strict=True))):
            yield task() if part.cancel() else part.result()  # what no worker has begun is done here meanwhile


def _emitted(what: Plan, directory: Path, emitters: Sequence[Emitter], *, check: bool) -> _Part:
    problems: list[Problem] = []
    return write.stage(directory, _linted(what, emitters, problems), check=check), problems


def _linted(what: Plan, emitters: Sequence[Emitter], problems: list[Problem]) -> Iterator[Artefact]:
    from generator.lint.dashboards import lint_artefact
    from generator.lint.dashboards.index import FOLDER, PlanIndex

    index = None
    for emitter in emitters:
        for artefact in emitter(what):
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


def _fail(problems: Sequence[Problem], format_: str, written: str = "nothing was written") -> NoReturn:
    """Print all problems and exit."""
    _report(problems, format_, written)
    sys.exit(INPUT_WRONG)


def _report(problems: Sequence[Problem], format_: str, written: str = "nothing was written") -> None:
    """Print problems in the form that was asked for; an editor reads a list even when it is empty."""
    if format_ == "github":
        shown = render_github(problems)
    elif format_ == "json":
        shown = render_json(problems)
    else:
        texts = {path: _text(path) for path in {problem.span.path for problem in problems}}
        shown = render(problems, {path: text for path, text in texts.items() if text is not None}, written)
    click.echo(shown, nl=False, err=True)


def _text(path: str) -> str | None:
    """The text of a file that is shown beside its problems."""
    try:
        return Path(path).read_bytes().decode("utf-8", "replace")
    except OSError:
        return None


if __name__ == "__main__":
    main()
