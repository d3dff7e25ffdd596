"""Random platforms that the model accepts, with texts that try to break out of wherever they land."""

from typing import Any

from hypothesis import strategies as st

NASTY = [
    '"quoted"',
    "it's",
    "{{ $value }}",
    "}}{{",
    "{{",
    "a\nb",
    "🚚 emoji",
    "<b>bold</b>",
    "$x ${y}",
    "100%",
    "\\n",
    "# no",
    "`x`",
    "[[a]]",
]
texts = st.lists(st.sampled_from([*NASTY, "plain", "words", "é"]), min_size=1, max_size=4).map(" ".join)
names = st.from_regex(r"[a-z]{2,8}(_[a-z]{2,6})?", fullmatch=True)
UNITS = {"seconds": "{} minutes", "bytes": "{} MiB", "ratio": "{}%", "usd": "${}", "rps": "{} rps", "orders": "{}"}
ORDERS = [">", ">=", "<", "<="]
durations = st.sampled_from(["0s", "30s", "1m", "5m", "20m"])


@st.composite
def metrics(draw: st.DrawFn) -> dict[str, Any]:
    unit = draw(st.sampled_from(sorted(UNITS)))
    metric: dict[str, Any] = {"help": draw(texts), "title": draw(texts), "unit": unit}
    kind = draw(st.sampled_from(["sql", "labelled", "promql", "per instance"]))
    if kind == "promql":
        window = draw(st.sampled_from(["5m", "10m"]))
        return {**metric, "job": "api", "promql": f'sum(rate(things_total{{job="api"}}[{window}]))'}
    if kind == "per instance":
        return {**metric, "job": "api", "per": "instance", "promql": 'max by (instance) (things{job="api"})'}
    if kind == "sql":
        return {**metric, "sql": "SELECT count(*) AS value FROM orders"}
    metric["by"] = {"size": ["small", "large"]}
    total = draw(st.sampled_from([None, "sum", "max", "min", "avg"]))
    return {
        **metric,
        **({"total": total} if total else {}),
        "sql": "SELECT size, count(*) AS value FROM orders GROUP BY size",
    }


@st.composite
def domains(draw: st.DrawFn, name: str) -> dict[str, Any]:
    numbers = draw(st.dictionaries(names, metrics(), min_size=1, max_size=4))
    alerts: dict[str, Any] = {}
    for index, (metric, body) in enumerate(numbers.items()):
        amount = draw(st.integers(1, 90))
        comparison = f"{metric} {draw(st.sampled_from(ORDERS))} {UNITS[body['unit']].format(amount)}"
        alerts[f"alert_{index}"] = {
            "condition": draw(st.sampled_from([comparison, f"NOT ({comparison})"])),
            "severity": draw(st.sampled_from(["critical", "high", "low"])),
            "notification": draw(st.sampled_from(["immediate", "hourly", "daily"])),
            "channels": draw(st.lists(st.sampled_from(["slack", "email"]), min_size=1, max_size=2, unique=True)),
            "for": draw(durations),
            "summary": draw(texts),
            "description": draw(texts),
            "runbook": [draw(texts)],
            "no_data": draw(st.sampled_from(["keep", "ok", "alert"])),
            **draw(st.sampled_from([{}, {"cooldown": "5m"}])),
        }
    amount = draw(st.integers(1, 900))
    row = f"amount > ${amount} AND size = {draw(st.sampled_from(['small', 'large']))}"
    alerts["row_alert"] = {"condition": row, "severity": "high", "channels": ["email"], "summary": draw(texts)}
    return {
        "domain": name,
        "title": draw(texts),
        "description": draw(texts),
        "owner": "team",
        "source": "shop",
        "records": {
            "order_row": {
                "table": "orders",
                "title": draw(texts),
                "fields": {
                    "amount": {"sql": "total", "unit": "usd"},
                    "size": {"sql": "size", "values": ["small", "large"]},
                },
            }
        },
        "metrics": numbers,
        "alerts": alerts,
    }


@st.composite
def platforms(draw: st.DrawFn) -> dict[str, dict[str, Any]]:
    """File names and their contents."""
    platform = {
        "platform": "shop",
        "title": draw(texts),
        "sources": {"shop": {"type": "postgres", "dsn_env": "SHOP_DSN"}},
        "scrape": {"jobs": {"api": {"targets": ["api:8000"]}}},
        "channels": {
            "slack": {"type": "slack", "api_url_file": "/run/secrets/slack", "channel": "#alerts"},
            "email": {
                "type": "email", "to": ["a@shop.example"], "from": "b@shop.example", "smarthost": "mail:25",
            },
        },
        "notifications": {"immediate": {}, "hourly": {"every": "1h"}, "daily": {"at": "09:00"}},
        "escalation": {
            "critical": {"respond_within": "5m", "channels": ["slack", "email"], "next": ["anna", "bo"]},
            "high": {"respond_within": "15m", "channels": ["slack"], "next": "anna"},
        },
        "contacts": {
            "team": {"title": draw(texts), "slack": "#team"},
            "anna": {"title": draw(texts), "slack": "@anna", "email": "anna@shop.example"},
            "bo": {"email": "bo@shop.example"},
        },
        "links": {
            "prometheus": "https://prometheus.example", "alertmanager": "https://alertmanager.example",
            "grafana": "https://grafana.example", "runbooks": "https://runbooks.example",
        },
    }  # fmt: skip
    files: dict[str, dict[str, Any]] = {"platform.yaml": platform}
    for name in draw(st.lists(names, min_size=1, max_size=2, unique=True)):
        files[f"{name}.yaml"] = draw(domains(name))
    return files
