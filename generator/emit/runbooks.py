"""``runbooks/<domain>.md``: a section per alert, where every ``runbook_url`` points."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import jinja2

from generator import durations
from generator.emit.artefact import Artefact
from generator.plan import wording
from generator.plan.types import Alert, Cadence, Domain, Plan

_TEMPLATES = Path(__file__).parent / "templates"
_LINE_BREAKS = re.compile(r"\s*[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]\s*")
_UNSAFE = re.compile(r"[\x00-\x08\x0e-\x1b\x7f]")
# What Markdown could take for more than text: anywhere, and where a block begins or a heading ends.
_SPECIAL = re.compile(r"[\\`*\[\]<|~]|&(?=[#\w])|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|#$|^[-+=>#]|^\d+(?=[.)])")
_BACKTICKS = re.compile(r"`+")


class Markdown(str):
    """Text that is Markdown already; all other text is escaped where it lands."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Look:
    """Something to look at: a query or an expression."""

    title: str
    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Section:
    """What the template says of one alert."""

    anchor: str
    alertname: str
    summary: str
    description: str
    text: str
    lasting: str
    threshold: str
    severity: str
    owner: str
    notes: tuple[str, ...]
    panel: Markdown
    file: str
    told: tuple[wording.Told, ...]
    taking: str
    quiet: tuple[str, ...]
    looks: tuple[Look, ...]
    steps: tuple[str, ...]
    audiences: tuple[tuple[str, str], ...]
    tools: tuple[str, ...]


def emit(plan: Plan) -> Iterator[Artefact]:
    """Yield a runbook per domain."""
    template = _template()
    cadences = {cadence.name: cadence for cadence in plan.cadences}
    for domain in plan.domains:
        text = template.render(
            plan=plan,
            domain=domain,
            dashboard=url(f"{plan.links.grafana}/d/{domain.dashboard_uid}"),
            alerts=[_section(plan, alert, domain, cadences[alert.notification]) for alert in domain.alerts],
        )
        yield Artefact(f"runbooks/{domain.name}.md", text.encode())


def escape(text: str) -> Markdown:
    """Text as Markdown that shows exactly it, on one line."""
    return text if isinstance(text, Markdown) else _escape(text)


# Owners, channels and the steps of playbooks come again with every alert.
@lru_cache(maxsize=1024)
def _escape(text: str) -> Markdown:
    return Markdown(_SPECIAL.sub(_escaped, _one_line(text)))


def code(text: str) -> Markdown:
    """Text as a code span, whatever backticks it holds."""
    line = _one_line(text)
    fence = "`" * (_longest_run(line) + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return Markdown(f"{fence}{pad}{line}{pad}{fence}")


def cell(text: str) -> Markdown:
    """Text as a code span inside a table, where a bar would end the cell."""
    return Markdown(code(text).replace("|", "\\|"))


def fence(text: str, language: str) -> Markdown:
    """Text as a block of code."""
    marks = "`" * max(3, _longest_run(text) + 1)
    return Markdown(f"{marks}{language}\n{_UNSAFE.sub('�', text).strip()}\n{marks}")


def url(address: str) -> Markdown:
    """An address between the angle brackets of a link."""
    return Markdown(re.sub(r"[\s<>\\]", lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), address))


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: escape(value) if isinstance(value, str) else value,
    )
    environment.filters |= {"code": code, "cell": cell, "fence": fence, "url": url}
    return environment.get_template("runbook.md.j2")


def _section(plan: Plan, alert: Alert, domain: Domain, cadence: Cadence) -> Section:
    playbook = alert.playbook
    return Section(
        anchor=_anchor(alert),
        alertname=alert.alertname,
        summary=alert.summary,
        description=alert.description,
        text=alert.text,
        lasting=f", for {durations.text(alert.for_)}" if alert.for_ else "",
        threshold="" if alert.threshold_text == alert.text else alert.threshold_text,
        severity=alert.severity,
        owner=alert.owner,
        notes=tuple(wording.notes(alert)),
        panel=url(alert.dashboard_url),
        file=alert.file,
        told=tuple(wording.told(alert, cadence)),
        taking=wording.taking(alert),
        quiet=tuple(wording.quiet(plan, alert)),
        looks=tuple(_looks(alert, domain)),
        steps=alert.steps or (playbook.steps if playbook else ()),
        audiences=playbook.communication if playbook else (),
        tools=playbook.tools if playbook else (),
    )


def _anchor(alert: Alert) -> str:
    return alert.runbook_url.rpartition("#")[2] if "#" in alert.runbook_url else alert.alertname.lower()


def _looks(alert: Alert, domain: Domain) -> Iterator[Look]:
    if alert.matching_sql is not None:
        yield Look("The rows that match, the worst first", "sql", alert.matching_sql)
        return
    if alert.metric is not None and alert.metric.sql is not None:
        yield Look(f"The number {alert.metric.title} comes from", "sql", alert.metric.sql)
    elif alert.metric is not None and alert.metric.promql is not None:
        yield Look(f"The number {alert.metric.title} comes from", "promql", alert.metric.promql)
    yield Look("The rule fires while this returns anything", "promql", alert.expr)


def _one_line(text: str) -> str:
    if text.isprintable():
        return text.strip()
    return _UNSAFE.sub("�", _LINE_BREAKS.sub(" ", text).strip())


def _longest_run(text: str) -> int:
    return max(map(len, _BACKTICKS.findall(text)), default=0) if "`" in text else 0


def _escaped(found: re.Match[str]) -> str:
    special = found[0]
    if special.isdigit():  # 1. would begin a list
        return f"{special}\\"
    return {"<": "&lt;", "&": "&amp;"}.get(special, f"\\{special}")
