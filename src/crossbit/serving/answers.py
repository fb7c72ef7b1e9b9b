"""Answers: hits, items and facts as JSON, without what is nobody's business."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from pydantic_core import to_json
from starlette.responses import Response

from crossbit.codes import Codes
from crossbit.index import Hits
from crossbit.serving.pictures import Pictures

__all__ = ["hexadecimal", "hit_rows", "json_response", "merged", "public", "thumbnail_url"]

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
