"""Every domain's health at a glance: what fires, and which targets are met."""

from collections.abc import Iterator

from generator.emit.dashboards import panel, query, text
from generator.emit.dashboards.domain import STATES, Surroundings, kpi_query
from generator.emit.dashboards.layout import Section
from generator.emit.dashboards.panel import Viz
from generator.emit.dashboards.thresholds import neutral, present_steps, severity_colour, target_steps
from generator.emit.dashboards.units import Fields, shown_unit, span
from generator.plan.types import Domain, Plan

# A platform with more domains than this is shown as bars of what fires: a panel for each would say nothing.
MOST_DOMAINS = 30
# Rows of all domains, without the variables that a domain's own rows have; no domain can be called so.
OVERVIEW = ""


def sections(around: Surroundings) -> list[Section]:
    """The rows that the overview starts with."""
    plan = around.plan
    if len(plan.domains) > MOST_DOMAINS:
        return [Section("domains", "Domains", 2, 12, [_bars(plan), _states(plan)])]
    with_targets = [domain for domain in plan.domains if domain.kpis]
    return [
        Section("domains", "Alerts by domain", 6, 5, [_firing(around, domain) for domain in plan.domains]),
        Section("domain-targets", "Targets by domain", 3, 7, list(_targets(plan, with_targets))),
        Section("domain-states", "Alerts over time", 1, 8, [_states(plan)]),
    ]


def dashboard_link(plan: Plan, domain: Domain) -> Fields:
    """A link from a value to a domain's dashboard, with the same times and data source."""
    url = f"{plan.links.grafana}/d/{domain.dashboard_uid}?${{__url_time_range}}&${{datasource:queryparam}}"
    return {"title": text.plain(domain.title), "url": url}


def _firing(around: Surroundings, domain: Domain) -> Viz:
    """Firing alerts, a number for each severity that has any."""
    plan = around.plan
    here = f'platform="{plan.platform}",domain="{domain.name}"'
    severities = sorted({alert.severity for alert in domain.alerts}, key=around.rank)
    colours = [
        panel.override("byName", name, thresholds=panel.thresholds(present_steps(severity_colour(around.rank(name)))))
        for name in severities
    ]
    return panel.stat(
        f"domain/{domain.name}",
        text.plain(domain.title),
        f"Alerts of {text.markdown(domain.title)} that fire now, by severity; a click opens the domain's dashboard.",
        [(query.firing_by_severity(here), "{{severity}}")],
        "short",
        present_steps("red"),
        colours,
        dashboard_link(plan, domain),
    )


def _targets(plan: Plan, domains: list[Domain]) -> Iterator[Viz]:
    for domain in domains:
        overrides = [
            panel.override(
                "byFrameRefID",
                panel.reference(index),
                thresholds=panel.thresholds(target_steps(kpi.target)),
                unit=shown_unit(kpi.metric),
                **span(shown_unit(kpi.metric)),
            )
            for index, kpi in enumerate(domain.kpis)
        ]
        yield panel.stat(
            f"domain-targets/{domain.name}",
            text.plain(f"{domain.title}: targets"),
            "Green where the target is met:"
            + "".join(f"\n- {text.markdown(kpi.title)} {text.code(kpi.text)}" for kpi in domain.kpis),
            [kpi_query(kpi, OVERVIEW) for kpi in domain.kpis],
            "short",
            neutral(),
            overrides,
            dashboard_link(plan, domain),
        )


def _states(plan: Plan) -> Viz:
    expr = query.alert_states(f'platform="{plan.platform}"', ("domain",))
    description = "Domains with pending or firing alerts over time."
    return panel.state_timeline("domains/states", "Domains with alerts", description, [(expr, "{{domain}}")], STATES)


def _bars(plan: Plan) -> Viz:
    matchers = f'platform="{plan.platform}"'
    expr = f"topk(20, count by (domain) ({query.firing_alerts(matchers)}))"
    description = "The twenty domains with the most firing alerts."
    return panel.bar_gauge(
        "domains/firing", "Firing alerts by domain", description, [(expr, "{{domain}}")], "short", present_steps("red")
    )
