"""Plan to Artefacts: one module per kind of output."""

from collections.abc import Callable, Iterator

from generator.emit import (
    alertmanager,
    dashboards,
    exporter_plan,
    prometheus,
    provisioning,
    proxy,
    rule_tests,
    rules,
    runbooks,
)
from generator.emit.artefact import Artefact
from generator.plan.types import Plan

Emitter = Callable[[Plan], Iterator[Artefact]]

EMITTERS: tuple[Emitter, ...] = (
    prometheus.emit,
    rules.emit,
    rule_tests.emit,
    alertmanager.emit,
    dashboards.emit,
    provisioning.emit,
    proxy.emit,
    exporter_plan.emit,
    runbooks.emit,
)
