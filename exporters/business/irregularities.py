"""The kinds of what can be wrong with a query or its answer; README.md says what a scrape shows for each."""

from dataclasses import dataclass
from typing import Literal

# Counted, and the rest of the answer is used.
Harmless = Literal["null", "no_rows", "null_label", "unknown_label_value", "counter_fell"]
# The query counts as failed: what it says cannot be trusted, and its old state is better than a wrong new one.
Refusal = Literal[
    "not_finite", "wrong_type", "missing_column", "duplicate", "too_many_rows", "missing_group", "negative"
]
# The database did not answer it.
Failure = Literal["unreachable", "timeout", "lock_timeout", "sql_error", "cancelled"]

Kind = Harmless | Refusal | Failure


@dataclass(frozen=True, slots=True)
class Irregularity:
    """Something that was not as a plain number is; ``detail`` says where, and never holds a value of a row."""

    kind: Kind
    detail: str


class Refused(Exception):
    """An answer, or a query, that gives no values."""

    def __init__(self, kind: Kind, detail: str) -> None:
        self.irregularity = Irregularity(kind, detail)
        super().__init__(f"{kind}: {detail}")
