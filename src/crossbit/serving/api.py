"""The routes that ask: what there is, search, encode."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query, Request
from pydantic import TypeAdapter
from starlette.responses import Response

from crossbit.codes import Codes
from crossbit.indexing.encode import Raw
from crossbit.serving import schemas
from crossbit.serving.access import (
    COMMON,
    PICTURE,
    READERS,
    At,
    View,
    check_count,
    json_of,
    problems,
)
from crossbit.serving.requests import Conditions, EncodeBody, SearchBody
from crossbit.serving.search import (
    Wanted,
    answer_image,
    answer_search,
    check_raw,
    hexadecimal,
    image_raw,
    json_response,
    view_for,
)
from crossbit.serving.service import Service, facts

__all__ = ["router"]

WHERE = TypeAdapter(Conditions)
router = APIRouter(prefix="/v1")


@router.get("/index", response_model=schemas.Facts, dependencies=READERS, responses=problems(401))
async def index_facts(service: At) -> Response:
    """What the service holds: views, items, bits, how healthy the codes are, the model, limits."""
    return json_response(await service.aside(facts, service))


@router.post("/search", response_model=schemas.Answer, dependencies=READERS, responses=COMMON)
async def search(service: At, body: SearchBody) -> Response:
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
    conditions = None if where is None else json_of(where, WHERE, "where")
    wanted = Wanted(find, k, radius, rerank, conditions)
    return await answer_image(service, await request.body(), view, wanted)


@router.post("/encode", response_model=schemas.Codings, dependencies=READERS, responses=COMMON)
async def encode(service: At, body: EncodeBody) -> Response:
    """Return the codes of texts or vectors."""
    raws: list[Raw]
    if body.texts is not None:
        check_count(service, len(body.texts), "texts")
        for text in body.texts:
            check_raw(service, text)
        view = view_for(service, "text", body.view)
        raws = [Raw(view, text) for text in body.texts]
    else:
        assert body.vectors is not None
        check_count(service, len(body.vectors), "vectors")
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


def _codings(service: Service, outputs: np.ndarray) -> Response:
    codes = Codes.pack(outputs > 0)
    found = {"codes": hexadecimal(codes), "bits": codes.bits, "model": service.fingerprint}
    return json_response(found)
