"""Requests: the JSON bodies that routes accept."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

__all__ = [
    "AddBody",
    "Conditions",
    "EncodeBody",
    "NewItem",
    "RemoveBody",
    "SearchBody",
]

Text = Annotated[str, StringConstraints(min_length=1, max_length=100_000)]
Hex = Annotated[
    str, StringConstraints(min_length=2, max_length=256, pattern=r"^([0-9a-fA-F]{2})+$")
]
View = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Whole = Annotated[int, Field(ge=-(2**63), lt=2**63, strict=True)]
Key = Whole | Annotated[str, StringConstraints(min_length=1, max_length=1_000)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Value = (
    Annotated[bool, Field(strict=True)]
    | Whole
    | Annotated[float, Field(strict=True, allow_inf_nan=False)]
    | Annotated[str, StringConstraints(max_length=10_000)]
)
Conditions = dict[Annotated[str, StringConstraints(min_length=1, max_length=200)], Value]
QUERIES = ("text", "id", "code", "vector")


class Body(BaseModel):
    """A request's body: a name that it does not know is a mistake."""

    model_config = ConfigDict(extra="forbid")


class SearchBody(Body):
    """One query, and what to return for it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"text": "black chess knight", "find": ["image"], "k": 12},
                {"id": "U+265E", "find": ["image", "text"], "k": 5},
                {"code": "9f3c00a1b2c3d4e5", "radius": 6},
                {"vector": [0.1, 0.7], "view": "text", "where": {"labels": "Arrows"}},
            ]
        },
    )

    text: Text | None = Field(None, description="A text to search with.")
    id: Key | None = Field(None, description="An item of the index to search from.")
    code: Hex | None = Field(None, description="A packed code, two hexadecimal digits per byte.")
    vector: list[Number] | None = Field(
        None, min_length=1, max_length=100_000, description="Features of `view`, to be coded."
    )
    view: View | None = Field(
        None, description="The view that the query is of; of a text, the text view."
    )
    find: list[View] | None = Field(
        None,
        min_length=1,
        max_length=20,
        description="Views to find items by; all that the service has if not given.",
    )
    k: int = Field(10, ge=1, description="How many items of each view.")
    radius: int | None = Field(None, ge=0, le=1024, description="Only items as near as this.")
    rerank: int | None = Field(
        None, ge=1, description="Order so many of the nearest by real-valued outputs first."
    )
    where: Conditions | None = Field(
        None, max_length=16, description="Values that an item's payload must have."
    )

    @model_validator(mode="after")
    def _one_query(self) -> SearchBody:
        queries = [name for name in QUERIES if getattr(self, name) is not None]
        if len(queries) != 1:
            raise ValueError(f"give one query: {', '.join(QUERIES[:-1])} or {QUERIES[-1]}")
        if self.vector is not None and self.view is None:
            raise ValueError("say which view the vector is of")
        return self


class EncodeBody(Body):
    """Texts or vectors to code."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"texts": ["black chess knight", "leftwards arrow"]}]},
    )

    texts: list[Text] | None = Field(None, min_length=1)
    vectors: list[list[Number]] | None = Field(None, min_length=1)
    view: View | None = Field(None, description="The view of the vectors, or of the texts.")

    @model_validator(mode="after")
    def _one_kind(self) -> EncodeBody:
        if (self.texts is None) == (self.vectors is None):
            raise ValueError("give either texts or vectors")
        if self.vectors is not None:
            if self.view is None:
                raise ValueError("say which view the vectors are of")
            if len({len(vector) for vector in self.vectors}) > 1:
                raise ValueError("all vectors must have one length")
        return self


class NewItem(Body):
    """An item to store: what it is encoded from, and its payload."""

    id: Key
    text: Text | None = None
    vector: list[Number] | None = Field(None, min_length=1, max_length=100_000)
    code: Hex | None = None
    payload: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_content(self) -> NewItem:
        if sum(part is not None for part in (self.text, self.vector, self.code)) != 1:
            raise ValueError("give one content: text, vector or code")
        return self


class AddBody(Body):
    """Items to store under one view."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "view": "text",
                    "items": [{"id": "n1", "text": "a knight", "payload": {"caption": "a knight"}}],
                }
            ]
        },
    )

    view: View
    items: list[NewItem] = Field(min_length=1)


class RemoveBody(Body):
    """Items to remove from one view."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"view": "text", "ids": ["n1"]}]}
    )

    view: View
    ids: list[Key] = Field(min_length=1)
