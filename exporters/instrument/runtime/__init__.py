"""The process itself: its memory, and its garbage collector."""

from exporters.instrument.runtime.collectors import Runtime, measure_runtime

__all__ = ["Runtime", "measure_runtime"]
