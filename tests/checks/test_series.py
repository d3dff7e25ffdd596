"""Names of series: what promtool refuses is an error, nothing else is, and what is proposed instead passes."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from generator import naming
from generator.checks import series
from generator.diagnostics import Problem
from generator.load import Files, load
from tests.compiling import PLATFORMS, ROOT, planned
from tests.programs import program

REFUSED = [
    "minutes", "hours", "days", "weeks", "milliseconds", "nanoseconds", "microhours", "kilobytes", "kibibytes",
    "mibibytes", "bits", "megabits", "kilograms", "millimeters", "kilometres", "kelvins", "millikelvin", "fahrenheit",
    "rankine", "inches", "yards", "miles", "calories", "pounds", "ounces", "decaamperes", "s", "ms", "us", "ns",
    "sec", "b", "kb", "mb", "gb", "tb", "pb", "m", "h", "d", "gauge", "counter", "histogram", "summary",
    "gauge_histogram",
]  # fmt: skip
ENDINGS = ["total", "count", "sum", "bucket"]
FREE = [
    "minute", "hour", "day", "week", "months", "years", "second", "seconds", "secs", "min", "w", "km", "kg", "bit",
    "byte", "bytes", "kib", "mebibytes", "exabytes", "percent", "ratio", "celsius", "kelvin", "meters", "liters",
    "watts", "volts", "hertz", "thermometers", "weekdays", "30d", "5m", "30minutes", "type", "unknown", "untyped",
    "info", "stateset", "created", "timestamp", "counts", "counters", "summaries", "age", "per_second", "usd",
    "matching_rows", "worst",
]  # fmt: skip
# What a name begins with, so that each type has names of its own.
TYPES = {"open": "gauge", "opened": "counter", "wait": "histogram"}


def lint(families: Mapping[str, str]) -> set[str]:
    """The series that ``promtool check metrics`` has something against; ``families`` gives each its type."""
    lines = []
    for name, type_ in families.items():
        lines += [f"# HELP {name} Help.", f"# TYPE {name} {type_}"]
        parts = ['_bucket{le="+Inf"}', "_sum", "_count"] if type_ == "histogram" else [""]
        lines += [f"{name}{part} 1" for part in parts]
    command = [program("promtool"), "check", "metrics"]
    done = subprocess.run(command, input="\n".join([*lines, ""]), capture_output=True, text=True, timeout=60)
    assert done.returncode == (3 if done.stderr else 0), done.stderr
    return {line.partition(" ")[0] for line in done.stderr.splitlines()}


def loaded(folder: Path, platform: str, domain: str, metrics: Mapping[str, object]) -> Files:
    """The platform of tests/invalid under another name, with one domain."""
    shutil.copytree(ROOT / "tests/invalid/base", folder)
    (folder / "orders.yaml").unlink()
    base = (folder / "platform.yaml").read_text()
    (folder / "platform.yaml").write_text(base.replace("platform: shop\n", f"platform: {platform}\n"))
    written = {"domain": domain, "title": "Title", "owner": "sales", "source": "shop", "metrics": metrics}
    (folder / f"{domain}.yaml").write_text(yaml.safe_dump(written))
    files = load(folder)
    assert isinstance(files, Files), files
    return files


def metric(type_: str, unit: str = "none") -> dict[str, object]:
    buckets = {"buckets": [1]} if type_ == "histogram" else {}
    return {"help": "Help.", "unit": unit, "type": type_, "sql": "SELECT 1 AS value", **buckets}


def named(problem: Problem) -> str:
    """The series that a problem is about."""
    found = re.search(r"the series (\w+) for", problem.message)
    assert problem.code == "series-name"
    assert found, problem.message
    return found[1]


def test_it_refuses_what_promtool_refuses_and_proposes_what_passes(tmp_path: Path) -> None:
    metrics, families, proposed = {}, {}, {}
    for begin, type_ in TYPES.items():
        for word in (*REFUSED, *ENDINGS, *FREE):
            for name in (f"{begin}_{word}", f"{begin}_{word}_again"):
                metrics[name] = metric(type_)
                families[naming.metric("shop", "orders", name, "none", type_)] = type_
    found = {named(problem): problem for problem in series.check(loaded(tmp_path / "a", "shop", "orders", metrics))}
    assert found.keys() == lint(families)
    for word in REFUSED:
        assert found.keys() >= {f"shop_orders_open_{word}", f"shop_orders_wait_{word}_again"}
    for name, problem in found.items():
        hint, _, passing = problem.help[-1].partition(": ")
        assert hint == "this name passes"
        proposed[naming.metric("shop", "orders", passing, "none", families[name])] = families[name]
    assert lint(proposed) == set()


@pytest.mark.parametrize("word", ["days", "kilobytes", "seconds", "ms", "d", "gauge"])
def test_platform_and_domain_are_words_of_the_series_too(word: str, tmp_path: Path) -> None:
    for platform, domain in ((word, "orders"), (f"shop_{word}", "orders"), ("shop", word), ("shop", f"orders_{word}")):
        files = loaded(tmp_path / f"{platform}.{domain}", platform, domain, {"open": metric("gauge")})
        problems = list(series.check(files))
        own, exposed = naming.query_success(platform), naming.metric(platform, domain, "open", "none")
        assert bool(problems) == bool(lint({own: "gauge", exposed: "gauge"}))
        assert {named(problem) for problem in problems} <= {own, exposed}
        assert len(problems) <= 1


def test_another_unit_is_refused_beside_a_base_unit(tmp_path: Path) -> None:
    """This promtool finds one unit of a name, now this one and now that one."""
    files = loaded(tmp_path / "shop", "shop", "orders", {"late_minutes": metric("gauge", "seconds")})
    assert [named(problem) for problem in series.check(files)] == ["shop_orders_late_minutes_seconds"]


@pytest.mark.parametrize("name", PLATFORMS)
def test_promtool_passes_the_series_of_a_platform(name: str) -> None:
    plan = planned(PLATFORMS[name])
    exposed = [each for domain in plan.domains for query in domain.queries for each in query.series]
    families = {each.name: each.type for each in exposed}
    assert len(families) == len(exposed)
    own = {each: "counter" if each.endswith("_total") else "gauge" for each in naming.exporter_series(plan.platform)}
    assert lint({**families, **own}) == set()
