"""Problem documents of RFC 9457: errors with the fix in the text, and no paths of the machine."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from crossbit.errors import CrossbitError

__all__ = [
    "MEDIA_TYPE",
    "Problem",
    "add_handlers",
    "document",
    "failure",
    "invalid",
    "refusal",
    "response_of",
]

MEDIA_TYPE = "application/problem+json"
PATH = re.compile(r"(?<![\w.])(?:[A-Za-z]:)?[/\\][\w.~+-]+(?:[/\\][\w.~+-]*)*")
MOST = 20  # faults that one answer lists


class Problem(HTTPException):
    """An answer that is no success.

    Parameters
    ----------
    status : int
    title : str
        The kind of problem; the same for all of its kind.
    detail : str
        What was wrong with this request, and what to do.
    more : dict, optional
        Further members of the document.
    """

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(status, detail, headers)
        self.title, self.more = title, dict(more or {})


def refusal(error: CrossbitError) -> Problem:
    """Return the answer to a request that the library refused, without paths of this machine."""
    return Problem(422, "The request cannot be carried out", clean(str(error)))


def response_of(error: Exception) -> Response | None:
    """Return the answer to a request that ended in an error, None for a fault of ours."""
    if isinstance(error, Problem):
        return document(error)
    return document(refusal(error)) if isinstance(error, CrossbitError) else None


def invalid(faults: Sequence[Any], place: str | None = None) -> Response:
    """Return the answer to a request that its schema does not allow.

    `faults` are pydantic's; their places start at `place` if they do not name it themselves.
    """
    shown = [_fault(item, place) for item in faults[:MOST]]
    first = shown[0] if shown else {"at": "body", "fault": "it is not valid"}
    detail = f"{first['at']}: {first['fault']}"
    return document(Problem(422, "The request is not valid", detail, more={"faults": shown}))


def failure() -> Problem:
    """Return the answer to a request that met a fault of ours: what it was, the log says."""
    return Problem(
        500,
        "The service failed",
        "This is not the request's fault; the service's log says more.",
    )


def clean(message: str) -> str:
    """Return a message with everything that looks like a path left out."""
    return PATH.sub("(a file of the service)", message)


def document(problem: Problem) -> Response:
    """Return a problem as a response."""
    body = {
        "type": f"urn:crossbit:problem:{_slug(problem.title)}",
        "title": problem.title,
        "status": problem.status_code,
        "detail": problem.detail,
        **problem.more,
    }
    return Response(
        json.dumps(body, ensure_ascii=False).encode("utf-8", "replace"),
        problem.status_code,
        dict(problem.headers or {}),
        MEDIA_TYPE,
    )


def add_handlers(app: FastAPI) -> None:
    """Make every error of the application a problem document."""

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> Response:
        return document(error if isinstance(error, Problem) else _of_status(request, error))

    @app.exception_handler(RequestValidationError)
    async def invalid_request(request: Request, error: RequestValidationError) -> Response:
        return invalid(error.errors())

    @app.exception_handler(CrossbitError)
    async def crossbit_error(request: Request, error: CrossbitError) -> Response:
        return document(refusal(error))

    @app.exception_handler(Exception)
    async def other_error(request: Request, error: Exception) -> Response:
        return document(failure())


def _of_status(request: Request, error: HTTPException) -> Problem:
    """Return the problem behind an error of the framework."""
    phrase = HTTPStatus(error.status_code).phrase
    detail = {
        400: "The body cannot be read; send JSON as /openapi.json describes it.",
        404: f"There is nothing at {clean_url(request)}; /openapi.json lists what there is.",
        405: f"{request.method} is not possible here; /openapi.json lists what is.",
    }.get(error.status_code, f"{phrase}.")
    return Problem(error.status_code, phrase, detail, headers=error.headers)


def clean_url(request: Request) -> str:
    """Return the path of a request, short enough to be repeated."""
    return request.url.path[:200]


def _fault(item: Mapping[str, Any], place: str | None = None) -> dict[str, str]:
    """Return where a request is wrong, and how, without the value that was sent."""
    parts = [*([] if place is None else [place]), *map(str, item["loc"])]
    fault = str(item["msg"]).removeprefix("Value error, ")
    return {"at": ".".join(parts)[:200], "fault": fault[:300]}


def _slug(title: str) -> str:
    return re.sub(r"\W+", "-", title.lower()).strip("-")
