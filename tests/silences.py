"""Silences as a person makes them: from the link in a message, by Alertmanager's own form."""

import json
import re
import urllib.parse
from datetime import UTC, datetime, timedelta

import requests

_HOUR = timedelta(hours=1)


def matchers(link: str) -> dict[str, str]:
    """What the silence form takes out of a link: which label must have which value."""
    filter_ = urllib.parse.unquote(urllib.parse.urlsplit(link).fragment.partition("?filter=")[2])
    assert filter_.startswith("{") and filter_.endswith("}")
    found = re.findall(r'(\w+)=("(?:[^"\\]|\\.)*")(?:, |}$)', filter_)
    assert len(filter_) == 2 + sum(len(name) + len(value) + 1 for name, value in found) + 2 * (len(found) - 1)
    return {name: json.loads(value) for name, value in found}


def silence(alertmanager: str, link: str, ends: datetime | None = None) -> str:
    """Silence what a link leads to until a time, else for an hour, on one Alertmanager; the silence's id."""
    now = datetime.now(UTC)
    made = {
        "matchers": [
            {"name": name, "value": value, "isRegex": False, "isEqual": True} for name, value in matchers(link).items()
        ],
        "startsAt": now.isoformat(),
        "endsAt": (ends or now + _HOUR).isoformat(),
        "createdBy": "ops",
        "comment": "taken",
    }
    answer = requests.post(f"{alertmanager}/api/v2/silences", json=made, timeout=5)
    answer.raise_for_status()
    name: str = answer.json()["silenceID"]
    return name
