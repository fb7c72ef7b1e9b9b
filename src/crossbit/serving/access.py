"""Access: who may read and write, and what routes say of their errors and pictures."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import Depends, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import TypeAdapter, ValidationError

from crossbit.errors import DataError
from crossbit.serving.problems import MEDIA_TYPE
from crossbit.serving.schemas import ProblemBody
from crossbit.serving.service import Service

__all__ = [
    "COMMON",
    "PICTURE",
    "READERS",
    "WRITERS",
    "At",
    "View",
    "check_count",
    "json_of",
    "may_read",
    "problems",
]

BEARER = HTTPBearer(auto_error=False, description="The read key, or the write key.")
Given = Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]
View = Annotated[str | None, Query(min_length=1, max_length=100)]


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI says of answers that are no success."""
    content = {MEDIA_TYPE: {"schema": ProblemBody.model_json_schema()}}
    texts = {
        400: "The body cannot be read.",
        401: "A key is needed.",
        403: "The service is read-only.",
        404: "There is no such item.",
        405: "The method is not possible here.",
        413: "The request is too large.",
        422: "The request is not valid, or cannot be carried out.",
        503: "The service is busy.",
        504: "The request took too long.",
    }
    return {status: {"description": texts[status], "content": content} for status in statuses}


async def of_app(request: Request) -> Service:
    """Return the service behind a request."""
    service: Service = request.app.state.service
    return service


At = Annotated[Service, Depends(of_app)]


async def may_read(service: At, given: Given) -> None:
    """Let through who may read."""
    service.keys.check_read(None if given is None else given.credentials)


async def may_write(service: At, given: Given) -> None:
    """Let through who may write."""
    service.keys.check_write(None if given is None else given.credentials)


READERS: list[Any] = [Depends(may_read)]
WRITERS: list[Any] = [Depends(may_write)]
COMMON = problems(400, 401, 413, 422, 503, 504)
PICTURE = {
    "requestBody": {
        "required": True,
        "description": "A picture file as it is: PNG, JPEG, WebP, GIF, ...",
        "content": {"image/*": {"schema": {"type": "string", "format": "binary"}}},
    }
}


def check_count(service: Service, count: int, what: str) -> None:
    """Refuse more items than one request may have."""
    if count > service.limits.batch:
        raise DataError(f"up to {service.limits.batch:,} {what} fit one request; send fewer")


def json_of(text: str, kind: TypeAdapter[Any], name: str) -> Any:
    """Return a JSON object that a query parameter holds."""
    try:
        return kind.validate_python(json.loads(text))
    except (ValueError, ValidationError, RecursionError):
        raise DataError(f"{name} must be a JSON object, with plain values; mend its text") from None
