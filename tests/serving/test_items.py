"""Items are shown, added, replaced and removed over HTTP; what was acknowledged lasts."""

from __future__ import annotations

import threading
from io import BytesIO

import httpx
import pytest
from PIL import Image
from serving_parts import READ_KEY, WRITE_KEY, N, square

import crossbit
from crossbit.serving.auth import Auth
from crossbit.serving.client import Client, ServiceError


def test_an_item_is_shown_without_the_path_of_its_picture(client, made) -> None:
    stored = client.item("text", "item/7")
    codes = made.hasher.encode(made.corpus["text"][7:8], "text")
    assert (stored.id, stored.view, stored.bits) == ("item/7", "text", 16)
    assert stored.code == codes.packed[0].tobytes()
    assert stored.payload == {"caption": "a green square n7", "colour": "green", "number": 7}


def test_a_thumbnail_is_the_items_picture_made_small(client) -> None:
    stored = client.item("image", "item/7")
    assert stored.thumbnail == "/v1/thumbnails/image/item%2F7"
    with Image.open(BytesIO(client.thumbnail("image", "item/7"))) as picture:
        assert (picture.format, picture.size) == ("PNG", (8, 8))
        with Image.open(BytesIO(square("green", 7))) as original:
            assert picture.tobytes() == original.tobytes()
    client.upsert("text", [{"id": "big", "text": "red", "payload": {}}])
    with pytest.raises(ServiceError, match="no picture of this item"):
        client.thumbnail("text", "big")


def test_texts_vectors_and_codes_are_added_and_found(client, made, indexes) -> None:
    vector = made.corpus["text"][0].toarray()[0].tolist()
    code = made.hasher.encode_raw(["blue square"], "text").packed[0].tobytes()
    new = [
        {"id": "new 1", "text": "red red square", "payload": {"caption": "two reds"}},
        {"id": "new/2", "vector": vector},
        {"id": "new?3", "code": code, "payload": {"deep": {"list": [1, None]}}},
    ]
    assert client.add("text", new) == N + 3
    assert client.item("text", "new 1").payload == {"caption": "two reds"}
    assert client.item("text", "new/2").code == client.item("text", "item/0").code
    assert client.item("text", "new?3").payload == {"deep": {"list": [1, None]}}
    assert "new 1" in [hit.id for hit in client.search(text="red red square", k=63).hits]
    with crossbit.open_index(indexes["text"]) as index:
        assert len(index) == N + 3
        assert index.verify() == []


def test_a_picture_is_added_and_replaced(client) -> None:
    assert client.upsert_image("image", "own/picture", square("red", 3), {"caption": "mine"}) == 61
    assert client.item("image", "own/picture").code == client.encode(image=square("red", 3))[0]
    assert client.upsert_image("image", "own/picture", square("blue", 3)) == 61
    stored = client.item("image", "own/picture")
    assert (stored.code, stored.payload) == (client.encode(image=square("blue", 3))[0], {})


def test_add_is_all_or_nothing_and_upsert_replaces(client) -> None:
    items = [{"id": "fresh", "text": "red"}, {"id": "item/1", "text": "blue"}]
    with pytest.raises(ServiceError, match="is in the index already"):
        client.add("text", items)
    with pytest.raises(ServiceError, match="no such item"):
        client.item("text", "fresh")
    assert client.upsert("text", items) == N + 1
    assert client.item("text", "item/1").payload == {}


def test_removed_items_are_gone(client) -> None:
    assert client.remove("image", ["item/0", "item/5"]) == N - 2
    with pytest.raises(ServiceError) as found:
        client.item("image", "item/5")
    assert found.value.status == 404
    found_ids = {hit.id for hit in client.search(text="red", find=["image"], k=60).hits}
    assert len(found_ids) == N - 2
    with pytest.raises(ServiceError, match="is not in the index"):
        client.remove("image", ["item/1", "item/5"])
    assert client.item("image", "item/1")


def test_vectors_of_different_lengths_are_refused_with_the_fix(running) -> None:
    items = [{"id": "x", "vector": [1.0]}, {"id": "y", "vector": [1.0, 2.0]}]
    headers = {"Authorization": f"Bearer {WRITE_KEY}"}
    body = {"view": "image", "items": items}
    answer = httpx.post(f"{running.url}/v1/items", json=body, headers=headers)
    assert answer.status_code == 422
    assert "dimensions" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({"id": "x"}, "give one content"),
        ({"id": "x", "text": "red", "code": "0000"}, "give one content"),
        ({"id": "x", "code": "00"}, "16-bit codes have 2"),
        ({"id": "x", "vector": [1.0]}, "dimensions"),
        ({"id": "", "text": "red"}, ""),
        ({"id": 2**63, "text": "red"}, ""),
        ({"id": "x", "text": "red", "payload": [1]}, ""),
        ({"id": "x", "text": "nonsense"}, "knows no word"),
        ({"id": "x", "text": "red", "price": 3}, "Extra inputs"),
    ],
)
def test_items_that_make_no_sense_are_refused(running, item, words) -> None:
    answer = httpx.post(
        f"{running.url}/v1/items",
        json={"view": "text", "items": [item]},
        headers={"Authorization": f"Bearer {WRITE_KEY}"},
    )
    assert answer.status_code == 422
    assert words in answer.text
    with Client(running.url) as client:
        assert client.info()["views"]["text"]["items"] == N


def test_whole_number_ids_come_back_as_numbers(made, tmp_path, serve) -> None:
    from crossbit.serving.service import Service
    from crossbit.serving.view_index import ViewIndex

    address = str(tmp_path / "numbers")
    codes = made.hasher.encode(made.corpus["text"][:9], "text")
    with crossbit.open_index(address, "w") as index:
        index.add(codes, fingerprint=made.hasher.fingerprint)
    index = ViewIndex("text", address, writable=True)
    running = serve(Service([index], made.hasher, auth=Auth(write=WRITE_KEY)))
    with Client(running.url, key=WRITE_KEY) as client:
        assert client.search(id=3, k=2).hits[0].id in range(9)
        assert client.search(id="3", k=2).hits == client.search(id=3, k=2).hits
        assert client.item("text", 4).id == 4
        client.upsert("text", [{"id": 12, "text": "red"}])
        assert client.item("text", 12).id == 12
        with pytest.raises(ServiceError, match="id 'four' is in no index"):
            client.search(id="four")


def test_writes_beside_searches_lose_nothing(running, client, indexes) -> None:
    """Every item that was acknowledged is there; every search sees a state that there was."""
    faults: list[str] = []
    done = threading.Event()

    def ask() -> None:
        with Client(running.url) as reader:
            sizes = []
            while not done.is_set():
                found = reader.search(text="red square", find=["text"], k=1000)
                sizes.append(len(found.hits))
            if sizes != sorted(sizes):
                faults.append(f"a later search saw less: {sizes}")

    readers = [threading.Thread(target=ask) for _ in range(4)]
    for reader in readers:
        reader.start()
    written = []
    for batch in range(20):
        ids = [f"w{batch}-{k}" for k in range(5)]
        client.add("text", [{"id": key, "text": "green square"} for key in ids])
        written += ids
    done.set()
    for reader in readers:
        reader.join(30)
    assert faults == []
    running.stop()
    with crossbit.open_index(indexes["text"]) as index:
        assert len(index) == N + 100
        assert len(index.get(written)[0]) == 100
        assert index.verify() == []


def test_without_a_write_key_nobody_writes(service_of, serve) -> None:
    running = serve(service_of(auth=Auth(read=READ_KEY)))
    with Client(running.url, key=READ_KEY) as client:
        with pytest.raises(ServiceError, match="write key in the environment") as found:
            client.remove("text", ["item/1"])
        assert found.value.status == 403
        assert client.info()["views"]["text"]["writable"] is False
