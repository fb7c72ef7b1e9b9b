"""A small service on a real server: coloured squares and sentences about them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
from fake_method import Fake
from serving_parts import WRITE_KEY, N, colour_of, square

import crossbit
from crossbit.corpus import Corpus
from crossbit.features.bow import BagOfWords
from crossbit.features.pixels import Pixels
from crossbit.serving.auth import Auth
from crossbit.serving.client import Client
from crossbit.serving.server import configuration
from crossbit.serving.service import Limits, Service
from crossbit.serving.thumbnails import Thumbnails
from crossbit.serving.view_index import ViewIndex


@dataclass
class Made:
    """A fitted model and the items it was fitted on."""

    hasher: Fake
    corpus: Corpus
    images: Path  # a folder with the pictures

    def payload(self) -> list[dict[str, Any]]:
        return [
            {
                "caption": self.corpus.raw["text"][k],
                "path": str(self.images / f"{k}.png"),
                "colour": colour_of(k),
                "number": k,
            }
            for k in range(N)
        ]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    images = tmp_path_factory.mktemp("images")
    for k in range(N):
        (images / f"{k}.png").write_bytes(square(colour_of(k), k))
    texts = [f"a {colour_of(k)} square n{k}" for k in range(N)]
    words = BagOfWords.fit(texts)
    pixels = Pixels(4)
    corpus = Corpus(
        {"image": pixels([images / f"{k}.png" for k in range(N)]), "text": words(texts)},
        ids=np.array([f"item/{k}" for k in range(N)]),
        labels=np.eye(3, dtype=bool)[np.arange(N) % 3],
        encoders={"image": pixels, "text": words},
        raw={"text": texts},
    )
    return Made(Fake(bits=16).fit(corpus), corpus, images)


@pytest.fixture
def indexes(made: Made, tmp_path: Path) -> dict[str, str]:
    """Return the addresses of an index of each view."""
    found = {}
    for view in ("image", "text"):
        found[view] = str(tmp_path / f"index-{view}")
        codes = made.hasher.encode(made.corpus[view], view, made.corpus.ids)
        with crossbit.open_index(found[view], "w") as index:
            index.add(codes, made.payload(), fingerprint=made.hasher.fingerprint)
    return found


@pytest.fixture
def service_of(made: Made, indexes: dict[str, str]) -> Callable[..., Service]:
    """Make a service over both indexes; keywords go to `Service`, limits to `Limits`."""

    def make(
        *,
        auth: Auth | None = None,
        thumbnails: Thumbnails | None = None,
        model: bool = True,
        **limits: Any,
    ) -> Service:
        auth = auth or Auth()
        view_indexes = [
            ViewIndex(view, at, writable=auth.write is not None) for view, at in indexes.items()
        ]
        return Service(
            view_indexes,
            made.hasher if model else None,
            thumbnails or Thumbnails([made.images]),
            auth,
            Limits(**limits),
        )

    return make


class Running:
    """A server in a thread."""

    def __init__(self, service: Service) -> None:
        options = configuration(service, "127.0.0.1", 0) | {"log_level": "critical"}
        config = uvicorn.Config(**options)
        self.service, self.server = service, uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        last = time.monotonic() + 30
        while not self.server.started:
            assert self.thread.is_alive()
            assert time.monotonic() < last
            time.sleep(0.005)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(30)
        assert not self.thread.is_alive()


@pytest.fixture
def serve() -> Iterator[Callable[[Service], Running]]:
    """Start servers that end with the test."""
    running: list[Running] = []

    def start(service: Service) -> Running:
        running.append(Running(service))
        return running[-1]

    yield start
    for one in running:
        one.stop()


@pytest.fixture
def running(service_of: Callable[..., Service], serve: Callable[[Service], Running]) -> Running:
    """A service that anybody may read, and who has the key may change."""
    return serve(service_of(auth=Auth(write=WRITE_KEY)))


@pytest.fixture
def client(running: Running) -> Iterator[Client]:
    with Client(running.url, key=WRITE_KEY) as found:
        yield found
