"""The document's endpoints for metrics, as one Starlette application."""

import math
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import REGISTRY, CollectorRegistry
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from exporters.instrument.api.answers import Service
from exporters.instrument.api.health import Check, Health
from exporters.instrument.api.information import Information
from exporters.instrument.api.metrics import Metrics
from exporters.instrument.api.openapi import described
from exporters.instrument.api.parameters import CurrentParameters, HistoryParameters, read
from exporters.instrument.api.problems import Refusal, failed, not_served, refused
from exporters.instrument.api.prometheus import Prometheus
from exporters.instrument.api.sharing import Shared
from exporters.instrument.exposition import metrics_asgi

_PLATFORM = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
PROMETHEUS_URL = "PROMETHEUS_URL"


@dataclass(frozen=True)
class Limits:
    """How long things may take, and how long answers are kept."""

    prometheus_seconds: float = 10
    check_seconds: float = 5
    keep_seconds: float = 15

    def __post_init__(self) -> None:
        """Refuse what is no time.

        Raises:
            ValueError: a time is not finite, or no time at all.
        """
        if not all(0 < one < math.inf for one in (self.prometheus_seconds, self.check_seconds)):
            raise ValueError("prometheus_seconds and check_seconds are seconds, more than 0")
        if not 0 <= self.keep_seconds < math.inf:
            raise ValueError("keep_seconds are seconds; 0 keeps nothing")


def monitoring_api(
    *,
    service_name: str,
    platform: str,
    prometheus_url: str | None = None,
    prometheus_auth_file: str | Path | None = None,
    health: Mapping[str, Check] | None = None,
    service_version: str | None = None,
    registry: CollectorRegistry = REGISTRY,
    limits: Limits | None = None,
) -> Starlette:
    """The monitoring API of a service, to be mounted or served.

    ``platform``: the first word of its compiled metrics. ``prometheus_url``: what ``PROMETHEUS_URL`` says if it is not
    given. ``prometheus_auth_file``: holds ``user:password``. ``health``: functions or coroutine functions by name; they
    fail when they raise or return False. ``registry``: whose series ``/metrics`` shows.

    Raises:
        ValueError: something of it cannot be used; the message holds no password.
    """
    limits = limits or Limits()
    if not service_name:
        raise ValueError("service_name is empty")
    if not _PLATFORM.fullmatch(platform):
        raise ValueError(f"platform is the first word of its metrics: letters, digits and _, and {platform!r} is not")
    url = prometheus_url or os.environ.get(PROMETHEUS_URL)
    if not url:
        raise ValueError(f"no Prometheus is named: give prometheus_url, or set {PROMETHEUS_URL}")
    auth_file = None if prometheus_auth_file is None else Path(prometheus_auth_file)
    prometheus = Prometheus(url, auth_file, limits.prometheus_seconds)
    pages = _Pages(
        Metrics(platform, prometheus),
        Shared(limits.keep_seconds),
        Health(health or {}, limits.check_seconds),
        Information(Service(name=service_name, version=service_version, platform=platform)),
        limits.prometheus_seconds,
    )
    description = described(service_name, service_version)

    async def openapi(request: Request) -> Response:
        # Where it is mounted is the server's to know.
        return JSONResponse({**description, "servers": [{"url": request.scope.get("root_path") or "/"}]})

    app = Starlette(
        routes=[
            Route("/metrics", metrics_asgi(registry), methods=["GET"]),
            Route("/api/metrics/current", pages.current),
            Route("/api/metrics/history", pages.history),
            Route("/api/system/info", pages.info),
            Route("/health", pages.health),
            Route("/openapi.json", openapi),
        ],
        exception_handlers={Refusal: refused, HTTPException: not_served, Exception: failed},
    )
    # A redirect would be to whatever host the client says it asked.
    app.router.redirect_slashes = False
    return app


class _Pages:
    def __init__(
        self, metrics: Metrics, shared: Shared, health: Health, information: Information, timeout_seconds: float
    ) -> None:
        self._metrics = metrics
        self._shared = shared
        self._health = health
        self._information = information
        self._timeout_seconds = timeout_seconds

    async def current(self, request: Request) -> Response:
        asked = read(CurrentParameters, request.query_params.multi_items())
        return await self._asked(("current", *sorted(asked.metric)), lambda: self._metrics.current(asked))

    async def history(self, request: Request) -> Response:
        asked = read(HistoryParameters, request.query_params.multi_items())
        question = ("history", asked.hours, asked.step, *sorted(asked.metric))
        return await self._asked(question, lambda: self._metrics.history(asked))

    async def info(self, request: Request) -> Response:
        return _json(200, self._information.read())

    async def health(self, request: Request) -> Response:
        report = await self._health.report()
        return _json(200 if report.status == "ok" else 503, report)

    async def _asked(self, question: tuple[object, ...], make: Callable[[], bytes]) -> Response:
        kept = await self._shared.answer(question, make, self._timeout_seconds)
        age = max(0, math.floor(kept.until - time.monotonic()))
        return Response(kept.body, 200, {"cache-control": f"private, max-age={age}"}, "application/json")


def _json(status: int, model: BaseModel) -> Response:
    return Response(model.model_dump_json(), status, {"cache-control": "no-store"}, "application/json")
