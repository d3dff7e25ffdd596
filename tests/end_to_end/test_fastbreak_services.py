"""FastBreak's services, from what they measure of themselves to what fires: every alert that they feed, every panel."""

import pytest

from tests.end_to_end.fastbreak_alerts import ALERTS
from tests.end_to_end.fastbreak_services_story import FED, Record, play

pytestmark = pytest.mark.timeout(900)
# How many messages were sent is Alertmanager's to count.
NOT_FED = {"SystemAlertSpam"}


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    return play(tmp_path_factory.mktemp("services"))


def test_every_alert_is_fed_by_the_services_or_known_not_to_be() -> None:
    assert {alert.name for alert in ALERTS} == FED | NOT_FED


def test_while_all_is_well_every_target_is_met(record: Record) -> None:
    assert record.wrong_at_first == set()


@pytest.mark.parametrize("alert", sorted(FED))
def test_an_alert_fires_on_what_the_services_measure(record: Record, alert: str) -> None:
    assert alert in record.fired


def test_every_alert_resolves_when_all_is_right_again(record: Record) -> None:
    assert (record.wrong_afterwards, record.wrong_at_last) == (set(), set())


def test_every_panel_has_data(record: Record) -> None:
    assert record.empty_panels == []


def test_a_service_is_traced_by_its_routes(record: Record) -> None:
    routes = {"/moments/<int:moment>", "/portfolios/<int:owner>", "/players/<name>", "/analyses/<int:moment>"}
    assert {f"GET {route}" for route in routes} <= record.spans
    assert "GET /health" not in record.spans
