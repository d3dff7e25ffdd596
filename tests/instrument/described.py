"""What schemathesis finds wrong between an application and its description."""

import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from starlette.applications import Starlette


def faults(app: Starlette, expected: list[int] | None = None) -> tuple[int, list[str]]:
    """How many requests were made, and what was wrong with them, by all of schemathesis's checks and phases.

    ``expected``: statuses of 5xx that are no fault.
    """
    config = SchemathesisConfig.from_dict(
        {
            "seed": 1,
            "generation": {"deterministic": True, "max-examples": 25, "database": "none"},
            "checks": {"not_a_server_error": {"expected-statuses": ["2xx", "3xx", "4xx", *map(str, expected or [])]}},
        }
    )
    schema = schemathesis.openapi.from_asgi("/openapi.json", app, config=config)
    tried, found = 0, []
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            tried += len(event.recorder.cases)
            for case, checks in event.recorder.checks.items():
                asked = event.recorder.cases[case].value
                found += [
                    f"{check.name}: {check.failure_info.failure.message} ({asked.as_curl_command()})"
                    for check in checks
                    if check.failure_info is not None
                ]
        elif isinstance(event, events.NonFatalError | events.FatalError):
            found.append(str(event))
    return tried, found
