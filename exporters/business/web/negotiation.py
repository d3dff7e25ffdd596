"""What a client says it takes: the format, gzip, and for how long it waits."""

import re
from functools import lru_cache

from exporters.business.exposition import Format

DEFAULT_TIMEOUT_SECONDS = 10.0
# Nobody scrapes for longer: what is above is a mistake, or an attempt to keep a refresh waiting for ever.
_LONGEST_TIMEOUT_SECONDS = 3600.0
# What is kept back from the time that Prometheus waits, for the way of the answer.
_OFFSET_SECONDS = 0.5

_SECONDS = re.compile(rb"[0-9]{1,9}(\.[0-9]{1,20})?")
_Q = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")

# For each format the media ranges that it fits, the most precise first; a range without a version means any.
_RANGES: dict[Format, tuple[tuple[str, str | None], ...]] = {
    "text": (("text/plain", "0.0.4"), ("text/plain", None), ("text/*", None), ("*/*", None)),
    "openmetrics": (
        ("application/openmetrics-text", "1.0.0"),
        ("application/openmetrics-text", None),
        ("application/*", None),
        ("*/*", None),
    ),
}


@lru_cache(maxsize=64)
def chosen_format(accept: bytes) -> Format:
    """The format that an Accept header likes best; the plain text format where it likes both as much, or neither."""
    ranges: dict[tuple[str, str | None], tuple[float, int]] = {}
    for place, (name, parameters, q) in enumerate(_items(accept)):
        ranges.setdefault((name, parameters.get("version")), (q, -place))
    liked: dict[Format, tuple[float, int]] = {}
    for format_, fitting in _RANGES.items():
        liked[format_] = next((ranges[range_] for range_ in fitting if range_ in ranges), (0.0, 0))
    openmetrics = liked["openmetrics"]
    return "openmetrics" if openmetrics[0] > 0 and openmetrics > liked["text"] else "text"


@lru_cache(maxsize=64)
def gzip_accepted(accept_encoding: bytes) -> bool:
    """Whether an Accept-Encoding header takes gzip, and likes it no less than no compression."""
    codings: dict[str, float] = {}
    for name, _, q in _items(accept_encoding):
        codings.setdefault(name.removeprefix("x-"), q)
    gzip = codings.get("gzip", codings.get("*", 0.0))
    return gzip > 0 and gzip >= codings.get("identity", 0.0)


@lru_cache(maxsize=64)
def time_for_refresh(scrape_timeout: bytes) -> float:
    """Seconds that a refresh may take, by the header X-Prometheus-Scrape-Timeout-Seconds."""
    seconds = float(scrape_timeout) if _SECONDS.fullmatch(scrape_timeout) else 0.0
    if not 0 < seconds <= _LONGEST_TIMEOUT_SECONDS:
        seconds = DEFAULT_TIMEOUT_SECONDS
    return seconds - min(_OFFSET_SECONDS, seconds / 4)


def _items(header: bytes) -> list[tuple[str, dict[str, str], float]]:
    found = []
    for item in header.decode("latin-1").lower().split(","):
        name, *rest = (part.strip() for part in item.split(";"))
        pairs = (part.partition("=") for part in rest)
        parameters = {key.strip(): value.strip().strip('"') for key, _, value in pairs}
        q = parameters.get("q", "1")
        if name and _Q.fullmatch(q):
            found.append((name, parameters, float(q)))
    return found
