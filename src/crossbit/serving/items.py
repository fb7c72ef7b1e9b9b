"""The routes of stored items: one of them, its picture, and changes."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query, Request
from pydantic import TypeAdapter
from starlette.responses import Response

from crossbit.codes import Codes
from crossbit.errors import CrossbitError
from crossbit.indexing.encode import Raw
from crossbit.serving import schemas
from crossbit.serving.access import (
    COMMON,
    PICTURE,
    READERS,
    WRITERS,
    At,
    check_count,
    json_of,
    problems,
)
from crossbit.serving.pictures import SIZES
from crossbit.serving.problems import Problem
from crossbit.serving.requests import AddBody, RemoveBody
from crossbit.serving.search import (
    check_raw,
    hexadecimal,
    image_raw,
    json_response,
    public,
    thumbnail_url,
    view_for,
)
from crossbit.serving.service import Service

__all__ = ["router"]

PAYLOAD = TypeAdapter(dict[str, Any])
router = APIRouter(prefix="/v1")


@router.get(
    "/items/{view}/{key:path}",
    response_model=schemas.Item,
    dependencies=READERS,
    responses=problems(401, 404, 422),
)
async def item(service: At, view: str, key: str) -> Response:
    """One stored item: code and payload."""
    codes, payload = await _one(service, view, key)
    assert codes.ids is not None
    return json_response(
        {
            "id": codes.ids[0].item(),
            "view": view,
            "code": hexadecimal(codes)[0],
            "bits": codes.bits,
            "payload": public(payload),
            "thumbnail": thumbnail_url(service.pictures, view, codes.ids[0].item(), payload),
        }
    )


@router.get(
    "/thumbnails/{view}/{key:path}",
    dependencies=READERS,
    response_class=Response,
    responses={200: {"content": {"image/png": {}}}, **problems(401, 404, 422)},
)
async def thumbnail(
    service: At,
    view: str,
    key: str,
    size: Annotated[int, Query(ge=SIZES.start, le=SIZES.stop - 1)] = 160,
) -> Response:
    """The picture of an item, its longer side `size` pixels at most."""
    codes, payload = await _one(service, view, key)
    assert codes.ids is not None
    found = await service.aside(service.pictures.thumbnail, codes.ids[0].item(), payload, size)
    if found is None:
        raise Problem(404, "Not Found", "There is no picture of this item.")
    headers = {"Cache-Control": "private, max-age=3600"}
    return Response(found, media_type="image/png", headers=headers)


@router.post(
    "/items",
    response_model=schemas.Written,
    status_code=201,
    dependencies=WRITERS,
    responses={**COMMON, **problems(403)},
)
async def add(service: At, body: AddBody) -> Response:
    """Add items under new ids; all or none, and durable when the answer comes."""
    return await _write(service, "add", body)


@router.put(
    "/items",
    response_model=schemas.Written,
    dependencies=WRITERS,
    responses={**COMMON, **problems(403)},
)
async def upsert(service: At, body: AddBody) -> Response:
    """Add items and replace those that are there; all or none."""
    return await _write(service, "upsert", body)


@router.put(
    "/items/{view}/{key:path}/image",
    response_model=schemas.Written,
    dependencies=WRITERS,
    responses={**COMMON, **problems(403)},
    openapi_extra=PICTURE,
)
async def upsert_image(
    request: Request,
    service: At,
    view: str,
    key: str,
    payload: Annotated[str, Query(max_length=100_000, description="A JSON object.")] = "{}",
) -> Response:
    """Add an item coded from a picture, sent as the body, or replace it."""
    shelf = service.shelf(view)
    kept = json_of(payload, PAYLOAD, "payload")
    raw = await image_raw(service, await request.body(), view)
    outputs = await service.outputs([raw])
    codes = Codes.pack(outputs > 0, np.asarray(shelf.ids([key])))
    await service.write(shelf.write, "upsert", codes, [kept], service.fingerprint)
    return _written(service, view, 1)


@router.post(
    "/items/remove",
    response_model=schemas.Written,
    dependencies=WRITERS,
    responses={**COMMON, **problems(403)},
)
async def remove(service: At, body: RemoveBody) -> Response:
    """Remove items; all or none."""
    check_count(service, len(body.ids), "ids")
    shelf = service.shelf(body.view)
    await service.write(shelf.remove, shelf.ids(body.ids))
    return _written(service, body.view, len(set(body.ids)))


async def _one(service: Service, view: str, key: str) -> tuple[Codes, dict[str, Any]]:
    try:
        codes, payload = await service.aside(service.shelf(view).get, [key])
    except CrossbitError as error:
        raise Problem(404, "Not Found", "There is no such item.") from error
    return codes, payload[0]


async def _write(service: Service, verb: str, body: AddBody) -> Response:
    check_count(service, len(body.items), "items")
    shelf = service.shelf(body.view)
    packed: list[np.ndarray] = [np.empty(0)] * len(body.items)
    raws: dict[int, Raw] = {}
    for at, new in enumerate(body.items):
        if new.code is not None:
            packed[at] = service.code(new.code).packed[0]
        elif new.text is not None:
            check_raw(service, new.text)
            raws[at] = Raw(view_for(service, "text", body.view), new.text)
        else:
            raws[at] = Raw(view_for(service, "vector", body.view), new.vector, ready=True)
    if raws:
        made = Codes.pack(await service.outputs(list(raws.values())) > 0)
        for at, row in zip(raws, made.packed, strict=True):
            packed[at] = row
    ids = np.asarray(shelf.ids([new.id for new in body.items]))
    codes = Codes(np.stack(packed), service.bits, ids)
    payload = [new.payload for new in body.items]
    await service.write(shelf.write, verb, codes, payload, service.fingerprint)
    return _written(service, body.view, len(body.items), 201 if verb == "add" else 200)


def _written(service: Service, view: str, changed: int, status: int = 200) -> Response:
    items = len(service.shelf(view))
    service.telemetry.items.labels(view).set(items)
    return json_response({"changed": changed, "items": items}, status)
