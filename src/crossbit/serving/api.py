"""The routes of version 1: search, encode, items and their pictures."""

from __future__ import annotations

import json
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import TypeAdapter, ValidationError
from starlette.responses import Response

from crossbit.codes import Codes
from crossbit.errors import CrossbitError, DataError
from crossbit.serving import schemas
from crossbit.serving.answers import hexadecimal, json_response, public, thumbnail_url
from crossbit.serving.asking import (
    Wanted,
    answer_image,
    answer_search,
    check_raw,
    image_raw,
    view_for,
)
from crossbit.serving.coding import Raw
from crossbit.serving.facts import facts
from crossbit.serving.pictures import SIZES
from crossbit.serving.problems import MEDIA_TYPE, Problem
from crossbit.serving.service import Service

__all__ = ["router"]

BEARER = HTTPBearer(auto_error=False, description="The read key, or the write key.")
WHERE = TypeAdapter(dict[schemas.Field_, schemas.Value])
PAYLOAD = TypeAdapter(dict[str, Any])
Given = Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI says of answers that are no success."""
    content = {MEDIA_TYPE: {"schema": schemas.ProblemBody.model_json_schema()}}
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

View = Annotated[str | None, Query(min_length=1, max_length=100)]
router = APIRouter(prefix="/v1")


@router.get("/index", response_model=schemas.Facts, dependencies=READERS, responses=problems(401))
async def index_facts(service: At) -> Response:
    """What the service holds: views, items, bits, how healthy the codes are, the model, limits."""
    return json_response(await service.aside(facts, service))


@router.post("/search", response_model=schemas.Answer, dependencies=READERS, responses=COMMON)
async def search(service: At, body: schemas.SearchBody) -> Response:
    """Find items by a text, a stored item, a code or a vector."""
    return await answer_search(service, body)


@router.post(
    "/search/image",
    response_model=schemas.Answer,
    dependencies=READERS,
    responses=COMMON,
    openapi_extra=PICTURE,
)
async def search_image(
    request: Request,
    service: At,
    view: View = None,
    find: Annotated[list[str] | None, Query(max_length=20)] = None,
    k: Annotated[int, Query(ge=1)] = 10,
    radius: Annotated[int | None, Query(ge=0, le=1024)] = None,
    rerank: Annotated[int | None, Query(ge=1)] = None,
    where: Annotated[str | None, Query(max_length=10_000, description="A JSON object.")] = None,
) -> Response:
    """Find items by a picture, sent as the body."""
    conditions = None if where is None else _json(where, WHERE, "where")
    wanted = Wanted(find, k, radius, rerank, conditions)
    return await answer_image(service, await request.body(), view, wanted)


@router.post("/encode", response_model=schemas.Codings, dependencies=READERS, responses=COMMON)
async def encode(service: At, body: schemas.EncodeBody) -> Response:
    """Return the codes of texts or vectors."""
    raws: list[Raw]
    if body.texts is not None:
        _few(service, len(body.texts), "texts")
        for text in body.texts:
            check_raw(service, text)
        view = view_for(service, "text", body.view)
        raws = [Raw(view, text) for text in body.texts]
    else:
        assert body.vectors is not None
        _few(service, len(body.vectors), "vectors")
        view = view_for(service, "vector", body.view)
        raws = [Raw(view, vector, ready=True) for vector in body.vectors]
    return _codings(service, await service.outputs(raws))


@router.post(
    "/encode/image",
    response_model=schemas.Codings,
    dependencies=READERS,
    responses=COMMON,
    openapi_extra=PICTURE,
)
async def encode_image(request: Request, service: At, view: View = None) -> Response:
    """Return the code of a picture, sent as the body."""
    raw = await image_raw(service, await request.body(), view)
    return _codings(service, await service.outputs([raw]))


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
async def add(service: At, body: schemas.AddBody) -> Response:
    """Add items under new ids; all or none, and durable when the answer comes."""
    return await _write(service, "add", body)


@router.put(
    "/items",
    response_model=schemas.Written,
    dependencies=WRITERS,
    responses={**COMMON, **problems(403)},
)
async def upsert(service: At, body: schemas.AddBody) -> Response:
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
    kept = _json(payload, PAYLOAD, "payload")
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
async def remove(service: At, body: schemas.RemoveBody) -> Response:
    """Remove items; all or none."""
    _few(service, len(body.ids), "ids")
    shelf = service.shelf(body.view)
    await service.write(shelf.remove, shelf.ids(body.ids))
    return _written(service, body.view, len(set(body.ids)))


async def _one(service: Service, view: str, key: str) -> tuple[Codes, dict[str, Any]]:
    try:
        codes, payload = await service.aside(service.shelf(view).get, [key])
    except CrossbitError as error:
        raise Problem(404, "Not Found", "There is no such item.") from error
    return codes, payload[0]


async def _write(service: Service, verb: str, body: schemas.AddBody) -> Response:
    _few(service, len(body.items), "items")
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


def _codings(service: Service, outputs: np.ndarray) -> Response:
    codes = Codes.pack(outputs > 0)
    found = {"codes": hexadecimal(codes), "bits": codes.bits, "model": service.fingerprint}
    return json_response(found)


def _few(service: Service, count: int, what: str) -> None:
    if count > service.limits.batch:
        raise DataError(f"up to {service.limits.batch:,} {what} fit one request; send fewer")


def _json(text: str, kind: TypeAdapter[Any], name: str) -> Any:
    try:
        return kind.validate_python(json.loads(text))
    except (ValueError, ValidationError, RecursionError):
        raise DataError(f"{name} must be a JSON object, with plain values; mend its text") from None
