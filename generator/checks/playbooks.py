"""Playbooks: every one named exists."""

import re
from collections.abc import Iterator

from generator.checks._hints import unknown
from generator.diagnostics import Problem
from generator.load import Files

# A runbook of one word in this form means a playbook; anything else is a step to take.
_NAME = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")


def check(files: Files) -> Iterator[Problem]:
    """Playbooks that do not exist."""
    platform = files.platform
    known = platform.model.playbooks
    for severity, row in platform.model.escalation.items():
        if row.playbook is not None and row.playbook not in known:
            span = platform.span(("escalation", severity, "playbook"))
            yield unknown("playbook", span, row.playbook, known, lambda near: platform.key_span(("playbooks", near)))
    for file in files.domains:
        for name, alert in file.model.alerts.items():
            runbook = alert.runbook
            if isinstance(runbook, str) and _NAME.fullmatch(runbook) and runbook not in known:
                span = file.span(("alerts", name, "runbook"))
                yield unknown("playbook", span, runbook, known, lambda near: platform.key_span(("playbooks", near)))
