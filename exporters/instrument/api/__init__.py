"""The monitoring API of a service: its metrics, the platform's now and over time, its system and its health."""

from exporters.instrument.api.app import Limits, monitoring_api

__all__ = ["Limits", "monitoring_api"]
