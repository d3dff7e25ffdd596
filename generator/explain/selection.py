"""Which alert a name on the command line means."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from generator import naming
from generator.diagnostics import Problem, Span
from generator.load import DomainFile, Files, environments
from generator.plan.types import Alert, Plan

_NEAR = 3
_LISTED = 12
_FORM = "an alert is named domain/alert, or platform/domain/alert"


@dataclass(frozen=True, slots=True)
class Known:
    """A platform to look in."""

    files: Files
    plan: Plan


@dataclass(frozen=True, slots=True)
class Selected:
    """The alert that was meant."""

    known: Known
    alert: Alert


@dataclass(frozen=True, slots=True)
class _Candidate:
    known: Known
    alert: Alert

    @property
    def short(self) -> str:
        return f"{self.alert.domain}/{self.alert.name}"

    @property
    def full(self) -> str:
        return f"{self.known.plan.platform}/{self.short}"


def likely(folders: Sequence[Path], name: str, environment: str | None) -> list[Path]:
    """The folders in which an alert of this name can be, by the names of their files; all of them if none fits."""
    *platform, domain, _ = ["", "", *name.split("/")][-3:]
    fitting = [folder for folder in folders if environment is None or environment in environments(folder)]
    fitting = fitting or list(folders)
    having = [folder for folder in fitting if domain == naming.OWN_DOMAIN or _holds(folder, domain)]
    called = [folder for folder in having if folder.resolve().name in platform]
    return called or having or fitting


def select(known: Sequence[Known], name: str) -> Selected | Problem:
    """The alert of this name, or what is wrong with the name."""
    candidates = [_Candidate(one, alert) for one in known for domain in one.plan.domains for alert in domain.alerts]
    found = [each for each in candidates if name in (each.short, each.full)]
    if len(found) == 1:
        return Selected(found[0].known, found[0].alert)
    if found:
        hint = f"write one of: {', '.join(each.full for each in found)}"
        return Problem(_place(found[0]), "ambiguous-alert", f'{len(found)} platforms have an alert "{name}"', (hint,))
    for one in known:
        for file in one.files.domains:
            if (problem := _disabled(one, file, name)) is not None:
                return problem
    hints = tuple(_near(candidates, name)) or (_existing(known, name),)
    return Problem(_span(known, name), "unknown-alert", f'no alert is called "{name}"', hints)


def _holds(folder: Path, domain: str) -> bool:
    return bool(domain) and any((folder / f"{domain}{suffix}").is_file() for suffix in (".yaml", ".py"))


def _disabled(known: Known, file: DomainFile, name: str) -> Problem | None:
    domain = file.model.domain
    for alert, written in file.model.alerts.items():
        if not written.enabled and name in (f"{domain}/{alert}", f"{known.plan.platform}/{domain}/{alert}"):
            span = file.span(("alerts", alert, "enabled"))
            hint = "nothing comes of an alert that says enabled: false"
            return Problem(span, "disabled-alert", f'the alert "{name}" is switched off', (hint,))
    return None


def _near(candidates: Iterable[_Candidate], name: str) -> Iterator[str]:
    """The nearest alerts; whoever knows only the last part of a name, or what a message calls it, finds it, too."""
    words: dict[str, list[_Candidate]] = {}
    for each in candidates:
        for word in (each.full, each.short, each.alert.name, each.alert.alertname):
            words.setdefault(word, []).append(each)
    exact = words.get(name, [])
    close = [each for word in get_close_matches(name, words, 4 * _NEAR) for each in words[word]]
    for each in list(dict.fromkeys(exact or close))[:_NEAR]:
        place = _place(each)
        yield f"an alert is near: {each.full} ({place.path}:{place.line})"


def _existing(known: Sequence[Known], name: str) -> str:
    """What there is, where nothing is near: the alerts of the domain, or the domains."""
    domains = [domain for one in known for domain in one.plan.domains]
    parts = name.split("/")
    if len(parts) not in (2, 3):
        return _FORM
    inside = [each.name for domain in domains if domain.name == parts[-2] for each in domain.alerts]
    if inside:
        return f"alerts of {parts[-2]}: {_listed(inside)}"
    return f"domains: {_listed(domain.name for domain in domains if domain.alerts)}"


def _listed(names: Iterable[str]) -> str:
    ordered = sorted(set(names))
    rest = len(ordered) - _LISTED
    return ", ".join(ordered[:_LISTED]) + (f" and {rest} more" if rest > 0 else "")


def _place(candidate: _Candidate) -> Span:
    for file in candidate.known.files.domains:
        if file.model.domain == candidate.alert.domain:
            return file.key_span(("alerts", candidate.alert.name))
    return candidate.known.files.platform.key_span(("monitoring",))


def _span(known: Sequence[Known], name: str) -> Span:
    """Where the alert would be: among those of its domain, else in the first platform."""
    parts = name.split("/")
    for one in known:
        for file in one.files.domains:
            if len(parts) > 1 and file.model.domain == parts[-2] and parts[:-2] in ([], [one.plan.platform]):
                return file.key_span(("alerts",))
    platform = next((one for one in known if one.plan.platform == parts[0]), known[0])
    return platform.files.platform.key_span(("platform",))
