"""Plans built by hand, with every kind of metric, KPI and alert that a dashboard shows."""

from dataclasses import replace
from typing import Any

from generator import naming
from generator.condition.tree import Comparison, Condition, Label, MetricSymbol, Reference
from generator.plan.types import (
    Alert,
    Domain,
    Held,
    JobHealth,
    Kpi,
    Links,
    Metric,
    Monitoring,
    Plan,
    QueryHealth,
    Severity,
    Threshold,
)

GRAFANA = "https://grafana.example"
RUNBOOKS = "https://runbooks.example"
SEVERITIES = tuple(
    Severity(name, rank, None, ()) for rank, name in enumerate(("critical", "high", "medium", "warning", "low", "info"))
)


def metric(domain: str, name: str, unit: str = "none", platform: str = "acme", **given: Any) -> Metric:
    """A gauge from SQL, unless told otherwise."""
    kind = given.get("type", "gauge")
    plain = Metric(
        domain=domain,
        name=name,
        title=name.replace("_", " ").capitalize(),
        help=f"What {name} means.",
        series=naming.metric(platform, domain, name, unit, kind),
        unit=unit,
        type="gauge",
        labels=(),
        fold=None,
        origin="sql",
        promql=None,
        sql="SELECT 1 AS value",
        job=None,
        definition=None,
        health=QueryHealth(f"{domain}/{name}"),
        source=platform,
        zero_filled=False,
        show=True,
    )
    return replace(plain, **given)


def alert(domain: str, name: str, platform: str = "acme", **given: Any) -> Alert:
    """An alert on rows, unless told otherwise."""
    panel = given.get("panel", f"alert/{name}")
    uid = naming.dashboard_uid(platform, domain)
    plain = Alert(
        domain=domain,
        name=name,
        alertname=naming.alert(domain, name),
        kind="rows",
        condition=None,
        text=f"{name} AND something",
        expr=f"{naming.matching_rows(platform, domain, name)} > 0",
        by=(),
        labels=(),
        severity="high",
        owner="orders-team",
        notification="immediate",
        channels=("slack",),
        subject="order",
        source=platform,
        for_=0,
        keep_firing_for=0,
        no_data="keep",
        escalations=(),
        summary=f"{name} has happened",
        description="",
        metric=None,
        threshold=None,
        threshold_text="",
        value_unit="none",
        value_text=None,
        worst=None,
        reads=(),
        leaves=(),
        is_event=False,
        within=None,
        each=None,
        steps=(),
        playbook=None,
        matching_sql=None,
        unlisted=None,
        notes=(),
        runbook_url=f"{RUNBOOKS}/{domain}.md#{name}",
        dashboard_url=f"{GRAFANA}/d/{uid}?viewPanel={naming.panel_id(panel)}",
        panel=panel,
        file=f"{domain}.yaml",
    )
    return replace(plain, **given)


def metric_alert(of: Metric, name: str, op: Any, value: float, **given: Any) -> Alert:
    """An alert that compares a metric with a constant."""
    threshold = Threshold(op, value, of.unit)
    text = f"{of.name} {op} {value:g}"
    defaults = {"kind": "metrics", "metric": of, "threshold": threshold, "text": text, "panel": f"trend/{of.name}"}
    return alert(given.pop("domain", of.domain), name, **{**defaults, **given})


def domain(name: str, platform: str = "acme", **given: Any) -> Domain:
    """An empty domain."""
    plain = Domain(
        name=name,
        title=name.replace("_", " ").capitalize(),
        description="",
        owner="orders-team",
        dashboard_path=None,
        refresh=30_000,
        dashboard_uid=naming.dashboard_uid(platform, name),
        group=naming.group(platform, name),
        queries=(),
        metrics=(),
        records=(),
        kpis=(),
        alerts=(),
        held=(),
        recordings=(),
        file=f"{name}.yaml",
    )
    return replace(plain, **given)


def plan(*domains: Domain, platform: str = "acme", **given: Any) -> Plan:
    """A platform with these domains."""
    plain = Plan(
        platform=platform,
        environment=None,
        directory=f"domains/{platform}",
        title=platform.capitalize(),
        timezone="UTC",
        prometheus_version=(2, 42),
        alertmanager_version=(0, 25),
        grafana_version=(9, 4),
        scrape_interval=15_000,
        evaluation_interval=15_000,
        jobs=(),
        alertmanagers=("alertmanager:9093",),
        sources=(),
        channels=(),
        cadences=(),
        severities=SEVERITIES,
        contacts=(),
        contact_routes=(),
        monitoring=Monitoring("orders-team", "critical", ("slack",), "immediate", None),
        links=Links("https://prometheus.example", "https://alertmanager.example", GRAFANA, RUNBOOKS),
        domains=domains,
    )
    return replace(plain, **given)


def orders() -> Domain:
    """A domain with one of everything."""
    kinds = (("priority", ("high", "low")),)
    pending = metric("orders", "pending", "orders", labels=kinds, fold="sum")
    duration = metric("orders", "processing_time", "seconds")
    success = metric("orders", "success", "ratio")
    spend = metric("orders", "spend", "usd", labels=(("campaign", ()),))
    budget = metric("orders", "budget", "usd", labels=(("campaign", ()),))
    latency = metric("orders", "latency", "seconds", type="histogram", origin="promql", labels=(("route", ()),))
    requests = metric("orders", "requests", "none", type="counter", origin="promql")
    memory = metric(
        "orders", "memory", "bytes", origin="promql", labels=(("instance", ()),), health=JobHealth("api", 0, True)
    )
    hidden = metric("orders", "hidden", show=False)
    over_budget = Condition(
        "spend > budget * 1.1",
        "metrics",
        Comparison(">", _reference(spend), _reference(budget)),
        None,
        (_symbol(spend), _symbol(budget)),
        ("campaign",),
    )
    worst = naming.worst("acme", "orders", "overdue", "seconds")
    held = Held("acme_orders:overdue_worst:held", worst, (), QueryHealth("orders/order"), "acme", "x")
    alerts = (
        metric_alert(pending, "queue_backup", ">", 100, severity="high"),
        metric_alert(pending, "queue_flood", ">", 500, severity="critical"),
        metric_alert(duration, "slow", ">", 2700, severity="warning"),
        metric_alert(success, "low_success", "<", 0.9, severity="critical"),
        metric_alert(spend, "over_budget", ">", 1, threshold=None, condition=over_budget, by=("campaign",)),
        metric_alert(memory, "much_memory", ">", 1e9, by=("instance",)),
        alert("orders", "overdue", severity="critical", worst=held, value_unit="seconds", text="age > 24 hours"),
        alert(
            "orders",
            "fraud",
            by=("transaction",),
            is_event=True,
            each="transaction",
            unlisted=naming.held("acme", "orders", "fraud_unlisted_rows"),
            text="fraud_score > 0.8",
        ),
        alert("orders", "odd", kind="promql", expr="rate(x_total[5m]) > 3", text="rate(x_total[5m]) > 3"),
    )
    return domain(
        "orders",
        metrics=(pending, duration, success, spend, budget, latency, requests, memory, hidden),
        kpis=(
            Kpi("orders", "success", "Success rate", success, Threshold(">=", 0.98, "ratio"), ">= 98%"),
            Kpi("orders", "speed", "Processing time", duration, Threshold("<", 1800, "seconds"), "< 30 minutes"),
        ),
        alerts=alerts,
    )


def refunds() -> Domain:
    """A small domain that looks at another's metric, and whose words are full of traps."""
    amount = metric(
        "refunds",
        "amount",
        "usd",
        title='Refunds of "$1,000" ${datasource} {{x}} 💸',
        help="More *than* <b>$instance</b>\nand [[datasource]] `code`.",
    )
    pending = orders().metrics[0]
    return domain(
        "refunds",
        title="Refunds 💸 $x [[instance]]",
        description='{{ $labels.x }} "quoted"',
        metrics=(amount,),
        kpis=(Kpi("refunds", "amount", "A {{ b }} $__all", amount, Threshold("<=", 0, "usd"), "<= $0"),),
        alerts=(
            metric_alert(pending, "orders_wait", ">=", 10, domain="refunds", panel="alert/orders_wait"),
            metric_alert(amount, "high", ">", 50_000, summary="`a` $instance {{ 1 }} <script>", text="a `b` > $1000"),
        ),
    )


def system() -> Domain:
    """A domain that the overview belongs to."""
    up = metric("system", "uptime", "ratio", origin="promql")
    return domain("system", metrics=(up,), alerts=(metric_alert(up, "down", "<", 0.999, severity="critical"),))


def full_plan() -> Plan:
    """The whole platform by hand."""
    return plan(orders(), refunds(), system())


def _symbol(of: Metric) -> MetricSymbol:
    return MetricSymbol(of.domain, of.name, of.unit, tuple(Label(name, values) for name, values in of.labels))


def _reference(of: Metric) -> Reference:
    return Reference(_symbol(of), of.unit)
