"""Every alert of the platforms: told over its own channels at once, and then as its escalations say."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from generator import naming
from generator.checks import CHECKS
from generator.emit import alertmanager
from generator.load import Files, load
from generator.plan.build import plan
from generator.plan.types import Alert, Plan
from generator.routing.scope import files_of_alert, files_of_platform, without_the_rest
from generator.routing.steps import Answer, Question, Told, address, answer
from tests.compiling import PLATFORMS, planned

NOON = datetime(2026, 12, 9, 12, tzinfo=UTC)  # a Wednesday, outside every daily and weekly window


@cache
def whole(platform: str) -> Plan:
    return planned(PLATFORMS[platform])


def alerts() -> Iterator[tuple[str, Alert]]:
    for platform in PLATFORMS:
        for domain in whole(platform).domains:
            for alert in domain.alerts:
                yield platform, alert


ALERTS = [pytest.param(platform, alert, id=f"{platform}/{alert.domain}/{alert.name}") for platform, alert in alerts()]


def asked(platform: str, alert: Alert, *also: Alert, at: datetime = NOON, silenced: bool = False) -> Answer:
    return answer(Question(whole(platform), str, alert, (), at, also, silenced))


@pytest.mark.parametrize(("platform", "alert"), ALERTS)
def test_the_steps_are_the_plans_own(platform: str, alert: Alert) -> None:
    what = whole(platform)
    first, *later = asked(platform, alert).steps
    channels = {channel.name: address(channel) for channel in what.channels}
    if alert.alertname == naming.WATCHDOG:
        expected = {channels[what.monitoring.watchdog]} if what.monitoring.watchdog else set()
        assert {way for told in first.told for way in told.over} == expected
        return
    assert {way for told in first.told for way in told.over} == {channels[name] for name in alert.channels}
    assert [(step.after, step.contact) for step in later] == [(one.after, one.contact) for one in alert.escalations]
    ways = {(route.contact, severity): route for route in what.contact_routes for severity in route.severities}
    for step, escalation in zip(later, alert.escalations, strict=True):
        way = ways[escalation.contact, alert.severity]
        told = {(told.who, told.over) for told in step.told}
        people = {(f"{one.title} ({way.title})", tuple(map(address, one.channels))) for one in way.on_call}
        assert told == (people or {(way.title, tuple(map(address, way.channels)))})
        assert len([one for one in step.told if one.waits_until is None]) == 1
        named = {channel.name for one in way.on_call or (way,) for channel in one.channels}
        assert named == set(escalation.channels)
    cadence = next(one for one in what.cadences if one.name == alert.notification)
    waits = cadence.at is not None and not cadence.is_open
    assert {told.waits_until is not None for told in first.told if waits or not told.closes} <= {waits}
    assert {told.hears_end for told in first.told} == {cadence.at is None}
    zone = ZoneInfo(what.timezone)
    if waits:
        assert {f"{told.at.astimezone(zone):%H:%M}" for told in first.told if told.at} == {cadence.at}


@pytest.mark.parametrize(("platform", "alert"), ALERTS)
def test_who_takes_it_silences_every_step(platform: str, alert: Alert) -> None:
    found = asked(platform, alert, silenced=True)
    assert {told.who for step in found.steps for told in step.told} == {"nobody"}
    assert not [told for step in found.steps for told in step.told if told.over or told.hears_end]


@pytest.mark.parametrize("platform", ["fire22", "fastbreak", "everything"])
def test_one_domain_alone_gives_the_same_answers(platform: str) -> None:
    """What is read for one alert: its steps are those of the whole plan, and the checks find nothing in it."""
    folder = PLATFORMS[platform]
    for domain in whole(platform).domains:
        for alert in domain.alerts if domain.name != naming.OWN_DOMAIN else ():
            name = f"{domain.name}/{alert.name}"
            whole_domain = files_of_alert([folder], name, None)
            assert isinstance(whole_domain, Files), whole_domain
            files = without_the_rest(whole_domain, name)
            assert [problem for check in CHECKS for problem in check(files)] == []
            alone = plan(files, with_sql=False)
            assert routes(alone) == routes(whole(platform))
            (own,) = (
                one
                for found in alone.domains
                for one in found.alerts
                if (found.name, one.name) == (domain.name, alert.name)
            )
            assert own == replace(alert, matching_sql=None)
            assert answer(Question(alone, str, own, (), NOON)) == replace(asked(platform, alert), alert=own)


def routes(what: Plan) -> object:
    """All of the configuration but inhibition, which depends on every domain."""
    return {key: value for key, value in alertmanager.configuration(what).items() if key != "inhibit_rules"}


def test_bare_labels_need_no_domain() -> None:
    files = files_of_platform(PLATFORMS["fire22"], None)
    assert isinstance(files, Files)
    assert [problem for check in CHECKS for problem in check(files)] == []
    assert routes(plan(files)) == routes(whole("fire22"))


def test_the_worst_severity_mutes_the_others_of_its_subject() -> None:
    """In every platform: a critical alert that fires mutes whatever its rules say, and nothing else."""
    muted = 0
    for platform in ("fire22", "fastbreak"):
        every = [alert for domain in whole(platform).domains for alert in domain.alerts]
        worst = whole(platform).severities[0].name
        records = {record.name for domain in whole(platform).domains for record in domain.records}
        for source in (alert for alert in every if alert.severity == worst and alert.domain != naming.OWN_DOMAIN):
            for alert in every:
                same = (alert.domain, alert.subject) == (source.domain, source.subject)
                below = alert.severity not in (worst, "none")
                expected = same and below and alert.subject not in records and alert.by == source.by
                found = asked(platform, alert, source)
                reasons = {told.reason for step in found.steps for told in step.told} - {"discarded"}
                assert (reasons == {"inhibited"}) == expected, (source.name, alert.name)
                muted += expected
    assert muted


def test_an_alert_in_its_window_is_told_at_once() -> None:
    what = whole("fire22")
    weekly = next(alert for domain in what.domains for alert in domain.alerts if alert.notification == "weekly")
    monday = datetime(2026, 12, 7, 9, 2, tzinfo=UTC)
    told = asked("fire22", weekly, at=monday).steps[0].told[0]
    assert (told.waits_until, told.at) == (None, monday + timedelta(seconds=30))
    assert told.again_at == monday.replace(day=14, minute=0)
    # What fires in the window's last seconds has left it when its group_wait is over.
    told = asked("fire22", weekly, at=monday.replace(minute=5, second=45)).steps[0].told[0]
    assert told.waits_until == monday.replace(day=14, minute=0)


def test_a_receiver_without_a_channel_tells_nobody() -> None:
    silent = replace(whole("fire22"), monitoring=replace(whole("fire22").monitoring, watchdog=None))
    watchdog = next(one for domain in silent.domains for one in domain.alerts if one.alertname == naming.WATCHDOG)
    told: tuple[Told, ...] = answer(Question(silent, str, watchdog, (), NOON)).steps[0].told
    assert [(one.who, one.reason) for one in told] == [("nobody", "discarded")]


def test_nothing_that_opens_a_channel_is_shown(tmp_path: Path) -> None:
    for platform in PLATFORMS:
        files = load(PLATFORMS[platform])
        assert isinstance(files, Files)
        for channel in whole(platform).channels:
            shown = address(channel)
            assert "/run/secrets" not in shown
            assert "//" not in shown
