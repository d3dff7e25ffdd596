"""What services trace, judged by OpenTelemetry's own loader, schema and samplers."""

import logging
import re
import tempfile
from dataclasses import replace
from functools import cache

import pytest
import ryaml
import yaml
from opentelemetry.configuration import OpenTelemetryConfiguration, load_config_file
from opentelemetry.configuration.file import create_resource, create_tracer_provider
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import Decision, Sampler
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    TraceFlags,
    get_current_span,
    set_span_in_context,
)

from generator import model
from generator.emit import opentelemetry, yaml_text
from generator.plan import tracing
from generator.plan.types import SampledPath, TracedService
from tests.compiling import PLATFORMS, planned
from tests.emit import plans

PLAIN, BY_PATH = tracing.services(
    model.Tracing(
        endpoint="http://otel:4318/",
        sampling="10%",
        exclude_paths=["/health", "/static/", "/", "/orders/health"],
        services={
            "shop-api": model.TracedService(
                version="2.1.0",
                paths={"/orders/": "50%", "/orders/cakes/new": "0%", "/orders/cakes/": "100%", "/tills/": "20.25%"},
            ),
            "plain": model.TracedService(version="2.1.0"),
        },
    )
)
PLAIN = replace(PLAIN, excluded=())
# What YAML 1.1 takes for true, a date and a number, and what OpenTelemetry would replace from the environment.
WORDS = replace(PLAIN, name="on", version="2026-11-30", endpoint="http://otel/a$$b/${HOME}", excluded=BY_PATH.excluded)
SERVICES = {
    "plain": PLAIN,
    "by path": BY_PATH,
    "words": WORDS,
    "without a version": replace(PLAIN, version=None),
    **{
        f"{platform}/{service.name}": service
        for platform in ("fire22", "everything")
        for service in planned(PLATFORMS[platform]).traced
    },
}


def emitted(service: TracedService) -> dict[str, bytes]:
    return {
        artefact.path: artefact.content for artefact in opentelemetry.emit(replace(plans.plan(), traced=(service,)))
    }


def loaded(service: TracedService) -> OpenTelemetryConfiguration:
    """The file as OpenTelemetry reads it, which holds it against its schema."""
    with tempfile.NamedTemporaryFile(suffix=".yaml") as file:
        file.write(emitted(service)[f"opentelemetry/{service.name}.yaml"])
        file.flush()
        return load_config_file(file.name)


@cache
def sampler(service: TracedService) -> Sampler:
    provider = create_tracer_provider(loaded(service).tracer_provider)
    provider.shutdown()
    return provider.sampler


def variables(service: TracedService) -> dict[str, str]:
    text = emitted(service)[f"opentelemetry/{service.name}.env"].decode()
    return dict(line.split("=", 1) for line in text.splitlines())


def kept(sampler: Sampler, path: str | None, *, draw: float = 0.0, parent: bool | None = None) -> bool:
    """Whether a span is sampled; ``draw`` is where its trace lies between 0 and 1, the highest being kept first."""
    trace_id = (1 << 120) + int(draw * 2**56)
    context = Context()
    if parent is not None:
        flags = TraceFlags(TraceFlags.SAMPLED if parent else TraceFlags.DEFAULT)
        context = set_span_in_context(NonRecordingSpan(SpanContext(trace_id, 1, True, flags)), context)
    attributes = {} if path is None else {"url.path": path}
    state = get_current_span(context).get_span_context().trace_state
    result = sampler.should_sample(context, trace_id, "GET", SpanKind.SERVER, attributes, (), state)
    return result.decision is Decision.RECORD_AND_SAMPLE


@pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)
def test_the_file_is_read_without_a_word(service: TracedService, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    configuration = loaded(service)
    create_tracer_provider(configuration.tracer_provider).shutdown()
    attributes = create_resource(configuration.resource).attributes
    assert caplog.records == []
    assert (attributes["service.name"], attributes.get("service.version")) == (service.name, service.version)
    assert configuration.meter_provider is None
    assert configuration.logger_provider is None
    assert configuration.tracer_provider is not None
    (processor,) = configuration.tracer_provider.processors
    assert processor.batch is not None
    assert processor.batch.exporter.otlp_http is not None
    assert processor.batch.exporter.otlp_http.endpoint == f"{service.endpoint}/v1/traces"


def test_text_is_text_for_readers_of_either_yaml() -> None:
    words = [
        "on",
        "no",
        "2026-11-30",
        "1_000",
        "12:30",
        "1.1",
        "0o17",
        "0x1f",
        "1e3",
        "~",
        "null",
        "",
        "a: b",
        "#",
        "${A}",
    ]
    text = yaml_text.dump_for_any_reader(words).decode()
    assert (yaml.safe_load(text), ryaml.loads(text)) == (words, words)


def test_secrets_and_more_attributes_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer x")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "host.name=oven,service.name=another")
    configuration = loaded(PLAIN)
    assert configuration.tracer_provider is not None
    batch = configuration.tracer_provider.processors[0].batch
    assert batch is not None
    assert batch.exporter.otlp_http is not None
    assert batch.exporter.otlp_http.headers_list == "authorization=Bearer x"
    attributes = create_resource(configuration.resource).attributes
    assert (attributes["host.name"], attributes["service.name"]) == ("oven", "plain")


@pytest.mark.parametrize(
    ("path", "share"),
    [
        ("/health", 0.0),
        ("/healthcare", 0.1),
        ("/health/", 0.1),
        ("/", 0.0),
        ("/static", 0.1),
        ("/static/a/b.css", 0.0),
        ("/orders", 0.1),
        ("/orders/7", 0.5),
        ("/orders/health", 0.0),
        ("/tills/2/open", 0.2025),
        ("/orders/cakes/7", 1.0),
        ("/orders/cakes/new", 0.0),
        ("/payments", 0.1),
        (None, 0.1),
    ],
)
def test_the_nearest_path_decides(path: str | None, share: float) -> None:
    found = sampler(BY_PATH)
    assert kept(found, path, draw=1 - share + 1e-6) == (share > 0)
    assert kept(found, path, draw=max(0.0, 1 - share - 1e-6)) == (share == 1)


@pytest.mark.parametrize("service", [BY_PATH, replace(BY_PATH, ratio=0.0), replace(BY_PATH, ratio=1.0), PLAIN])
@pytest.mark.parametrize("path", ["/health", "/orders/7", "/payments"])
def test_a_trace_that_another_service_began_is_left_as_it_was(service: TracedService, path: str) -> None:
    found = sampler(service)
    for draw in (0.0, 0.999999):
        assert kept(found, path, draw=draw, parent=True)
        assert not kept(found, path, draw=draw, parent=False)


@pytest.mark.parametrize("paths", [(), BY_PATH.paths])
@pytest.mark.parametrize("ratio", [0.0, 1.0])
def test_nothing_and_everything(paths: tuple[SampledPath, ...], ratio: float) -> None:
    found = sampler(replace(PLAIN, ratio=ratio, paths=paths))
    assert {kept(found, "/payments", draw=draw) for draw in (0.0, 0.5, 0.999999)} == {ratio == 1.0}


def test_only_paths_need_what_is_not_stable_yet() -> None:
    plain, by_path = (emitted(service)[f"opentelemetry/{service.name}.yaml"] for service in (PLAIN, BY_PATH))
    assert b"development" not in plain
    assert by_path.count(b"development") == 1


@pytest.mark.parametrize("ratio", [0.0, 0.0001, 0.1, 0.0725, 1.0])
def test_the_variables_say_the_same(ratio: float, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables(replace(PLAIN, ratio=ratio)).items():
        monkeypatch.setenv(name, value)
    sampler = TracerProvider(shutdown_on_exit=False).sampler
    assert sampler.get_description().startswith(f"ParentBased{{root:TraceIdRatioBased{{{ratio}}}")
    attributes = Resource.create().attributes
    assert (attributes["service.name"], attributes["service.version"]) == ("plain", "2.1.0")


def test_a_version_is_read_as_it_was_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "OTEL_RESOURCE_ATTRIBUTES", variables(replace(PLAIN, version="3.0+7,%41=x y"))["OTEL_RESOURCE_ATTRIBUTES"]
    )
    assert Resource.create().attributes["service.version"] == "3.0+7,%41=x y"


@pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)
def test_no_variable_needs_quotes(service: TracedService) -> None:
    """Docker takes quotes for part of the value, Compose replaces ``$``, systemd eats backslashes."""
    if service is not WORDS:
        for name, value in variables(service).items():
            assert re.fullmatch(r"[^\s'\"`$\\#;]+", value), name


@pytest.mark.parametrize(
    ("address", "excluded"),
    [
        ("http://127.0.0.1:8000/health", True),
        ("https://shop.example/health?deep=1", True),
        ("https://shop.example/health/7", False),
        ("https://shop.example/healthcare", False),
        ("https://shop.example/api/health", False),
        ("https://shop.example/static/a.css", True),
        ("https://shop.example/static", False),
        ("https://shop.example/", True),
        ("https://shop.example/a", False),
        ("https://shop.example/faviconxico", False),
        ("https://shop.example/favicon.ico", True),
    ],
)
def test_excluded_addresses(address: str, excluded: bool) -> None:
    service = replace(BY_PATH, excluded=(*BY_PATH.excluded, SampledPath("/favicon.ico", False, 0.0)))
    expressions = variables(service)["OTEL_PYTHON_EXCLUDED_URLS"].split(",")
    assert any(re.search(expression, address) for expression in expressions) == excluded


def test_a_platform_that_traces_nothing_gets_no_file() -> None:
    assert list(opentelemetry.emit(planned(PLATFORMS["fastbreak"]))) == []
