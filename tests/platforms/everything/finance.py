"""A domain written in Python: the same models as the YAML files."""

from generator.model import Alert, Dashboard, Domain, Field, Kpi, Metric, Record

DOMAIN = Domain(
    domain="finance",
    title="Finance",
    owner="finance-team",
    source="books",
    dashboard=Dashboard(path="/watch/finance"),
    records={
        "invoice": Record(
            table="books.invoices",
            where="NOT paid",
            fields={
                "invoice_age": Field(sql="now() - issued_at", unit="seconds"),
                "amount": Field(sql="amount", unit="usd"),
            },
        )
    },
    metrics={
        "unpaid": Metric(
            help="Money on invoices that nobody has paid.",
            unit="usd",
            sql="SELECT coalesce(sum(amount), 0) AS value FROM books.invoices WHERE NOT paid",
        ),
    },
    kpis={"unpaid": Kpi(title="Unpaid", metric="unpaid", target="< $5000")},
    alerts={
        f"invoice_overdue_{days}d": Alert(
            condition=f"invoice_age > {days} days AND amount > $100",
            severity=severity,
            notification="daily",
            channels=["email"],
        )
        for days, severity in ((30, "low"), (90, "medium"))
    },
)
