"""What Alertmanager is told, judged by amtool and by the values themselves."""

import html
import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import ryaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from generator import durations, model, naming
from generator.emit import alertmanager
from generator.plan.cadences import RETENTION, cadence
from generator.plan.types import (
    Channel,
    ContactRoute,
    Monitoring,
    OnCall,
    Plan,
    Quiet,
    Record,
    Slack,
    Stretch,
    TimeInterval,
    Webhook,
)
from tests.emit import messages, plans

GOLDEN = Path(__file__).parent.parent / "golden" / "messages"
TEXTS = (
    "slack.color", "slack.title", "slack.fallback", "slack.text", "email.subject", "email.text", "sms.subject",
    "sms.text", "pagerduty.severity", "pagerduty.title", "pagerduty.owner", "pagerduty.since", "pagerduty.firing",
    "pagerduty.resolved",
)  # fmt: skip
GSM = set(
    "@£$¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
PLAN = plans.plan(
    plans.domain(
        metrics=(plans.metric("pending_settlements", "priority"), plans.metric("error_rate", "method")),
        records=(Record("settlement", "Settlement", "settlements", False, None),),
    )
)


def written(plan: Plan, folder: Path) -> Path:
    """The configuration on disk, as Alertmanager reads it."""
    for artefact in alertmanager.emit(plan):
        path = folder / artefact.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(artefact.content)
    return folder / "alertmanager" / "alertmanager.yml"


def configuration(plan: Plan) -> Any:
    """The configuration as plain values."""
    return ryaml.loads(next(iter(alertmanager.emit(plan))).content.decode())


def amtool(*arguments: str) -> str:
    """What amtool answers; its complaints fail the test."""
    done = subprocess.run(["amtool", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "level=" not in done.stderr, done.stderr
    return done.stdout


def render(config: Path, payload: messages.Payload, text: str, kind: str = "text") -> str:
    """A template rendered by the real program."""
    data = config.parent / "payload.json"
    data.write_text(json.dumps(payload), "utf-8")
    glob = f"--template.glob={config.parent}/templates/*.tmpl"
    arguments = (f"--template.type={kind}", f"--template.data={data}", f"--template.text={text}")
    return amtool("template", "render", glob, *arguments).removesuffix("\n")


def walk(route: dict[str, Any], path: tuple[Any, ...] = (), **inherited: Any) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every route with the matchers on its way and what it inherits merged in."""
    kept = ("receiver", "group_by", "group_wait", "group_interval", "repeat_interval")
    merged = {**inherited, **{key: value for key, value in route.items() if key != "routes"}}
    path = (*path, *route.get("matchers", ()))
    yield path, merged
    for child in route.get("routes", ()):
        yield from walk(child, path, **{key: merged[key] for key in kept})


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(PLAN, tmp_path_factory.mktemp("alertmanager"))


def quiet(name: str, *except_: str) -> Quiet:
    """Quiet hours of an evening."""
    stretch = Stretch(20 * 60, 24 * 60, timezone="Europe/Stockholm")
    return Quiet(TimeInterval(name, (stretch,)), except_, "20:00 to 24:00 (Europe/Stockholm)")


def on_call(contact: str, route: ContactRoute, *hours: Quiet) -> OnCall:
    """A person of a rotation, on call at any time."""
    return OnCall(contact, contact, route.channels, (TimeInterval(f"on-call/duty/{contact}", (Stretch(),)),), hours)


QUIET = replace(
    PLAN,
    channels=(
        replace(PLAN.channels[0], quiet=(quiet("quiet/channel/email"),)),
        *PLAN.channels[1:4],
        replace(PLAN.channels[4], quiet=(quiet("all"), quiet("mild", "critical", "high"), quiet("worst", "critical"))),
        *PLAN.channels[5:],
    ),
    cadences=(*PLAN.cadences, cadence("evening", model.Cadence(at="21:00"), "Europe/Stockholm", 1.0)),
    contact_routes=(
        replace(plans.ANNA, quiet=(quiet("quiet/contact/anna"),)),
        ContactRoute(
            "duty",
            "Duty",
            ("critical",),
            (),
            (),
            (on_call("anna", plans.ANNA), on_call("bo", plans.ONCALL, quiet("b"))),
        ),
        plans.ONCALL,
    ),
)
SHAPES = {
    "whole": PLAN,
    "no watchdog": replace(PLAN, monitoring=Monitoring("ops", "critical", ("slack",), "immediate", None)),
    "nobody comes next": replace(PLAN, contact_routes=()),
    "one severity": replace(PLAN, severities=PLAN.severities[:1]),
    "at once only": replace(PLAN, cadences=(cadence("immediate", model.Cadence(), "UTC", 1.0),)),
    "scaled": plans.plan(scale=0.01),
    "barely any time": plans.plan(scale=0.000001),
    "quiet hours and rotations": QUIET,
    "across midnight": replace(
        PLAN,
        cadences=(cadence("late", model.Cadence(at="23:58", day="sunday"), "Europe/Stockholm", 1.0), *PLAN.cadences),
    ),
}


@pytest.mark.parametrize("plan", SHAPES.values(), ids=SHAPES)
def test_amtool_accepts_it(plan: Plan, tmp_path: Path) -> None:
    assert "SUCCESS" in amtool("check-config", str(written(plan, tmp_path)))


def labels(**changed: str) -> list[str]:
    """An alert's labels as amtool takes them."""
    return [f"{name}={value}" for name, value in {**messages.LABELS, **changed}.items()]


def receivers(config: Path, *given: str) -> list[str]:
    """Who gets an alert, according to amtool."""
    return amtool("config", "routes", "test", f"--config.file={config}", *given).strip().split(",")


@pytest.mark.parametrize("notification", ["daily", "hourly", "immediate", "weekly"])
@pytest.mark.parametrize("channels", ["slack", "slack,email,sms", "phone,hook,security"])
def test_each_channel_of_an_alert_is_told(config: Path, notification: str, channels: str) -> None:
    kind = "digest" if notification in ("daily", "weekly") else "channel"
    expected = [f"{kind}-{channel}" for channel in sorted(channels.split(","))]
    assert receivers(config, *labels(notification=notification, channels=channels)) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({"escalation": "on-call-engineer"}, ["contact-on-call-engineer-critical"], id="escalated"),
        pytest.param({"escalation": "anna", "severity": "high"}, ["contact-anna-high"], id="escalated, high"),
        pytest.param({"escalation": "anna", "severity": "medium"}, ["contact-anna-high"], id="escalated, as high"),
        pytest.param({"escalation": "anna", "severity": "low"}, ["unrouted"], id="escalated, nobody's"),
        pytest.param({"escalation": "stranger"}, ["unrouted"], id="escalated to nobody known"),
        pytest.param({"alertname": "Watchdog", "severity": "none", "channels": ""}, ["watchdog"], id="watchdog"),
        pytest.param({"notification": "never"}, ["unrouted"], id="unknown cadence"),
        pytest.param({"channels": "pigeon"}, ["unrouted"], id="unknown channel"),
        pytest.param({"channels": "slacker,sms2"}, ["unrouted"], id="part of a channel's name"),
        pytest.param({"channels": ""}, ["unrouted"], id="no channel"),
    ],
)
def test_what_has_a_way_of_its_own(config: Path, given: dict[str, str], expected: list[str]) -> None:
    assert receivers(config, *labels(**given)) == expected


def test_what_matches_nothing_reaches_somebody(config: Path) -> None:
    assert receivers(config, "alertname=Foreign") == ["unrouted"]
    unrouted = configuration(PLAN)["receivers"][0]
    assert (unrouted["name"], set(unrouted)) == ("unrouted", {"name", "email_configs", "slack_configs"})


def test_without_a_listener_the_watchdog_is_discarded(tmp_path: Path) -> None:
    config = written(SHAPES["no watchdog"], tmp_path)
    assert receivers(config, *labels(alertname="Watchdog")) == ["discard"]
    assert {"name": "discard"} in configuration(SHAPES["no watchdog"])["receivers"]


def test_channel_names_are_no_patterns() -> None:
    dotted = Channel("a.b", Slack("/run/secrets/slack", "#a"))
    plan = replace(PLAN, channels=(*PLAN.channels, dotted))
    matchers = [path[-1] for path, _ in walk(configuration(plan)["route"]) if path and "a" in path[-1]]
    assert r'channels=~"(.*,)?a\\.b(,.*)?"' in matchers


@pytest.mark.parametrize("plan", SHAPES.values(), ids=SHAPES)
def test_traps_of_the_tree(plan: Plan) -> None:
    whole = configuration(plan)
    routes = list(walk(whole["route"]))
    # Two routes with one path of matchers and one receiver share an entry of the notification log.
    keys = [(path, route["receiver"]) for path, route in routes]
    assert len(keys) == len(set(keys))
    names = [receiver["name"] for receiver in whole["receivers"]]
    assert len(names) == len(set(names))
    assert {route["receiver"] for _, route in routes} == set(names)
    intervals = [interval["name"] for interval in whole["time_intervals"]]
    named = [route.get(key, ()) for _, route in routes for key in ("active_time_intervals", "mute_time_intervals")]
    assert sorted(intervals) == sorted({name for names in named for name in names})
    for path, route in routes:
        every = durations.milliseconds(route["group_interval"])
        repeat = durations.milliseconds(route["repeat_interval"])
        assert every > 0
        assert 0 < repeat <= RETENTION
        assert repeat % every or every == 1, "an exact multiple slips a tick"
        is_digest = route["receiver"].startswith("digest-")
        is_shift = path[:1] == ('escalation=~".+"',) and route.get("continue")
        assert bool(is_digest or is_shift) == ("active_time_intervals" in route), "time intervals are not inherited"
        if is_digest:
            assert [f'notification="{name}"' for name in route["active_time_intervals"]] == [path[0]]
    for receiver in whole["receivers"]:
        ends = {one["send_resolved"] for key, all_ in receiver.items() if key != "name" for one in all_}
        tells_end = not receiver["name"].startswith(("digest-", "watchdog"))
        assert ends <= {tells_end}


def test_an_alert_and_a_domain_more_change_no_line() -> None:
    bigger = replace(PLAN, domains=(*PLAN.domains, plans.domain("distributions", metrics=(plans.metric("queue"),))))
    assert list(alertmanager.emit(bigger)) == list(alertmanager.emit(PLAN))


def interval(at: str, day: str | None = None, *, every: str | None = None, scale: float = 1.0) -> Any:
    """The time intervals of one slot; ``every``: its group interval as an operator writes it."""
    slot = model.Cadence.model_validate({"at": at, "day": day, "group_interval": every})
    planned = replace(PLAN, cadences=(cadence("slot", slot, "Europe/Stockholm", scale), *PLAN.cadences))
    return configuration(planned)["time_intervals"][0]["time_intervals"]


def span(start: str, end: str, *weekdays: str) -> Any:
    """One stretch of a slot."""
    times = [{"start_time": start, "end_time": end}]
    return {"times": times, "location": "Europe/Stockholm"} | ({"weekdays": list(weekdays)} if weekdays else {})


def test_a_slot_is_the_next_whole_minutes_above_a_group_interval_long() -> None:
    assert interval("09:00") == [span("09:00", "09:05")]
    assert interval("09:00", every="4m59s") == [span("09:00", "09:05")]
    assert interval("09:00", every="4m1s") == [span("09:00", "09:05")]
    # At exact minutes a tick may fall on both ends, and the end is no part of the window.
    assert interval("09:00", every="5m") == [span("09:00", "09:06")]
    assert interval("09:00", "monday") == [span("09:00", "09:05", "monday")]
    assert interval("23:55") == [span("23:55", "24:00")]
    assert interval("23:58", "sunday") == [span("23:58", "24:00", "sunday"), span("00:00", "00:03", "monday")]
    assert interval("00:00", every="48h") == [span("00:00", "24:00")]
    # A window counts in whole minutes: scaled to seconds it is still one.
    assert interval("09:00", scale=0.01) == [span("09:00", "09:01")]


def test_an_open_slot_speaks_at_any_time_on_any_day() -> None:
    slot = model.Cadence(at="09:00", day="monday")
    planned = replace(PLAN, cadences=(cadence("slot", slot, "Europe/Stockholm", 0.01, slots_are_open=True),))
    (found,) = configuration(planned)["time_intervals"]
    assert found["time_intervals"] == [{"times": [{"start_time": "00:00", "end_time": "24:00"}]}]


def test_a_secret_webhook_address_needs_alertmanager_0_26() -> None:
    secret = Channel("hook", Webhook(None, "/run/secrets/hook-url", None))
    plan = replace(PLAN, channels=(secret, *PLAN.channels[2:]), monitoring=replace(PLAN.monitoring, channels=("hook",)))
    newer = replace(plan, alertmanager_version=(0, 26))
    assert configuration(newer)["receivers"][0]["webhook_configs"][0]["url_file"] == "/run/secrets/hook-url"


def test_the_worst_severity_mutes_the_others_on_metrics() -> None:
    (rule,) = configuration(PLAN)["inhibit_rules"]
    assert 'severity="critical"' in rule["source_matchers"]
    assert 'severity=~"high|medium|warning|low|info"' in rule["target_matchers"]
    for matchers in rule["source_matchers"], rule["target_matchers"]:
        assert {'subject!~"settlement"', 'subject=~".+"', 'domain=~".+"', 'domain!="tocsin"'} <= set(matchers)
    assert rule["equal"] == ["platform", "domain", "subject", "method", "priority"]


def routes_of(plan: Plan, receiver: str, notification: str) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """The routes of a cadence to a receiver: what they match beside the channel, and what mutes them."""
    routes = walk(configuration(plan)["route"])
    return [
        (path[2:], tuple(route.get("mute_time_intervals", ())))
        for path, route in routes
        if path[:1] == (f'notification="{notification}"',) and route["receiver"] == receiver and len(path) > 1
    ]


def test_quiet_hours_mute_a_channel() -> None:
    assert routes_of(QUIET, "channel-email", "immediate") == [((), ("quiet/channel/email",))]
    assert routes_of(QUIET, "channel-sms", "immediate") == [((), ())]


def test_each_severity_has_its_own_quiet_hours_and_a_stranger_the_fewest() -> None:
    assert routes_of(QUIET, "channel-slack", "immediate") == [
        (('severity="high"',), ("all", "worst")),
        (('severity=~"medium|warning|low|info"',), ("all", "mild", "worst")),
        (('severity!~"high|medium|warning|low|info"',), ("all",)),
    ]


def test_a_slot_outside_quiet_hours_stays_one_message() -> None:
    assert routes_of(QUIET, "digest-slack", "daily")[0][0] == ('severity="high"',), "zones differ: nobody can tell"
    alike = replace(QUIET, cadences=(cadence("noon", model.Cadence(at="12:00"), "Europe/Stockholm", 1.0),))
    assert routes_of(alike, "digest-slack", "noon") == [((), ())]
    assert len(routes_of(QUIET, "digest-slack", "evening")) == 3


def test_a_rotation_tells_whoever_is_on_call() -> None:
    escalations = configuration(QUIET)["route"]["routes"][1]["routes"]
    assert escalations[0]["mute_time_intervals"] == ["quiet/contact/anna"]
    assert escalations[1] == {
        "matchers": ['escalation="duty"', 'severity="critical"'],
        "routes": [
            {"receiver": "contact-anna-critical", "active_time_intervals": ["on-call/duty/anna"], "continue": True},
            {
                "receiver": "contact-bo-critical",
                "active_time_intervals": ["on-call/duty/bo"],
                "mute_time_intervals": ["b"],
                "continue": True,
            },
        ],
    }


def test_contacts_have_their_own_addresses() -> None:
    by_name = {receiver["name"]: receiver for receiver in configuration(PLAN)["receivers"]}
    oncall = by_name["contact-on-call-engineer-critical"]
    assert oncall["sns_configs"][0]["phone_number"] == "+46700000001"
    assert "topic_arn" not in oncall["sns_configs"][0]
    assert oncall["pagerduty_configs"][0]["routing_key_file"] == "/run/secrets/pagerduty-oncall"
    assert by_name["contact-anna-high"]["slack_configs"][0]["channel"] == "@anna"


@pytest.mark.parametrize("name", messages.MESSAGES)
def test_messages(config: Path, name: str, request: pytest.FixtureRequest) -> None:
    payload = messages.MESSAGES[name]
    separator = "\n----------\n"
    parts = separator.join(f'{text}:\n{{{{ template "tocsin.{text}" . }}}}' for text in TEXTS)
    page = render(config, payload, '{{ template "tocsin.email.html" . }}', "html")
    for suffix, found in (("txt", render(config, payload, parts)), ("html", page)):
        golden = GOLDEN / f"{name}.{suffix}"
        if request.config.getoption("--bless", default=False):
            golden.parent.mkdir(parents=True, exist_ok=True)
            golden.write_text(found + "\n", "utf-8")
        assert found + "\n" == golden.read_text("utf-8")


def test_no_golden_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(messages.MESSAGES)


def called(text: str) -> str:
    """A template's text as configurations ask for it."""
    return f'{{{{ template "tocsin.{text}" . }}}}'


WHOLE = ("slack.text", "email.text", "pagerduty.firing", "sms.text")


def everywhere(config: Path, payload: messages.Payload) -> dict[str, str]:
    """The text that each kind of channel tells, as people read it."""
    page = html.unescape(render(config, payload, called("email.html"), "html"))
    return {"email.html": page} | {text: html.unescape(render(config, payload, called(text))) for text in WHOLE}


def test_an_escalation_says_who_did_not_respond(config: Path) -> None:
    labels = {"escalation": "anna", "severity": "high"}
    told = {"escalated_after": "10m", "escalated_from": "Operations and Bo"}
    found = everywhere(config, messages.payload(messages.alert(labels=labels, annotations=told)))
    assert found.pop("sms.text").startswith('ESCALATED to Anna "the ((lead))": HIGH CollectionsQueueBackup 150 settl')
    for text in found.values():
        assert 'Escalated to Anna "the {{lead}}": Operations and Bo did not respond within 10m.' in text
    # One that does not say it, of rules of another's making.
    bare = everywhere(config, messages.payload(messages.alert(labels=labels)))
    assert bare.pop("sms.text").endswith(". Operations did not respond, since 22 Nov 10:00 UTC")
    for text in bare.values():
        assert 'Escalated to Anna "the {{lead}}": Operations did not respond. ' in text


def test_an_escalation_says_when_it_began_and_not_when_it_was_escalated(config: Path) -> None:
    for after in (5, 10):
        escalated = messages.escalated(after=f"{after}m", minute=10)
        for text in everywhere(config, messages.payload(escalated)).values():
            assert f"10:{10 - after:02} UTC" in text
            assert "10:10 UTC" not in text
    # Whoever waits for so long is known by the matrix; of others the time is that of the escalation.
    strange = messages.escalated(after="7m", minute=10)
    assert "since 22 Nov 10:10 UTC" in everywhere(config, messages.payload(strange))["sms.text"]


def test_an_alert_that_brings_its_silence_along_is_silenced_by_that(config: Path) -> None:
    link = "https://elsewhere.example/#/silences/new?filter=%7Ba%3D%22%C3%A9%20%26%22%7D"
    for other in ({}, {"alertname": "Other"}, {"priority": "low"}):
        brings, another = (messages.alert(labels=labels, annotations={"silence_url": link}) for labels in ({}, other))
        found = everywhere(config, messages.payload(brings, another) if other else messages.payload(brings))
        del found["sms.text"]
        if "alertname" in other:
            del found["pagerduty.firing"]  # one line for each, and where to see all of them
        for text in found.values():
            assert text.count(link) == (2 if other else 1)
            assert "alertmanager.fire22.example/#/silences" not in text


def test_slack_tells_the_time_of_whoever_reads_it(config: Path) -> None:
    text = render(config, messages.MESSAGES["firing_and_resolved"], called("slack.text"))
    ten = datetime(2026, 11, 22, 10, tzinfo=UTC)
    told = [f"<!date^{at.timestamp():.0f}^{{date_short_pretty}} {{time}}|{at:%Y-%m-%d %H:%M} UTC>"
            for at in (ten, ten + timedelta(hours=1))]  # fmt: skip
    assert f"Since {told[0]} · " in text
    assert f"Since {told[0]} until {told[1]}\n" in text


def test_owners_are_called_by_their_titles(config: Path) -> None:
    for payload in messages.MESSAGES.values():
        if payload["commonLabels"].get("owner") == "ops":
            for name, text in everywhere(config, payload).items():
                assert "Operations" in text or name == "pagerduty.firing"
            assert render(config, payload, called("pagerduty.owner")) == "Operations"


def test_a_digest_tells_the_worst_first(config: Path) -> None:
    digest = messages.payload(*messages.many(30))
    found = everywhere(config, digest)
    sms = found.pop("sms.text")
    assert sms == (
        "FIRING up to CRITICAL 30 alerts collections, Operations: CollectionsStep4Slow, CollectionsStep9Slow,"
        " CollectionsStep14Slow, CollectionsStep19Slow"
    )
    ranked = ["CRITICAL", "HIGH", "MEDIUM", "WARNING", "LOW"]
    for text in found.values():
        ranks = [ranked.index(severity) for severity in re.findall(r"\b(?:CRITICAL|HIGH|MEDIUM|WARNING|LOW)\b", text)]
        assert len(ranks) >= 30
        assert ranks == sorted(ranks)
        assert "6 critical, 6 high, 6 medium, 6 warning, 6 low" in text
        assert {int(step) for step in re.findall(r"Settlements stay long in step (\d+)", text)} == set(range(30))
    assert render(config, digest, called("slack.color")) == "danger"
    assert render(config, digest, called("pagerduty.severity")) == "critical"
    assert render(config, digest, called("title")) == "[up to CRITICAL] 30 alerts: collections"


def test_what_a_digest_does_not_know_is_told_at_last(config: Path) -> None:
    strange = messages.daily("Strange", "unheard-of", "Something else", "1", "> 0")
    nameless = messages.daily("Nameless", "", "Something nameless", "1", "> 0")
    found = everywhere(config, messages.payload(strange, nameless, *messages.many(2)))
    assert found.pop("sms.text").endswith(": CollectionsStep1Slow, CollectionsStep0Slow, Strange, Nameless")
    for text in found.values():
        assert "1 high, 1 warning, 2 other" in text
        assert text.index("in step 0") < text.index("Something else") < text.index("Something nameless")
    alone = messages.payload(strange, nameless)
    assert render(config, alone, called("title")) == "[up to UNHEARD-OF] 2 alerts: collections"


def test_slack_reads_no_markup_but_ours(config: Path) -> None:
    call = "<!channel> & <https://evil.example|x>"
    labels = dict.fromkeys(("alertname", "severity", "owner", "domain", "escalation"), call)
    said = dict.fromkeys((*messages.ANNOTATIONS, "silence_url", "resolved", "escalated_from", "escalated_after"), call)
    hostile = [messages.alert(status, labels, said) for status in ("firing", "resolved")]
    different = messages.alert(labels={**labels, "alertname": f"{call}2"}, annotations={**said, "summary": f"{call}2"})
    several = messages.alert(labels=labels, annotations={**said, "summary": f"{call}2"})
    for alerts in (hostile[:1], hostile[1:], hostile, [hostile[0], different], [hostile[0], several]):
        for text in ("slack.title", "slack.fallback", "slack.text"):
            found = render(config, messages.payload(*alerts), called(text))
            assert re.findall(r"<(?!!date\^\d|%3C!channel%3E|https://(?:grafana|alertmanager)\.fire22)", found) == []
            assert ("&lt;!channel&gt;" in found) or len(alerts) > 1


SEGMENT = 160
LONG = {
    "labels": {
        "alertname": "DistributionsPaymentFailureHighValueCampaign",
        "owner": "the-distributions-and-settlements-team-of-the-night",
        "transaction": "an-identifier-of-more-than-thirty-characters",
    },
    "annotations": {"value": "12345 rows, worst 1d 6h 12m 13s and more", "threshold": "payment_amount > $50000 AND x"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("status", "labels", "said", "parts"),
    [
        pytest.param("firing", {}, {}, ["FIRING CRITICAL DistributionsPaymentFailureHighValueCamp",
                     " 12345 rows, worst", "(payment_", " x2", ", the-distributions-and"], id="firing"),
        pytest.param("firing", {"escalation": "the-engineer-on-call-of-this-and-every-night"},
                     {"escalated_from": "The distributions and settlements team of the night"},
                     ["ESCALATED to the-engineer-on-call:", " CRITICAL DistributionsPaymentFailureHighValueCamp",
                      " 12345 rows, worst", " x2", ". The distributions an did not respond"], id="escalated"),
        pytest.param("resolved", {}, {}, ["RESOLVED CRITICAL DistributionsPaymentFailureHighValueCamp", " x2",
                     "the-distributions-and"], id="resolved"),
        pytest.param("resolved", {}, {"resolved": "no new event for 1h"}, ["NO NEW EVENT FOR 1H CRITICAL Distributions",
                     " x2", "the-distributions-and"], id="event"),
        pytest.param("firing", {"severity": "unbelievably-severe"}, {}, ["FIRING UNBELIEVAB Distributions", " x2"],
                     id="severity"),
    ],
)  # fmt: skip
def test_what_matters_most_survives_the_cut(
    config: Path, status: str, labels: dict[str, str], said: dict[str, str], parts: list[str]
) -> None:
    one = messages.alert(status, {**LONG["labels"], **labels}, {**LONG["annotations"], **said})
    text = render(config, messages.payload(one, one), called("sms.text"))
    assert len(text) <= SEGMENT
    assert set(text) <= GSM
    places = [text.find(part) for part in parts]
    assert -1 not in places and places == sorted(places), text


def test_an_sms_says_which_instance_and_since_when(config: Path) -> None:
    one = messages.payload(messages.alert(labels={"instance": "web-3", "mountpoint": "/data"}))
    assert render(config, one, called("sms.text")) == (
        "FIRING CRITICAL CollectionsQueueBackup (web-3, /data) 150 settlements (> 100 settlements), Operations,"
        " since 22 Nov 10:00 UTC"
    )
    several = messages.payload(
        messages.split("high", "resolved", minute=50), messages.split("low", "resolved", minute=5)
    )
    several["alerts"][1]["endsAt"] = "2026-11-23T00:01:00Z"
    assert render(config, several, called("sms.text")) == (
        "RESOLVED CRITICAL CollectionsQueueBackup x2, Operations, 22 Nov 10:05 to 23 Nov 00:01 UTC"
    )


def test_an_sms_fits_one_segment(config: Path) -> None:
    for payload in (*messages.MESSAGES.values(), messages.payload(*messages.many(30))):
        text = render(config, payload, called("sms.text"))
        assert 0 < len(text) <= SEGMENT
        assert set(text) <= GSM


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=300))
def test_an_sms_is_one_line_whatever_is_in_it(config: Path, text: str) -> None:
    said = dict.fromkeys(("value", "threshold", "resolved", "escalated_from"), text)
    labels = dict.fromkeys(("transaction", "owner", "escalation"), f"x{text}")
    hostile = [messages.alert(status, labels, said) for status in ("firing", "resolved")]
    found = render(config, messages.payload(hostile[0]), called("sms.text"))
    ended = render(config, messages.payload(hostile[1], hostile[1]), called("sms.text"))
    for line in (found, ended):
        assert len(line) <= SEGMENT
        assert set(line) <= GSM


def test_pagerduty_knows_every_severity(config: Path) -> None:
    found = {
        severity: render(
            config,
            messages.payload(messages.alert(labels={"severity": severity})),
            '{{ template "tocsin.pagerduty.severity" . }}',
        )
        for severity in plans.SEVERITIES
    }
    assert found == {
        "critical": "critical", "high": "error", "medium": "warning", "warning": "warning", "low": "info",
        "info": "info",
    }  # fmt: skip


def test_names_are_made_in_one_place() -> None:
    names = {receiver["name"] for receiver in configuration(PLAN)["receivers"]}
    channels = {naming.channel_receiver(one.name) for one in PLAN.channels}
    digests = {naming.digest_receiver(one.name) for one in PLAN.channels}
    contacts = {naming.contact_receiver(one.contact, one.severities[0]) for one in PLAN.contact_routes}
    others = {naming.UNROUTED_RECEIVER, naming.WATCHDOG_RECEIVER}
    assert names == channels | digests | contacts | others
