"""Schemas of responses, for the OpenAPI document."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Answer", "Codings", "Hit", "Item", "ProblemBody", "ServiceInfo", "Written"]

SEARCH_EXAMPLE: dict[str, Any] = {
    "hits": [
        {
            "rank": 1,
            "id": "U+265E",
            "view": "image",
            "distance": 3,
            "payload": {"caption": "BLACK CHESS KNIGHT", "labels": ["miscellaneous symbols"]},
            "thumbnail": "/v1/thumbnails/image/U%2B265E",
        }
    ],
    "code": "3e8eb7caca88f0c7",
    "bits": 64,
    "milliseconds": 2.4,
}


class Hit(BaseModel):
    """One item of a search result."""

    rank: int
    id: int | str
    view: str = Field(description="The view by which it is indexed.")
    distance: int = Field(description="Bits in which its code differs from the query's.")
    payload: dict[str, Any]
    thumbnail: str | None = Field(None, description="Where its picture is; null for none.")


class Answer(BaseModel):
    """The items of a search, best first."""

    model_config = ConfigDict(json_schema_extra={"examples": [SEARCH_EXAMPLE]})

    hits: list[Hit] = Field(
        description="Nearest first; of several views, those at equal "
        "distance in the order of `find`."
    )
    code: str = Field(description="The query's packed code, hexadecimal.")
    bits: int
    milliseconds: float = Field(description="From the request's arrival to its answer.")


class Codings(BaseModel):
    """Codes of what was sent, in its order."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"codes": ["9f3c00a1b2c3d4e5"], "bits": 64, "model": "ae2dfcdd043f8667"}]
        }
    )

    codes: list[str] = Field(description="Packed codes, hexadecimal.")
    bits: int
    model: str = Field(description="Fingerprint of the model.")


class Written(BaseModel):
    """What a change did; it lasts when the answer is sent."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"changed": 1, "items": 5018}]})

    changed: int = Field(description="Items that were added, replaced or removed.")
    items: int = Field(description="Items of that view now.")


class Item(BaseModel):
    """One stored item."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "U+265E",
                    "view": "image",
                    "code": "3e8eb7caca88f0c7",
                    "bits": 64,
                    "payload": {"caption": "BLACK CHESS KNIGHT"},
                    "thumbnail": "/v1/thumbnails/image/U%2B265E",
                }
            ]
        }
    )

    id: int | str
    view: str
    code: str
    bits: int
    payload: dict[str, Any]
    thumbnail: str | None = None


class Health(BaseModel):
    """How well a sample of stored codes uses its bits."""

    sample: int
    balance: float
    entropy: float
    dead_bits: int
    distinct: int
    correlation: float


class ViewInfo(BaseModel):
    """One view that can be searched."""

    items: int
    bits: int | None
    writable: bool
    health: Health | None = None


class ModelInfo(BaseModel):
    """The model behind the codes."""

    method: str
    summary: str
    bits: int
    fingerprint: str
    validation_map: float | None = None
    asks: dict[str, Literal["text", "image", "vector"]] = Field(
        description="Views that a query can be of, and its kind."
    )


class ServiceInfo(BaseModel):
    """What the service holds and allows."""

    version: str
    views: dict[str, ViewInfo]
    model: ModelInfo | None
    limits: dict[str, float]


class ProblemBody(BaseModel):
    """An error, as RFC 9457 describes it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:crossbit:problem:the-request-cannot-be-carried-out",
                    "title": "The request cannot be carried out",
                    "status": 422,
                    "detail": "the model knows no word of 'xyzzy'; use words of its training texts",
                }
            ]
        }
    )

    type: str
    title: str
    status: int
    detail: str
    faults: list[dict[str, str]] | None = None
