"""A sampler around another, for what the SDK loses."""

from collections.abc import Sequence

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.util.types import Attributes


class KeepsAttributes(Sampler):
    """Decides as the sampler inside; a span that is kept has the attributes that it began with.

    The SDK gives a span those that its sampler answers with, and the composite sampler answers with none
    (``_CompositeSampler`` in opentelemetry-sdk 1.45.2), so that a request's method and path would be lost.
    """

    def __init__(self, inside: Sampler) -> None:
        self._inside = inside

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """The decision of the sampler inside, with no attribute taken away."""
        result = self._inside.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)
        if not attributes or result.decision is Decision.DROP:
            return result
        return SamplingResult(result.decision, {**attributes, **result.attributes}, result.trace_state)

    def get_description(self) -> str:
        """The description of the sampler inside."""
        return self._inside.get_description()
