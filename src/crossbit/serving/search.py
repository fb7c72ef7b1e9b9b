"""Search requests of clients: encode the query, search the views' indexes, merge their hits."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response

from crossbit.errors import CrossbitError, DataError, suggest
from crossbit.indexing.encode import RawItem
from crossbit.indexing.query import Query
from crossbit.indexing.searcher import SearchRequest, check_depth
from crossbit.serving.requests import SearchBody
from crossbit.serving.serialize import hexadecimal, json_response, merge_views, serialize_hits
from crossbit.serving.service import Service
from crossbit.serving.thumbnails import check_upload

__all__ = [
    "SearchOptions",
    "check_text",
    "image_item",
    "query_view",
    "run_image_search",
    "run_search",
]


@dataclasses.dataclass(frozen=True)
class SearchOptions:
    """What a search is to return; see `requests.SearchBody`."""

    find: Sequence[str] | None = None
    k: int = 10
    radius: int | None = None
    rerank: int | None = None
    where: Mapping[str, Any] | None = None


async def run_search(service: Service, body: SearchBody) -> Response:
    """Answer a search by text, id, code or vector."""
    started = time.perf_counter()
    options = SearchOptions(body.find, body.k, body.radius, body.rerank, body.where)
    _check_options(service, options)
    item, source = None, None
    if body.text is not None:
        check_text(service, body.text)
        item = RawItem(query_view(service, "text", body.view), body.text)
    elif body.vector is not None:
        assert body.view is not None
        query_view(service, "vector", body.view)
        item = _vector_item(service, body.view, body.vector)
    if item is not None:
        query = Query.of_outputs(await service.outputs([item]))
    elif body.id is not None:
        query, source = await _stored_query(service, body.id, body.view)
    else:
        assert body.code is not None
        query = Query(service.parse_code(body.code))
    return await _search(service, options, query, source, started)


async def run_image_search(
    service: Service, data: bytes, view: str | None, options: SearchOptions
) -> Response:
    """Answer a search by an uploaded picture."""
    started = time.perf_counter()
    _check_options(service, options)
    item = await image_item(service, data, view)
    query = Query.of_outputs(await service.outputs([item]))
    return await _search(service, options, query, None, started)


async def image_item(service: Service, data: bytes, view: str | None) -> RawItem:
    """Return an uploaded picture as an item to encode, its size checked before it is decoded."""
    view = query_view(service, "image", view)
    await service.run_in_thread(check_upload, data, service.limits.pixels)
    return RawItem(view, data)


def query_view(service: Service, kind: str, view: str | None) -> str:
    """Return the view that a text, picture or vector is of.

    Raises
    ------
    DataError
        If the model has no such view, or several and none is named.
    """
    kinds = service.query_kinds()
    if view is not None:
        if view not in kinds:
            raise DataError(f"the model has no view {view!r}{suggest(view, kinds)}")
        if kind != "vector" and kinds[view] != kind:
            raise DataError(f"the view {view!r} takes {kinds[view]} queries, not {kind}")
        return view
    views = [name for name, kind_of_view in kinds.items() if kind_of_view == kind]
    if not views:
        raise DataError(
            f"the model cannot read a raw {kind}: it was trained on ready-made vectors, or on "
            "other views; search with a vector and its view, an id or a code"
        )
    if len(views) > 1:
        raise DataError(f"say which view the {kind} is of: {' or '.join(views)}")
    return views[0]


def check_text(service: Service, text: str) -> None:
    """Refuse a text that is too long."""
    if len(text) > service.limits.text:
        raise DataError(f"a text may have up to {service.limits.text:,} characters; shorten it")


def _vector_item(service: Service, view: str, values: Sequence[float]) -> RawItem:
    assert service.hasher is not None
    width = service.hasher.dims[view]
    if len(values) != width:
        raise DataError(f"a vector of {view} has {width} numbers, this one has {len(values)}")
    return RawItem(view, values, is_vector=True)


async def _stored_query(
    service: Service, key: int | str, view: str | None
) -> tuple[Query, tuple[str, Any]]:
    """Return the query of a stored item's code, and the item's view and id."""
    views = [service.view_index(view).view] if view is not None else list(service.views)
    for name in views:
        try:
            codes, _ = await service.run_in_thread(service.views[name].get, [key])
        except CrossbitError:
            continue
        assert codes.ids is not None
        return Query(codes), (name, codes.ids[0].item())
    raise DataError(f"id {key!r} is in no index that was searched for it")


async def _search(
    service: Service,
    options: SearchOptions,
    query: Query,
    source: tuple[str, Any] | None,
    started: float,
) -> Response:
    """Search every view; `source` is the view and id of the item whose code is the query."""
    views = list(dict.fromkeys(options.find or service.views))
    where = tuple(sorted((options.where or {}).items()))
    # A code has no outputs to re-rank by: its hits keep their order.
    rerank = None if query.outputs is None else options.rerank

    async def search_view(view: str) -> list[dict[str, Any]]:
        finds_itself = source is not None and source[0] == view
        request = SearchRequest(query, options.k + finds_itself, options.radius, rerank, where)
        hits = serialize_hits(await service.search(view, request), view, service.thumbnails)
        if source is not None and finds_itself:
            hits = [hit for hit in hits if hit["id"] != source[1]]
        return hits[: options.k]

    if len(views) == 1:
        lists = [await search_view(views[0])]
    else:
        lists = list(await asyncio.gather(*map(search_view, views)))
    return json_response(
        {
            "hits": merge_views(lists, reranked=options.rerank is not None),
            "code": hexadecimal(query.codes)[0],
            "bits": query.codes.bits,
            "milliseconds": round(1000 * (time.perf_counter() - started), 3),
        }
    )


def _check_options(service: Service, options: SearchOptions) -> None:
    limit = service.limits.k
    for name, value in (("k", options.k), ("rerank", options.rerank)):
        if value is not None and value > limit:
            raise DataError(f"{name} may be up to {limit:,}, got {value:,}; send a smaller one")
    check_depth(options.k, options.rerank)
    for view in options.find or ():
        service.view_index(view)
