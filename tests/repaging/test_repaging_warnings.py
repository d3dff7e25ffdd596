"""Which edits make an alert that fires be told again, where that is said, and which do not."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest
import ryaml
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from generator import naming
from generator.diagnostics import Problem
from generator.emit import alertmanager
from generator.plan.build import plan
from generator.plan.types import Alert
from generator.repaging.comparison import RouteChange, route_changes
from generator.repaging.deployed import planned_group
from generator.repaging.instances import instance_labels
from generator.routing.notification_log import Key, NotificationLog, notification_log
from tests.compiling import PLATFORMS, planned
from tests.repaging.shop import PLATFORM, SALES, SHOP, STOCK, Compiled, Texts, compiled, edited, shown

Edit = tuple[str, str, str]
P, S, K = SHOP

# One line of each domain, to be edited.
EMPTY = "channels: [chat]"
LOSSES = "condition: lost > 5"
# An alert that is called otherwise now lasts for a while; where its route is gone, it comes to who hears of all else.
LEFT = 'what is left of old alerts goes to "unrouted" for some minutes'


class Warned(NamedTuple):
    """What an edit leads to: at which text, of which alerts, why."""

    edits: tuple[Edit, ...]
    at: str
    alerts: str
    why: tuple[str, ...]


AN_ALERT = {
    "channels": Warned(
        ((K, EMPTY, "channels: [chat, mail]"),),
        "stock.yaml: empty", "StockEmpty", ('the label channels changes from "chat" to "chat,mail"',),
    ),
    "the order of channels": Warned(
        ((S, "channels: [chat, mail]", "channels: [mail, chat]"),),
        "sales.yaml: stuck", "SalesStuck", ('the label channels changes from "chat,mail" to "mail,chat"',),
    ),
    "severity, and channels with it": Warned(
        ((S, "severity: critical", "severity: high"),),
        "sales.yaml: losses", "SalesLosses",
        (
            'the label severity changes from "critical" to "high"',
            'the label channels changes from "chat,mail" to "chat"',
        ),
    ),
    "notification": Warned(
        ((K, EMPTY, f"{EMPTY}\n    notification: hourly"),),
        "stock.yaml: empty", "StockEmpty", ('the label notification changes from "immediate" to "hourly"',),
    ),
    "owner": Warned(
        ((K, EMPTY, f"{EMPTY}\n    owner: bo"),),
        "stock.yaml: empty", "StockEmpty", ('the label owner changes from "team" to "bo"',),
    ),
    "the first metric": Warned(
        ((S, LOSSES, "condition: waiting > 500"),),
        "sales.yaml: losses", "SalesLosses", ('the label subject changes from "lost" to "waiting"',),
    ),
    "PromQL in place of a condition": Warned(
        ((S, LOSSES, "promql: sum(lost_orders) > 5"),),
        "sales.yaml: losses", "SalesLosses",
        ('the label subject changes from "lost" to "losses"', 'the label source is gone: "shop"'),
    ),
    "by": Warned(
        ((S, "channels: [chat]\n", "channels: [chat]\n    by: [size]\n"),),
        "sales.yaml: queue", "SalesQueue", ("instances are told apart by size, so far by nothing",),
    ),
    "by, of rows": Warned(
        ((S, "condition: age > 2 hours", "condition: age > 2 hours\n    by: [size]"),),
        "sales.yaml: stuck", "SalesStuck", ("instances are told apart by size, so far by nothing",),
    ),
    "by, of PromQL": Warned(
        ((S, "by (route)", "by (method)"), (S, "by: [route]", "by: [method]")),
        "sales.yaml: errors", "SalesErrors", ("instances are told apart by method, so far by route",),
    ),
    "its name": Warned(
        ((S, "  losses:", "  lost_orders:"),),
        "sales.yaml: lost_orders", "SalesLostOrders",
        ('the label alertname changes from "SalesLosses" to "SalesLostOrders"',),
    ),
    "its name, of rows": Warned(
        ((S, "  stuck:", "  late:"),),
        "sales.yaml: late", "SalesLate", ('the label alertname changes from "SalesStuck" to "SalesLate"',),
    ),
    "its name, and whom it tells": Warned(
        ((K, "  empty:", "  none_left:"), (K, EMPTY, "channels: [mail]")),
        "stock.yaml: none_left", "StockNoneLeft",
        (
            'the label alertname changes from "StockEmpty" to "StockNoneLeft"',
            'the label channels changes from "chat" to "mail"',
        ),
    ),
}  # fmt: skip

SHARED = {
    "a domain's owner": Warned(
        ((S, "owner: team", "owner: bo"),),
        "sales.yaml: owner", "SalesDigest, SalesErrors, SalesLosses, SalesQueue and SalesStuck",
        ('the label owner changes from "team" to "bo"',),
    ),
    "a contact's name": Warned(
        ((S, "owner: team", "owner: crew"), (K, "owner: team", "owner: crew"), (P, "  team: {lead", "  crew: {lead")),
        "platform.yaml: crew", "SalesDigest, SalesErrors, SalesLosses, SalesQueue, SalesStuck and StockEmpty",
        ('the label owner changes from "team" to "crew"',),
    ),
    "a channel's name": Warned(
        (
            (P, "  chat: {type", "  talk: {type"), (P, "[chat", "[talk"), (P, 'chat: "@', 'talk: "@'),
            (S, "[chat", "[talk"), (K, "[chat", "[talk"),
        ),
        "platform.yaml: talk", "SalesLosses, SalesQueue, SalesStuck and StockEmpty",
        ('the label channels says "talk" in place of "chat"', LEFT),
    ),
    "a channel that is taken away": Warned(
        (
            (P, '  hook: {type: webhook, url: "http://desk.example/alerts"}\n', ""),
            (P, ', hook: "http://desk.example/anna"', ""),
            (S, "channels: [hook]", "channels: [mail]"),
        ),
        "platform.yaml: mail", "SalesErrors", ('the label channels says "mail" in place of "hook"', LEFT),
    ),
    "a cadence's name": Warned(
        ((P, "hourly: {every", "each-hour: {every"), (S, "notification: hourly", "notification: each-hour")),
        "platform.yaml: each-hour", "SalesStuck",
        ('the label notification changes from "hourly" to "each-hour"', LEFT),
    ),
    "a row of the matrix": Warned(
        ((P, "channels: [chat, mail], next", "channels: [mail], next"),),
        "platform.yaml: critical", "SalesLosses", ('the label channels changes from "chat,mail" to "mail"',),
    ),
    "what watches the monitoring": Warned(
        ((P, "channels: [mail]}", "channels: [mail, chat]}"),),
        "platform.yaml: monitoring",
        "NotificationsDropped, NotificationsFailing, QueryFailingShop, RuleEvaluationFailures and SourceBlindShop",
        ('the label channels changes from "mail" to "mail,chat"',),
    ),
    "a channel's type": Warned(
        (
            (P, '{type: webhook, url: "http://desk.example/alerts"}', "{type: pagerduty, routing_key_file: /run/k}"),
            (P, 'hook: "http://desk.example/anna"', "hook: {routing_key_file: /run/a}"),
        ),
        "platform.yaml: hook", "SalesErrors", ('the channel "hook" changes its type from webhook to pagerduty',),
    ),
    "quiet hours that let some severities through": Warned(
        (
            (
                P,
                'channel: "#alerts"}',
                'channel: "#alerts", quiet_hours: [{from: "22:00", to: "07:00", except: [critical, high, medium]}]}',
            ),
        ),
        "platform.yaml: chat", "SalesLosses, SalesQueue, SalesStuck and StockEmpty",
        ('the routes match on severity!~"low", so far on nothing more',),
    ),
    "a time of day that becomes an interval": Warned(
        ((P, 'daily: {at: "09:00"}', "daily: {every: 24h}"),),
        "platform.yaml: daily", "SalesDigest",
        (
            'the receiver "channel-mail" takes the place of "digest-mail"',
            "messages are grouped by alertname, domain, platform, severity, so far by domain, platform",
        ),
    ),
}  # fmt: skip

ESCALATED = {
    "a channel more": Warned(
        ((P, "channels: [chat], next: team-lead", "channels: [chat, hook], next: team-lead"),),
        "platform.yaml: anna", "SalesErrors, SalesQueue, SalesStuck and StockEmpty",
        ('the receiver "contact-anna-high" also sends over hook',),
    ),
    "another channel": Warned(
        ((P, "channels: [chat], next: team-lead", "channels: [mail], next: team-lead"),),
        "platform.yaml: anna", "SalesErrors, SalesQueue, SalesStuck and StockEmpty",
        ('the receiver "contact-anna-high" sends over email, so far over slack',),
    ),
    "somebody else": Warned(
        ((P, "contacts:\n  team: {lead: anna}", "contacts:\n  team: {lead: eva}\n  eva: {chat: \"@eva\"}"),),
        "platform.yaml: lead", "SalesErrors, SalesLosses, SalesQueue, SalesStuck and StockEmpty",
        ('the escalation goes to "eva", so far to "anna"',),
    ),
    "somebody else by the matrix": Warned(
        ((P, "next: [team-lead, bo]", "next: [team-lead, eva]"), (P, "contacts:", 'contacts:\n  eva: {chat: "@eva"}')),
        "platform.yaml: critical", "SalesLosses", ('the escalation goes to "eva", so far to "bo"', LEFT),
    ),
    "a contact's name": Warned(
        ((P, "lead: anna", "lead: ann"), (P, "  anna: {", "  ann: {")),
        "platform.yaml: ann", "SalesErrors, SalesLosses, SalesQueue, SalesStuck and StockEmpty",
        ('the escalation goes to "ann", so far to "anna"', LEFT),
    ),
    "a step less, and so a route": Warned(
        ((P, "next: [team-lead, bo]", "next: team-lead"),), "platform.yaml: critical", "SalesLosses", (LEFT,)
    ),
}  # fmt: skip

NOTHING: dict[str, tuple[Edit, ...]] = {
    "a threshold": ((S, LOSSES, "condition: lost > 6"),),
    "what is compared": ((S, LOSSES, "condition: lost + waiting > 6"),),
    "for": ((S, LOSSES, f"{LOSSES}\n    for: 10m"),),
    "cooldown": ((S, LOSSES, f"{LOSSES}\n    cooldown: 10m"),),
    "texts": ((S, LOSSES, f"{LOSSES}\n    summary: Alas\n    runbook: [Look for them.]"),),
    "an interval": ((P, "{every: 1h, group_interval: 15m}", "{every: 2h, group_interval: 15m}"),),
    "a time of day": ((P, '"09:00"', '"10:00"'),),
    "addresses": ((P, '"@anna"', '"@anna-b"'), (P, "ops@shop.example", "crew@shop.example")),
    "a response time": ((P, "respond_within: 15m", "respond_within: 20m"),),
    "a channel that nobody uses": (
        (P, "channels:\n  chat", 'channels:\n  bell: {type: webhook, url: "http://b.example"}\n  chat'),
    ),
    "a further alert": (
        (K, "alerts:", "alerts:\n  full:\n    condition: items > 900\n    severity: high\n    channels: [chat]"),
    ),
    "an alert that watches something else": (
        (K, "  empty:\n    condition: items < 10", "  full:\n    condition: items > 90"),
    ),
    "an alert that counts other rows": (
        (S, "  stuck:\n    condition: age > 2 hours", "  late:\n    condition: age > 3 hours"),
    ),
    "a further step": (
        (P, "next: [team-lead, bo]", "next: [team-lead, bo, eva]"),
        (P, "contacts:", "contacts:\n  eva: {chat: \"@eva\"}"),
    ),
    "an alert that is no longer escalated": ((K, EMPTY, f"{EMPTY}\n    escalate: false"),),
    "quiet hours": (
        (P, "mail: bo@shop.example}", 'mail: bo@shop.example, quiet_hours: [{from: "22:00", to: "07:00"}]}'),
    ),
    "the dead man's switch": ((P, "channels: [mail]}", "channels: [mail], watchdog: hook}"),),
}  # fmt: skip


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    return compiled(tmp_path_factory.mktemp("deployed") / "shop", SHOP)


def warned(deployed: Compiled, folder: Path, texts: Texts) -> list[Problem]:
    return compiled(folder / "shop", texts).warnings_after(deployed.output)


@pytest.mark.parametrize("case", [*AN_ALERT.values(), *SHARED.values()], ids=[*AN_ALERT, *SHARED])
def test_told_again(deployed: Compiled, tmp_path: Path, case: Warned) -> None:
    (warning,) = warned(deployed, tmp_path, edited(SHOP, *case.edits))
    verbs = "are told again if they fire" if " and " in case.alerts else "is told again if it fires"
    assert shown(warning) == (case.at, f"{case.alerts} {verbs} when this is deployed", case.why)
    assert (warning.level, warning.code) == ("warning", "pages-again")


@pytest.mark.parametrize("case", ESCALATED.values(), ids=ESCALATED)
def test_only_those_are_told_again_to_whom_it_was_escalated(deployed: Compiled, tmp_path: Path, case: Warned) -> None:
    (warning,) = warned(deployed, tmp_path, edited(SHOP, *case.edits))
    verbs = "are told again if they have escalated" if " and " in case.alerts else "is told again if it has escalated"
    message = f"{case.alerts} {verbs} when this is deployed"
    assert shown(warning) == (case.at, message, case.why)


@pytest.mark.parametrize("edits", NOTHING.values(), ids=NOTHING)
def test_nobody_is_told_again(deployed: Compiled, tmp_path: Path, edits: tuple[Edit, ...]) -> None:
    texts = edited(SHOP, *edits)
    after = compiled(tmp_path / "shop", texts)
    assert after.output != deployed.output
    assert after.warnings_after(deployed.output) == []


def test_a_rotation_in_place_of_a_person(deployed: Compiled, tmp_path: Path) -> None:
    rotation = "  bo: {rotation: {shifts: [{person: anna, from: monday 09:00, to: monday 09:00}]}}"
    edits = ((P, '  bo: {lead: anna, chat: "@bo", mail: bo@shop.example}', rotation), (P, "[team-lead, bo]", "bo"))
    assert [shown(one) for one in warned(deployed, tmp_path, edited(SHOP, *edits))] == [
        (
            "platform.yaml: bo",
            "SalesLosses is told again if it has escalated when this is deployed",
            (
                'what is left of old alerts goes to "unrouted" for some minutes',
                'the receiver "contact-anna-critical" takes the place of "contact-bo-critical"',
            ),
        )
    ]


def test_a_row_of_the_matrix_that_parts_with_another(deployed: Compiled, tmp_path: Path) -> None:
    """Its contacts get a route and a receiver of their own; the other's routes match on something else."""
    row = "medium: {respond_within: 15m, channels: [chat, hook], next: team-lead}"
    found = warned(deployed, tmp_path, edited(SHOP, (P, "medium: {same_as: high}", row)))
    so_far = 'so far on severity=~"high|medium"'
    assert [(shown(one)[0], shown(one)[2]) for one in found] == [
        ("platform.yaml: high", (f'the routes match on severity="high", {so_far}',)),
        (
            "platform.yaml: medium",
            (
                f'the routes match on severity="medium", {so_far}',
                'the receiver "contact-anna-medium" takes the place of "contact-anna-high"',
            ),
        ),
    ]


def test_who_is_told_anyway_is_not_named_among_the_escalated(deployed: Compiled, tmp_path: Path) -> None:
    """A channel that alerts have, and contacts too: those that only reach it when they escalate are told of apart."""
    chat = '{type: slack, api_url_file: /run/secrets/slack, channel: "#alerts"}'
    hook = '{type: webhook, url: "http://desk.example/chat"}'
    addresses = [(P, f'chat: "@{name}"', f'chat: "http://desk.example/{name}"') for name in ("anna", "bo")]
    found = warned(deployed, tmp_path, edited(SHOP, (P, chat, hook), *addresses))
    why = ('the channel "chat" changes its type from slack to webhook',)
    names = "SalesLosses, SalesQueue, SalesStuck and StockEmpty"
    assert sorted(map(shown, found)) == [
        ("platform.yaml: chat", "SalesErrors is told again if it has escalated when this is deployed", why),
        ("platform.yaml: chat", f"{names} are told again if they fire when this is deployed", why),
    ]


def test_a_domain_that_is_renamed(deployed: Compiled, tmp_path: Path) -> None:
    """One warning for the domain: that all names change with it goes without saying."""
    texts = {P: PLATFORM, S: SALES, "store.yaml": STOCK.replace("domain: stock", "domain: store")}
    (warning,) = warned(deployed, tmp_path, texts)
    assert shown(warning) == (
        "store.yaml: domain",
        "StoreEmpty is told again if it fires when this is deployed",
        ('the label domain changes from "stock" to "store"',),
    )


def test_an_alert_that_goes_with_its_channel(deployed: Compiled, tmp_path: Path) -> None:
    """For some minutes Alertmanager has it still, and no route for it."""
    sales, _, _ = SALES.partition("  errors:")
    (edit, contact, _) = SHARED["a channel that is taken away"].edits
    (warning,) = warned(deployed, tmp_path, edited({**SHOP, S: sales}, edit, contact))
    message = "SalesErrors is told again if it fires when this is deployed"
    assert shown(warning) == ("platform.yaml: channels", message, (LEFT,))


def test_each_line_that_is_edited_has_its_warning(deployed: Compiled, tmp_path: Path) -> None:
    """An alert is told of once, at its own line, where that is edited, too; others at the line that is why."""
    found = warned(deployed, tmp_path, edited(SHOP, *SHARED["a domain's owner"].edits, *AN_ALERT["by"].edits))
    assert [(shown(one)[0], shown(one)[1].split()[0], len(one.help)) for one in found] == [
        ("sales.yaml: owner", "SalesDigest,", 1),
        ("sales.yaml: queue", "SalesQueue", 2),
    ]
    assert "SalesQueue" not in found[0].message


def test_many_names_and_causes_are_counted(tmp_path: Path) -> None:
    alert = "  few_{0:03}: {{condition: items < {0}, severity: critical}}\n"
    alerts = "".join(alert.format(n) for n in range(10, 210))
    texts = {**SHOP, K: f"{STOCK.partition('  empty')[0]}{alerts}"}
    before = compiled(tmp_path / "before/shop", texts)
    after = compiled(tmp_path / "after/shop", edited(texts, (K, "owner: team", "owner: bo")))
    (warning,) = after.warnings_after(before.output)
    names = ", ".join(f"StockFew{n:03}" for n in range(10, 30))
    assert warning.message == f"{names} and 180 more are told again if they fire when this is deployed"


def test_routes_that_an_earlier_version_made_otherwise(deployed: Compiled) -> None:
    """The same files, another tree: said where the cadence stands, of all alerts that it tells."""
    before = dict(deployed.output)
    text = before[alertmanager.PATH].decode()
    assert "- alertname\n" in text
    before[alertmanager.PATH] = text.replace("  - alertname\n", "", 1).encode()
    found = deployed.warnings_after(before)
    assert [shown(one)[0] for one in found if "escalated" not in one.message] == [
        "platform.yaml: immediate", "platform.yaml: hourly",
    ]  # fmt: skip
    grouped = "messages are grouped by alertname, domain, platform, severity, so far by domain, platform, severity"
    assert {one.help for one in found} == {(grouped,)}


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\xff", b"- 1", b"groups: 5", b"groups: [5]", b"groups: []", b"[" * 500, b"a: &a [*a]", b"? [1]\n: 2",
        b"groups: [{name: a, rules: [{alert: 1}]}]", b"route: 1", b"receivers: 5", b"receivers: [{}]",
        b"route: {receiver: [a]}", b"route: {receiver: a, routes: 7}", b"route: {receiver: a, group_wait: 1y1x}",
        b"route: {receiver: a, routes: [{matchers: ['a=~\"(?i)x\"']}]}",
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_nothing(deployed: Compiled, content: bytes) -> None:
    assert deployed.warnings_after(dict.fromkeys(deployed.output, content)) == []


@given(st.binary(max_size=300) | st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["a", "1s", "x=y", "groups", ".*"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["groups", "name", "rules", "alert", "expr", "labels", "route", "receiver", "receivers",
                         "routes", "matchers", "match_re", "group_by", "slack_configs", "group_wait", "x"]),
        inner, max_size=4,
    ),
    max_leaves=30,
).map(lambda value: ryaml.dumps(value).encode()))  # fmt: skip
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_that_stands_there_is_a_fault_of_ours(deployed: Compiled, content: bytes) -> None:
    for path in deployed.output:
        deployed.warnings_after({**deployed.output, path: content})


# Edits that may be made together, without renamed alerts: which of them are one another is not asked here.
TOGETHER = [
    case.edits
    for name, case in {**AN_ALERT, **SHARED, **ESCALATED}.items()
    if "name" not in name and name not in ("a channel that is taken away", "a channel's type")
] + list(NOTHING.values())


@given(st.lists(st.sampled_from(TOGETHER), min_size=1, max_size=5))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_warned_of_is_whose_labels_or_keys_are_new(deployed: Compiled, together: list[tuple[Edit, ...]]) -> None:
    texts = SHOP
    for name, old, new in (edit for edits in together for edit in edits):
        texts = {**texts, name: texts[name].replace(old, new, 1)}
    with TemporaryDirectory() as scratch:
        try:
            after = compiled(Path(scratch) / "shop", texts)
        except AssertionError:
            reject()  # edits that do not go together
        warnings = after.warnings_after(deployed.output)
        names = {name for one in warnings for name in one.message.partition(" told ")[0].replace(",", "").split()}
        assert names - {"and", "is", "are"} == set(told_again(deployed, after))


def told_again(before: Compiled, after: Compiled) -> Iterator[str]:
    """The same asked of the plans, and of the configurations as they were written."""
    old_log, new_log = (
        notification_log(ryaml.loads(one.output[alertmanager.PATH].decode())) for one in (before, after)
    )
    old, new = (
        {one.alertname: one for domain in plan(side.files).domains for one in domain.alerts} for side in (before, after)
    )
    for name in (old.keys() | new.keys()) - {naming.WATCHDOG}:
        was = seen(old_log, old[name]) if name in old else {}
        becomes = seen(new_log, new[name]) if name in new else {}
        left = seen(new_log, old[name]) if name in old else {}
        # A step that is added, as a new alert, tells nobody again; one that goes to somebody else does.
        same = was.keys() & becomes.keys()
        moved = len(was) > len(same) < len(becomes) and "" in same
        again = any(becomes[contact] - was[contact] for contact in same)
        known = {identity for keys in becomes.values() for identity, _ in keys}
        lasting = any({key for key in left[contact] - was[contact] if key[0] not in known} for contact in was)
        if moved or again or lasting:
            yield name


def seen(log: NotificationLog, alert: Alert) -> dict[str, set[tuple[object, Key]]]:
    """An alert and its escalated copies, each with its labels under the keys of the log."""
    found: dict[str, set[tuple[object, Key]]] = {}
    for contact in ("", *(step.contact for step in alert.escalations)):
        labels = {"alertname": alert.alertname, **dict(alert.labels), **({"escalation": contact} if contact else {})}
        identity: object = (frozenset(labels.items()), frozenset(alert.by))
        found[contact] = {(identity, key) for key in log.keys(labels)}
    return found


@pytest.mark.parametrize("name", PLATFORMS)
def test_the_labels_of_instances_are_those_of_the_plan(name: str) -> None:
    what = planned(PLATFORMS[name])
    for domain in what.domains:
        recordings = planned_group(domain).recordings
        for alert in domain.alerts:
            assert instance_labels(alert.expr, recordings) == frozenset(alert.by), alert.alertname


@pytest.mark.parametrize(
    ("expr", "labels"),
    [
        ("up > 1", None),
        ("sum without (a) (up) > 1", None),
        ("a:b:held > 1", frozenset({"x"})),
        ("a:b:held > 1 or on() vector(1)", frozenset({"x"})),
        ("c:d:held", None),
        ("sum(", None),
    ],
)
def test_labels_as_far_as_they_can_be_told(expr: str, labels: frozenset[str] | None) -> None:
    recordings = {"a:b:held": "max by (x) (raw) or a:b:held", "c:d:held": "raw"}
    assert instance_labels(expr, recordings) == labels


def key(route: str = "r", receiver: str = "a", integration: str = "slack", group: str = "g", index: int = 0) -> Key:
    return Key(((), (route,)), ((group, "1"),), receiver, integration, index)


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        ([key()], [key()], []),
        ([key(), key(receiver="b")], [key()], []),
        ([key()], [key(), key(index=1)], [("integration", (), ("slack",))]),
        ([key()], [key(receiver="b")], [("receiver", ("a",), ("b",))]),
        ([key()], [key(), key(receiver="b")], [("receiver", (), ("b",))]),
        ([], [key()], [("receiver", (), ("a",))]),
        ([key()], [key(group="h")], [("group_by", ("g",), ("h",))]),
        ([key()], [key(route="s")], [("matchers", ("r",), ("s",))]),
        # Each new key is held against the one that it replaces, not against just any.
        (
            [key(route="r", receiver="a"), key(route="s", receiver="b")],
            [key(route="r", receiver="c"), key(route="s", receiver="d")],
            [("receiver", ("a",), ("c",)), ("receiver", ("b",), ("d",))],
        ),
    ],
)  # fmt: skip
def test_why_a_key_is_new(before: Sequence[Key], after: Sequence[Key], changes: list[tuple[object, ...]]) -> None:
    found: list[RouteChange] = route_changes(before, after)
    assert [(one.part, one.before, one.after) for one in found] == changes
