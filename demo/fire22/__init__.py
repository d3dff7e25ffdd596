"""Fire22, a betting platform, as a small world: see ``World`` and what may happen in it, ``INCIDENTS``."""

from collections.abc import Mapping

from demo.fire22.domains import (
    adjustment,
    balance,
    collections,
    distributions,
    free_play,
    infrastructure,
    system,
)
from demo.fire22.incident import Incident
from demo.fire22.world import World

__all__ = ["INCIDENTS", "Incident", "World"]

INCIDENTS: Mapping[str, Incident] = {
    incident.alert: incident
    for domain in (system, collections, distributions, free_play, balance, adjustment, infrastructure)
    for incident in domain.INCIDENTS
}
