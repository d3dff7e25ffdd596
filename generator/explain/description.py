"""What is said of one alert: frozen, and plain enough to become JSON as it stands."""

from dataclasses import dataclass
from typing import Literal

from generator.emit.rule_tests import Tested
from generator.plan.wording import Told


@dataclass(frozen=True, slots=True)
class Written:
    """Where an alert is written, and the lines as they stand there; ``note`` where they are not the alert's own."""

    path: str
    line: int
    text: str
    note: str | None


@dataclass(frozen=True, slots=True)
class Named:
    """A metric or a field that the condition names: what it is, in which unit or with which values."""

    name: str
    meaning: str
    unit: str


@dataclass(frozen=True, slots=True)
class Code:
    """Something to copy. ``name`` is the query's, the metric's or the recording's; ``note`` what to know of it."""

    name: str
    language: Literal["promql", "sql"]
    text: str
    note: str | None


@dataclass(frozen=True, slots=True)
class Limit:
    """The threshold as people read it; ``op`` and ``value``, in the base unit ``unit``, where it is one number."""

    text: str
    op: str | None
    value: float | None
    unit: str | None


@dataclass(frozen=True, slots=True)
class Sight:
    """What an alert hangs on: the source, by what it is seen, and which alerts tell that it is not."""

    source: str | None
    seen_by: tuple[str, ...]
    when_lost: str
    told_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """Where the dashboard shows it."""

    title: str
    url: str


@dataclass(frozen=True, slots=True)
class Runbook:
    """What to do: ``playbook`` is the title of the one whose steps these are, None where they are the alert's own."""

    url: str
    playbook: str | None
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """One alert. Its fields are the keys of the JSON: once named, a key stays."""

    path: str
    platform: str
    environment: str | None
    domain: str
    name: str
    alertname: str
    summary: str
    description: str | None
    written: Written
    meaning: str
    condition: str
    names: tuple[Named, ...]
    by: tuple[str, ...]
    severity: str
    owner: str
    owner_title: str
    threshold: Limit
    wait: str
    cooldown: str
    counting: str | None
    sight: Sight
    notification: str
    told: tuple[Told, ...]
    taking: str
    quiet: tuple[str, ...]
    rows: Code | None
    rule: Code
    held: tuple[Code, ...]
    numbers: tuple[Code, ...]
    panel: Panel
    runbook: Runbook
    tests: tuple[Tested, ...]
    untested: str | None
    annotations: tuple[tuple[str, str], ...]
