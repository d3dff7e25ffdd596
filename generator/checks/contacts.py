"""Contacts: owners and the people of the escalation matrix exist, can be reached, and come once each."""

from collections.abc import Iterator
from difflib import get_close_matches

from generator.checks import rotations
from generator.checks._hints import unknown
from generator.diagnostics import Problem, Span
from generator.load import Files
from generator.plan import people

Told = dict[tuple[str, str], str]


def check(files: Files) -> Iterator[Problem]:
    """Owners and contacts that do not exist, cannot be reached, or would be told twice."""
    platform = files.platform
    known = platform.model.contacts
    for file in files.domains:
        if file.model.owner not in known:
            yield _unknown(files, "owner", file.model.owner, file.span(("owner",)))
        for name, alert in file.model.alerts.items():
            if alert.owner is not None and alert.owner not in known:
                yield _unknown(files, "owner", alert.owner, file.span(("alerts", name, "owner")))
    owner = platform.model.monitoring.owner
    if owner is not None and owner not in known:
        yield _unknown(files, "owner", owner, platform.span(("monitoring", "owner")))
    for name, contact in known.items():
        for role, person in (("lead", contact.lead), ("member", contact.member)):
            if person is not None and person not in known:
                yield _unknown(files, "contact", person, platform.span(("contacts", name, role)))
    yield from _matrix(files)
    yield from _chains(files)


def _unknown(files: Files, kind: str, name: str, span: Span) -> Problem:
    platform = files.platform
    known = platform.model.contacts
    problem = unknown("contact", span, name, known, lambda near: platform.key_span(("contacts", near)))
    if kind == "next" and (role := get_close_matches(name, people.ROLES, 1, 0.8)):
        return Problem(span, problem.code, problem.message, (f"a role of the alert's owner is near: {role[0]}",))
    if kind == "owner":
        return Problem(span, "unknown-owner", f'the owner "{name}" is no contact', problem.help)
    return problem


def _matrix(files: Files) -> Iterator[Problem]:
    model = files.platform.model
    for severity, row in model.escalation.items():
        for index, name in enumerate(people.next_names(row)):
            if name not in model.contacts and name not in people.ROLES:
                yield _unknown(files, "next", name, _next_span(files, severity, index))


def _next_span(files: Files, severity: str, index: int) -> Span:
    row = files.platform.model.escalation[severity]
    path: tuple[str | int, ...] = ("escalation", severity, "next")
    return files.platform.span((*path, index) if isinstance(row.next, list) else path)


def _chains(files: Files) -> Iterator[Problem]:
    """Whom each owner's alerts of each severity would go to; said once, however many alerts there are."""
    chains: dict[tuple[str, str], None] = {}
    notifications = files.platform.model.notifications
    for file in files.domains:
        for alert in file.model.alerts.values():
            cadence = notifications.get(alert.notification)
            if alert.escalate and cadence is not None and cadence.at is None:
                chains[alert.owner or file.model.owner, alert.severity] = None
    monitoring = people.monitoring(files.platform.model)
    if monitoring.owner in people.next_names(people.row(files.platform.model, monitoring.severity)) or (
        files.platform.model.monitoring.owner is not None
    ):
        chains[monitoring.owner, monitoring.severity] = None
    said: set[tuple[str, str]] = set()
    for owner, severity in chains:
        if owner in files.platform.model.contacts:
            yield from _chain(files, owner, severity, said)


def _chain(files: Files, owner: str, severity: str, said: set[tuple[str, str]]) -> Iterator[Problem]:
    platform = files.platform
    model = platform.model
    row = people.row(model, severity)
    seen: dict[str, str] = {}
    for name in people.next_names(row):
        contact = people.person(model, name, owner)
        if contact is None:
            if (owner, name) not in said:
                said.add((owner, name))
                yield _missing_lead(platform.key_span(("contacts", owner)), owner, name, severity)
            continue
        if contact in seen:
            message = f'alerts of "{owner}" with severity "{severity}" would go to "{contact}" twice'
            told = ", ".join(f"{by} is {contact}" for by in dict.fromkeys((seen[contact], name)) if by != contact)
            hint = (f"for them {told}",) if told else ()
            yield Problem(_row_span(files, severity), "escalation-circle", message, hint)
        seen[contact] = name
        if row.channels and (contact, severity) not in said:
            said.add((contact, severity))
            yield from _unreachable(files, contact, severity)


def _unreachable(files: Files, contact: str, severity: str) -> Iterator[Problem]:
    """A contact, or people of a rotation, without an address for any channel of the severity's row."""
    platform = files.platform
    model = platform.model
    hint = (f"give it an address for one of: {', '.join(people.row(model, severity).channels)}",)
    found = model.contacts.get(contact)
    if found is None or found.rotation is None:
        if contact in model.contacts and not people.reached(model, contact, severity):
            message = f'contact "{contact}" comes next after "{severity}" but has none of its channels'
            yield Problem(platform.key_span(("contacts", contact)), "unreachable-contact", message, hint)
        return
    said: set[str] = set()
    for span, person in rotations.named(files, ("contacts", contact, "rotation"), found.rotation):
        if person in model.contacts and person not in said and not people.reached(model, person, severity):
            said.add(person)
            message = f'"{contact}" comes next after "{severity}", but "{person}" has none of its channels'
            yield Problem(span, "unreachable-contact", message, hint)


def _row_span(files: Files, severity: str) -> Span:
    return files.platform.key_span(("escalation", severity))


def _missing_lead(span: Span, owner: str, name: str, severity: str) -> Problem:
    role = people.ROLES[name]
    message = f'"{owner}" has no {role}, but its alerts with severity "{severity}" go to the {name} next'
    return Problem(span, "missing-contact", message, (f"add {role}: and the name of a contact",))
