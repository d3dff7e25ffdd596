"""What went wrong, as RFC 9457 (problem details) wants it said: ``application/problem+json``."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"


class ParameterError(BaseModel):
    """One parameter that cannot be used."""

    parameter: str = Field(description="The parameter's name, as it was given.")
    detail: str = Field(description="What is wrong with it.")


class Problem(BaseModel):
    """Why a request has no answer."""

    type: str = Field("about:blank", description="Nothing is to be known beyond the status.")
    title: str = Field(description="The status in words.")
    status: int = Field(description="The status of HTTP.", ge=400, le=599)
    detail: str = Field(description="What went wrong.")
    errors: list[ParameterError] = Field([], description="The parameters that cannot be used.")


class Refusal(Exception):
    """A request that gets a problem for an answer; ``detail`` holds nothing that a stranger may not read."""

    def __init__(self, status: int, detail: str, errors: Sequence[ParameterError] = ()) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = list(errors)


def refused(request: Request, error: Exception) -> Response:
    """The answer to a refusal of ours."""
    assert isinstance(error, Refusal)
    return _response(error.status, error.detail, error.errors)


def not_served(request: Request, error: Exception) -> Response:
    """The answer where there is no such page, or not for that method."""
    assert isinstance(error, HTTPException)
    details = {
        404: "there is no such page; /openapi.json says which there are",
        405: "this method is not answered here",
    }
    return _response(error.status_code, details.get(error.status_code, error.detail), headers=error.headers)


def failed(request: Request, error: Exception) -> Response:
    """The answer to a fault of ours; the server logs what it was."""
    return _response(500, "this page could not be made; the log says why")


def _response(
    status: int,
    detail: str,
    errors: Sequence[ParameterError] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    problem = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, errors=list(errors))
    sent = {"cache-control": "no-store", **(headers or {})}
    return Response(problem.model_dump_json(), status, sent, MEDIA_TYPE)
