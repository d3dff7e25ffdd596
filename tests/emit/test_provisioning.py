"""What Grafana reads when it starts: data sources without secrets, one provider and folder per platform."""

from dataclasses import replace
from typing import Any

import yaml

from generator.emit import provisioning
from generator.emit.dashboards import emit as emit_dashboards
from tests.emit import dashboard_plans as plans


def files(**given: Any) -> dict[str, Any]:
    plan = replace(plans.full_plan(), **given)
    return {artefact.path: yaml.safe_load(artefact.content) for artefact in provisioning.emit(plan)}


def test_data_sources() -> None:
    shown = files(scrape_interval=90_000, alertmanagers=("am-0:9093", "am-1:9093"))
    prometheus, alertmanager = shown["grafana/provisioning/datasources/acme.yaml"]["datasources"]
    assert (prometheus["type"], prometheus["uid"]) == ("prometheus", "acme-prometheus")
    assert prometheus["jsonData"]["timeInterval"] == "90s"
    assert prometheus["jsonData"]["alertmanagerUid"] == alertmanager["uid"] == "acme-alertmanager"
    assert alertmanager["url"] == "http://am-0:9093"
    assert not any("secure" in key or "password" in key for source in (prometheus, alertmanager) for key in source)


def test_several_platforms_can_share_one_grafana() -> None:
    """Grafana refuses to start when two data sources are the default."""
    for sources in (files(), files(platform="other")):
        found = next(value for path, value in sources.items() if "datasources" in path)
        assert not any(source["isDefault"] for source in found["datasources"])


def test_dashboards_offer_the_platforms_own_prometheus_first() -> None:
    uid = files()["grafana/provisioning/datasources/acme.yaml"]["datasources"][0]["uid"]
    assert all(f'"value": "{uid}"'.encode() in artefact.content for artefact in emit_dashboards(plans.full_plan()))


def test_the_provider_has_one_folder_with_dollar_signs_kept() -> None:
    (provider,) = files(title="A$B $HOME")["grafana/provisioning/dashboards/acme.yaml"]["providers"]
    assert provider["folder"] == "A$$B $$HOME"
    assert (provider["allowUiUpdates"], provider["disableDeletion"]) == (False, False)
    assert provider["options"] == {"path": "/var/lib/grafana/dashboards/acme"}


def test_uids_of_long_names_stay_within_grafanas_limit() -> None:
    shown = files(platform="a" * 60)
    for value in shown.values():
        for source in value.get("datasources", ()):
            assert len(source["uid"]) <= 40
        for provider in value.get("providers", ()):
            assert len(provider["folderUid"]) <= 40
