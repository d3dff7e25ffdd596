"""What can happen to the monitoring itself: each fault makes one alert of the platform's own domain fire."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from demo.fire22.running import Fire22


@dataclass(frozen=True, slots=True)
class Fault:
    """What breaks and how it is mended, in a sentence each and as what is done."""

    begins: str
    ends: str
    begin: Callable[[Fire22], None]
    end: Callable[[Fire22], None]


def _stop_database(fire22: Fire22) -> None:
    fire22.cluster.stop("immediate")


def _start_database(fire22: Fire22) -> None:
    fire22.cluster.start()


def _api_down(fire22: Fire22) -> None:
    for index, _ in enumerate(fire22.api_targets):
        fire22.world.api.down(index)


def _api_up(fire22: Fire22) -> None:
    for index, _ in enumerate(fire22.api_targets):
        fire22.world.api.up(index)


def _lock_payments(fire22: Fire22) -> None:
    fire22.lock("payments")


FAULTS: Mapping[str, Fault] = {
    "tocsin/source_blind_fire22": Fault(
        "PostgreSQL is down: nothing of the business can be seen.",
        "PostgreSQL is up again.",
        _stop_database,
        _start_database,
    ),
    "tocsin/query_failing_fire22": Fault(
        "Somebody holds a lock on the table payments: the query that reads it waits in vain.",
        "The lock is given back.",
        _lock_payments,
        Fire22.unlock,
    ),
    "tocsin/source_blind_fire22_api": Fault(
        "No instance of the API answers a scrape.", "All instances answer again.", _api_down, _api_up
    ),
    "tocsin/source_blind_fire22_database": Fault(
        "The Postgres exporter is down.",
        "The Postgres exporter is up again.",
        lambda fire22: fire22.postgres_exporter.stop(),
        lambda fire22: fire22.postgres_exporter.start(),
    ),
}
