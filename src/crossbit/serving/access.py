"""Access: dependencies of routes, and what OpenAPI says of their errors and pictures."""

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
    "READ_ACCESS",
    "WRITE_ACCESS",
    "ServiceDep",
    "View",
    "check_count",
    "json_of",
    "problems",
    "require_read",
]

BEARER = HTTPBearer(auto_error=False, description="The read key, or the write key.")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]
View = Annotated[str | None, Query(min_length=1, max_length=100)]


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI says of responses that are no success."""
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


async def app_service(request: Request) -> Service:
    """Return the service behind a request."""
    service: Service = request.app.state.service
    return service


ServiceDep = Annotated[Service, Depends(app_service)]


async def require_read(service: ServiceDep, credentials: Credentials) -> None:
    """Refuse who may not read."""
    service.auth.check_read(None if credentials is None else credentials.credentials)


async def require_write(service: ServiceDep, credentials: Credentials) -> None:
    """Refuse who may not write."""
    service.auth.check_write(None if credentials is None else credentials.credentials)


READ_ACCESS: list[Any] = [Depends(require_read)]
WRITE_ACCESS: list[Any] = [Depends(require_write)]
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
