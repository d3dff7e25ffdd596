"""Which alerts mute which."""

from generator import naming
from generator.emit.alertmanager.blocks import Block
from generator.emit.alertmanager.matchers import equal, literal, one_of, quoted
from generator.plan.types import Plan


def inhibit_rules(plan: Plan) -> list[Block]:
    """The worst severity mutes the others of the same subject.

    Only where the subject is a metric: two rows of one record are two matters. Labels that are missing on both sides
    count as equal, so what is to be there is demanded; what watches the monitoring itself mutes nothing.
    """
    severities = [severity.name for severity in sorted(plan.severities, key=lambda severity: severity.rank)]
    if len(severities) < 2:
        return []
    subject = ['platform=~".+"', 'domain=~".+"', f"domain!={quoted(naming.OWN_DOMAIN)}", 'subject=~".+"']
    if records := sorted({record.name for domain in plan.domains for record in domain.records}):
        subject.append(f"subject!~{quoted('|'.join(map(literal, records)))}")
    return [
        {
            "source_matchers": [equal("severity", severities[0]), *subject],
            "target_matchers": [one_of("severity", tuple(severities[1:])), *subject],
            "equal": ["platform", "domain", "subject", *_splitting_labels(plan)],
        }
    ]


def _splitting_labels(plan: Plan) -> list[str]:
    """What tells series of one subject apart: taken from the metrics too, so that few alerts add to it."""
    metrics = {label for domain in plan.domains for metric in domain.metrics for label, _ in metric.labels}
    alerts = {label for domain in plan.domains for alert in domain.alerts if alert.kind != "rows" for label in alert.by}
    return sorted(metrics | alerts)
