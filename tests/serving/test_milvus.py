"""The service over Milvus finds and changes what it does over the embedded engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from serving_parts import WRITE_KEY, N, square

import crossbit
from crossbit.serving.auth import Auth
from crossbit.serving.client import Client, ServiceError
from crossbit.serving.service import Service
from crossbit.serving.thumbnails import Thumbnails
from crossbit.serving.view_index import ViewIndex


@pytest.fixture
def remote(made, milvus_address, serve: Callable) -> Iterator[Client]:
    """A client of a service whose images lie on a Milvus server."""
    codes = made.hasher.encode(made.corpus["image"], "image", made.corpus.ids)
    with crossbit.open_index(milvus_address, "w") as index:
        index.add(codes, made.payload(), fingerprint=made.hasher.fingerprint)
    index = ViewIndex("image", milvus_address, writable=True)
    auth = Auth(write=WRITE_KEY)
    running = serve(Service([index], made.hasher, Thumbnails([made.images]), auth))
    with Client(running.url, key=WRITE_KEY) as client:
        yield client


def test_it_finds_what_the_embedded_engine_finds(remote, client, made) -> None:
    """At equal distances an engine may choose: compare distances, and items short of the last."""
    picture = square("green", 99)
    code = np.zeros(2, dtype=np.uint8).tobytes()
    for query in ({"text": "red square"}, {"image": picture}, {"code": code}, {"id": "item/4"}):
        asked = {"view": "image"} if "id" in query else {}
        there = remote.search(**query, **asked, find=["image"], k=20)
        here = client.search(**query, **asked, find=["image"], k=20)
        assert there.code == here.code
        distances = [hit.distance for hit in there.hits]
        assert distances == [hit.distance for hit in here.hits]
        inside = [
            {hit.id for hit in found.hits if hit.distance < distances[-1]}
            for found in (there, here)
        ]
        assert inside[0] == inside[1]
    reds = remote.search(code=code, k=N, where={"colour": "red"}).hits
    assert {hit.id for hit in reds} == {f"item/{k}" for k in range(0, N, 3)}
    assert "path" not in reds[0].payload
    assert remote.thumbnail("image", reds[0].id) == client.thumbnail("image", reds[0].id)
    assert len(remote.search(text="blue square", k=5, rerank=30).hits) == 5


def test_it_changes_what_is_there(remote, made, milvus_address) -> None:
    code = made.hasher.encode_raw(["blue square"], "text").packed[0].tobytes()
    assert remote.add("image", [{"id": "new/1", "code": code, "payload": {"deep": [1]}}]) == N + 1
    assert remote.item("image", "new/1").payload == {"deep": [1]}
    assert remote.item("image", "new/1").code == code
    with pytest.raises(ServiceError, match="is in the index already"):
        remote.add("image", [{"id": "item/1", "code": code}])
    assert remote.upsert_image("image", "new/1", square("red", 3), {"caption": "mine"}) == N + 1
    found = {hit.id for hit in remote.search(image=square("red", 3), k=N + 1).hits}
    assert "new/1" in found
    assert remote.remove("image", ["item/0", "item/5"]) == N - 1
    with pytest.raises(ServiceError, match="no such item"):
        remote.item("image", "item/5")
    with crossbit.open_index(milvus_address) as index:
        assert len(index) == N - 1
        assert index.verify() == []
    info = remote.info()["views"]["image"]
    assert (info["items"], info["bits"]) == (N - 1, 16)
