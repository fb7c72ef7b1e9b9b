"""What searches find over HTTP is what the index finds."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import numpy as np
import pytest
from serving_parts import colour_of, square

import crossbit
from crossbit.codes import Codes
from crossbit.index.rerank import rerank_hits
from crossbit.serving.client import AsyncClient, Client, ServiceError


def expected(indexes: dict[str, str], view: str, codes: Codes, k: int, **options: Any) -> list[Any]:
    with crossbit.open_index(indexes[view]) as index:
        (hits,) = index.search(codes, k, **options)
    return list(zip(hits.ids.tolist(), hits.distances.tolist(), strict=True))


def pairs(found: Any) -> list[Any]:
    return [(hit.id, hit.distance) for hit in found.hits]


@pytest.mark.parametrize("view", ["image", "text"])
def test_a_text_finds_what_its_code_finds(client, made, indexes, view) -> None:
    found = client.search(text="red square", find=[view], k=7)
    codes = made.hasher.encode_raw(["red square"], "text")
    assert found.code == codes.packed[0].tobytes()
    assert found.bits == 16
    assert pairs(found) == expected(indexes, view, codes, 7)
    assert {hit.view for hit in found.hits} == {view}
    assert [hit.rank for hit in found.hits] == list(range(1, 8))
    assert all(hit.payload["colour"] == "red" for hit in found.hits)


def test_a_picture_finds_texts(client, made, indexes) -> None:
    picture = square("green", 99)
    found = client.search(image=picture, find=["text"], k=5, where={"number": 4})
    assert [hit.id for hit in found.hits] == ["item/4"]
    found = client.search(image=picture, find=["text"], k=5)
    codes = made.hasher.encode_raw([picture], "image")
    assert pairs(found) == expected(indexes, "text", codes, 5)
    assert all("green" in hit.payload["caption"] for hit in found.hits)


def test_a_code_and_a_vector_ask_too(client, made, indexes) -> None:
    codes = made.hasher.encode(made.corpus["image"][:1], "image")
    by_code = client.search(code=codes.packed[0].tobytes(), find=["image"], k=9)
    assert pairs(by_code) == expected(indexes, "image", codes, 9)
    vector = np.asarray(made.corpus["image"][0], dtype=float)
    by_vector = client.search(vector=vector, view="image", find=["image"], k=9)
    assert pairs(by_vector) == pairs(by_code)


def test_an_item_asks_with_its_code_and_does_not_find_itself(client, made, indexes) -> None:
    found = client.search(id="item/3", find=["image", "text"], k=4)
    codes = made.hasher.encode(made.corpus["image"][3:4], "image")
    assert found.code == codes.packed[0].tobytes()
    images = [(hit.id, hit.distance) for hit in found.hits if hit.view == "image"]
    texts = [(hit.id, hit.distance) for hit in found.hits if hit.view == "text"]
    others = [pair for pair in expected(indexes, "image", codes, 5) if pair[0] != "item/3"]
    assert images == others[:4]
    assert texts == expected(indexes, "text", codes, 4)
    distances = [hit.distance for hit in found.hits]
    assert distances == sorted(distances)


def test_a_radius_keeps_what_is_near(client, made, indexes) -> None:
    codes = made.hasher.encode_raw(["blue square"], "text")
    everything = expected(indexes, "image", codes, 60)
    radius = everything[25][1]
    found = client.search(text="blue square", find=["image"], k=60, radius=radius)
    assert pairs(found) == [pair for pair in everything if pair[1] <= radius]
    assert len(client.search(text="blue square", find=["image"], k=3, radius=radius).hits) == 3


def test_a_filter_looks_at_the_payload(client) -> None:
    found = client.search(text="red square", find=["image"], k=60, where={"colour": "blue"})
    assert len(found.hits) == 20
    assert {hit.payload["colour"] for hit in found.hits} == {"blue"}
    both = {"colour": "blue", "number": 5}
    assert [h.id for h in client.search(text="red", k=9, find=["text"], where=both).hits] == [
        "item/5"
    ]


def test_reranking_orders_as_the_index_does(client, made, indexes) -> None:
    features = made.hasher.encoders["text"](["red square n9"])
    outputs = made.hasher.project(features, "text")
    with crossbit.open_index(indexes["image"]) as index:
        hits = index.search(made.hasher.encode(features, "text"), 30)
        (wanted,), _ = rerank_hits(index, hits, outputs)
    found = client.search(text="red square n9", find=["image"], k=10, rerank=30)
    assert [hit.id for hit in found.hits] == wanted.ids[:10].tolist()


def test_many_at_once_get_what_each_alone_gets(running, client) -> None:
    queries = [{"text": f"{colour_of(k)} square n{k}", "k": 1 + k % 20} for k in range(60)]
    queries += [{"id": f"item/{k}", "k": 5, "find": ["text"]} for k in range(60)]
    queries += [{"text": "red", "where": {"number": k}, "find": ["image"]} for k in range(20)]
    alone = [client.search(**query) for query in queries]

    async def together() -> list[Any]:
        async with AsyncClient(running.url) as many:
            return await asyncio.gather(*(many.search(**query) for query in queries))

    for one, other in zip(alone, asyncio.run(together()), strict=True):
        assert one.hits == other.hits
        assert one.code == other.code


def test_one_wrong_query_harms_no_other_of_its_batch(running) -> None:
    texts = ["red square", "nonsense", "blue", "\u2603"] * 10

    async def together() -> list[Any]:
        async with AsyncClient(running.url) as many:
            asked = (many.search(text=text, k=1, find=["image"]) for text in texts)
            return await asyncio.gather(*asked, return_exceptions=True)

    for text, found in zip(texts, asyncio.run(together()), strict=True):
        if text in ("red square", "blue"):
            assert len(found.hits) == 1
        else:
            assert isinstance(found, ServiceError)
            assert found.status == 422
            assert "knows no word of" in found.problem["detail"]


def test_encoding_gives_the_models_codes(client, made) -> None:
    texts = ["red square", "a blue square n8"]
    wanted = [row.tobytes() for row in made.hasher.encode_raw(texts, "text").packed]
    assert client.encode(texts) == wanted
    picture = square("red", 5)
    assert client.encode(image=picture) == [
        made.hasher.encode_raw([picture], "image").packed[0].tobytes()
    ]
    vectors = made.corpus["image"][:3].astype(float)
    assert client.encode(vectors=vectors, view="image") == [
        row.tobytes() for row in made.hasher.encode(made.corpus["image"][:3], "image").packed
    ]


def test_a_service_without_model_answers_codes_and_items(service_of, serve, made) -> None:
    with Client(serve(service_of(model=False)).url) as client:
        assert client.info()["model"] is None
        assert len(client.search(id="item/0", k=3).hits) == 6
        with pytest.raises(ServiceError, match="the model cannot read a raw text"):
            client.search(text="red")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "give one query"),
        ({"text": "red", "id": "item/1"}, "give one query"),
        ({"text": ""}, "at least 1 character"),
        ({"text": "red", "k": 0}, "greater than or equal to 1"),
        ({"text": "red", "k": 1001}, "k may be up to 1,000"),
        ({"text": "red", "k": 2.5}, "integer"),
        ({"text": "red", "find": ["sound"]}, "choose from image, text"),
        ({"text": "red", "find": []}, "at least 1 item"),
        ({"text": "red", "view": "image"}, "takes image queries, not text"),
        ({"text": "red", "view": "txt"}, "did you mean 'text'"),
        ({"text": "red", "rerank": 5}, "raise rerank"),
        ({"text": "red", "where": {"colour": ["red"]}}, "where"),
        ({"text": "red", "where": {"a": None}}, "where"),
        ({"text": "red", "other": 1}, "Extra inputs are not permitted"),
        ({"text": "x" * 10_001}, "10,000 characters"),
        ({"id": "nobody"}, "is in no index"),
        ({"code": "zz"}, "String should match pattern"),
        ({"code": "00"}, "16-bit codes have 2"),
        ({"vector": [1.0]}, "say which view the vector is of"),
        ({"vector": [1.0], "view": "image"}, "has 48 numbers, this one has 1"),
        ({"text": "red", "radius": -1}, "greater than or equal to 0"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_the_fix(running, body, words) -> None:
    answer = httpx.post(f"{running.url}/v1/search", json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == 422
    assert problem["type"].startswith("urn:crossbit:problem:")
    assert words in problem["detail"] + str(problem.get("faults"))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "no picture"),
        (b"GIF89a-not-really", "no picture"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "no picture"),
        (square("red", 1)[:-30], ""),
    ],
)
def test_uploads_that_are_no_pictures_are_refused(running, body, words) -> None:
    answer = httpx.post(f"{running.url}/v1/search/image", content=body)
    assert answer.status_code == 422
    assert words in answer.json()["detail"]
