"""Records: every field says what it holds, and an event says when it happened and how long it counts."""

from collections.abc import Iterator

from generator.diagnostics import Problem
from generator.load import DomainFile, Files
from generator.model import Record


def check(files: Files) -> Iterator[Problem]:
    """Fields of no kind or of two, and half an event."""
    for file in files.domains:
        for name, record in file.model.records.items():
            yield from _record(file, name, record)


def _record(file: DomainFile, name: str, record: Record) -> Iterator[Problem]:
    if (record.at is None) != (record.within is None):
        written, missing = ("at", "within") if record.within is None else ("within", "at")
        message = f'record "{name}" says {written} but not {missing}'
        hint = "an event has both: at is when it happened, within is how long it counts"
        yield Problem(file.key_span(("records", name, written)), "record-event", message, (hint,))
    for field_name, field in record.fields.items():
        path = ("records", name, "fields", field_name)
        given = [key for key in ("unit", "values", "boolean") if getattr(field, key) is not None]
        if len(given) != 1:
            message = f'field "{field_name}" must say exactly one of unit, values and boolean'
            hint = f"it says {' and '.join(given)}" if given else "a plain number has unit: none"
            yield Problem(file.key_span(path), "field-kind", message, (hint,))
        for index, value in enumerate(field.values or ()):
            if value in (field.values or ())[:index]:
                message = f'value "{value}" is listed twice'
                yield Problem(file.span((*path, "values", index)), "duplicate-name", message)
