"""Asking: from a request's query to a code, and from codes to what is found."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import numpy as np
from pydantic_core import to_json
from starlette.responses import Response

from crossbit.codes import Codes
from crossbit.errors import CrossbitError, DataError, suggest
from crossbit.index import Hits
from crossbit.indexing.encode import Raw
from crossbit.serving.pictures import Pictures, check_upload
from crossbit.serving.requests import SearchBody
from crossbit.serving.service import Service
from crossbit.serving.view_index import Ask

__all__ = [
    "Wanted",
    "answer_image",
    "answer_search",
    "check_raw",
    "hexadecimal",
    "hit_rows",
    "image_raw",
    "json_response",
    "merged",
    "public",
    "thumbnail_url",
    "view_for",
]


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What a search is to bring."""

    find: Sequence[str] | None = None
    k: int = 10
    radius: int | None = None
    rerank: int | None = None
    where: Mapping[str, Any] | None = None


async def answer_search(service: Service, body: SearchBody) -> Response:
    """Answer a search by text, id, code or vector."""
    started = time.perf_counter()
    wanted = Wanted(body.find, body.k, body.radius, body.rerank, body.where)
    _check(service, wanted)
    outputs, itself = None, None
    if body.text is not None:
        view = view_for(service, "text", body.view)
        check_raw(service, body.text)
        outputs = await service.outputs([Raw(view, body.text)])
    elif body.vector is not None:
        assert body.view is not None
        view_for(service, "vector", body.view)
        outputs = await service.outputs([_vector(service, body.view, body.vector)])
    if outputs is not None:
        codes = Codes.pack(outputs > 0)
    elif body.id is not None:
        codes, itself = await _stored(service, body.id, body.view)
    else:
        assert body.code is not None
        codes = service.code(body.code)
    return await _found(service, wanted, codes, outputs, itself, started)


async def answer_image(service: Service, data: bytes, view: str | None, wanted: Wanted) -> Response:
    """Answer a search by an uploaded picture."""
    started = time.perf_counter()
    _check(service, wanted)
    raw = await image_raw(service, data, view)
    outputs = await service.outputs([raw])
    return await _found(service, wanted, Codes.pack(outputs > 0), outputs, None, started)


async def image_raw(service: Service, data: bytes, view: str | None) -> Raw:
    """Return an uploaded picture as something to code, its size checked before it is decoded."""
    view = view_for(service, "image", view)
    await service.aside(check_upload, data, service.limits.pixels)
    return Raw(view, data)


def view_for(service: Service, kind: str, view: str | None) -> str:
    """Return the view that a text, picture or vector is of.

    Raises
    ------
    DataError
        If the model has no such view, or several and none is named.
    """
    asks = service.asks()
    if view is not None:
        if view not in asks:
            raise DataError(f"the model knows no view {view!r}{suggest(view, asks)}")
        if kind != "vector" and asks[view] != kind:
            raise DataError(f"the view {view!r} is asked by {asks[view]}, not by {kind}")
        return view
    views = [name for name, taken in asks.items() if taken == kind]
    if not views:
        raise DataError(
            f"the model cannot read a raw {kind}: it was trained on ready-made vectors, or on "
            "other views; ask with a vector and its view, an id or a code"
        )
    if len(views) > 1:
        raise DataError(f"say which view the {kind} is of: {' or '.join(views)}")
    return views[0]


def check_raw(service: Service, text: str) -> None:
    """Refuse a text that is too long."""
    if len(text) > service.limits.text:
        raise DataError(f"a text may have up to {service.limits.text:,} characters; shorten it")


def _vector(service: Service, view: str, values: Sequence[float]) -> Raw:
    assert service.hasher is not None
    width = service.hasher.dims[view]
    if len(values) != width:
        raise DataError(f"a vector of {view} has {width} numbers, this one has {len(values)}")
    return Raw(view, values, ready=True)


async def _stored(service: Service, key: int | str, view: str | None) -> tuple[Codes, Any]:
    """Return the code of a stored item, and where it stands."""
    views = [service.shelf(view).view] if view is not None else list(service.views)
    for name in views:
        try:
            codes, _ = await service.aside(service.views[name].get, [key])
        except CrossbitError:
            continue
        assert codes.ids is not None
        return codes, (name, codes.ids[0].item())
    raise DataError(f"id {key!r} is in no index that was asked")


async def _found(
    service: Service,
    wanted: Wanted,
    codes: Codes,
    outputs: np.ndarray | None,
    itself: Any,
    started: float,
) -> Response:
    find = list(dict.fromkeys(wanted.find or service.views))
    where = tuple(sorted((wanted.where or {}).items()))

    async def rows(view: str) -> list[dict[str, Any]]:
        own = itself is not None and itself[0] == view  # an item does not find itself
        k = wanted.k + own
        output = None if outputs is None else outputs[0]
        ask = Ask(codes, output, k, wanted.radius, wanted.rerank, where)
        found = hit_rows(await service.search(view, ask), view, service.pictures)
        if own:
            found = [row for row in found if row["id"] != itself[1]]
        return found[: wanted.k]

    lists = [await rows(find[0])] if len(find) == 1 else await _all(rows, find)
    return json_response(
        {
            "hits": merged(lists, ordered=wanted.rerank is not None),
            "code": hexadecimal(codes)[0],
            "bits": codes.bits,
            "milliseconds": round(1000 * (time.perf_counter() - started), 3),
        }
    )


async def _all(rows: Any, find: Sequence[str]) -> list[list[dict[str, Any]]]:
    return list(await asyncio.gather(*(rows(view) for view in find)))


def _check(service: Service, wanted: Wanted) -> None:
    most = service.limits.k
    for name, value in (("k", wanted.k), ("rerank", wanted.rerank)):
        if value is not None and value > most:
            raise DataError(f"{name} may be up to {most:,}, got {value:,}; ask for less")
    if wanted.rerank is not None and wanted.rerank < wanted.k:
        raise DataError(f"re-ranking {wanted.rerank} items cannot show {wanted.k}; raise rerank")
    for view in wanted.find or ():
        service.shelf(view)


PRIVATE = frozenset({"path"})  # where a picture lies on the machine of the service


def public(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return a payload as others may see it."""
    return {name: value for name, value in payload.items() if name not in PRIVATE}


def thumbnail_url(
    pictures: Pictures, view: str, key: Any, payload: Mapping[str, Any]
) -> str | None:
    """Return the address of an item's picture, if it may have one."""
    if not pictures.has(key, payload):
        return None
    return f"/v1/thumbnails/{quote(view, safe='')}/{quote(str(key), safe='')}"


def hit_rows(hits: Hits, view: str, pictures: Pictures) -> list[dict[str, Any]]:
    """Return the hits of one view, ranks still to come."""
    found = zip(hits.ids.tolist(), hits.distances.tolist(), hits.payload, strict=True)
    return [
        {
            "rank": 0,
            "id": key,
            "view": view,
            "distance": distance,
            "payload": public(payload),
            "thumbnail": thumbnail_url(pictures, view, key, payload),
        }
        for key, distance, payload in found
    ]


def merged(rows: Sequence[Iterable[dict[str, Any]]], ordered: bool) -> list[dict[str, Any]]:
    """Return the hits of several views as one list with ranks.

    By distance, those of one distance in the order of the views; or, where hits were ordered
    anew and their distances no longer grow, by turns.
    """
    lists = [list(part) for part in rows]
    if len(lists) == 1:
        together = lists[0]
    elif ordered:
        longest = max(map(len, lists))
        together = [part[at] for at in range(longest) for part in lists if at < len(part)]
    else:
        together = sorted((row for part in lists for row in part), key=lambda r: r["distance"])
    for rank, row in enumerate(together, start=1):
        row["rank"] = rank
    return together


def hexadecimal(codes: Codes) -> list[str]:
    """Return packed codes as text, two digits for each byte."""
    return [row.tobytes().hex() for row in codes.packed]


def json_response(value: Any, status: int = 200) -> Response:
    """Return a value as JSON; numbers that JSON lacks become null."""
    text = to_json(value, inf_nan_mode="null")
    return Response(text, status, media_type="application/json")
