"""What tells Grafana where the dashboards lie and where their numbers come from."""

from collections.abc import Iterator

from generator import naming
from generator.emit.artefact import Artefact
from generator.emit.yaml_text import dump
from generator.plan.types import Plan

# The server-side addresses are those of the programs' usual names beside Grafana, not the links that people open.
PROMETHEUS_URL = "http://prometheus:9090"
DASHBOARDS_FOLDER = "/var/lib/grafana/dashboards"


def emit(plan: Plan) -> Iterator[Artefact]:
    """``grafana/provisioning/``: two data sources, and one provider with one folder."""
    yield Artefact(f"grafana/provisioning/datasources/{plan.platform}.yaml", dump(_data_sources(plan)))
    yield Artefact(f"grafana/provisioning/dashboards/{plan.platform}.yaml", dump(_provider(plan)))


def _data_sources(plan: Plan) -> dict[str, object]:
    prometheus = naming.dashboard_uid(plan.platform, "prometheus")
    alertmanager = naming.dashboard_uid(plan.platform, "alertmanager")
    return {
        "apiVersion": 1,
        "datasources": [
            {
                "name": prometheus,
                "uid": prometheus,
                "type": "prometheus",
                "access": "proxy",
                "url": PROMETHEUS_URL,
                # Grafana refuses to start with two defaults, and several platforms may share one.
                "isDefault": False,
                "editable": False,
                "jsonData": {
                    "httpMethod": "POST",
                    "timeInterval": f"{-(-plan.scrape_interval // 1000)}s",
                    "manageAlerts": True,
                    "alertmanagerUid": alertmanager,
                    "prometheusType": "Prometheus",
                },
            },
            {
                "name": alertmanager,
                "uid": alertmanager,
                "type": "alertmanager",
                "access": "proxy",
                "url": f"http://{plan.alertmanagers[0]}",
                "isDefault": False,
                "editable": False,
                "jsonData": {"implementation": "prometheus", "handleGrafanaManagedAlerts": False},
            },
        ],
    }


def _provider(plan: Plan) -> dict[str, object]:
    return {
        "apiVersion": 1,
        "providers": [
            {
                "name": plan.platform,
                "orgId": 1,
                "type": "file",
                "folder": _literal(plan.title),
                "folderUid": naming.dashboard_uid(plan.platform, "dashboards"),
                "disableDeletion": False,
                "allowUiUpdates": False,
                "updateIntervalSeconds": 30,
                "options": {"path": f"{DASHBOARDS_FOLDER}/{plan.platform}"},
            }
        ],
    }


def _literal(text: str) -> str:
    """Grafana puts environment variables into these files; ``$$`` is a dollar sign."""
    return text.replace("$", "$$")
