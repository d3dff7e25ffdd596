"""What the pages answer. The OpenAPI description is made from these models, so the two cannot differ.

Times are seconds since 1970, as Prometheus gives them.
"""

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, Field, FiniteFloat

Name = Annotated[str, Field(description="The metric's full name.")]
Domain = Annotated[str | None, Field(description="The domain that the metric belongs to; null where no rule tells it.")]
Labels = Annotated[dict[str, str], Field(description="The labels that tell this series from the metric's others.")]
Truncated = Annotated[
    bool, Field(description="Whether there are more series than are shown; name metrics to see them.")
]
Time = Annotated[FiniteFloat, Field(description="Seconds since 1970.")]


class CurrentSeries(BaseModel):
    """The value of one series now."""

    labels: Labels
    value: FiniteFloat | None = Field(description="The value; null where it is no finite number.")
    non_finite: Literal["NaN", "+Inf", "-Inf"] | None = Field(description="What the value is where it is null.")


class CurrentMetric(BaseModel):
    """A metric with all its series."""

    name: Name
    domain: Domain
    series: list[CurrentSeries]


class Current(BaseModel):
    """The platform's metrics now."""

    platform: str
    time: Time
    truncated: Truncated
    metrics: list[CurrentMetric]


Point = tuple[FiniteFloat, FiniteFloat | None]


class HistorySeries(BaseModel):
    """The values of one series over time."""

    labels: Labels
    points: list[Point] = Field(
        description="Pairs of time and value, oldest first. The value is null where it is NaN or infinite; where "
        "Prometheus has none, there is no pair."
    )


class HistoryMetric(BaseModel):
    """A metric with all its series over time."""

    name: Name
    domain: Domain
    series: list[HistorySeries]


class History(BaseModel):
    """The platform's metrics over time."""

    platform: str
    start: Time
    end: Time
    step_seconds: int = Field(description="Seconds between two points.", ge=1)
    truncated: Truncated
    metrics: list[HistoryMetric]


class CheckResult(BaseModel):
    """What one check found."""

    status: Literal["ok", "failing", "timeout"]
    error: str | None = Field(description="The kind of error, never its text.")
    duration_seconds: float = Field(description="How long the check took.", ge=0)


class HealthReport(BaseModel):
    """Whether the service can work."""

    status: Literal["ok", "failing"] = Field(description="ok where all checks are.")
    checks: dict[str, CheckResult]


class Service(BaseModel):
    """The service that answers."""

    name: str
    version: str | None = Field(description="null where the service did not give it.")
    platform: str


class Python(BaseModel):
    """What runs it."""

    implementation: str
    version: str


class OperatingSystem(BaseModel):
    """What that runs on."""

    name: str
    release: str
    machine: str


class Processors(BaseModel):
    """Its processors."""

    count: int | None = Field(description="Logical CPUs of the machine.")
    usable: int | None = Field(description="Those that this process may run on; null where the system does not say.")
    load_average: list[float] | None = Field(description="Of 1, 5 and 15 minutes; null where the system has none.")


class Memory(BaseModel):
    """Its memory, of the machine; limits of a container are not seen here."""

    total_bytes: int | None
    available_bytes: int | None = Field(description="null without psutil (the extra `host`).")
    process_bytes: int | None = Field(description="Resident memory of this process; null without psutil.")


class SystemInfo(BaseModel):
    """Who answers, and on what."""

    service: Service
    python: Python
    operating_system: OperatingSystem
    started_at: AwareDatetime = Field(description="When this API was made, which is when its service started.")
    uptime_seconds: float = Field(ge=0)
    processors: Processors
    memory: Memory
