"""``opentelemetry/<service>.yaml`` and ``.env``: what each service traces, in OpenTelemetry's own two forms.

The file is its declarative configuration (https://opentelemetry.io/docs/specs/otel/configuration/), for
``OTEL_CONFIG_FILE``. The variables are for those that cannot read it; they know no rules by path, but Python's
``OTEL_PYTHON_EXCLUDED_URLS``. Neither configures metrics or logs: Prometheus scrapes the metrics.
"""

from collections.abc import Iterator
from itertools import groupby
from urllib.parse import quote

from generator import naming
from generator.emit.artefact import Artefact
from generator.emit.yaml_text import dump_for_any_reader
from generator.plan.types import Plan, SampledPath, TracedService

# The newest that opentelemetry-configuration 0.66b2 reads without a warning.
FILE_FORMAT = "1.1"
# What the span of a request has when it begins, by the stable conventions; its route is known only later.
_PATH = "url.path"

Block = dict[str, object]


def emit(plan: Plan) -> Iterator[Artefact]:
    """Yield both forms for each service that is traced."""
    for service in plan.traced:
        yield Artefact(naming.tracing_file(service.name, "yaml"), dump_for_any_reader(_configuration(service)))
        yield Artefact(naming.tracing_file(service.name, "env"), _variables(service))


def _configuration(service: TracedService) -> Block:
    exporter: Block = {
        "endpoint": _literal(f"{service.endpoint}/v1/traces"),
        # Secrets come from the service's own environment; unset is none.
        "headers_list": "${OTEL_EXPORTER_OTLP_HEADERS}",
    }
    return {
        "file_format": FILE_FORMAT,
        "resource": {
            "attributes": [{"name": name, "value": _literal(value)} for name, value in _attributes(service)],
            "attributes_list": "${OTEL_RESOURCE_ATTRIBUTES}",
        },
        "propagator": {"composite": [{"tracecontext": {}}, {"baggage": {}}]},
        "tracer_provider": {
            "processors": [{"batch": {"exporter": {"otlp_http": exporter}}}],
            # A trace that another service began is kept, or not, as that one said.
            "sampler": {"parent_based": {"root": _root(service)}},
        },
    }


def _attributes(service: TracedService) -> Iterator[tuple[str, str]]:
    yield "service.name", service.name
    if service.version is not None:
        yield "service.version", service.version


def _root(service: TracedService) -> Block:
    """The sampler of spans that begin a trace: the stable one, unless paths differ, which only a composite can say."""
    paths = (*service.excluded, *service.paths)
    if not paths:
        return _sampler(service.ratio, "trace_id_ratio_based")
    alike = groupby(paths, lambda path: (path.below, path.ratio))
    rules: list[Block] = [
        {**_matching([path.path for path in group], below=below), "sampler": _sampler(ratio, "probability")}
        for (below, ratio), group in alike
    ]
    rules.append({"sampler": _sampler(service.ratio, "probability")})
    return {"composite/development": {"rule_based": {"rules": rules}}}


def _matching(paths: list[str], *, below: bool) -> Block:
    if below:
        return {"attribute_patterns": {"key": _PATH, "included": [_literal(f"{path}*") for path in paths]}}
    return {"attribute_values": {"key": _PATH, "values": [_literal(path) for path in paths]}}


def _sampler(ratio: float, by_ratio: str) -> Block:
    if ratio in (0.0, 1.0):
        return {"always_on" if ratio else "always_off": {}}
    return {by_ratio: {"ratio": ratio}}


def _literal(text: str) -> str:
    """Text in which nothing is substituted from the environment."""
    return text.replace("$", "$$")


def _variables(service: TracedService) -> bytes:
    """``KEY=value`` without quotes: Docker, Compose and systemd disagree on all that would need one."""
    values = {
        "OTEL_SERVICE_NAME": service.name,
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_ENDPOINT": service.endpoint,
        "OTEL_PROPAGATORS": "tracecontext,baggage",
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": f"{service.ratio:g}",
        "OTEL_SEMCONV_STABILITY_OPT_IN": "http,database",
    }
    if service.version is not None:
        values["OTEL_RESOURCE_ATTRIBUTES"] = f"service.version={quote(service.version, safe='')}"
    if service.excluded:
        values["OTEL_PYTHON_EXCLUDED_URLS"] = ",".join(_expression(path) for path in service.excluded)
    return "".join(f"{name}={value}\n" for name, value in sorted(values.items())).encode()


def _expression(path: SampledPath) -> str:
    """A regular expression for the addresses of a path, free of signs that mean something in a file of variables."""
    characters = (f"[{sign}]" if sign in ".+" else sign for sign in path.path)
    end = "" if path.below else "(?![^?])"
    return f"^https?://[^/]*{''.join(characters)}{end}"
