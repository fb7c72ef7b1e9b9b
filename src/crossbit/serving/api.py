"""The routes of queries: what the service holds, search, encode."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query, Request
from pydantic import TypeAdapter
from starlette.responses import Response

from crossbit.codes import Codes
from crossbit.indexing.encode import RawItem
from crossbit.serving import schemas
from crossbit.serving.access import (
    COMMON,
    PICTURE,
    READ_ACCESS,
    ServiceDep,
    View,
    check_count,
    json_of,
    problems,
)
from crossbit.serving.requests import Conditions, EncodeBody, SearchBody
from crossbit.serving.search import (
    SearchOptions,
    check_text,
    image_item,
    query_view,
    run_image_search,
    run_search,
)
from crossbit.serving.serialize import hexadecimal, json_response
from crossbit.serving.service import Service, info

__all__ = ["router"]

WHERE = TypeAdapter(Conditions)
router = APIRouter(prefix="/v1")


@router.get(
    "/index", response_model=schemas.ServiceInfo, dependencies=READ_ACCESS, responses=problems(401)
)
async def index_info(service: ServiceDep) -> Response:
    """What the service holds: views, items, bits, how healthy the codes are, the model, limits."""
    return json_response(await service.run_in_thread(info, service))


@router.post("/search", response_model=schemas.Answer, dependencies=READ_ACCESS, responses=COMMON)
async def search(service: ServiceDep, body: SearchBody) -> Response:
    """Find items by a text, a stored item, a code or a vector."""
    return await run_search(service, body)


@router.post(
    "/search/image",
    response_model=schemas.Answer,
    dependencies=READ_ACCESS,
    responses=COMMON,
    openapi_extra=PICTURE,
)
async def search_image(
    request: Request,
    service: ServiceDep,
    view: View = None,
    find: Annotated[list[str] | None, Query(max_length=20)] = None,
    k: Annotated[int, Query(ge=1)] = 10,
    radius: Annotated[int | None, Query(ge=0, le=1024)] = None,
    rerank: Annotated[int | None, Query(ge=1)] = None,
    where: Annotated[str | None, Query(max_length=10_000, description="A JSON object.")] = None,
) -> Response:
    """Find items by a picture, sent as the body."""
    conditions = None if where is None else json_of(where, WHERE, "where")
    options = SearchOptions(find, k, radius, rerank, conditions)
    return await run_image_search(service, await request.body(), view, options)


@router.post("/encode", response_model=schemas.Codings, dependencies=READ_ACCESS, responses=COMMON)
async def encode(service: ServiceDep, body: EncodeBody) -> Response:
    """Return the codes of texts or vectors."""
    items: list[RawItem]
    if body.texts is not None:
        check_count(service, len(body.texts), "texts")
        for text in body.texts:
            check_text(service, text)
        view = query_view(service, "text", body.view)
        items = [RawItem(view, text) for text in body.texts]
    else:
        assert body.vectors is not None
        check_count(service, len(body.vectors), "vectors")
        view = query_view(service, "vector", body.view)
        items = [RawItem(view, vector, is_vector=True) for vector in body.vectors]
    return _codings(service, await service.outputs(items))


@router.post(
    "/encode/image",
    response_model=schemas.Codings,
    dependencies=READ_ACCESS,
    responses=COMMON,
    openapi_extra=PICTURE,
)
async def encode_image(request: Request, service: ServiceDep, view: View = None) -> Response:
    """Return the code of a picture, sent as the body."""
    item = await image_item(service, await request.body(), view)
    return _codings(service, await service.outputs([item]))


def _codings(service: Service, outputs: np.ndarray) -> Response:
    codes = Codes.pack(outputs > 0)
    return json_response(
        {"codes": hexadecimal(codes), "bits": codes.bits, "model": service.fingerprint}
    )
