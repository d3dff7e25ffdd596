"""A platform's folder to Files, or everything that is wrong with what stands in it."""

import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from generator import model_problems
from generator.diagnostics import Problem, Span
from generator.model import Domain, Platform
from generator.source import Path, Source, parse

_Model = TypeVar("_Model", bound=BaseModel)
_Problems = tuple[Problem, ...]
_PLATFORM = "platform.yaml"


@dataclass(frozen=True, slots=True)
class File(Generic[_Model]):
    """One file that could be read: the text that it came from and what it says."""

    source: Source
    model: _Model

    def span(self, path: Path) -> Span:
        """Where a value stands."""
        return self.source.span(path)

    def key_span(self, path: Path) -> Span:
        """Where the key of a value stands."""
        return self.source.key_span(path)

    def text_span(self, path: Path, start: int, end: int) -> Span:
        """Where some characters of a text stand."""
        return self.source.text_span(path, start, end)


class DomainFile(File[Domain]):
    """A domain, from YAML or from a Python module."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class PlatformFile(File[Platform]):
    """``platform.yaml``, with an environment's overlay laid over it where there is one."""

    overlay: Source | None = None

    def span(self, path: Path) -> Span:
        """Where a value stands: in the overlay if it came from there."""
        return _origin(self.source, self.overlay, path).span(path)

    def key_span(self, path: Path) -> Span:
        """Where the key of a value stands."""
        return _origin(self.source, self.overlay, path).key_span(path)

    def text_span(self, path: Path, start: int, end: int) -> Span:
        """Where some characters of a text stand."""
        return _origin(self.source, self.overlay, path).text_span(path, start, end)


@dataclass(frozen=True, slots=True, eq=False)  # one set of files is itself alone: what is worked out of it is kept
class Files:
    """Everything that one platform says, in one environment."""

    directory: str
    environment: str | None
    platform: PlatformFile
    domains: tuple[DomainFile, ...]


class _ModuleSource(Source):
    """A Python module: its values have no places of their own, so everything stands in its first line."""

    def span(self, path: Path) -> Span:
        """Line 1."""
        return Span(self.path)

    def key_span(self, path: Path) -> Span:
        """Line 1."""
        return Span(self.path)

    def text_span(self, path: Path, start: int, end: int) -> Span:
        """Line 1."""
        return Span(self.path)

    def block(self, path: Path) -> str:
        """Nothing: no lines of its own."""
        return ""


@dataclass(frozen=True, slots=True)
class _Layers:
    """Two sources as one, for what pydantic has against their union."""

    base: Source
    overlay: Source | None

    def span(self, path: Path) -> Span:
        return _origin(self.base, self.overlay, path).span(path)

    def key_span(self, path: Path) -> Span:
        return _origin(self.base, self.overlay, path).key_span(path)

    def raw(self, path: Path) -> str:
        return _origin(self.base, self.overlay, path).raw(path)


def load(folder: FilePath | str, environment: str | None = None) -> Files | _Problems:
    """Load a platform in one environment, or say everything that is wrong with any of its files."""
    folder = FilePath(folder)
    domains, problems = load_domains(folder)
    platform = load_platform(folder, environment)
    if not isinstance(platform, PlatformFile):
        return tuple(sorted({*problems, *platform}))
    if problems:
        return problems
    return Files(folder.as_posix(), environment, platform, domains)


def load_all(folder: FilePath | str) -> tuple[Files, ...] | _Problems:
    """Load a platform on its own and in each of its environments; its domains are read once."""
    folder = FilePath(folder)
    domains, problems = load_domains(folder)
    found: set[Problem] = set(problems)
    every: list[Files] = []
    for environment in (None, *environments(folder)):
        platform = load_platform(folder, environment)
        if isinstance(platform, PlatformFile):
            every.append(Files(folder.as_posix(), environment, platform, domains))
        else:
            found.update(platform)
    return tuple(sorted(found)) if found else tuple(every)


def environments(folder: FilePath) -> tuple[str, ...]:
    """The environments that a platform has overlays for."""
    return tuple(sorted(path.stem for path in _entries(folder / "environments") if path.suffix == ".yaml"))


def load_platform(folder: FilePath, environment: str | None = None) -> PlatformFile | _Problems:
    """Load ``platform.yaml`` with an environment's overlay."""
    base = _read(folder / _PLATFORM) if (folder / _PLATFORM).exists() else _missing_platform(folder)
    overlay = None if environment is None else _overlay(folder, environment)
    if not isinstance(base, Source) or isinstance(overlay, tuple):
        return (*(() if isinstance(base, Source) else base), *(overlay if isinstance(overlay, tuple) else ()))
    if isinstance(base.value, dict) and "durations" in base.value:
        help_ = ("move it to environments/<name>.yaml, which an environment is generated from",)
        message = '"durations" scales the durations of one environment, not of the platform'
        return (Problem(base.key_span(("durations",)), "unknown-key", message, help_),)
    value = base.value if overlay is None else _merged(base.value, overlay.value)
    model = _validated(Platform, value, _Layers(base, overlay))
    return PlatformFile(base, model, overlay) if isinstance(model, Platform) else model


def load_domains(folder: FilePath) -> tuple[tuple[DomainFile, ...], _Problems]:
    """Load all domains of a platform, sorted by name."""
    files: list[DomainFile] = []
    problems: list[Problem] = []
    paths = [path for path in _entries(folder) if path.suffix in (".yaml", ".py", ".yml") and path.name != _PLATFORM]
    stems: dict[str, FilePath] = {}
    for path in paths:
        if path.stem in stems:
            message = f'{stems[path.stem].name} and {path.name} are both the domain "{path.stem}"'
            problems.append(Problem(Span(path.as_posix()), "duplicate-domain", message, ("keep one of them",)))
            continue
        stems[path.stem] = path
        loaded = load_domain(path)
        if isinstance(loaded, DomainFile):
            files.append(loaded)
        else:
            problems.extend(loaded)
    files.sort(key=lambda file: file.model.domain)
    return tuple(files), tuple(sorted(problems))


def load_domain(path: FilePath) -> DomainFile | _Problems:
    """Load one domain."""
    if path.suffix == ".yml":
        help_ = (f"rename it to {path.stem}.yaml",)
        return (Problem(Span(path.as_posix()), "file-extension", "a domain file ends in .yaml", help_),)
    source = _read(path) if path.suffix == ".yaml" else _read_module(path)
    if not isinstance(source, Source):
        return source
    if isinstance(source, _ModuleSource):
        model: Domain | _Problems = source.value
    else:
        model = _validated(Domain, source.value, source)
    misnamed = _misnamed(path, source, model)
    if isinstance(model, Domain):
        return misnamed or DomainFile(source, model)
    return tuple(sorted((*model, *misnamed)))


def _entries(folder: FilePath) -> list[FilePath]:
    """What stands in a folder, without what editors and Python leave behind."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.name[0] not in "._#~" and not path.name.endswith("~"))


def _read(path: FilePath) -> Source | _Problems:
    content = _bytes(path)
    return parse(path.as_posix(), content) if isinstance(content, bytes) else content


def _bytes(path: FilePath) -> bytes | _Problems:
    try:
        return path.read_bytes()
    except OSError as error:
        reason = (error.strerror or "unknown").lower()
        return (Problem(Span(path.as_posix()), "unreadable-file", f"the file cannot be read: {reason}"),)


def _missing_platform(folder: FilePath) -> _Problems:
    help_ = "every platform's folder has a platform.yaml beside its domains"
    message = f"{folder.as_posix()} has no platform.yaml"
    if not folder.is_dir():
        message = f"{folder.as_posix()} is not a folder"
    return (Problem(Span((folder / _PLATFORM).as_posix()), "missing-platform", message, (help_,)),)


def _overlay(folder: FilePath, environment: str) -> Source | _Problems:
    known = environments(folder)
    path = folder / "environments" / f"{environment}.yaml"
    if environment not in known:
        help_ = f"there are: {', '.join(known)}" if known else f"there is no file in {path.parent.as_posix()}"
        message = f'there is no environment "{environment}"'
        return (Problem(Span((folder / _PLATFORM).as_posix()), "unknown-environment", message, (help_,)),)
    overlay = _read(path)
    if isinstance(overlay, Source) and not isinstance(overlay.value, dict):
        message = "expected keys with values, as in platform.yaml"
        return (Problem(overlay.span(()), "wrong-type", message),)
    return overlay


def _merged(base: Any, overlay: Any) -> Any:
    """Mappings merge, everything else replaces."""
    if not isinstance(base, dict) or not isinstance(overlay, dict):
        return overlay
    return {
        **base,
        **{key: _merged(base[key], value) if key in base else value for key, value in overlay.items()},
    }


def _origin(base: Source, overlay: Source | None, path: Path) -> Source:
    """The source that a merged value came from; what both have in part came from the base."""
    if overlay is None:
        return base
    base_depth, _ = _depth(base.value, path)
    depth, last = _depth(overlay.value, path)
    return overlay if depth > base_depth or (depth == base_depth and not isinstance(last, dict)) else base


def _depth(value: Any, path: Path) -> tuple[int, Any]:
    """How many steps of a path exist, and what stands at the last of them."""
    for depth, step in enumerate(path):
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return depth, value
    return len(path), value


def _validated(model: type[_Model], value: Any, located: model_problems.Located) -> _Model | _Problems:
    try:
        return model.model_validate(value, by_alias=True, by_name=False)
    except ValidationError as error:
        return tuple(sorted(set(model_problems.problems(model, value, located, error))))


def _misnamed(path: FilePath, source: Source, model: Domain | _Problems) -> _Problems:
    """A domain is found by its file's name."""
    name = model.domain if isinstance(model, Domain) else None
    if name is None and isinstance(source.value, dict):
        name = source.value.get("domain")
    if not isinstance(name, str) or name == path.stem or len(name) > 60:  # too long is said already
        return ()
    message = f'the file {path.name} says that it is the domain "{name}"'
    help_ = (f"rename the file to {name}{path.suffix}, or write domain: {path.stem}",)
    return (Problem(source.span(("domain",)), "domain-file-name", message, help_),)


def _read_module(path: FilePath) -> Source | _Problems:
    """Run a Python module for its DOMAIN and nothing else."""
    content = _bytes(path)
    if not isinstance(content, bytes):
        return content
    name = path.as_posix()
    namespace: dict[str, Any] = {"__name__": path.stem, "__file__": name}
    try:
        exec(compile(content, name, "exec"), namespace)  # the module is the input, as a YAML file is
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever a module does, even exit, is about the module
        return tuple(_module_problems(name, error))
    domain = namespace.get("DOMAIN")
    if not isinstance(domain, Domain):
        message = "the module has no DOMAIN" if domain is None else "DOMAIN is not a Domain"
        help_ = ("write DOMAIN = Domain(…), with from generator.model import Domain",)
        return (Problem(Span(name), "python-module", message, help_),)
    return _ModuleSource(name, content.decode("utf-8", "replace"), domain)


def _module_problems(name: str, error: BaseException) -> Iterator[Problem]:
    """What went wrong in a module, at the line where it did."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == name]
    if isinstance(error, SyntaxError) and error.filename == name:
        column = max(error.offset or 1, 1)
        span = Span(name, max(error.lineno or 1, 1), column, column + 1)
        yield Problem(span, "python-module", f"the module is no Python: {error.msg}")
        return
    span = Span(name, (lines[-1] if lines else None) or 1)
    if isinstance(error, ValidationError):
        for detail in error.errors(include_url=False, include_input=False, include_context=False):
            key = ".".join(str(step) for step in detail["loc"])
            message = f"{error.title} {key}: {detail['msg'][:1].lower()}{detail['msg'][1:]}"
            yield Problem(span, "python-module", message)
        return
    words = str(error).partition("\n")[0]
    yield Problem(span, "python-module", f"the module fails: {type(error).__name__}{': ' if words else ''}{words}")
