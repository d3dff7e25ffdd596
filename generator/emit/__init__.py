"""Plan to Artefacts: one module per kind of output."""

from collections.abc import Callable, Iterator

from generator.emit.artefact import Artefact
from generator.plan.types import Plan

Emitter = Callable[[Plan], Iterator[Artefact]]

EMITTERS: tuple[Emitter, ...]


def __getattr__(name: str) -> tuple[Emitter, ...]:
    """``EMITTERS``, imported when somebody asks: who needs one emitter alone does not wait for the libraries of all."""
    if name != "EMITTERS":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from generator.emit import (
        alertmanager,
        dashboards,
        exporter_plan,
        opentelemetry,
        prometheus,
        provisioning,
        proxy,
        rule_tests,
        rules,
        runbooks,
    )

    global EMITTERS
    EMITTERS = (
        prometheus.emit,
        rules.emit,
        rule_tests.emit,
        alertmanager.emit,
        dashboards.emit,
        provisioning.emit,
        proxy.emit,
        exporter_plan.emit,
        opentelemetry.emit,
        runbooks.emit,
    )
    return EMITTERS
