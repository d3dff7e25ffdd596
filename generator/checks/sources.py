"""Sources: whatever reads SQL says from which database, and that database has an address."""

from collections.abc import Iterator

from generator.checks._hints import listed, unknown
from generator.diagnostics import Problem
from generator.load import DomainFile, Files


def check(files: Files) -> Iterator[Problem]:
    """Sources that do not exist, are missing, or have no address or two."""
    platform = files.platform
    for name, source in platform.model.sources.items():
        if (source.dsn_env is None) == (source.dsn_file is None):
            message = f'source "{name}" needs exactly one of dsn_env and dsn_file'
            yield Problem(platform.key_span(("sources", name)), "source-address", message)
    for file in files.domains:
        yield from _domain(files, file)


def _domain(files: Files, file: DomainFile) -> Iterator[Problem]:
    platform = files.platform
    for path, source, _ in _readers(file):
        if source is not None and source not in platform.model.sources:
            span = file.span((*path, "source"))
            known = platform.model.sources
            yield unknown("source", span, source, known, lambda near: platform.key_span(("sources", near)))
    lost = [(path, what) for path, source, what in _readers(file) if source is None and what]
    if file.model.source is None and lost:  # said once: one line in the domain helps all of them
        path, what = lost[0]
        message = f"{what} reads SQL, but neither it nor its domain names a source"
        hints = [f"add source: {next(iter(platform.model.sources), '…')} to the domain"]
        if len(lost) > 1:
            hints.append(f"the same goes for {listed(other for _, other in lost[1:])}")
        yield Problem(file.key_span(path), "missing-source", message, tuple(hints))


def _readers(file: DomainFile) -> Iterator[tuple[tuple[str, ...], str | None, str]]:
    model = file.model
    yield (), model.source, ""
    for name, query in model.queries.items():
        yield ("queries", name), query.source, f'query "{name}"'
    for name, record in model.records.items():
        yield ("records", name), record.source, f'record "{name}"'
    for name, metric in model.metrics.items():
        yield ("metrics", name), metric.source, f'metric "{name}"' if metric.sql is not None else ""
