"""The machine, and what the container lets this process have of it."""

from exporters.instrument.host.collector import Host, measure_host

__all__ = ["Host", "measure_host"]
