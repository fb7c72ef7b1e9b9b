"""The routes of stored items: one of them, its picture, and changes."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query, Request
from pydantic import TypeAdapter
from starlette.responses import Response

from crossbit.codes import Codes
from crossbit.errors import CrossbitError
from crossbit.indexing.encode import RawItem
from crossbit.serving import schemas
from crossbit.serving.access import (
    COMMON,
    PICTURE,
    READ_ACCESS,
    WRITE_ACCESS,
    ServiceDep,
    check_count,
    json_of,
    problems,
)
from crossbit.serving.problems import Problem
from crossbit.serving.requests import AddBody, RemoveBody
from crossbit.serving.search import check_text, image_item, query_view
from crossbit.serving.serialize import (
    hexadecimal,
    json_response,
    public_payload,
    thumbnail_url,
)
from crossbit.serving.service import Service
from crossbit.serving.thumbnails import SIZES

__all__ = ["router"]

PAYLOAD = TypeAdapter(dict[str, Any])
router = APIRouter(prefix="/v1")


@router.get(
    "/items/{view}/{key:path}",
    response_model=schemas.Item,
    dependencies=READ_ACCESS,
    responses=problems(401, 404, 422),
)
async def item(service: ServiceDep, view: str, key: str) -> Response:
    """One stored item: code and payload."""
    codes, payload = await _one(service, view, key)
    assert codes.ids is not None
    return json_response(
        {
            "id": codes.ids[0].item(),
            "view": view,
            "code": hexadecimal(codes)[0],
            "bits": codes.bits,
            "payload": public_payload(payload),
            "thumbnail": thumbnail_url(service.thumbnails, view, codes.ids[0].item(), payload),
        }
    )


@router.get(
    "/thumbnails/{view}/{key:path}",
    dependencies=READ_ACCESS,
    response_class=Response,
    responses={200: {"content": {"image/png": {}}}, **problems(401, 404, 422)},
)
async def thumbnail(
    service: ServiceDep,
    view: str,
    key: str,
    size: Annotated[int, Query(ge=SIZES.start, le=SIZES.stop - 1)] = 160,
) -> Response:
    """The picture of an item, its longer side `size` pixels at most."""
    codes, payload = await _one(service, view, key)
    assert codes.ids is not None
    png = await service.run_in_thread(service.thumbnails.png, codes.ids[0].item(), payload, size)
    if png is None:
        raise Problem(404, "Not Found", "There is no picture of this item.")
    headers = {"Cache-Control": "private, max-age=3600"}
    return Response(png, media_type="image/png", headers=headers)


@router.post(
    "/items",
    response_model=schemas.Written,
    status_code=201,
    dependencies=WRITE_ACCESS,
    responses={**COMMON, **problems(403)},
)
async def add(service: ServiceDep, body: AddBody) -> Response:
    """Add items under new ids; all or none, and durable when the answer comes."""
    return await _write(service, "add", body)


@router.put(
    "/items",
    response_model=schemas.Written,
    dependencies=WRITE_ACCESS,
    responses={**COMMON, **problems(403)},
)
async def upsert(service: ServiceDep, body: AddBody) -> Response:
    """Add items and replace those that are there; all or none."""
    return await _write(service, "upsert", body)


@router.put(
    "/items/{view}/{key:path}/image",
    response_model=schemas.Written,
    dependencies=WRITE_ACCESS,
    responses={**COMMON, **problems(403)},
    openapi_extra=PICTURE,
)
async def upsert_image(
    request: Request,
    service: ServiceDep,
    view: str,
    key: str,
    payload: Annotated[str, Query(max_length=100_000, description="A JSON object.")] = "{}",
) -> Response:
    """Add an item coded from a picture, sent as the body, or replace it."""
    index = service.view_index(view)
    values = json_of(payload, PAYLOAD, "payload")
    raw = await image_item(service, await request.body(), view)
    outputs = await service.outputs([raw])
    codes = Codes.pack(outputs > 0, np.asarray(index.ids([key])))
    await service.write(index.write, "upsert", codes, [values], service.fingerprint)
    return _written(service, view, 1)


@router.post(
    "/items/remove",
    response_model=schemas.Written,
    dependencies=WRITE_ACCESS,
    responses={**COMMON, **problems(403)},
)
async def remove(service: ServiceDep, body: RemoveBody) -> Response:
    """Remove items; all or none."""
    check_count(service, len(body.ids), "ids")
    index = service.view_index(body.view)
    await service.write(index.remove, index.ids(body.ids))
    return _written(service, body.view, len(set(body.ids)))


async def _one(service: Service, view: str, key: str) -> tuple[Codes, dict[str, Any]]:
    try:
        codes, payload = await service.run_in_thread(service.view_index(view).get, [key])
    except CrossbitError as error:
        raise Problem(404, "Not Found", "There is no such item.") from error
    return codes, payload[0]


async def _write(service: Service, verb: str, body: AddBody) -> Response:
    check_count(service, len(body.items), "items")
    index = service.view_index(body.view)
    packed: list[np.ndarray] = [np.empty(0)] * len(body.items)
    raws: dict[int, RawItem] = {}
    for row, new in enumerate(body.items):
        if new.code is not None:
            packed[row] = service.parse_code(new.code).packed[0]
        elif new.text is not None:
            check_text(service, new.text)
            raws[row] = RawItem(query_view(service, "text", body.view), new.text)
        else:
            raws[row] = RawItem(
                query_view(service, "vector", body.view), new.vector, is_vector=True
            )
    if raws:
        encoded = Codes.pack(await service.outputs(list(raws.values())) > 0)
        for row, code in zip(raws, encoded.packed, strict=True):
            packed[row] = code
    ids = np.asarray(index.ids([new.id for new in body.items]))
    codes = Codes(np.stack(packed), service.bits, ids)
    payload = [new.payload for new in body.items]
    await service.write(index.write, verb, codes, payload, service.fingerprint)
    return _written(service, body.view, len(body.items), 201 if verb == "add" else 200)


def _written(service: Service, view: str, changed: int, status: int = 200) -> Response:
    items = len(service.view_index(view))
    service.telemetry.items.labels(view).set(items)
    return json_response({"changed": changed, "items": items}, status)
