"""What Prometheus's guides and other exporters lead people to expect, as far as one or two expositions can show it."""

import re
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass
from math import inf

from prometheus_client import Metric
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from exporters.business.exposition import Names
from exporters.business.plan import Plan, Query
from tests.programs import program


@dataclass(frozen=True, slots=True)
class Exempt:
    """Families that may break one rule; ``names`` is a pattern of their whole names in the text format."""

    rule: str
    names: str
    reason: str


# The numbers that every client library gives of its process.
PROCESS = frozenset(
    "process_" + name
    for name in (
        "cpu_seconds_total",
        "max_fds",
        "open_fds",
        "resident_memory_bytes",
        "start_time_seconds",
        "virtual_memory_bytes",
    )
)
OWN = (Exempt("labels", r".*_query_.*", "compiled rules read query_success{query=…}, and its neighbours go with it"),)

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_OTHER_UNIT = re.compile(
    r"second|(milli|micro|nano)seconds?|[mun]s|minutes?|hours?|days?|weeks?"
    r"|byte|(kilo|mega|giga)bytes?|[kmgt]i?b|bits?|percent(age)?|pct"
)
_TARGET_LABELS = frozenset({"le", "quantile", "type", "job", "instance", "env", "region", "cluster"})
_OF_HISTOGRAMS = ("_sum", "_count", "_bucket")


@dataclass(frozen=True, slots=True)
class _Family:
    """A family under the name that the text format gives it."""

    name: str
    type: str
    help: str
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class _Seen:
    """An exposition and the plan that it should follow."""

    text: str
    plan: Plan
    families: tuple[_Family, ...]

    @property
    def openmetrics(self) -> bool:
        return self.text.endswith("# EOF\n")

    @property
    def business(self) -> Iterator[_Family]:
        given = {series.name for query in self.plan.queries for series in query.series}
        return (family for family in self.families if family.name in given)

    def queries(self, family: _Family) -> list[Query]:
        return [query for query in self.plan.queries if family.name in {series.name for series in query.series}]


# The name of a family (or what else it is about), and what is wrong with it.
_Found = Iterator[tuple[str, str]]


def problems(text: str, plan: Plan, exempt: Iterable[Exempt] = ()) -> list[str]:
    """What one exposition, in either format, does against the conventions: ``rule: family: fault``, sorted."""
    try:
        seen = _seen(text, plan)
    except ValueError as error:
        return [f"parse: {error}"]
    allowed = (*OWN, *exempt)
    found = {
        f"{rule}: {name}: {fault}"
        for rule, check in _RULES.items()
        for name, fault in check(seen)
        if not _exempt(rule, name, allowed)
    }
    return sorted(found)


def same(before: str, after: str, plan: Plan, exempt: Iterable[Exempt] = ()) -> list[str]:
    """What differs between two expositions of unchanged data, and must not: ``rule: family: fault``, sorted.

    ``families``: another name, type or HELP; ``samples``: of the plan's series; ``fallen``: a counter, of any kind.
    """
    one, two = _seen(before, plan), _seen(after, plan)
    found = {
        f"{rule}: {name}: {fault}"
        for rule, check in {"families": _families, "samples": _samples, "fallen": _fallen}.items()
        for name, fault in check(one, two)
        if not _exempt(rule, name, tuple(exempt))
    }
    return sorted(found)


def parsed(text: str) -> dict[str, Metric]:
    """The families of an exposition in either format, by the library's own parsers; counters without ``_total``."""
    parse: Callable[[str], Iterable[Metric]] = text_string_to_metric_families
    if text.endswith("# EOF\n"):
        parse = openmetrics_parser.text_string_to_metric_families
    families = list(parse(text))
    if twice := sorted(name for name, count in Counter(family.name for family in families).items() if count > 1):
        raise ValueError(f"more than one family is called {', '.join(twice)}")
    return {family.name: family for family in families}


def _seen(text: str, plan: Plan) -> _Seen:
    declared = re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE)
    bare = {name for name, type_ in declared if type_ == "counter" and not name.endswith("_total")}
    renamed = set() if text.endswith("# EOF\n") else bare
    return _Seen(text, plan, tuple(_family(family, renamed) for family in parsed(text).values()))


def _family(family: Metric, bare: set[str]) -> _Family:
    # The library's parser adds _total where a counter lacks it.
    name = family.name if family.type != "counter" or family.name in bare else f"{family.name}_total"
    return _Family(name, family.type, family.documentation, tuple(family.samples))


def _exempt(rule: str, name: str, allowed: Iterable[Exempt]) -> bool:
    return any(rule == it.rule and re.fullmatch(it.names, name) for it in allowed)


def _promtool(seen: _Seen) -> _Found:
    if seen.openmetrics:
        return  # it reads the text format only
    done = subprocess.run(
        [program("promtool"), "check", "metrics"], input=seen.text, capture_output=True, text=True, timeout=60
    )
    for line in (done.stdout + done.stderr).splitlines():
        name, _, fault = line.partition(" ")
        yield name, fault
    if done.returncode and not done.stdout + done.stderr:
        yield "promtool", f"exit code {done.returncode}"


def _names(seen: _Seen) -> _Found:
    known = {series.name for query in seen.plan.queries for series in query.series} | _own(seen.plan) | PROCESS
    for family in seen.families:
        if not _NAME.fullmatch(family.name):
            yield family.name, "a name has lower case letters, digits and underscores only"
        if family.name not in known:
            yield family.name, "the plan does not name it"
        if family.name not in PROCESS and not family.name.startswith(f"{seen.plan.platform}_"):
            yield family.name, f"a name begins with {seen.plan.platform}_"
        if family.name not in PROCESS and family.name.startswith(("process_", "scrape_")):
            yield family.name, "the prefix belongs to client libraries and to Prometheus"


def _suffixes(seen: _Seen) -> _Found:
    for family in seen.families:
        if (family.type == "counter") != family.name.endswith("_total"):
            yield family.name, "counters end in _total, and nothing else does"
        if family.type not in ("histogram", "summary") and family.name.endswith(_OF_HISTOGRAMS):
            yield family.name, "only histograms and summaries have _sum, _count and _bucket"


def _units(seen: _Seen) -> _Found:
    for family in seen.families:
        parts = family.name.removesuffix("_total").split("_")
        if _OTHER_UNIT.fullmatch(parts[-1]):
            yield family.name, f"{parts[-1]} is not a base unit in the plural"
        if "age" in parts:
            yield family.name, "give the time at which, not an age"
        if parts[-1] == "timestamp":
            yield family.name, "a timestamp is one in seconds"
        if parts[-1] == "ratio" and not all(0 <= sample.value <= 1 for sample in family.samples):
            yield family.name, "a ratio lies between 0 and 1"


def _infos(seen: _Seen) -> _Found:
    for family in seen.families:
        if family.name.endswith("_info") and any(sample.value != 1 for sample in family.samples):
            yield family.name, "an _info is 1"


def _helps(seen: _Seen) -> _Found:
    for name, count in Counter(re.findall(r"^# HELP (\S+)", seen.text, re.MULTILINE)).items():
        if count > 1:
            yield name, "more than one HELP"
    for family in seen.families:
        if not family.help.strip():
            yield family.name, "no HELP"
    for family in seen.business:
        if not any(query.name in family.help for query in seen.queries(family)):
            yield family.name, "HELP does not name the query"
        if not re.search(r"asked at most every [0-9.e+]+ s\.", family.help):
            yield family.name, "HELP does not say how old a value may be"


def _labels(seen: _Seen) -> _Found:
    for family in seen.families:
        for sample in family.samples:
            for label, value in _of(family, sample):
                if label in _TARGET_LABELS:
                    yield family.name, f"label {label} is Prometheus's, or the scrape configuration's"
                if f"_{label}_" in f"_{family.name}_":
                    yield family.name, f"its name contains its label {label}"
                if value == "total":
                    yield family.name, f"label {label} has the value total: sums are Prometheus's work"
    everywhere = [set(_of(family, sample)) for family in seen.business for sample in family.samples]
    if len({family.name for family in seen.business}) > 1:
        for label, _ in sorted(set.intersection(*everywhere)):
            yield "all", f"label {label} is constant over all series: it belongs into the scrape configuration"


def _sets(seen: _Seen) -> _Found:
    for family in seen.families:
        if len({tuple(name for name, _ in _of(family, sample)) for sample in family.samples}) > 1:
            yield family.name, "its samples have different labels"
        again = Counter(_series(sample) for sample in family.samples)
        if any(count > 1 for count in again.values()):
            yield family.name, "two samples have the same labels"


def _cardinality(seen: _Seen) -> _Found:
    for family in seen.business:
        limit = max(query.row_limit for query in seen.queries(family))
        if len({_of(family, sample) for sample in family.samples}) > limit:
            yield family.name, f"more than {limit} series"


def _timestamps(seen: _Seen) -> _Found:
    for family in seen.families:
        if any(sample.timestamp is not None for sample in family.samples):
            yield family.name, "a sample has a timestamp"


def _scrape(seen: _Seen) -> _Found:
    duration = Names.of(seen.plan).scrape_duration
    types = {family.name: family.type for family in seen.families}
    if types.get(duration, "gauge") != "gauge":
        yield duration, "it is a gauge"
    for name, type_ in types.items():
        if "scrape" in name.split("_") and type_ in ("counter", "histogram", "summary"):
            yield name, f"how scrapes went is a gauge, not a {type_}: Prometheus counts them"


def _families(before: _Seen, after: _Seen) -> _Found:
    one, two = ({family.name: (family.type, family.help) for family in seen.families} for seen in (before, after))
    for name in sorted(one.keys() | two.keys()):
        if one.get(name) != two.get(name):
            yield name, "it came, went, or changed its type or HELP"


def _samples(before: _Seen, after: _Seen) -> _Found:
    one, two = ({family.name: _values(family) for family in seen.business} for seen in (before, after))
    for name in sorted(one.keys() | two.keys()):
        if one.get(name) != two.get(name):
            yield name, "its samples differ"


def _fallen(before: _Seen, after: _Seen) -> _Found:
    one, two = ([family for family in seen.families if family.type == "counter"] for seen in (before, after))
    later = {key: value for family in two for key, value in _values(family).items()}
    for family in one:
        if any(later.get(key, -inf) < value for key, value in _values(family).items()):
            yield family.name, "a counter fell, or is gone"


def _own(plan: Plan) -> set[str]:
    return {str(name) for name in astuple(Names.of(plan))}


def _values(family: _Family) -> Mapping[tuple[object, ...], float]:
    return {_series(sample): sample.value for sample in family.samples}


def _series(sample: Sample) -> tuple[object, ...]:
    return (sample.name, *sorted(sample.labels.items()))


def _of(family: _Family, sample: Sample) -> tuple[tuple[str, str], ...]:
    """The labels that somebody chose: a bucket's bound is not one."""
    bucket = family.type == "histogram" and sample.name.endswith("_bucket")
    return tuple(sorted((name, value) for name, value in sample.labels.items() if not (bucket and name == "le")))


_RULES: Mapping[str, Callable[[_Seen], _Found]] = {
    "promtool": _promtool,
    "names": _names,
    "suffixes": _suffixes,
    "units": _units,
    "infos": _infos,
    "help": _helps,
    "labels": _labels,
    "sets": _sets,
    "cardinality": _cardinality,
    "timestamps": _timestamps,
    "scrape": _scrape,
}
