"""The keys of the notification log: what the real Alertmanager says of them in its messages to webhooks."""

from pathlib import Path
from random import Random

import requests

from generator.routing.notification_log import notification_log
from generator.routing.tree import Route
from tests.programs import alertmanager, until
from tests.routing import random_trees
from tests.webhooks import Message, webhooks

TREES, LABEL_SETS = 80, 6

# A receiver, a route's key and the labels that group.
Group = tuple[str, str, frozenset[tuple[str, str]]]


def told(messages: list[Message]) -> dict[Group, set[str]]:
    """The alerts of each group, which has the whole key of the group in place of the route's."""
    found: dict[Group, set[str]] = {}
    for _, body in list(messages):
        group = body["receiver"], body["groupKey"], frozenset(body["groupLabels"].items())
        found.setdefault(group, set()).update(one["labels"]["id"] for one in body["alerts"])
    return found


def test_alertmanager_has_the_same_keys(tmp_path: Path) -> None:
    """Matchers in any order and notation, inherited grouping, a receiver with two integrations of one kind."""
    random = Random(2502)
    trees = random_trees.configuration(random_trees.guarded_trees(random, TREES), [])
    alerts = [
        {"id": f"{tree}-{number}", "tree": str(tree), **random_trees.labels(random)}
        for tree in range(TREES)
        for number in range(LABEL_SETS)
    ]
    with webhooks() as hooks:
        trees["route"] |= {"group_wait": "1s", "group_interval": "1s"}
        for receiver in trees["receivers"]:
            receiver["webhook_configs"] = [{"url": hooks.url}]
        trees["receivers"][0]["webhook_configs"].append({"url": hooks.url})
        config = tmp_path / "alertmanager.yml"
        config.write_text(random_trees.text(trees))
        ours = notification_log(trees)
        keys = {labels["id"]: ours.keys(labels) for labels in alerts}
        # The route of each group is told by its key alone: two with one key share what is remembered.
        expected: dict[Group, set[str]] = {}
        for id_, found in keys.items():
            for key in found:
                text = "/".join(f"{{{','.join(level)}}}" for level in key.path)
                expected.setdefault((key.receiver, text, frozenset(key.group)), set()).add(id_)
        with alertmanager(config, tmp_path) as url:
            body = [{"labels": labels} for labels in alerts]
            requests.post(f"{url}/api/v2/alerts", json=body, timeout=30).raise_for_status()
            groups = sum(map(len, expected.values()))
            until(lambda: sum(map(len, told(hooks.messages).values())) >= groups, 30)
    theirs: dict[Group, set[str]] = {}
    for (receiver, whole, labels), ids in told(hooks.messages).items():
        texts = (text for name, text, _ in expected if name == receiver and whole.startswith(f"{text}:{{"))
        theirs[receiver, max(texts, key=len, default=whole), labels] = ids
    assert theirs == expected
    assert len(expected) > TREES
    assert {key.index for found in keys.values() for key in found if key.receiver == "r0"} == {0, 1}
    assert {key.index for found in keys.values() for key in found if key.receiver != "r0"} == {0}


def test_a_receiver_without_integrations_has_no_key() -> None:
    values = {
        "route": {"receiver": "a", "routes": [{"matchers": ["x=1"], "receiver": "b"}]},
        "receivers": [{"name": "a", "slack_configs": [{}], "webhook_configs": [{}, {}]}, {"name": "b"}],
    }
    log = notification_log(values)
    assert log.keys({"x": "1"}) == frozenset()
    assert sorted((key.integration, key.index) for key in log.keys({})) == [
        ("slack", 0),
        ("webhook", 0),
        ("webhook", 1),
    ]


def test_the_key_of_a_route() -> None:
    child: Route = notification_log(
        {"route": {"receiver": "a", "routes": [{"matchers": ['b=~"x|\\"y"', "a!=1"]}]}, "receivers": []}
    ).route.routes[0]
    assert child.key == '{}/{a!="1",b=~"x|\\"y"}'
