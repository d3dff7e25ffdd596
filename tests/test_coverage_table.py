"""The tables of domains/README.md: every place that they name exists, and Fire22's files hold nothing else."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

DOMAINS = Path(__file__).parents[1] / "domains"
README = (DOMAINS / "README.md").read_text(encoding="utf-8")
# | section | word | what | `fire22/collections metrics.pending_settlements` |
ROW = re.compile(r"^\|.*\| `(?P<file>[a-z0-9_]+/[a-z0-9_]+) (?P<path>[A-Za-z0-9_.-]+)` *\|$", re.MULTILINE)

PLACES = [(row["file"], row["path"]) for row in ROW.finditer(README)]
KINDS = ("metrics", "kpis", "alerts")


@cache
def written(file: str) -> object:
    return yaml.safe_load((DOMAINS / f"{file}.yaml").read_text(encoding="utf-8"))


def found(value: object, keys: list[str]) -> bool:
    """Whether keys lead somewhere: a key of a mapping, or at the end a value of a list."""
    for key in keys:
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif isinstance(value, list) and key in value:
            value = None
        else:
            return False
    return True


def declared(platform: str) -> Iterator[tuple[str, str]]:
    for path in sorted((DOMAINS / platform).glob("*.yaml")):
        if path.stem == "platform":
            continue
        file = f"{platform}/{path.stem}"
        domain = written(file)
        assert isinstance(domain, dict)
        for kind in KINDS:
            yield from ((file, f"{kind}.{name}") for name in domain.get(kind, ()))


def test_every_place_exists() -> None:
    assert [place for place in PLACES if not found(written(place[0]), place[1].split("."))] == []


def test_every_row_is_read() -> None:
    """A row with a typing error must not fall out of the test."""
    mentions = [line for line in README.splitlines() if re.match(r"\|.*`(fire22|fastbreak)/[^`]* [^`]*`", line)]
    assert len(mentions) == len(PLACES)
    assert len(PLACES) > 150


@pytest.mark.parametrize("platform", ["fire22"])
def test_every_metric_kpi_and_alert_has_a_row(platform: str) -> None:
    assert [place for place in declared(platform) if place not in PLACES] == []


def test_a_place_that_is_gone_is_found() -> None:
    collections = written("fire22/collections")
    assert found(collections, ["metrics", "pending_settlements", "by", "priority", "low"])
    assert not found(collections, ["metrics", "pending_settlements", "by", "priority", "lowest"])
    assert not found(collections, ["alerts", "queue_backups"])
