"""``tracing`` in ``platform.yaml``: which traces the services keep, and where they send them."""

from typing import Annotated

from pydantic import Field

from generator.model.base import DashedName, Model, OtlpEndpoint, Percentage, RequestPath, ServiceVersion


class TracedService(Model):
    """One service: its version, its own share, and the shares of its paths."""

    version: ServiceVersion | None = None
    sampling: Percentage | None = None
    paths: dict[RequestPath, Percentage] = {}


class Tracing(Model):
    """Where spans go, and which share is kept of the traces that begin in a service of the platform."""

    endpoint: OtlpEndpoint
    sampling: Percentage
    exclude_paths: list[RequestPath] = []
    services: Annotated[dict[DashedName, TracedService], Field(min_length=1)]
