"""Which traces each service keeps, with the platform's words merged into the service's own."""

from collections.abc import Iterable
from decimal import Decimal

from generator import model
from generator.plan.types import SampledPath, TracedService


def services(tracing: model.Tracing) -> tuple[TracedService, ...]:
    """The services that send spans, by name."""
    excluded = tuple(SampledPath(path, is_prefix(path), 0.0) for path in _ordered(tracing.exclude_paths))
    return tuple(
        TracedService(
            name=name,
            version=service.version,
            endpoint=tracing.endpoint.rstrip("/"),
            ratio=_ratio(service.sampling or tracing.sampling),
            excluded=excluded,
            paths=tuple(
                SampledPath(path, is_prefix(path), _ratio(service.paths[path])) for path in _ordered(service.paths)
            ),
        )
        for name, service in sorted(tracing.services.items())
    )


def is_prefix(path: str) -> bool:
    """Whether a path means all below it; ``/`` is the home page alone."""
    return path.endswith("/") and path != "/"


def _ordered(paths: Iterable[str]) -> list[str]:
    """What one request is asked first: the path itself, then what it is below, the longest first."""
    return sorted(set(paths), key=lambda path: (is_prefix(path), -len(path), path))


def _ratio(percentage: str) -> float:
    return float(Decimal(percentage.removesuffix("%")) / 100)
