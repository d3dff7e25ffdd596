"""Which line of the input makes an alert be told again, and what is said of it there."""

from collections.abc import Iterable, Mapping

from generator import naming
from generator.diagnostics import Span
from generator.emit import alertmanager
from generator.load import DomainFile, Files
from generator.plan import people
from generator.plan.types import Alert, Plan
from generator.repaging.comparison import (
    Cause,
    ContactChange,
    InstancesChange,
    LabelChange,
    Leftover,
    Repaged,
    RouteChange,
)
from generator.source import Path


class Attribution:
    """Finds the lines of one platform's files."""

    def __init__(self, files: Files, plan: Plan, retyped: Mapping[str, str]) -> None:
        """Look the names up that lines are found by; ``retyped`` are the channels that were of another type."""
        self._retyped = retyped
        self._platform = files.platform
        self._files: Mapping[str, DomainFile] = {file.model.domain: file for file in files.domains}
        self._contacts = {
            naming.contact_receiver(route.contact, route.severities[0]): route.contact for route in plan.contact_routes
        }
        self._rotations = {
            naming.contact_receiver(person.contact, route.severities[0]): route.contact
            for route in plan.contact_routes
            for person in route.on_call
        }
        self._channels = {naming.channel_receiver(one.name): one.name for one in plan.channels} | {
            naming.digest_receiver(one.name): one.name for one in plan.channels
        }
        self._receivers = {one.name: one for one in alertmanager.receivers(plan)}

    def lines(self, alert: Alert | None, found: Repaged) -> list[Span]:
        """Where each cause stands; all of them at the alert, where somebody looks who edits it, if one does.

        ``alert`` is None where it is no longer there.
        """
        if alert is None:
            return [self._shared(("escalation",) if found.escalated else ("channels",))] * len(found.causes)
        lines = {cause: self._line(alert, cause) for cause in found.causes if not isinstance(cause, Leftover)}
        shared = [line for line in lines.values() if line is not None]
        if len(shared) < len(lines):
            return [self._own_line(alert)] * len(found.causes)
        # What is left of an alert is told of with what ended it, be it that the matrix has a step less.
        rest = shared[0] if shared else self._shared(("escalation", alert.severity))
        return [rest if isinstance(cause, Leftover) else lines[cause] or rest for cause in found.causes]

    def _own_line(self, alert: Alert) -> Span:
        """Where an alert stands; those that watch the monitoring itself are made of ``monitoring``."""
        file = self._files.get(alert.domain)
        return self._shared(("monitoring",)) if file is None else file.key_span(("alerts", alert.name))

    def _line(self, alert: Alert, cause: Cause) -> Span | None:
        """Where a cause stands that is not the alert's own; None where it is."""
        match cause:
            case LabelChange():
                return self._label(alert, cause)
            case ContactChange():
                return self._shared(self._step(alert, cause))
            case RouteChange():
                return self._shared(self._route(alert, cause))
            case _:
                return None

    def text(self, cause: Cause) -> str:
        """A cause in words."""
        match cause:
            case LabelChange(label="channels", before=str(before), after=str(after)) if gone := self._gone(before):
                come = [name for name in after.split(",") if name not in before.split(",")]
                if not come:
                    return f"the label channels no longer says {_quoted(gone)}"
                return f"the label channels says {_quoted(come)} in place of {_quoted(gone)}"
            case LabelChange(before=None):
                return f'the label {cause.label} is new: "{cause.after}"'
            case LabelChange(after=None):
                return f'the label {cause.label} is gone: "{cause.before}"'
            case LabelChange():
                return f'the label {cause.label} changes from "{cause.before}" to "{cause.after}"'
            case InstancesChange():
                return f"instances are told apart by {_listed(cause.after)}, so far by {_listed(cause.before)}"
            case ContactChange():
                return f'the escalation goes to "{cause.after}", so far to "{cause.before}"'
            case Leftover():
                return f"what is left of old alerts goes to {_quoted(cause.receivers)} for some minutes"
            case RouteChange():
                return self._route_text(cause)

    def _label(self, alert: Alert, change: LabelChange) -> Span | None:
        platform, file = self._platform.model, self._files.get(alert.domain)
        before, after = change.before or "", change.after or ""
        written = file.model.alerts[alert.name] if file is not None else None
        # What is no longer declared was renamed or taken away there, and the alerts only follow.
        declared: Mapping[str, Iterable[str]] = {
            "notifications": platform.notifications, "contacts": platform.contacts,
            "sources": (*platform.sources, *platform.scrape.jobs),
        }  # fmt: skip
        section = {"notification": "notifications", "owner": "contacts", "source": "sources"}.get(change.label)
        if section is not None and before and after and before not in declared[section]:
            return self._shared((section, after))
        if change.label == "channels":
            if gone := self._gone(before):
                come = [name for name in after.split(",") if name not in before.split(",")]
                return self._shared(("channels", *(come or gone)[:1]))
            if written is not None and not written.channels:
                return self._shared(("escalation", alert.severity))
        if change.label == "severity" and before not in platform.severities:
            return self._shared(("severities",))
        if file is not None and change.label == "owner" and written is not None and written.owner is None:
            return file.key_span(("owner",))
        if file is not None and change.label == "domain":
            return file.key_span(("domain",))
        return None

    def _step(self, alert: Alert, change: ContactChange) -> Path:
        contacts = self._platform.model.contacts
        if change.before not in contacts:
            return ("contacts", change.after)
        owner = contacts.get(alert.owner)
        role = next((role for role in people.ROLES.values() if getattr(owner, role, None) == change.after), None)
        return ("contacts", alert.owner, role) if role is not None else ("escalation", alert.severity)

    def _gone(self, channels: str) -> list[str]:
        """Those of a list of channels that the platform no longer has."""
        return [name for name in channels.split(",") if name and name not in self._platform.model.channels]

    def _route(self, alert: Alert, change: RouteChange) -> Path:
        channel, contact = self._channel(change), self._contacts.get(change.receiver)
        if channel in self._retyped:
            return ("channels", channel)
        quiet = self._channels.get(change.receiver)
        texts = (*change.before, *change.after)
        if quiet is not None and change.part == "matchers" and any(text.startswith("severity") for text in texts):
            return ("channels", quiet)  # its quiet hours let other severities through
        if change.receiver in self._rotations:
            return ("contacts", self._rotations[change.receiver])
        if contact is not None:
            return ("contacts", contact) if change.part == "integration" else ("escalation", alert.severity)
        if change.receiver == naming.UNROUTED_RECEIVER:
            return ("monitoring",)
        return ("notifications", alert.notification)

    def _channel(self, change: RouteChange) -> str:
        """The channel of a new integration; empty where it may be any of several."""
        receiver = self._receivers.get(change.receiver)
        channels = receiver.channels if receiver is not None and change.part == "integration" else ()
        names = [one.name for one in channels if alertmanager.integration(one.delivery) in change.after]
        return names[0] if len(names) == 1 else ""

    def _route_text(self, change: RouteChange) -> str:
        before, after = ", ".join(change.before), ", ".join(change.after)
        channel = self._channel(change)
        match change.part:
            case "integration" if channel in self._retyped:
                return f'the channel "{channel}" changes its type from {self._retyped[channel]} to {after}'
            case "integration" if before:
                return f'the receiver "{change.receiver}" sends over {after}, so far over {before}'
            case "integration":
                return f'the receiver "{change.receiver}" also sends over {channel or after}'
            case "receiver" if before:
                return f'the receiver "{after}" takes the place of "{before}"'
            case "receiver":
                return f'the receiver "{after}" is told, too'
            case "group_by":
                return f"messages are grouped by {_listed(change.after)}, so far by {_listed(change.before)}"
            case "matchers":
                return f"the routes match on {after or 'nothing more'}, so far on {before or 'nothing more'}"

    def _shared(self, path: Path) -> Span:
        return self._platform.key_span(path)


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "nothing"
