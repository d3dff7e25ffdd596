"""The base of all models and the named types that their fields are made of."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints


class Model(BaseModel):
    """Frozen, strict, and deaf to keys that it does not know."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", populate_by_name=True, defer_build=True)


# A name becomes part of metric, label and file names: nothing in it may need escaping anywhere.
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$", max_length=60)]
# Channels, contacts, jobs, cadences and severities are label values and receiver names, where a dash is usual.
DashedName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*([_-][a-z0-9]+)*$", max_length=60)]
DurationText = Annotated[str, StringConstraints(pattern=r"^([0-9]+(ms|[smhdw]))+$", max_length=30)]
TimeOfDay = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
# A time of the week, as people say it: "monday 09:00".
TimeOfWeek = Annotated[
    str,
    StringConstraints(
        pattern=r"^(monday|tuesday|wednesday|thursday|friday|saturday|sunday) ([01][0-9]|2[0-3]):[0-5][0-9]$"
    ),
]
Date = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
Timezone = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_+/-]+$")]
Version = Annotated[str, StringConstraints(pattern=r"^[0-9]+\.[0-9]+(\.[0-9]+)?$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=4000)]
Title = Annotated[str, StringConstraints(min_length=1, max_length=120)]
Sql = Annotated[str, StringConstraints(min_length=1, max_length=20_000)]
HttpUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+\S*$", max_length=1000)]
HostPort = Annotated[str, StringConstraints(pattern=r"^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}$")]
FilePath = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._/+-]+$", max_length=400)]
EnvironmentVariable = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*$", max_length=100)]
EmailAddress = Annotated[str, StringConstraints(pattern=r"^[^@\s<>,]+@[^@\s<>,]+$", max_length=254)]
# Two decimals at most: a ratio below 0.0001 would be written with an exponent, which YAML 1.1 takes for text.
Percentage = Annotated[str, StringConstraints(pattern=r"^(100|[0-9]{1,2}(\.[0-9]{1,2})?)%$")]
# A path of requests, or of all below it where it ends in a slash: nothing that a pattern could take for a wildcard.
RequestPath = Annotated[str, StringConstraints(pattern=r"^/[A-Za-z0-9._~@:+/-]*$", max_length=400)]
OtlpEndpoint = Annotated[
    str,
    StringConstraints(
        pattern=r"^https?://([A-Za-z0-9._-]+|\[[0-9a-fA-F:]+\])(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?$", max_length=1000
    ),
]
ServiceVersion = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z][0-9A-Za-z.+-]*$", max_length=100)]
Unit = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$", max_length=40)]
