"""What Prometheus scrapes, played: gauges and counters that a test sets, and the counters' past."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from demo.addresses import Address

Amounts = Mapping[str, float]

# Every counter has run for long: Prometheus extrapolates less where one may have started at zero.
_LONG_AGO = 1e7


@dataclass
class Target:
    """One address that is scraped; ``born`` is where its past ends and what it serves begins, in seconds since 1970.

    Counters are moved by amounts: in the past, from now on, or by the second until they stop.
    """

    job: str
    address: Address
    born: float
    is_down: bool = False
    gauges: dict[str, float] = field(default_factory=dict)
    _past: list[tuple[float, Amounts]] = field(default_factory=list)
    _added: Amounts = field(default_factory=dict)
    _per_second: Amounts = field(default_factory=dict)
    _stopped: float | None = None

    @property
    def instance(self) -> str:
        return f"{self.address[0]}:{self.address[1]}"

    def show(self, gauges: Amounts) -> None:
        """Set gauges, all of them in one scrape."""
        self.gauges = {**self.gauges, **gauges}

    def counted(self, amounts: Amounts, seconds_ago: float) -> None:
        """Counters moved before the target was born."""
        self._past.append((-seconds_ago, amounts))

    def add(self, *amounts: Amounts) -> None:
        """Counters move at once."""
        added = dict(self._added)
        for some in amounts:
            for name, amount in some.items():
                added[name] = added.get(name, 0.0) + amount
        # All of it in one assignment: a scrape sees everything or nothing.
        self._added = added

    def grow(self, per_second: Amounts) -> None:
        """Counters that always grew and go on until ``stop``."""
        self._per_second = per_second

    def stop(self) -> None:
        self._stopped = time.time()

    def text(self) -> str:
        """What it serves now."""
        counters = self._counters((self._stopped or time.time()) - self.born)
        added = self._added
        unknown = added.keys() - counters.keys()
        assert not unknown, f"counters without a past: {sorted(unknown)}"
        series = {name: value + added.get(name, 0.0) for name, value in counters.items()} | self.gauges
        return "".join(f"{name} {value!r}\n" for name, value in series.items())

    def history(self, moments: Sequence[int]) -> Iterator[str]:
        """OpenMetrics lines of the counters at moments before its birth, given as seconds from there."""
        for moment in moments:
            for name, value in self._counters(moment).items():
                yield self.line(name, value, moment)

    def line(self, series: str, value: float, moment: float) -> str:
        """One sample of the past, labelled as Prometheus stores it."""
        name, _, labels = series.rstrip("}").partition("{")
        own = f'job="{self.job}",instance="{self.instance}"'
        return f"{name}{{{','.join(filter(None, (labels, own)))}}} {value!r} {self.born + moment!r}"

    def _counters(self, moment: float) -> dict[str, float]:
        values = {name: _LONG_AGO + amount * moment for name, amount in self._per_second.items()}
        for when, amounts in self._past:
            for name, amount in amounts.items():
                values[name] = values.get(name, _LONG_AGO) + (amount if when <= moment else 0.0)
        return values


def counter(name: str, amount: float, **labels: str) -> Amounts:
    """One counter."""
    return {_series(name, labels): amount}


def histogram(name: str, at_most: Mapping[str, float], count: float, total: float, **labels: str) -> Amounts:
    """A histogram: how many observations there are up to each bound, how many in all, and their sum."""
    buckets = {
        _series(f"{name}_bucket", {**labels, "le": bound}): amount
        for bound, amount in {**at_most, "+Inf": count}.items()
    }
    return {**buckets, _series(f"{name}_count", labels): count, _series(f"{name}_sum", labels): total}


def gauge(name: str, **labels: str) -> str:
    """A gauge's key."""
    return _series(name, labels)


def _series(name: str, labels: Mapping[str, str]) -> str:
    inner = ",".join(f'{label}="{value}"' for label, value in labels.items())
    return f"{name}{{{inner}}}" if inner else name


@contextmanager
def served(targets: Sequence[Target]) -> Iterator[None]:
    """Serve every target at its address."""
    with ExitStack() as running:
        for target in targets:
            running.enter_context(_listening(target))
        yield


@contextmanager
def _listening(target: Target) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if target.is_down:
                self.send_error(503)
                return
            body = target.text().encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            # A scrape that took too long is hung up.
            with suppress(ConnectionError):
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(target.address, Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
