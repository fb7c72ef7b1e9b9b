"""Client models: the requests that clients send, and the responses as typed values."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from crossbit.errors import CrossbitError

if TYPE_CHECKING:
    import httpx

__all__ = [
    "Call",
    "Hit",
    "Key",
    "Picture",
    "SearchResults",
    "ServiceError",
    "StoredItem",
    "address",
    "arguments",
    "check_response",
    "codes",
    "encode_call",
    "remove_call",
    "search_call",
    "search_results",
    "stored_item",
    "unreachable",
    "upsert_image_call",
    "write_call",
]

Key = int | str
Picture = bytes | str | Path


class ServiceError(CrossbitError):
    """A request that the service did not carry out.

    Attributes
    ----------
    status : int
        Of HTTP.
    problem : dict
        The problem document: title, detail, and further members.
    """

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(f"{problem.get('title', status)}: {problem.get('detail', '')}")
        self.status, self.problem = status, dict(problem)


@dataclass(frozen=True)
class Hit:
    """One item of a search; `distance` in bits, `thumbnail` an address or None."""

    rank: int
    id: Key
    view: str
    distance: int
    payload: dict[str, Any]
    thumbnail: str | None = None


@dataclass(frozen=True)
class SearchResults:
    """The items of a search, nearest first, and the query's packed code."""

    hits: list[Hit]
    code: bytes
    bits: int
    milliseconds: float


@dataclass(frozen=True)
class StoredItem:
    """One stored item, its packed code and its payload."""

    id: Key
    view: str
    code: bytes
    bits: int
    payload: dict[str, Any]
    thumbnail: str | None = None


class Call(NamedTuple):
    """One request: what both clients send."""

    method: str
    path: str
    json: Any = None
    content: bytes | None = None
    params: dict[str, Any] | None = None


def search_call(
    *,
    image: Picture | None = None,
    code: bytes | None = None,
    vector: Sequence[float] | None = None,
    where: Mapping[str, Any] | None = None,
    find: Sequence[str] | None = None,
    text: str | None = None,
    id: Key | None = None,
    view: str | None = None,
    k: int = 10,
    radius: int | None = None,
    rerank: int | None = None,
) -> Call:
    """Return the request of a search."""
    options = {"view": view, "find": None if find is None else list(find), "k": k}
    options |= {"radius": radius, "rerank": rerank}
    if image is not None:
        if any(part is not None for part in (text, id, code, vector)):
            raise CrossbitError("give one query: text, image, id, code or vector")
        params = _without_none(
            options | {"where": None if where is None else json.dumps(dict(where))}
        )
        return Call("POST", "/v1/search/image", content=_bytes(image), params=params)
    query = {
        "text": text,
        "id": id,
        "code": None if code is None else bytes(code).hex(),
        "vector": None if vector is None else [float(value) for value in vector],
        "where": None if where is None else dict(where),
    }
    return Call("POST", "/v1/search", json=_without_none(options | query))


def encode_call(
    texts: Sequence[str] | None,
    vectors: Sequence[Sequence[float]] | None,
    image: Picture | None,
    view: str | None,
) -> Call:
    """Return the request that codes things."""
    if image is not None:
        if texts is not None or vectors is not None:
            raise CrossbitError("give texts, vectors or an image")
        return Call(
            "POST", "/v1/encode/image", content=_bytes(image), params=_without_none({"view": view})
        )
    body = {
        "texts": None if texts is None else list(texts),
        "vectors": None if vectors is None else [[float(v) for v in row] for row in vectors],
        "view": view,
    }
    return Call("POST", "/v1/encode", json=_without_none(body))


def write_call(method: str, view: str, items: Sequence[Mapping[str, Any]]) -> Call:
    """Return the request that adds (POST) or upserts (PUT) items."""
    sent = []
    for item in items:
        entry = dict(item)
        if isinstance(entry.get("code"), bytes | bytearray):
            entry["code"] = bytes(entry["code"]).hex()
        sent.append(entry)
    return Call(method, "/v1/items", json={"view": view, "items": sent})


def upsert_image_call(
    view: str, key: Key, image: Picture, payload: Mapping[str, Any] | None
) -> Call:
    """Return the request that stores an item coded from a picture."""
    params = {"payload": json.dumps(dict(payload or {}))}
    return Call("PUT", f"{address('items', view, key)}/image", content=_bytes(image), params=params)


def remove_call(view: str, ids: Sequence[Key]) -> Call:
    """Return the request that removes items."""
    return Call("POST", "/v1/items/remove", json={"view": view, "ids": list(ids)})


def address(what: str, view: str, key: Key) -> str:
    """Return the path of an item."""
    return f"/v1/{what}/{quote(view, safe='')}/{quote(str(key), safe='')}"


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _bytes(image: Picture) -> bytes:
    return image if isinstance(image, bytes) else Path(image).read_bytes()


def arguments(call: Call) -> dict[str, Any]:
    """Return what httpx is called with."""
    arguments: dict[str, Any] = {"method": call.method, "url": call.path}
    if call.json is not None:
        arguments["json"] = call.json
    if call.content is not None:
        arguments["content"] = call.content
        arguments["headers"] = {"Content-Type": "application/octet-stream"}
    if call.params:
        arguments["params"] = call.params
    return arguments


def search_results(value: Mapping[str, Any]) -> SearchResults:
    """Return the items of a search, from JSON."""
    hits = [Hit(**_fields_of(hit, Hit)) for hit in value["hits"]]
    return SearchResults(hits, bytes.fromhex(value["code"]), value["bits"], value["milliseconds"])


def stored_item(value: Mapping[str, Any]) -> StoredItem:
    """Return a stored item, from JSON."""
    return StoredItem(**{**_fields_of(value, StoredItem), "code": bytes.fromhex(value["code"])})


def _fields_of(value: Mapping[str, Any], kind: Any) -> dict[str, Any]:
    """Return the fields of a class; a newer service may send more."""
    return {item.name: value[item.name] for item in fields(kind) if item.name in value}


def codes(value: Mapping[str, Any]) -> list[bytes]:
    """Return packed codes."""
    return [bytes.fromhex(code) for code in value["codes"]]


def check_response(answer: httpx.Response) -> httpx.Response:
    """Return a success; anything else is raised as the problem that it is."""
    if answer.is_success:
        return answer
    try:
        problem = answer.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        problem = {"title": f"HTTP {answer.status_code}", "detail": answer.text[:200]}
    raise ServiceError(answer.status_code, problem)


def unreachable(error: Exception) -> ServiceError:
    """Return the error for a service that cannot be reached."""
    what = str(error) or type(error).__name__
    detail = f"{what}; check that the service runs and the address is right"
    return ServiceError(0, {"title": "The service did not answer", "detail": detail})
