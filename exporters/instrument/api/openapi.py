"""The description of the pages, in OpenAPI 3.1, out of the models of their parameters and answers."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from exporters.instrument.api.answers import Current, HealthReport, History, SystemInfo
from exporters.instrument.api.parameters import CurrentParameters, HistoryParameters
from exporters.instrument.api.problems import MEDIA_TYPE, Problem

_MODELS: tuple[type[BaseModel], ...] = (Current, HealthReport, History, Problem, SystemInfo)
_FROM_PROMETHEUS = {
    "422": "A parameter cannot be used; `errors` names it.",
    "502": "Prometheus answers what cannot be used.",
    "503": "Prometheus cannot be reached.",
    "504": "Prometheus took too long.",
}
_CACHED = {"Cache-Control": {"description": "How long the answer is kept.", "schema": {"type": "string"}}}

Description = dict[str, Any]


def described(service_name: str, version: str | None) -> Description:
    """The whole description, but for where the pages are mounted."""
    _, schemas = models_json_schema(
        [(model, "serialization") for model in _MODELS], ref_template="#/components/schemas/{model}"
    )
    return {
        "openapi": "3.1.0",
        "info": {"title": f"Monitoring of {service_name}", "version": version or "0"},
        "paths": {
            "/metrics": {"get": _metrics()},
            "/api/metrics/current": {
                "get": _page("currentMetrics", "Current performance metrics", Current, parameters=CurrentParameters)
            },
            "/api/metrics/history": {
                "get": _page("metricsHistory", "Historical metrics", History, parameters=HistoryParameters)
            },
            "/api/system/info": {"get": _page("systemInfo", "System information", SystemInfo)},
            "/health": {"get": _health()},
        },
        "components": {"schemas": schemas["$defs"]},
    }


def _page(
    operation: str, summary: str, model: type[BaseModel], parameters: type[BaseModel] | None = None
) -> Description:
    ok: Description = {"description": summary, "content": _json(model)}
    page: Description = {"operationId": operation, "summary": summary, "responses": {"200": ok}}
    if parameters is not None:
        ok["headers"] = _CACHED
        page["parameters"] = [_parameter(name, one) for name, one in _properties(parameters).items()]
        for status, why in _FROM_PROMETHEUS.items():
            page["responses"][status] = {"description": why, "content": _json(Problem, MEDIA_TYPE)}
    return page


def _health() -> Description:
    page = _page("health", "Whether the service can work", HealthReport)
    page["responses"]["503"] = {"description": "A check fails.", "content": _json(HealthReport)}
    return page


def _metrics() -> Description:
    text = {"schema": {"type": "string"}}
    content = {"text/plain": text, "application/openmetrics-text": text}
    summary = "Prometheus metrics of this process"
    return {
        "operationId": "metrics",
        "summary": summary,
        "responses": {"200": {"description": summary, "content": content}},
    }


def _properties(model: type[BaseModel]) -> Mapping[str, Description]:
    found: Mapping[str, Description] = model.model_json_schema()["properties"]
    return found


def _parameter(name: str, schema: Description) -> Description:
    said = {key: value for key, value in schema.items() if key not in ("title", "description")}
    return {"name": name, "in": "query", "required": False, "description": schema["description"], "schema": said}


def _json(model: type[BaseModel], media_type: str = "application/json") -> Description:
    return {media_type: {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}}
