"""The page in a real browser, wide and narrow: everything arrives live, looks right, and nothing of it acts."""

import re
import smtplib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pytest
import requests
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Dialog,
    Locator,
    Page,
    Request,
    ViewportSize,
    expect,
    sync_playwright,
)

from demo.receiver import Kind, Receiver
from tests.programs import program

LOOPBACK = ("127.0.0.1", 0)
PEOPLE: dict[tuple[Kind, str], str] = {
    ("slack", "#alerts"): "Collections team",
    ("email", "anna@example.org"): "Anna",
    ("slack", "@anna"): "Anna",
    ("sms", "+46700000001"): "Olle",
    ("phone", "olle-key"): "Olle",
    ("webhook", "tickets"): "Ticket system",
    ("email", "compliance@example.org"): "Compliance",
}
SIZES: list[ViewportSize] = [{"width": 1280, "height": 900}, {"width": 390, "height": 844}]
LINK = "https://grafana.example/d/collections?viewPanel=7"
HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)> <javascript:alert(3)|go> <data:text/html,x|go>"
    " ]]> \" ' & javascript:alert(4) *<b>*"
)
HOSTILE_PAGE = f"""<html><head><meta http-equiv="refresh" content="0;url=https://evil.example/">
<base href="https://evil.example/"><script>parent.alert(5)</script></head><body onload="alert(6)">
<p style="color: rgb(1, 2, 3)">{HOSTILE}</p><a id="bad" href="javascript:alert(7)">bad</a>
<a id="good" href="{LINK}">good</a>
<img src="https://evil.example/x.png"><svg onload="alert(8)"><script>alert(9)</script></svg>
<iframe src="https://evil.example/"></iframe><form action="https://evil.example/"><input autofocus onfocus="alert(10)">
</form></body></html>"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    arguments = [
        "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync",
    ]  # fmt: skip
    expect.set_options(timeout=20_000)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program("chromium"), args=arguments)
        yield running
        running.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver(LOOPBACK, LOOPBACK, title="Who is told what", people=PEOPLE) as running:
        yield running


@pytest.fixture(params=SIZES, ids=["wide", "narrow"])
def page(request: pytest.FixtureRequest, browser: Browser, receiver: Receiver) -> Iterator[Page]:
    """The page, live, before anything arrived; afterwards nothing had been wrong with it."""
    with watched(browser, receiver, request.param) as (opened, wrong):
        yield opened
    assert wrong == [], wrong


@contextmanager
def watched(browser: Browser, receiver: Receiver, size: ViewportSize) -> Iterator[tuple[Page, list[str]]]:
    """The page, live, and a list of what goes wrong in it; in the end it must not be wider than its window."""
    with browser.new_context(viewport=size) as context:
        opened = context.new_page()
        wrong = watch(opened)
        opened.goto(receiver.url)
        expect(opened.locator("#connection")).to_have_text("Live")
        yield opened, wrong
        assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")


def complain(wrong: list[str], message: ConsoleMessage) -> None:
    if message.type in ("error", "warning"):
        wrong.append(message.text)


def dismiss(wrong: list[str], dialog: Dialog) -> None:
    wrong.append(dialog.message)
    dialog.dismiss()


def leave(wrong: list[str], request: Request) -> None:
    if urlsplit(request.url).hostname not in ("127.0.0.1", None):
        wrong.append(request.url)


def watch(page: Page) -> list[str]:
    """What goes wrong in it: errors, complaints, dialogs, requests that leave this machine."""
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: complain(wrong, message))
    page.on("dialog", lambda dialog: dismiss(wrong, dialog))
    page.on("request", lambda request: leave(wrong, request))
    return wrong


def post(receiver: Receiver, path: str, payload: dict[str, Any]) -> None:
    requests.post(f"{receiver.url}/{path}", json=payload, timeout=10).raise_for_status()


def slack(receiver: Receiver, channel: str = "#alerts", **attachment: Any) -> None:
    filled = {"title": "[CRITICAL] Queue", "text": "150", "color": "danger", "mrkdwn_in": ["text"], **attachment}
    post(receiver, "slack", {"channel": channel, "username": "Alertmanager", "attachments": [filled]})


def event(receiver: Receiver, action: str, summary: str = "[CRITICAL] Queue", **more: Any) -> None:
    payload = {
        "summary": summary,
        "severity": "critical",
        "custom_details": {"firing": f"Queue: 150\nSilence: {LINK}", "owner": "ops"},
    }
    given = {
        "routing_key": "olle-key",
        "event_action": action,
        "dedup_key": "1",
        "client": "Alertmanager",
        "links": [{"href": LINK, "text": "Dashboard"}],
        "payload": payload,
    }
    post(receiver, "pagerduty", {**given, **more})


def sms(receiver: Receiver, text: str) -> None:
    form = {"Action": "Publish", "PhoneNumber": "+46700000001", "Message": text}
    requests.post(f"{receiver.url}/sns/", data=form, timeout=10).raise_for_status()


def email(receiver: Receiver, subject: str, page: str, *to: str) -> None:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "alerts@example.org", ", ".join(to), subject
    made.set_content("The text part")
    made.add_alternative(page, subtype="html")
    with smtplib.SMTP("127.0.0.1", receiver.smtp_port, timeout=10) as client:
        client.send_message(made)


def card(page: Page, person: str) -> Locator:
    return page.get_by_role("region", name=person, exact=True)


def style(found: Locator, name: str) -> str:
    value: str = found.evaluate("(one, name) => getComputedStyle(one)[name]", name)
    return value


def test_slack(page: Page, receiver: Receiver) -> None:
    links = f"<{LINK}|Dashboard> · <{LINK}&amp;x|Runbook>"
    text = f":rotating_light: *Escalated to Anna*\n150 (threshold &gt; 100) at 14:03:07\n{links}"
    slack(receiver, title_link=LINK, text=text)
    message = card(page, "Collections team").locator("article")
    expect(message).to_be_visible()
    expect(message.locator(".slack-from strong")).to_have_text("Alertmanager")
    assert style(message.locator(".attachment"), "borderLeftColor") == "rgb(163, 2, 0)"
    expect(message.get_by_role("link", name="[CRITICAL] Queue")).to_have_attribute("href", LINK)
    expect(message.get_by_role("link", name="Runbook")).to_have_attribute("href", f"{LINK}&x")
    expect(message.get_by_role("img", name="rotating light")).to_be_visible()
    expect(message.locator(".slack-text strong")).to_have_text("Escalated to Anna")
    expect(message.locator(".slack-text")).to_contain_text("150 (threshold > 100) at 14:03:07\nDashboard · Runbook")
    expect(message.locator(".pill")).to_have_text("firing")

    slack(receiver, title="[resolved] Queue", text=":white_check_mark: resolved", color="good")
    latest = card(page, "Collections team").locator("article").first
    expect(latest.locator(".pill")).to_have_text("resolved")
    assert style(latest.locator(".attachment"), "borderLeftColor") == "rgb(46, 184, 134)"
    assert style(latest.locator(".pill"), "color") == "rgb(20, 113, 58)"


def test_slack_shows_times_as_its_reader_counts_them(browser: Browser, receiver: Receiver) -> None:
    noon = datetime(2024, 5, 1, 12, tzinfo=UTC)
    today = datetime.now(ZoneInfo("Asia/Tokyo")).replace(hour=12, minute=0, second=0, microsecond=0)
    times = [f"<!date^{at.timestamp():.0f}^{{date_short_pretty}} {{time}}|elsewhere>" for at in (noon, today)]
    slack(receiver, text=f"Since {times[0]} until {times[1]}, not <!date^99999999999999^{{time}}|a time>")
    page = browser.new_page(timezone_id="Asia/Tokyo")
    page.goto(receiver.url)
    expect(page.locator(".slack-text")).to_have_text("Since 1 May 2024 21:00 until today 12:00, not a time")
    expect(page.locator(".slack-text time").first).to_have_attribute("title", "elsewhere")
    page.close()


def test_sms(page: Page, receiver: Receiver) -> None:
    sms(receiver, "FIRING CRITICAL Queue 150 (> 100) ops")
    bubble = card(page, "Olle").locator(".bubble")
    expect(bubble).to_have_text("FIRING CRITICAL Queue 150 (> 100) ops")
    assert style(bubble, "borderRadius") == "18px 18px 18px 5px"
    sms(receiver, "RESOLVED CRITICAL Queue ops")
    expect(card(page, "Olle").locator("article").first).to_have_attribute("data-status", "resolved")


def test_phone_follows_its_incident(page: Page, receiver: Receiver) -> None:
    event(receiver, "trigger", client_url="https://alertmanager.example/#/alerts")
    push = card(page, "Olle").locator(".push")
    expect(push.locator(".push-title")).to_have_text("[CRITICAL] Queue")
    expect(push.locator(".state")).to_have_text("Triggered")
    expect(push.locator(".severity")).to_have_text("critical")
    expect(push.locator("dd", has_text="Silence")).to_contain_text("Queue: 150")
    expect(push.get_by_role("link", name="Dashboard")).to_have_attribute("href", LINK)
    expect(push.get_by_role("link", name="View in Alertmanager")).to_be_visible()
    event(receiver, "resolve", "[resolved] Queue")
    expect(push).to_have_count(2)
    for one in range(2):
        expect(push.nth(one).locator(".state")).to_have_text("Resolved")
    expect(push.nth(1)).to_contain_text(re.compile(r"at \d\d:\d\d:\d\d"))


def test_email(page: Page, receiver: Receiver) -> None:
    heading_style = "height:300px;margin:0;background:rgb(153,27,27)"
    html = f'<body style="margin:0"><h1 style="{heading_style}">Queue</h1><a href="{LINK}">D</a></body>'
    email(receiver, "[CRITICAL] Queue", html, "anna@example.org", "compliance@example.org")
    for person in ("Anna", "Compliance"):
        mail = card(page, person).locator(".mail")
        expect(mail.locator(".mail-subject")).to_have_text("[CRITICAL] Queue")
        expect(mail.locator("dl")).to_contain_text("alerts@example.org")
        heading = mail.frame_locator("iframe").locator("h1")
        expect(heading).to_be_visible()
        assert style(heading, "backgroundColor") == "rgb(153, 27, 27)"
        expect(mail.frame_locator("iframe").get_by_role("link")).to_have_attribute("target", "_blank")
        page.wait_for_function("frame => frame.clientHeight > 300", arg=mail.locator("iframe").element_handle())
    mail = card(page, "Anna").locator(".mail")
    mail.get_by_role("button", name="Text").click()
    expect(mail.locator(".mail-text")).to_have_text("The text part")
    expect(mail.locator("iframe")).to_be_hidden()
    mail.get_by_role("button", name="HTML").click()
    expect(mail.locator("iframe")).to_be_visible()


def test_webhook(page: Page, receiver: Receiver) -> None:
    alert = {"status": "firing", "labels": {"alertname": "Queue"}, "annotations": {"summary": "Queue backup"}}
    post(receiver, "webhook/tickets", {"status": "firing", "receiver": "hook", "alerts": [alert], "version": "4"})
    message = card(page, "Ticket system").locator("article")
    expect(message.locator(".json").first).to_contain_text('"summary": "Queue backup"')
    message.get_by_text("Whole payload").click()
    expect(message.locator(".json").last).to_contain_text('"version": "4"')


def test_news_and_counts_and_the_latest_first(page: Page, receiver: Receiver) -> None:
    expect(page.locator("#nothing")).to_be_visible()
    expect(page.locator("#waiting")).to_have_text(
        "Nothing yet: Collections team, Anna, Olle, Ticket system, Compliance"
    )
    receiver.say("Incident: three settlements wait")
    expect(page.locator("#news li").first).to_contain_text("Incident: three settlements wait")
    slack(receiver)
    expect(page.locator("article").first).to_contain_text(re.compile(r"\+\d+\.\d s"))
    slack(receiver, "@anna")
    sms(receiver, "FIRING CRITICAL Queue")
    expect(page.locator("#totals")).to_have_text("3 messages to 3 people")
    expect(page.locator("#announcer")).to_contain_text("FIRING CRITICAL Queue")
    expect(page.locator("#nothing")).to_be_hidden()
    tops: list[tuple[str, float, float]] = page.locator(".card").evaluate_all(
        "all => all.map(one => [one.ariaLabel, one.getBoundingClientRect().top, one.getBoundingClientRect().left])"
    )
    in_reading_order = [name for name, *_ in sorted(tops, key=lambda one: (one[1], one[2]))]
    assert in_reading_order == ["Olle", "Anna", "Collections team"]
    receiver.say("It is over")
    expect(page.locator("#news li").first).to_contain_text("It is over")
    receiver.clear()
    expect(page.locator("#totals")).to_have_text("No messages yet")
    expect(page.locator(".card, #news li")).to_have_count(0)


def test_the_timeline(page: Page, receiver: Receiver) -> None:
    receiver.say("It begins")
    slack(receiver)
    sms(receiver, "FIRING CRITICAL Queue")
    page.get_by_role("tab", name="Timeline").click()
    lines = page.locator("#entries > li")
    expect(lines).to_have_count(3)
    receiver.say("It ends")
    sms(receiver, "RESOLVED CRITICAL Queue")
    expect(lines).to_have_count(5)
    expect(lines.nth(0)).to_contain_text("It begins")
    expect(lines.nth(1)).to_contain_text("Collections team")
    expect(lines.nth(3)).to_contain_text("It ends")
    expect(lines.nth(4).locator(".pill")).to_have_text("resolved")
    expect(lines.nth(4).locator(".when")).to_contain_text(re.compile(r"\d\d:\d\d:\d\d\+\d+\.\d s"))
    lines.nth(1).locator("summary").click()
    expect(lines.nth(1).locator(".attachment")).to_be_visible()


def test_tabs_by_keyboard(page: Page, receiver: Receiver) -> None:
    slack(receiver)
    people, timeline = page.get_by_role("tab", name="People"), page.get_by_role("tab", name="Timeline")
    page.keyboard.press("Tab")
    expect(people).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(timeline).to_be_focused()
    expect(timeline).to_have_attribute("aria-selected", "true")
    expect(page.locator("#timeline")).to_be_visible()
    expect(page.locator("#people")).to_be_hidden()
    page.reload()
    expect(page.locator("#timeline")).to_be_visible()
    timeline.focus()
    page.keyboard.press("Home")
    expect(people).to_be_focused()
    expect(page.locator("#people")).to_be_visible()


@pytest.mark.parametrize("size", SIZES, ids=["wide", "narrow"])
def test_hostile_text_is_shown_and_does_nothing(browser: Browser, receiver: Receiver, size: ViewportSize) -> None:
    with watched(browser, receiver, size) as (page, wrong):
        send_hostile(receiver)
        check_hostile(page)
    # The browser reports what of the mail the policy stopped before it was taken out.
    assert [one for one in wrong if "violates the following Content Security Policy" not in one] == []


def send_hostile(receiver: Receiver) -> None:
    slack(receiver, title=HOSTILE, title_link="javascript:alert(11)", text=HOSTILE, color="red;background:url(x)")
    slack(receiver, title=f"<{HOSTILE}", text='<https://a.example" onmouseover="alert(12)|label>', footer=HOSTILE)
    sms(receiver, HOSTILE)
    event(receiver, "trigger", HOSTILE, client_url="javascript:alert(13)")
    email(receiver, HOSTILE, HOSTILE_PAGE, "anna@example.org")
    alerts = [{"labels": {"alertname": HOSTILE}, HOSTILE: HOSTILE}, None]
    post(receiver, "webhook/tickets", {"status": HOSTILE, "alerts": alerts})
    receiver.say(HOSTILE)


def check_hostile(page: Page) -> None:
    expect(page.locator("#totals")).to_have_text("6 messages to 4 people")
    expect(card(page, "Olle").locator(".bubble")).to_have_text(HOSTILE)
    frame = card(page, "Anna").frame_locator("iframe")
    expect(frame.locator("p")).to_be_visible()
    assert style(frame.locator("p"), "color") == "rgb(1, 2, 3)"
    assert frame.locator("#bad").get_attribute("href") is None
    expect(frame.locator("#good")).to_have_attribute("href", LINK)
    expect(frame.locator("script, iframe, form, meta, base, [onload], [onerror]")).to_have_count(0)
    page.get_by_role("tab", name="Timeline").click()
    for line in page.locator("#entries summary").all():
        line.click()
    addresses = page.evaluate("[...document.querySelectorAll('a')].map(one => one.href)")
    assert [one for one in addresses if not one.startswith("https://")] == []
    assert page.locator("main script, main img").count() == 0


@pytest.mark.parametrize("page", [SIZES[0]], ids=["wide"], indirect=True)
def test_a_flood_stays_short(page: Page, receiver: Receiver) -> None:
    with requests.Session() as session:
        for number in range(1000):
            attachment = {"title": f"[CRITICAL] Queue {number}", "text": "x"}
            session.post(f"{receiver.url}/slack", json={"channel": "#alerts", "attachments": [attachment]}, timeout=10)
    expect(page.locator("#totals")).to_have_text("1000 messages to 1 person")
    shown = card(page, "Collections team").locator("article")
    expect(shown).to_have_count(4)
    expect(shown.first).to_contain_text("Queue 999")
    page.get_by_role("button", name="996 older").click()
    expect(shown).to_have_count(24)
    expect(shown.last).to_contain_text("Queue 976")
    page.get_by_role("tab", name="Timeline").click()
    expect(page.locator("#entries > li")).to_have_count(200)
    page.get_by_role("button", name="800 older").click()
    expect(page.locator("#entries > li")).to_have_count(400)
    expect(page.locator("#entries > li").first).to_contain_text("Queue 600")
    page.reload()
    expect(page.locator("#entries > li").last).to_contain_text("Queue 999")


def test_a_lost_connection_is_said_and_made_again(browser: Browser) -> None:
    page = browser.new_page(viewport=SIZES[1])
    with Receiver(LOOPBACK, LOOPBACK, title="First", people=PEOPLE) as receiver:
        page.goto(receiver.url)
        slack(receiver)
        expect(page.locator("article")).to_have_count(1)
        port = receiver.http_port
    expect(page.locator("#connection")).to_have_text("Connection lost, trying again…")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    expect(page.locator("article")).to_have_count(1)
    with Receiver(("127.0.0.1", port), LOOPBACK, title="Second", people=PEOPLE) as receiver:
        sms(receiver, "FIRING CRITICAL Queue")
        expect(page.locator("#connection")).to_have_text("Live")
        expect(card(page, "Olle").locator("article")).to_have_count(1)
        expect(page.locator("article")).to_have_count(1)
        page.close()


def test_dark(browser: Browser, receiver: Receiver) -> None:
    page = browser.new_page(color_scheme="dark")
    page.goto(receiver.url)
    slack(receiver)
    expect(page.locator("article")).to_be_visible()
    assert style(page.locator("body"), "backgroundColor") == "rgb(14, 17, 22)"
    assert style(page.locator(".slack"), "backgroundColor") == "rgb(26, 29, 33)"
    page.close()
