"""The monitoring API alone, as a program that serves nothing else."""

from importlib.metadata import version
from pathlib import Path

from exporters.instrument.api.app import monitoring_api
from exporters.instrument.api.prometheus import Prometheus
from exporters.instrument.http.asgi import instrument_asgi
from exporters.instrument.interfaces import ASGIApplication

_NAME = "monitoring-api"


def program(platform: str, prometheus_url: str, auth_file: Path | None) -> ASGIApplication:
    """The API of a platform; it is healthy while its Prometheus answers, and measures its own requests.

    Raises:
        ValueError: something of it cannot be used; the message holds no password.
    """
    app = monitoring_api(
        service_name=_NAME,
        service_version=version("tocsin"),
        platform=platform,
        prometheus_url=prometheus_url,
        prometheus_auth_file=auth_file,
        health={"prometheus": Prometheus(prometheus_url, auth_file, timeout_seconds=3).check},
    )
    return instrument_asgi(app, service_name=_NAME, exclude_paths=["/health", "/metrics"], metrics_path=None)
