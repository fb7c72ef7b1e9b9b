"""Serialization: hits, codes and payloads as the JSON of responses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from pydantic_core import to_json
from starlette.responses import Response

from crossbit.codes import Codes
from crossbit.index import Hits
from crossbit.serving.thumbnails import Thumbnails

__all__ = [
    "hexadecimal",
    "json_response",
    "merge_views",
    "public_payload",
    "serialize_hits",
    "thumbnail_url",
]

PRIVATE = frozenset({"path"})  # where a picture lies on the machine of the service


def public_payload(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return a payload as others may see it."""
    return {name: value for name, value in payload.items() if name not in PRIVATE}


def thumbnail_url(
    thumbnails: Thumbnails, view: str, key: Any, payload: Mapping[str, Any]
) -> str | None:
    """Return the address of an item's picture, if it may have one."""
    if not thumbnails.has(key, payload):
        return None
    return f"/v1/thumbnails/{quote(view, safe='')}/{quote(str(key), safe='')}"


def serialize_hits(hits: Hits, view: str, thumbnails: Thumbnails) -> list[dict[str, Any]]:
    """Return the hits of one view; their ranks are set by `merge_views`."""
    return [
        {
            "rank": 0,
            "id": key,
            "view": view,
            "distance": distance,
            "payload": public_payload(payload),
            "thumbnail": thumbnail_url(thumbnails, view, key, payload),
        }
        for key, distance, payload in zip(
            hits.ids.tolist(), hits.distances.tolist(), hits.payload, strict=True
        )
    ]


def merge_views(views: Sequence[Iterable[dict[str, Any]]], reranked: bool) -> list[dict[str, Any]]:
    """Return the hits of several views as one list with ranks.

    By distance, those of one distance in the order of the views; or, where hits were re-ranked
    and their distances no longer grow, by turns.
    """
    lists = [list(hits) for hits in views]
    if len(lists) == 1:
        merged = lists[0]
    elif reranked:
        longest = max(map(len, lists))
        merged = [hits[at] for at in range(longest) for hits in lists if at < len(hits)]
    else:
        merged = sorted((hit for hits in lists for hit in hits), key=lambda hit: hit["distance"])
    for rank, hit in enumerate(merged, start=1):
        hit["rank"] = rank
    return merged


def hexadecimal(codes: Codes) -> list[str]:
    """Return packed codes as text, two digits for each byte."""
    return [row.tobytes().hex() for row in codes.packed]


def json_response(value: Any, status: int = 200) -> Response:
    """Return a value as JSON; numbers that JSON lacks become null."""
    text = to_json(value, inf_nan_mode="null")
    return Response(text, status, media_type="application/json")
