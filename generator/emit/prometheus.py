"""``prometheus/prometheus.yml``: what is scraped, which rules run, and every Alertmanager that is told.

Prometheus runs with ``--rules.alert.for-grace-period=0s``: after a restart alerts must not wait ten minutes more.
"""

from collections.abc import Iterator

from generator import durations
from generator.emit import yaml_text
from generator.emit.artefact import Artefact
from generator.plan.types import Job, Plan

Block = dict[str, object]

_SCRAPE_TIMEOUT = 10_000


def emit(plan: Plan) -> Iterator[Artefact]:
    """The configuration of a platform's Prometheus."""
    yield Artefact("prometheus/prometheus.yml", yaml_text.dump(_configuration(plan)))


def _configuration(plan: Plan) -> Block:
    return {
        "global": {
            "scrape_interval": durations.text(plan.scrape_interval),
            "scrape_timeout": durations.text(min(plan.scrape_interval, _SCRAPE_TIMEOUT)),
            "evaluation_interval": durations.text(plan.evaluation_interval),
        },
        "rule_files": ["rules/*.yml"],
        # Each by name, never through a load balancer: they agree among themselves on who sends.
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": list(plan.alertmanagers)}]}]},
        "scrape_configs": [_scrape_config(job) for job in plan.jobs],
    }


def _scrape_config(job: Job) -> Block:
    static: Block = {"targets": list(job.targets)}
    if job.labels:
        static["labels"] = dict(job.labels)
    return {
        "job_name": job.name,
        "scrape_interval": durations.text(job.interval),
        "scrape_timeout": durations.text(job.timeout),
        "metrics_path": job.metrics_path,
        "scheme": job.scheme,
        "static_configs": [static],
    }
