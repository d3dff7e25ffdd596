"""Series: what the exporter exposes has names that Prometheus's own linter (``promtool check metrics``) lets pass.

Metrics of ``promql:`` and ``expr:`` are recorded and not exposed: the linter never sees them, so their names are free.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from generator import naming
from generator.condition.tree import Condition
from generator.diagnostics import Problem, Span
from generator.load import DomainFile, Files
from generator.plan.resolution import resolve

# Lists and rules are those of prometheus/client_golang, testutil/promlint; a test compares them with promtool itself.
_PREFIXES = (
    "", "pico", "nano", "micro", "milli", "centi", "deci", "deca", "hecto", "kilo", "kibi", "mega", "mibi", "giga",
    "gibi", "tera", "tebi", "peta", "pebi",
)  # fmt: skip
_BASE_UNITS = (
    "amperes", "bytes", "celsius", "grams", "joules", "kelvin", "meters", "metres", "seconds", "volts",
)  # fmt: skip
_OTHER_UNITS = {
    "minutes": "seconds",
    "hours": "seconds",
    "days": "seconds",
    "weeks": "seconds",
    "kelvins": "kelvin",
    "fahrenheit": "celsius",
    "rankine": "celsius",
    "inches": "meters",
    "yards": "meters",
    "miles": "meters",
    "bits": "bytes",
    "calories": "joules",
    "pounds": "grams",
    "ounces": "grams",
}
_BASES = {
    prefix + unit: base
    for unit, base in {**dict(zip(_BASE_UNITS, _BASE_UNITS, strict=True)), **_OTHER_UNITS}.items()
    for prefix in _PREFIXES
    if prefix + unit != base
}
_ABBREVIATIONS = frozenset({"s", "ms", "us", "ns", "sec", "b", "kb", "mb", "gb", "tb", "pb", "m", "h", "d"})
_TYPES = frozenset({"counter", "gauge", "histogram", "summary"})
# Endings with the one type that may have them.
_ENDINGS = {"total": "counter", "bucket": "histogram", "count": "histogram", "sum": "histogram"}
# A number and its unit in one word pass: overdue_30d.
_SHORT = {"minutes": "m", "hours": "h", "days": "d", "weeks": "w", "milliseconds": "ms"}


@dataclass(frozen=True, slots=True)
class _Exposed:
    """A series of the exporter; ``name`` is the author's part of its own, under the key ``kind`` of the domain."""

    kind: Literal["metrics", "alerts"]
    name: str
    series: str
    type: str


def check(files: Files) -> Iterator[Problem]:
    """Words in the names of platform, domains, metrics and alerts for which promtool would refuse a series."""
    platform = files.platform.model.platform
    exposed = [(file, tuple(_exposed(files, file))) for file in files.domains]
    if any(series for _, series in exposed):
        own = naming.query_success(platform)
        yield from _problem(files.platform.span(("platform",)), platform, own, _refused(own, "gauge"), "gauge")
    at_domain = len(_words(platform))
    for file, found in exposed:
        domain = file.model.domain
        at_name = at_domain + len(_words(domain))
        for each in found:
            refused = _refused(each.series, each.type)
            name = {index - at_name: why for index, why in refused.items() if index >= at_name}
            yield from _problem(file.key_span((each.kind, each.name)), each.name, each.series, name, each.type)
            if each is found[0]:
                in_domain = {index - at_domain: why for index, why in refused.items() if at_domain <= index < at_name}
                yield from _problem(file.span(("domain",)), domain, each.series, in_domain, each.type)


def _exposed(files: Files, file: DomainFile) -> Iterator[_Exposed]:
    platform, domain = files.platform.model.platform, file.model.domain
    for name, metric in file.model.metrics.items():
        if metric.sql is not None or metric.query is not None:
            series = naming.metric(platform, domain, name, metric.unit, metric.type)
            yield _Exposed("metrics", name, series, metric.type)
    conditions = resolve(files).conditions
    for name in file.model.alerts:
        condition = conditions.get((domain, name))
        if isinstance(condition, Condition) and condition.kind == "rows":
            yield _Exposed("alerts", name, naming.matching_rows(platform, domain, name), "gauge")


def _words(name: str) -> list[str]:
    return name.split("_")


def _refused(series: str, type_: str) -> dict[int, str]:
    """The words of a series that promtool refuses: where each stands among them, and why."""
    words = _words(series)
    found = {}
    for index, word in enumerate(words):
        if word in _BASES:
            base = _BASES[word]
            found[index] = f'"{word}" is no base unit: names count in {base}, help or summary say how many {word}'
        elif index and word in _ABBREVIATIONS:
            found[index] = f'"{word}" is read as an abbreviated unit: names count in base units, written out'
        elif index and word in _TYPES:
            found[index] = f'"{word}" is read as the type of the series, which is no part of a name'
    last = words[-1]
    if last in _ENDINGS and _ENDINGS[last] != type_:
        found[len(words) - 1] = f"only series of a {_ENDINGS[last]} end in _{last}"
    return found


def _problem(span: Span, name: str, series: str, refused: Mapping[int, str], type_: str) -> Iterator[Problem]:
    """What is wrong with one author's ``name``, whose words at ``refused`` promtool would refuse in ``series``."""
    if not refused:
        return
    words = _words(name)
    said = " and ".join(dict.fromkeys(f'"{words[index]}"' for index in sorted(refused)))
    hints = list(dict.fromkeys(refused[index] for index in sorted(refused)))
    if passing := _passing(words, refused, type_):
        hints.append(f"this name passes: {passing}")
    message = f"promtool check metrics would refuse the series {series} for {said}"
    yield Problem(span, "series-name", message, tuple(hints))


def _passing(words: list[str], refused: Mapping[int, str], type_: str) -> str | None:
    """A name without the refused words, where numbers keep their unit; None where too little is left of it."""
    kept: list[str] = []
    for index, word in enumerate(words):
        if index not in refused:
            kept.append(word)
        elif kept and kept[-1].isdigit() and (word in _BASES or word in _ABBREVIATIONS):
            kept[-1] += _SHORT.get(word, word)
    passes = kept and kept[0][0].isalpha() and not _refused("_".join(["series", *kept]), type_)
    return "_".join(kept) if passes else None
