"""Every metric, label, alert, file and uid name that comes out; nobody else makes one.

Rules: Prometheus, "Metric and label naming" (base units, suffixes); "Recording rules" (level:metric:operations).
"""

import hashlib
import re

UNIT_SUFFIXES = {
    "seconds": "seconds",
    "bytes": "bytes",
    "ratio": "ratio",
    "usd": "usd",
    "rps": "per_second",
}
# The alert that always fires: when it no longer arrives, the way from Prometheus to people is broken.
WATCHDOG = "Watchdog"
# Receivers that stand for no channel and no contact: nobody; and those who hear of what no route knows.
DISCARD_RECEIVER = "discard"
UNROUTED_RECEIVER = "unrouted"
WATCHDOG_RECEIVER = "watchdog"
RESERVED_LABELS = frozenset(
    {
        "platform", "domain", "subject", "source", "severity", "owner", "notification", "channels", "escalation",
        "type", "job", "instance", "le", "quantile", "alertname", "alertstate",
    }
)  # fmt: skip


_ROWS = "_matching_rows"
# The domain of the alerts that watch the monitoring itself; no file may take the name.
OWN_DOMAIN = "tocsin"


def underscored(name: str) -> str:
    """``shop-api`` to ``shop_api``, for names that allow no dash."""
    return name.replace("-", "_")


def camel(name: str) -> str:
    """``free_play`` to ``FreePlay``."""
    return "".join(part[:1].upper() + part[1:] for part in name.replace("-", "_").split("_"))


def metric(platform: str, domain: str, name: str, unit: str, type_: str = "gauge") -> str:
    """The full name of a metric: ``<platform>_<domain>_<metric>[_unit][_total]``; a suffix is never said twice."""
    full = f"{platform}_{domain}_{name}"
    suffix = UNIT_SUFFIXES.get(unit)
    if suffix and not full.endswith(f"_{suffix}"):
        full = f"{full}_{suffix}"
    if type_ == "counter" and not full.endswith("_total"):
        full += "_total"
    return full


def matching_rows(platform: str, domain: str, alert: str) -> str:
    """How many rows match an alert's condition now."""
    return f"{platform}_{domain}_{alert}{_ROWS}"


def counts_rows(expr: str) -> bool:
    """Whether an expression looks at the rows that match an alert's condition."""
    return _ROWS in expr


def without_names(expr: str, group: str) -> str:
    """An expression without the names of the rule group and of the alert whose rows it counts."""
    return re.sub(rf"\w+(?={_ROWS}\b)", "", re.sub(rf"\b{re.escape(group)}(?=[:_])", "", expr))


def unlisted_rows(platform: str, domain: str, alert: str) -> str:
    """How many matching rows are beyond the limit of ``each``."""
    return f"{platform}_{domain}_{alert}_unlisted_rows"


def worst(platform: str, domain: str, alert: str, unit: str) -> str:
    """The extreme of the first field that is compared with a quantity, over the rows that match."""
    return metric(platform, domain, f"{alert}_worst", unit)


def recording(platform: str, domain: str, name: str, operation: str) -> str:
    """A recording rule's name: ``level:metric:operations``."""
    return f"{platform}_{domain}:{name}:{operation}"


def held(platform: str, domain: str, name: str) -> str:
    """The recording of a series that survives blindness."""
    return recording(platform, domain, name, "held")


def query_success(platform: str) -> str:
    """The health of each query of the business exporter."""
    return f"{platform}_query_success"


def exporter_series(platform: str) -> tuple[str, ...]:
    """What the business exporter says of itself; no metric may have one of these names."""
    return tuple(
        f"{platform}_{name}"
        for name in (
            "up",
            "reading",
            "scrape_duration_seconds",
            "last_refresh_timestamp_seconds",
            "query_success",
            "query_duration_seconds",
            "query_last_success_timestamp_seconds",
            "query_irregularities_total",
            "config_last_reload_successful",
            "config_last_reload_success_timestamp_seconds",
        )
    )


def alert(domain: str, name: str) -> str:
    """``collections``, ``settlement_overdue`` to ``CollectionsSettlementOverdue``."""
    return camel(domain) + camel(name)


def group(platform: str, domain: str) -> str:
    """The rule group of a domain."""
    return f"{platform}_{domain}"


def dashboard_uid(platform: str, domain: str) -> str:
    """A dashboard's uid, at most 40 characters (Grafana's limit), stable across edits."""
    uid = f"{platform}-{domain.replace('_', '-')}"
    return uid if len(uid) <= 40 else f"{uid[:31]}-{hashlib.sha256(uid.encode()).hexdigest()[:8]}"


def panel_id(key: str) -> int:
    """A panel's id from its key (``alert/queue_backup``, ``kpi/success_rate``): stable, 1 to 2^31 - 1."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") % (2**31 - 1) + 1


def tracing_file(service: str, suffix: str) -> str:
    """A file that configures OpenTelemetry in one service, below the output's folder."""
    return f"opentelemetry/{service}.{suffix}"


def channel_receiver(channel: str) -> str:
    """The receiver that delivers over one channel."""
    return f"channel-{channel}"


def digest_receiver(channel: str) -> str:
    """The receiver that delivers the daily and weekly messages of one channel, which leave out what has ended."""
    return f"digest-{channel}"


def rotation_ends(contact: str) -> str:
    """The name of the alert before a rotation that is written out ends."""
    return underscored(f"rotation_ends_{contact}")


def quiet_interval(owner: str, except_: tuple[str, ...]) -> str:
    """The time interval of the quiet hours of ``channel/slack`` or ``contact/anna``; no cadence has a slash in it."""
    return f"quiet/{owner}" + (f"/except/{'/'.join(except_)}" if except_ else "")


def on_call_interval(contact: str, person: str | None) -> str:
    """The time interval in which a person of a rotation is on call; None: in which nobody is chosen."""
    return f"on-call/{contact}" + (f"/{person}" if person is not None else "")


def contact_receiver(contact: str, severity: str) -> str:
    """The receiver that tells a contact of an escalation of one severity."""
    return f"contact-{contact}-{severity}"
