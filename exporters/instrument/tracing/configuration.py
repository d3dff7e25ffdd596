"""OpenTelemetry's SDK in this process, as its declarative configuration file says."""

import os
import threading
from pathlib import Path

from opentelemetry.configuration import configure_sdk, load_config_file
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import ProxyTracerProvider, get_tracer_provider

from exporters.instrument.tracing.sampling import KeepsAttributes

_FILE_VARIABLE = "OTEL_CONFIG_FILE"
_STABILITY_VARIABLE = "OTEL_SEMCONV_STABILITY_OPT_IN"
# Less than the ten seconds after which Docker kills what does not stop.
_LONGEST_FLUSH_SECONDS = 5.0


def configure_tracing(config_file: str | Path | None = None) -> bool:
    """Set up what ends spans and sends them, once for a process: the first file that is named holds.

    A service that ``opentelemetry-instrument`` has set up stays as it is. HTTP and database spans get the attributes of
    the stable conventions, by which the file tells paths apart: Python's instrumentations ask for that when the first
    of them starts, so this comes before them.

    Args:
        config_file: the file; without one ``OTEL_CONFIG_FILE`` names it, and where that is unset, nothing is traced.

    Returns:
        Whether anything is traced, be it because the service has set that up itself.

    Raises:
        opentelemetry.configuration.ConfigurationError: the file is not there, or is no such file.
        ValueError: ``OTEL_SEMCONV_STABILITY_OPT_IN`` is set, and leaves HTTP's conventions out.
    """
    opted = os.environ.get(_STABILITY_VARIABLE)
    if not opted:
        os.environ[_STABILITY_VARIABLE] = "http,database"
    elif not {"http", "http/dup"}.intersection(word.strip() for word in opted.split(",")):
        raise ValueError(f"{_STABILITY_VARIABLE}={opted} leaves out http: no rule by path would match")
    named = config_file or os.environ.get(_FILE_VARIABLE)
    if named and not isinstance(get_tracer_provider(), TracerProvider):
        configure_sdk(load_config_file(named))
    provider = get_tracer_provider()
    if isinstance(provider, TracerProvider) and not isinstance(provider.sampler, KeepsAttributes):
        provider.sampler = KeepsAttributes(provider.sampler)
    return not isinstance(provider, ProxyTracerProvider)


def flush_spans() -> None:
    """Send what has ended and waits to be sent; what cannot be sent within seconds is given up."""
    provider = get_tracer_provider()
    if isinstance(provider, TracerProvider):
        # The SDK takes a timeout and does not look at it.
        thread = threading.Thread(target=provider.force_flush, daemon=True)
        thread.start()
        thread.join(_LONGEST_FLUSH_SECONDS)
