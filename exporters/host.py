"""The program ``tocsin-exporter host``: the host's instrument, behind the pages that all exporters have."""

import asyncio
import gzip as compression
import logging
from collections.abc import Callable

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from exporters.business.exposition import Format
from exporters.business.problems import Invalid
from exporters.business.web.pages import Ready
from exporters.instrument.host import Host

_log = logging.getLogger(__name__)


class HostExporter:
    """What its pages say."""

    title = "Tocsin host exporter"
    description = "Processors, memory, file systems, disks and network of this machine, for Prometheus."

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(Host())
        ProcessCollector(registry=self._registry)

    async def metrics(self, format_: Format, *, gzip: bool, timeout_seconds: float) -> bytes:
        """The machine as it is now; beside the server, since a device that hangs makes it last a second."""
        return await asyncio.to_thread(self._text, format_, gzip)

    def ready(self) -> Ready:
        """As soon as the process answers."""
        return Ready(True, "the host is read at each scrape")

    async def reload(self, reread: Callable[[], None]) -> None:
        """Read the web configuration again, or keep the old one and say why."""
        try:
            reread()
        except Invalid as invalid:
            _log.error("reload failed, what was stays:\n%s", str(invalid).rstrip())

    def _text(self, format_: Format, gzip: bool) -> bytes:
        text: bytes = (generate_latest if format_ == "text" else generate_openmetrics)(self._registry)
        return compression.compress(text) if gzip else text
