"""Collections made ahead of time: loading one takes the server 3 s, loading ten takes 3 s too."""

from __future__ import annotations

import queue
import threading
import uuid
from dataclasses import replace
from typing import Any

from crossbit.index.milvus import collection
from crossbit.index.milvus.schema import Shape, load
from crossbit.index.milvus.server import Address

# The shapes that the contract tests ask for again and again: how many to make at a time.
COMMON = {
    Shape(bits=16, ids="str", fingerprint="model-a"): 16,
    Shape(bits=16, ids="int64", fingerprint=None): 3,
}
WAIT = 60.0


class Spares:
    """Stands in for `create` of the engine: a spare gets the wanted name, or one is made."""

    def __init__(self, client: Any, address: Address) -> None:
        self._client = client
        self._address = address
        self._create = collection.create
        self._ready: dict[Shape, queue.Queue[str]] = {shape: queue.Queue() for shape in COMMON}
        self._coming = dict.fromkeys(COMMON, 0)
        self._threads: list[threading.Thread] = []
        self._closing = threading.Event()
        for shape in COMMON:
            self._refill(shape)

    def close(self) -> None:
        """Wait for what is being made; the server may stop then."""
        self._closing.set()
        for thread in self._threads:
            thread.join()
        self._client.close()

    def create(self, client: Any, address: Address, shape: Shape) -> None:
        """Make the collection as the engine's `create` does."""
        if shape not in COMMON:
            self._create(client, address, shape)
            return
        self._coming[shape] -= 1
        if self._coming[shape] < COMMON[shape] // 2:
            self._refill(shape)
        spare = self._ready[shape].get(timeout=WAIT)
        client.rename_collection(spare, address.collection)

    def _refill(self, shape: Shape) -> None:
        self._coming[shape] += COMMON[shape]
        self._threads.append(threading.Thread(target=self._make, args=(shape,)))
        self._threads[-1].start()

    def _make(self, shape: Shape) -> None:
        places = [
            replace(self._address, collection=f"spare_{uuid.uuid4().hex}")
            for _ in range(COMMON[shape])
        ]
        for place in places:
            self._create(self._client, place, shape)
            self._client.load_collection(place.collection, _async=True)
        for place in places:
            if self._closing.is_set():
                return
            load(self._client, place)
            self._ready[shape].put(place.collection)
