"""Names: no two things of one kind come out with one name, in a domain or across them."""

from collections.abc import Callable, Iterable, Iterator

from generator import naming
from generator.condition import references, worst_field
from generator.condition.tree import Condition, MetricSymbol
from generator.diagnostics import Problem, Span
from generator.load import DomainFile, Files
from generator.plan.resolution import Resolution, resolve

Place = Callable[[], Span]
Named = Iterator[tuple[str, str, str, Place]]

# Alerts of the monitoring itself; those of a source or job carry its name behind one of the prefixes.
_OWN_PREFIXES = ("SourceBlind", "QueryFailing", "InstanceBlind", "RotationEnds")
_OWN_ALERTS = (
    "RuleEvaluationFailures",
    "NotificationsDropped",
    "NotificationsFailing",
    "AlertmanagerDown",
    "AlertmanagerMembersInconsistent",
    "Watchdog",
    *_OWN_PREFIXES,
)
_OWN_ALERT = "an alert of the monitoring itself"
_HEALTH = "the health of the exporter's queries"
_OWN_SERIES = "what the exporter says of itself"


def check(files: Files) -> Iterator[Problem]:
    """Things of one kind with one name after naming, which is joining with underscores and in CamelCase."""
    yield from _domains(files)
    yield from _alertmanagers(files)
    taken: dict[tuple[str, str], tuple[str, Place]] = {}
    said: set[tuple[Place, Place]] = set()
    for kind, name, what, place in _everything(files):
        first = taken.setdefault((kind, name), (what, place))
        if first[1] is not place and (first[1], place) not in said:
            said.add((first[1], place))
            span = first[1]()
            message = f"{what} and {first[0]} would both be {kind} {name}"
            hint = (
                "choose another name"
                if first[0] in (_OWN_ALERT, _HEALTH, _OWN_SERIES)
                else f"the other is at {span.path}:{span.line}"
            )
            yield Problem(place(), "duplicate-name", message, (hint,))


def _domains(files: Files) -> Iterator[Problem]:
    paths: dict[str, DomainFile] = {}
    for file in files.domains:
        domain, path = file.model.domain, file.model.dashboard.path
        if domain == naming.OWN_DOMAIN:
            message = f'the domain "{domain}" is that of the monitoring itself'
            yield Problem(file.span(("domain",)), "duplicate-name", message, ("choose another name",))
        if path is not None and path in paths:
            span = paths[path].span(("dashboard", "path"))
            hint = f"the other is at {span.path}:{span.line}"
            message = f"two dashboards have the path {path}"
            yield Problem(file.span(("dashboard", "path")), "duplicate-name", message, (hint,))
        if path is not None:
            paths.setdefault(path, file)


def _alertmanagers(files: Files) -> Iterator[Problem]:
    """Each is told once: it would take itself for two."""
    listed = files.platform.model.alertmanagers
    for index, address in enumerate(listed):
        if address in listed[:index]:
            message = f'Alertmanager "{address}" is listed twice'
            yield Problem(files.platform.span(("alertmanagers", index)), "duplicate-name", message)


def _everything(files: Files) -> Named:
    platform = files.platform.model.platform
    own = _place(files.platform.key_span, ("platform",))
    for name in naming.exporter_series(platform):
        yield "series", name, _HEALTH if name == naming.query_success(platform) else _OWN_SERIES, own
    for name in _OWN_ALERTS:
        yield "alert", name, _OWN_ALERT, own
    yield from _receivers(files)
    for contact, written in files.platform.model.contacts.items():
        if written.rotation is not None and written.rotation.people:
            name = naming.camel(naming.rotation_ends(contact))
            place = _place(files.platform.key_span, ("contacts", contact))
            yield "alert", name, f'the warning before rotation "{contact}" ends', place
    resolution = resolve(files)
    conditions = resolution.conditions
    for file in files.domains:
        domain = file.model.domain
        place = _place(file.span, ("domain",))
        uid = naming.dashboard_uid(platform, domain)
        yield "dashboard", uid, f'the dashboard of domain "{domain}"', place
        yield from _series(platform, file)
        yield from _queries(file)
        for name in file.model.alerts:
            alertname = naming.alert(domain, name)
            here = _place(file.key_span, ("alerts", name))
            own_name = next((prefix for prefix in _OWN_PREFIXES if alertname.startswith(prefix)), alertname)
            yield "alert", own_name, f'alert "{domain}.{name}"', here
            condition = conditions.get((domain, name))
            if isinstance(condition, Condition) and condition.kind == "rows":
                yield from _row_alert(platform, domain, name, condition, here)
        yield from _foreign(platform, file, resolution)


def _receivers(files: Files) -> Named:
    model = files.platform.model
    for contact in model.contacts:
        for severity in model.severities:
            place = _place(files.platform.key_span, ("contacts", contact))
            yield "receiver", naming.contact_receiver(contact, severity), f'contact "{contact}" for {severity}', place


def _series(platform: str, file: DomainFile) -> Named:
    domain = file.model.domain
    for name, metric in file.model.metrics.items():
        here = _place(file.key_span, ("metrics", name))
        series = naming.metric(platform, domain, name, metric.unit, metric.type)
        what = f'metric "{domain}.{name}"'
        yield "series", series, what, here
        yield "recording", naming.held(platform, domain, name), what, here
        if metric.type == "histogram":
            for suffix in ("_bucket", "_sum", "_count"):
                yield "series", series + suffix, what, here


def _queries(file: DomainFile) -> Named:
    model = file.model
    for name in model.queries:
        yield "query", f"{model.domain}/{name}", f'query "{name}"', _place(file.key_span, ("queries", name))
    for name in model.records:
        yield "query", f"{model.domain}/{name}", f'record "{name}"', _place(file.key_span, ("records", name))
    for name, metric in model.metrics.items():
        if metric.sql is not None:
            yield "query", f"{model.domain}/{name}", f'metric "{name}"', _place(file.key_span, ("metrics", name))


def _row_alert(platform: str, domain: str, name: str, condition: Condition, here: Place) -> Named:
    what = f'the count of alert "{domain}.{name}"'
    yield "series", naming.matching_rows(platform, domain, name), what, here
    yield "series", naming.unlisted_rows(platform, domain, name), what, here
    for suffix in ("matching_rows", "worst", "unlisted_rows"):
        yield "recording", naming.held(platform, domain, f"{name}_{suffix}"), what, here
    if worst := worst_field(condition):
        yield "series", naming.worst(platform, domain, name, worst[0].unit or "none"), what, here


def _foreign(platform: str, file: DomainFile, resolution: Resolution) -> Named:
    """Metrics of other domains are recorded under both names beside the domain's own."""
    domain = file.model.domain
    seen: set[tuple[str, str]] = set()
    for name in file.model.alerts:
        condition = resolution.conditions.get((domain, name))
        if not isinstance(condition, Condition):
            continue
        for symbol in _unfolded(condition.symbols):
            if symbol.domain != domain and (symbol.domain, symbol.name) not in seen:
                seen.add((symbol.domain, symbol.name))
                here = _place(file.span, ("alerts", name, "condition"))
                held = naming.held(platform, domain, f"{symbol.domain}_{symbol.name}")
                yield "recording", held, f'metric "{symbol.domain}.{symbol.name}"', here


def _unfolded(symbols: Iterable[object]) -> Iterator[MetricSymbol]:
    """The metrics among symbols, and those that ``expr:`` metrics among them come from."""
    for symbol in symbols:
        if isinstance(symbol, MetricSymbol):
            yield symbol
            if symbol.definition is not None:
                yield from _unfolded(reference.symbol for reference in references(symbol.definition))


def _place(span: Callable[[tuple[str, ...]], Span], path: tuple[str, ...]) -> Place:
    return lambda: span(path)
