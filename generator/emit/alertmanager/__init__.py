"""``alertmanager/alertmanager.yml`` and its message templates.

The tree is driven by labels: an alert that uses known channels and a known cadence changes no line of it. What no route
knows reaches the channels of the monitoring itself, so nothing vanishes.
"""

from collections.abc import Iterator

from generator.emit import yaml_text
from generator.emit.alertmanager.inhibition import inhibit_rules
from generator.emit.alertmanager.intervals import time_interval, time_intervals
from generator.emit.alertmanager.messages import templates
from generator.emit.alertmanager.receivers import Receiver, block, integration, receivers
from generator.emit.alertmanager.routes import root
from generator.emit.artefact import Artefact
from generator.plan.types import Plan

__all__ = ["FOLDER", "PATH", "Receiver", "configuration", "emit", "integration", "receivers", "time_interval"]

FOLDER = "alertmanager"
PATH = f"{FOLDER}/alertmanager.yml"


def emit(plan: Plan) -> Iterator[Artefact]:
    """The configuration of a platform's Alertmanager, and the templates of its messages."""
    yield Artefact(PATH, yaml_text.dump(configuration(plan)))
    for name, text in templates(plan):
        yield Artefact(f"{FOLDER}/templates/{name}", text.encode())


def configuration(plan: Plan) -> dict[str, object]:
    """The configuration as plain values."""
    return {
        "templates": ["templates/*.tmpl"],
        "route": root(plan),
        "time_intervals": [time_interval(interval) for interval in time_intervals(plan)],
        "inhibit_rules": inhibit_rules(plan),
        "receivers": [block(plan, receiver) for receiver in receivers(plan)],
    }
