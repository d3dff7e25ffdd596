"""SQL: each is one SELECT that only reads and returns what its metrics say, or one expression over one row."""

from collections.abc import Iterator

from generator.diagnostics import Problem
from generator.load import Files


def check(files: Files) -> Iterator[Problem]:
    """SQL that does not parse, does more than read, or returns other columns than its metrics say."""
    # The SQL library takes long to import, and who is told of an alert on metrics does not depend on it.
    from generator.checks import _select

    yield from _select.check(files)
