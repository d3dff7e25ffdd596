"""Which files decide who is told of one alert: the platform's, its domain's, and those of the domains that it names.

The routes are driven by labels, so the other domains of a platform change none. Inhibition does depend on them all.
"""

import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import replace
from pathlib import Path

from generator.diagnostics import Problem
from generator.load import DomainFile, Files, PlatformFile, load_domain, load_platform
from generator.model import Domain

_SUFFIXES = (".yaml", ".py")
_PARTS = (2, 3)  # domain and alert, with the platform before them or not
_WORD = re.compile(r"[A-Za-z_]\w*")
_OTHER = re.compile(r"\b([A-Za-z_][\w-]*)\.[A-Za-z_]")


def files_of_alert(folders: Sequence[Path], name: str, environment: str | None) -> Files | tuple[Problem, ...] | None:
    """The files that an alert needs; None where its name alone does not tell where it is."""
    parts = name.split("/")
    if len(parts) not in _PARTS:
        return None
    called = parts[0] if len(parts) == 3 else None
    having = [folder for folder in folders if called in (None, folder.resolve().name) and _file(folder, parts[-2])]
    if len(having) != 1:
        return None
    files = _load(having[0], parts[-2], environment)
    if not isinstance(files, Files):
        return files
    domain = next(file.model for file in files.domains if file.model.domain == parts[-2])
    is_called_so = called in (None, files.platform.model.platform)
    alert = domain.alerts.get(parts[-1])
    return files if is_called_so and alert is not None and alert.enabled else None


def without_the_rest(files: Files, name: str) -> Files:
    """The files of an alert without what it does not look at: nothing else of its domain decides who is told."""
    domain, alert = name.split("/")[-2:]
    found = next(file.model for file in files.domains if file.model.domain == domain).alerts[alert]
    if found.condition is None:
        return files  # PromQL may read anything
    words = set(_WORD.findall(found.condition))
    metrics = [(metric, one) for file in files.domains for metric, one in file.model.metrics.items()]
    known: set[str] = set()
    while known != words:  # what a metric is computed from, and so on
        known = set(words)
        words.update(word for metric, one in metrics if metric in known for word in _WORD.findall(one.expr or ""))
    return replace(files, domains=tuple(_trimmed(file, domain, alert, words) for file in files.domains))


def _trimmed(file: DomainFile, domain: str, alert: str, words: Set[str]) -> DomainFile:
    model = file.model
    queries = {metric.query for name, metric in model.metrics.items() if name in words and metric.query is not None}
    metrics = {name: one for name, one in model.metrics.items() if name in words or one.query in queries}
    kept = {
        "alerts": {alert: model.alerts[alert]} if model.domain == domain else {},
        "records": {name: record for name, record in model.records.items() if not words.isdisjoint(record.fields)},
        "metrics": metrics,
        "queries": {name: query for name, query in model.queries.items() if name in queries},
        "kpis": {},
    }
    return DomainFile(file.source, model.model_copy(update=kept))


def files_of_platform(folder: Path, environment: str | None) -> Files | tuple[Problem, ...]:
    """What bare labels need: no domain at all."""
    platform = load_platform(folder, environment)
    return Files(folder.as_posix(), environment, platform, ()) if isinstance(platform, PlatformFile) else platform


def _load(folder: Path, domain: str, environment: str | None) -> Files | tuple[Problem, ...]:
    """A domain with all that its conditions and expressions lead to."""
    platform = load_platform(folder, environment)
    problems: list[Problem] = [] if isinstance(platform, PlatformFile) else [*platform]
    found: dict[str, DomainFile] = {}
    waiting = [domain]
    while waiting:
        name = waiting.pop()
        path = _file(folder, name)
        if path is None or name in found:
            continue
        file = load_domain(path)
        if isinstance(file, DomainFile):
            found[name] = file
            waiting.extend(_others(file.model))
        else:
            return tuple(sorted({*problems, *file}))
    if problems or not isinstance(platform, PlatformFile):
        return tuple(sorted(problems))
    return Files(folder.as_posix(), environment, platform, tuple(found[name] for name in sorted(found)))


def _file(folder: Path, domain: str) -> Path | None:
    paths = [folder / f"{domain}{suffix}" for suffix in _SUFFIXES if domain]
    return next((path for path in paths if path.is_file()), None)


def _others(domain: Domain) -> Iterator[str]:
    """Every name before a dot: more than the domains that are meant, never less."""
    texts = [alert.condition for alert in domain.alerts.values()] + [metric.expr for metric in domain.metrics.values()]
    for text in texts:
        yield from _OTHER.findall(text or "")
