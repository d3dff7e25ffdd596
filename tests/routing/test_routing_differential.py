"""Our evaluation of routing trees, inhibition and silences against the real Alertmanager and amtool."""

import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
import requests

from generator.routing.evaluation import Configuration, Silence, configuration
from generator.routing.matchers import Operator, all_match, matcher
from tests.programs import alertmanager, until
from tests.routing import random_trees

TREES, LABEL_SETS = 500, 12  # 6,000 cases
RULES, FIRING = 400, 6
SILENCES = 150
AMTOOL_TREES, AMTOOL_CASES = 40, 200
BATCH = 1500


@dataclass(frozen=True)
class World:
    """What Alertmanager was given, and where it answers."""

    values: Mapping[str, Any]
    ours: Configuration
    config: Path
    url: str
    routed: tuple[dict[str, str], ...]
    inhibited: tuple[dict[str, str], ...]
    silences: dict[str, Silence]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    random, folder = Random(20230409), tmp_path_factory.mktemp("routing")
    values = random_trees.configuration(
        random_trees.guarded_trees(random, TREES), random_trees.inhibit_rules(random, RULES)
    )
    config = folder / "alertmanager.yml"
    config.write_text(random_trees.text(values))
    routed = tuple(
        {"id": f"{tree}-{number}", "tree": str(tree), **random_trees.labels(random)}
        for tree in range(TREES)
        for number in range(LABEL_SETS)
    )
    inhibited = tuple(
        {"id": f"case-{case}-{number}", "case": str(case), **random_trees.labels(random, random_trees.FEW_VALUES)}
        for case in range(RULES)
        for number in range(FIRING)
    )
    with alertmanager(config, folder) as url:
        silences = dict(_silence(url, random_trees.silence(random, random.randrange(RULES))) for _ in range(SILENCES))
        everything = [*routed, *inhibited]
        for start in range(0, len(everything), BATCH):
            batch = [{"labels": one} for one in everything[start : start + BATCH]]
            requests.post(f"{url}/api/v2/alerts", json=batch, timeout=60).raise_for_status()
        yield World(values, configuration(values), config, url, routed, inhibited, silences)


def _silence(url: str, written: list[dict[str, Any]]) -> tuple[str, Silence]:
    """Make a silence; its name, and the same as we read it."""
    now = datetime.now(UTC)
    body = {
        "matchers": written, "createdBy": "test", "comment": "test",
        "startsAt": (now - timedelta(minutes=1)).isoformat(), "endsAt": (now + timedelta(hours=1)).isoformat(),
    }  # fmt: skip
    answer = requests.post(f"{url}/api/v2/silences", json=body, timeout=10)
    answer.raise_for_status()
    operators: dict[tuple[bool, bool], Operator] = {
        (True, False): "=", (False, False): "!=", (True, True): "=~", (False, True): "!~",
    }  # fmt: skip
    ours = tuple(matcher(one["name"], operators[one["isEqual"], one["isRegex"]], one["value"]) for one in written)
    return str(answer.json()["silenceID"]), ours


def theirs(world: World, **filters: str) -> dict[str, Any]:
    """The alerts that Alertmanager has, by their id."""
    parameters = {"filter": [f"{name}=~{value}" for name, value in filters.items()]}
    answer = requests.get(f"{world.url}/api/v2/alerts", params=parameters, timeout=60)
    answer.raise_for_status()
    return {one["labels"]["id"]: one for one in answer.json()}


def _tree(route: Mapping[str, Any]) -> int:
    """Which tree a route below the root belongs to: its guard."""
    for guard in ("match", "match_re"):
        if "tree" in route.get(guard, {}):
            return int(route[guard]["tree"])
    return int(route["matchers"][-1].removeprefix('tree="').removesuffix('"'))


def subtree(world: World, labels: Mapping[str, str]) -> str:
    """The routes that a case is about, to be printed when it fails."""
    mine = [one for one in world.values["route"]["routes"] if _tree(one) == int(labels["tree"])]
    return random_trees.text({"labels": labels, "routes": mine})


def test_every_alert_goes_to_the_same_receivers_in_the_same_order(world: World) -> None:
    found = theirs(world, tree=".+")
    assert len(found) == TREES * LABEL_SETS
    several = 0
    for labels in world.routed:
        expected = [one["name"] for one in found[labels["id"]]["receivers"]]
        ours = [route.receiver for route in world.ours.route.match(labels)]
        assert ours == expected, subtree(world, labels)
        several += len(ours) > 1
    assert several > len(world.routed) // 20, "hardly any alert goes to several receivers: the trees prove little"


def test_every_group_has_the_same_labels(world: World) -> None:
    """What children inherit of the grouping shows in the groups that Alertmanager makes."""
    ours = {
        (route.receiver, _group(route.group_by, labels), labels["id"])
        for labels in world.routed
        for route in world.ours.route.match(labels)
    }

    def grouped() -> set[tuple[str, frozenset[tuple[str, str]], str]]:
        answer = requests.get(f"{world.url}/api/v2/alerts/groups", params={"filter": "tree=~.+"}, timeout=60)
        return {
            (group["receiver"]["name"], frozenset(group["labels"].items()), alert["labels"]["id"])
            for group in answer.json()
            for alert in group["alerts"]
        }

    until(lambda: len(grouped()) >= len(ours), 30)
    assert sorted(grouped() ^ ours, key=str) == []


def _group(group_by: tuple[str, ...] | None, labels: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    names = labels if group_by is None else group_by
    return frozenset((name, labels[name]) for name in names if name in labels)


def test_amtool_says_the_same(world: World, tmp_path: Path) -> None:
    """A sample of the same cases, with few of the trees: amtool reads the whole file each time."""
    routes = [one for one in world.values["route"]["routes"] if _tree(one) < AMTOOL_TREES]
    config = tmp_path / "alertmanager.yml"
    config.write_text(random_trees.text(random_trees.configuration(routes, [])))
    cases = [labels for labels in world.routed if int(labels["tree"]) < AMTOOL_TREES]
    for labels in Random(1).sample(cases, AMTOOL_CASES):
        words = [f"{name}={_quoted(value)}" for name, value in labels.items()]
        command = ["amtool", "config", "routes", "test", f"--config.file={config}", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        ours = ",".join(route.receiver for route in world.ours.route.match(labels))
        assert ours == done.stdout.strip(), subtree(world, labels)


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def test_the_same_alerts_are_inhibited(world: World) -> None:
    firing: dict[str, list[dict[str, str]]] = {}
    for labels in world.inhibited:
        firing.setdefault(labels["case"], []).append(labels)
    ours = {
        labels["id"]: {one["id"] for one in world.ours.inhibitors(labels, firing[labels["case"]])}
        for labels in world.inhibited
    }
    assert len(list(filter(None, ours.values()))) > 150

    def found() -> dict[str, Any] | None:
        """Sources reach the inhibitor a moment after the API has them."""
        answer = theirs(world, case=".+")
        inhibited = [one for one in answer.values() if one["status"]["inhibitedBy"]]
        return answer if len(inhibited) >= len(list(filter(None, ours.values()))) else None

    answer = until(found, 20)
    ids = {one["fingerprint"]: id_ for id_, one in answer.items()}
    for labels in world.inhibited:
        by = {ids[fingerprint] for fingerprint in answer[labels["id"]]["status"]["inhibitedBy"]}
        # Alertmanager names one of those that would do.
        assert bool(by) == bool(ours[labels["id"]]) and by <= ours[labels["id"]], _case(
            world, labels, firing[labels["case"]]
        )


def _case(world: World, labels: Mapping[str, str], firing: list[dict[str, str]]) -> str:
    rule = world.values["inhibit_rules"][int(labels["case"])]
    return random_trees.text({"target": labels, "rule": rule, "firing": firing})


def test_the_same_alerts_are_silenced(world: World) -> None:
    found = theirs(world, case=".+")
    hit = 0
    for labels in world.inhibited:
        ours = {id_ for id_, silence in world.silences.items() if all_match(silence, labels)}
        assert set(found[labels["id"]]["status"]["silencedBy"]) == ours, labels
        hit += bool(ours)
    assert hit > 30
