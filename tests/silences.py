"""Silences as a person makes them: from the link in a message, by Alertmanager's own form."""

import json
import re
import urllib.parse
from datetime import datetime
from typing import Any

import requests

Matcher = dict[str, Any]


def matchers(link: str) -> list[Matcher]:
    """The matchers that the silence form takes out of a link."""
    filter_ = urllib.parse.unquote(urllib.parse.urlsplit(link).fragment.partition("?filter=")[2])
    assert filter_.startswith("{") and filter_.endswith("}")
    found = re.findall(r'(\w+)=("(?:[^"\\]|\\.)*")(?:, |}$)', filter_)
    return [{"name": name, "value": json.loads(value), "isRegex": False, "isEqual": True} for name, value in found]


def silence(alertmanager: str, link: str, starts: datetime, ends: datetime) -> str:
    """Silence what a link leads to, on the Alertmanager at an address; the silence's id."""
    made = {
        "matchers": matchers(link),
        "startsAt": starts.isoformat(),
        "endsAt": ends.isoformat(),
        "createdBy": "ops",
        "comment": "taken",
    }
    answer = requests.post(f"{alertmanager}/api/v2/silences", json=made, timeout=5)
    answer.raise_for_status()
    name: str = answer.json()["silenceID"]
    return name
