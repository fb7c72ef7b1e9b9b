"""A method for tests of what surrounds a method: quick, and sure to find the right pairs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from crossbit.codes import Codes
from crossbit.corpus import Corpus
from crossbit.errors import ConfigError, DataError
from crossbit.files import replace_file
from crossbit.methods.base import Citation, FitRun, Hasher
from crossbit.methods.settings import hyper, method


@method
class Fake(Hasher):
    """Each view is mapped to the classes by least squares, then to bits by a random matrix."""

    name: ClassVar[str] = "fake"
    summary: ClassVar[str] = "least squares to the classes"
    citation: ClassVar[Citation | None] = Citation("A. Author", "A title", "A venue", 2001)
    requires: ClassVar[frozenset[str]] = frozenset({"labels", "pairs"})

    epochs: int = hyper(3, "rounds of training")
    pause: float = hyper(0.0, "seconds a round takes")
    margin: int = hyper(8, "does nothing")
    broken: bool = hyper(False, "refuse to train")

    def _fit(self, train: Corpus, validation: Corpus | None, run: FitRun) -> None:
        if self.broken:
            raise ConfigError("broken is true; set it to false")
        rows = np.flatnonzero(train.labelled)
        goal = train.require_labels()[rows].toarray() - 0.5
        mix, first = np.zeros((goal.shape[1], self.bits)), 0
        file = run.folder / "checkpoint" / "mix.npy" if run.folder else None
        if run.resume and file and file.exists():
            saved = np.load(file, allow_pickle=False)
            mix, first = saved[1:], int(saved[0, 0])
        for done in range(first + 1, self.epochs + 1):
            time.sleep(self.pause)
            mix = mix + np.random.default_rng((self.seed, done)).normal(size=mix.shape)
            if file:
                with replace_file(file) as stream:
                    np.save(stream, np.vstack([np.full((1, self.bits), done), mix]))
            if run.report:
                run.report(
                    {
                        "stage": "train",
                        "epoch": done,
                        "epochs": self.epochs,
                        "loss": {"triplet": 1.0 / done},
                        "validation_map": 0.5,
                        "warning": "3 dead bits; lower the rate" if done == 2 else None,
                        "seconds": self.pause,
                    }
                )
            if run.stop.is_set() and done < self.epochs:
                return
        self.maps = {
            view: np.linalg.lstsq(train.batch(view, rows), goal, rcond=0.01)[0] @ mix
            for view in train.views
        }
        self.trained |= {"epochs": self.epochs, "validation_map": 0.5}

    def _project(self, batch: np.ndarray, view: str) -> np.ndarray:
        return (batch @ self.maps[view]).astype(np.float32)

    def _arrays(self) -> dict[str, np.ndarray]:
        return dict(self.maps)

    def _restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.maps = dict(arrays)


@method
class FakeTogether(Fake):
    """The same, with fused codes, and train codes of every row that it learnt from."""

    name: ClassVar[str] = "fake_together"
    database_codings: ClassVar[tuple[str, ...]] = ("single", "fused", "train")

    def _fit(self, train: Corpus, validation: Corpus | None, run: FitRun) -> None:
        super()._fit(train, validation, run)
        self.known = set(train.ids.tolist())
        if validation is not None:
            self.known |= set(validation.ids.tolist())

    def _encode_together(self, corpus: Corpus, view: str, coding: str) -> Codes:
        if coding == "train" and not self.known.issuperset(corpus.ids.tolist()):
            raise DataError("some of these rows were not trained on")
        outputs = sum(self.project(corpus[name], name) for name in corpus.views)
        return Codes.pack(outputs > 0)
