"""What was measured, read as a scrape reads it."""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

DURATION = "http_server_request_duration_seconds"
RECEIVED = "http_server_request_body_size_bytes"
SENT = "http_server_response_body_size_bytes"
ACTIVE = "http_server_active_requests"


@dataclass(frozen=True, order=True)
class Kind:
    """What a request counts as; what a series has no label for is empty."""

    method: str
    route: str
    status: str = "200"
    error: str = ""


@dataclass(frozen=True)
class Sample:
    """One line of a scrape."""

    name: str
    labels: dict[str, str]
    value: float


class Measured:
    """One scrape."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.samples = [
            Sample(sample.name, sample.labels, sample.value)
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        ]

    @classmethod
    def of(cls, registry: CollectorRegistry) -> "Measured":
        """What a scrape of a registry would give."""
        return cls(generate_latest(registry).decode())

    def by_kind(self, name: str) -> dict[Kind, float]:
        """The values of a series."""
        return {_kind(sample.labels): sample.value for sample in self.samples if sample.name == name}

    def counts(self) -> dict[Kind, float]:
        """How many requests of each kind there were."""
        return self.by_kind(f"{DURATION}_count")

    def only(self, name: str) -> float:
        """The value of a series that there is once."""
        (value,) = (sample.value for sample in self.samples if sample.name == name)
        return value

    def active(self) -> float:
        """Requests being answered, of all methods."""
        return sum(sample.value for sample in self.samples if sample.name == ACTIVE)


def _kind(labels: dict[str, str]) -> Kind:
    names = ("http_request_method", "http_route", "http_response_status_code", "error_type")
    return Kind(*(labels.get(name, "") for name in names))
