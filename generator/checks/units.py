"""Units: a near miss of a unit that Tocsin knows is an error, since it would be taken for a counted noun."""

from collections.abc import Iterator
from functools import lru_cache

from generator.condition import units
from generator.diagnostics import Problem, Span
from generator.load import Files

_WHY = {
    "seconds": "times are kept in seconds; conditions may say ms, minutes, hours or days",
    "bytes": "sizes are kept in bytes; conditions may say KB, MB or GiB",
    "ratio": "shares are kept from 0 to 1; conditions may say %",
    "usd": "amounts are kept in dollars; conditions may say $",
    "rps": "rates are kept per second; conditions may say rps",
    "none": "a plain number has the unit none; a count has a noun: settlements",
}

_near_miss = lru_cache(maxsize=4096)(units.near_miss)


def check(files: Files) -> Iterator[Problem]:
    """Units that are nearly those that Tocsin knows."""
    for file in files.domains:
        for name, metric in file.model.metrics.items():
            if (meant := _near_miss(metric.unit)) is not None:
                yield _problem(file.span(("metrics", name, "unit")), metric.unit, meant)
        for record_name, record in file.model.records.items():
            for name, field in record.fields.items():
                if field.unit is not None and (meant := _near_miss(field.unit)) is not None:
                    yield _problem(file.span(("records", record_name, "fields", name, "unit")), field.unit, meant)


def _problem(span: Span, written: str, meant: str) -> Problem:
    return Problem(span, "unit-name", f'the unit "{written}" must be written as {meant}', (_WHY[meant],))
