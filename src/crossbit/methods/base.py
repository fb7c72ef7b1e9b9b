"""Hasher: the contract that every method keeps, and the model folder."""

from __future__ import annotations

import dataclasses
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from scipy import sparse

from crossbit import features
from crossbit.codes import Codes, check_bits
from crossbit.corpus import Corpus, Encoder, as_features
from crossbit.errors import (
    ConfigError,
    DataError,
    MissingDependencyError,
    ModelError,
    suggest,
)
from crossbit.files import canonical_json, replace_file, sha256, write_json
from crossbit.methods.settings import coerce, hyper
from crossbit.training.run import FitRun

__all__ = ["Citation", "FitRun", "Hasher"]

FORMAT = 1
BATCH = 4096  # rows per encoding step: bounds memory, large enough to keep BLAS busy


@dataclass(frozen=True)
class Citation:
    """Where a method was published."""

    authors: str
    title: str
    venue: str
    year: int
    url: str = ""

    def __str__(self) -> str:
        return f"{self.authors}. {self.title}. {self.venue}, {self.year}."


@dataclass
class Hasher(ABC):
    """A method that learns binary codes for every view of a corpus.

    Subclasses are dataclasses whose fields are their hyper-parameters, set `name`, `citation`,
    `summary` and `needs`, and implement `_fit`, `_project`, `_arrays` and `_restore`.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    citation: ClassVar[Citation | None] = None
    needs: ClassVar[frozenset[str]] = frozenset()  # of "labels", "pairs" (two views or more)

    bits: int = hyper(64, "code length, a multiple of 8", "the papers use 16, 32, 64, 128")
    seed: int = hyper(0, "seed of every random choice")

    def __post_init__(self) -> None:
        # One form for every value: margin=1 and margin=1.0 are one model, with one fingerprint.
        for name, value in coerce(type(self), self.settings).items():
            setattr(self, name, value)
        check_bits(self.bits)
        self.dims: dict[str, int] = {}
        self.encoders: dict[str, Encoder] = {}
        self.trained: dict[str, Any] = {}

    # -- learning and encoding -------------------------------------------------------------

    def fit(
        self, train: Corpus, *, validation: Corpus | None = None, run: FitRun | None = None
    ) -> Self:
        """Learn from `train`; choose by `validation`, if given, and by nothing else.

        Raises
        ------
        DataError
            If the corpus lacks what the method `needs`, before any work starts.
        """
        if "labels" in self.needs and not train.is_labelled.any():
            raise DataError(
                f"{self.name} learns from labels, but no training row has any; give labels, "
                "or choose a method that needs none (see `crossbit methods`)"
            )
        if "pairs" in self.needs and len(train.views) < 2:
            raise DataError(f"{self.name} needs at least two views, {train.name} has one")
        self.dims = train.dims
        self.encoders = dict(train.encoders)
        self.trained = {"rows": len(train), "labelled": int(train.is_labelled.sum())}
        self._fit(train, validation, run or FitRun())
        return self

    def project(self, items: Any, view: str) -> np.ndarray:
        """Return the real-valued hash outputs of `items`, (n, bits) float32; bit = output > 0."""
        items = self._check(items, view)
        parts = [
            self._project(_dense(items[start : start + BATCH]), view)
            for start in range(0, items.shape[0], BATCH)
        ]
        return np.concatenate(parts) if parts else np.empty((0, self.bits), dtype=np.float32)

    def encode(self, items: Any, view: str, ids: np.ndarray | None = None) -> Codes:
        """Return the codes of features `items`, (n, d), seen through one view alone.

        Deterministic, in batches of 4,096 rows: memory beyond the codes does not grow with n.
        """
        items = self._check(items, view)
        parts = [
            Codes.pack(self._project(_dense(items[start : start + BATCH]), view) > 0).packed
            for start in range(0, items.shape[0], BATCH)
        ]
        empty = np.empty((0, self.bits // 8), dtype=np.uint8)
        return Codes(np.concatenate(parts) if parts else empty, self.bits, ids)

    def encode_raw(self, items: Sequence[Any], view: str, ids: np.ndarray | None = None) -> Codes:
        """Return the codes of raw items (texts, images) with the preprocessing kept at `fit`."""
        self._check_view(view)
        if view not in self.encoders:
            raise DataError(
                f"this model was trained on ready-made {view} vectors, so it cannot read a raw "
                f"{view}; give a vector of {self.dims[view]} numbers instead"
            )
        return self.encode(self.encoders[view](items), view, ids)

    @property
    def settings(self) -> dict[str, Any]:
        """The hyper-parameters by name."""
        return {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}

    @property
    def fingerprint(self) -> str:
        """SHA-256 of method, settings and weights: codes of different prints do not mix."""
        arrays = self._arrays()
        parts: list[str | bytes | np.ndarray] = [self.name, canonical_json(self.settings)]
        for name in sorted(arrays):
            parts += [name, arrays[name]]
        return sha256(*parts)

    # -- the model folder ------------------------------------------------------------------

    def save(self, folder: str | Path) -> None:
        """Write weights (safetensors), settings and preprocessing (JSON) into `folder`.

        Each file is replaced atomically and config.json, which holds the weights' checksum,
        comes last: an interrupted save is refused at load, never half-read.
        """
        from safetensors.numpy import save

        self._check_fitted()
        folder = Path(folder)
        weights = save({name: np.ascontiguousarray(a) for name, a in self._arrays().items()})
        with replace_file(folder / "model.safetensors") as stream:
            stream.write(weights)
        config = {
            "format": FORMAT,
            "method": self.name,
            "settings": self.settings,
            "dims": self.dims,
            "encoders": {view: encoder.to_json() for view, encoder in self.encoders.items()},
            "trained": self.trained,
            "weights_sha256": sha256(weights),
            "fingerprint": self.fingerprint,
        }
        write_json(folder / "config.json", config)

    @classmethod
    def _load(cls, config: Mapping[str, Any], weights: bytes) -> Self:
        from safetensors.numpy import load

        hasher = cls(**coerce(cls, config["settings"]))
        hasher.dims = {str(view): int(d) for view, d in config["dims"].items()}
        hasher.encoders = {v: features.from_json(spec) for v, spec in config["encoders"].items()}
        hasher.trained = dict(config["trained"])
        hasher._restore(load(weights))
        return hasher

    # -- what a method implements ----------------------------------------------------------

    @abstractmethod
    def _fit(self, train: Corpus, validation: Corpus | None, run: FitRun) -> None:
        """Learn; every view of `train` must be encodable afterwards."""

    @abstractmethod
    def _project(self, batch: np.ndarray, view: str) -> np.ndarray:
        """Return the outputs of a dense float32 batch, (b, bits) float32; bit = output > 0."""

    @abstractmethod
    def _arrays(self) -> dict[str, np.ndarray]:
        """Return everything learnt, as named arrays."""

    @abstractmethod
    def _restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take back what `_arrays` returned; `dims` and the settings are already set."""

    # -- checks ----------------------------------------------------------------------------

    def _check_fitted(self) -> None:
        if not self.dims:
            raise ConfigError(f"this {self.name} is not fitted yet; call fit first")

    def _check_view(self, view: str) -> None:
        self._check_fitted()
        if view not in self.dims:
            raise DataError(f"the model knows no view {view!r}{suggest(view, self.dims)}")

    def _check(self, items: Any, view: str) -> Any:
        self._check_view(view)
        if not sparse.issparse(items) and np.ndim(items) == 1:
            raise DataError(f"give {view} items as an (n, d) array; for one item, (1, d)")
        items = as_features(items, view)
        if items.shape[1] != self.dims[view]:
            raise DataError(
                f"this model's {view} view has {self.dims[view]} dimensions, the items given "
                f"have {items.shape[1]}; extract them as the training items were"
            )
        return items


def read_model(folder: str | Path, get: Callable[[str], type[Hasher]]) -> Hasher:
    """Load the model in `folder`; `get` finds the class of a method's name.

    Raises
    ------
    ModelError
        If a file is missing, truncated, edited or of an unknown version.
    """
    folder = Path(folder)
    if not (folder / "config.json").is_file():
        raise ModelError(
            f"no model in {folder}: config.json is missing; train one with `crossbit fit`"
        )
    try:
        config = json.loads((folder / "config.json").read_text())
        version = config["format"]
        if version != FORMAT:
            raise ModelError(
                f"{folder} has model format {version!r}, this version reads {FORMAT}; "
                "upgrade crossbit or train again"
            )
        weights = (folder / "model.safetensors").read_bytes()
        if sha256(weights) != config["weights_sha256"]:
            raise ModelError(
                f"{folder}/model.safetensors does not match its checksum: it was truncated or "
                "edited; restore it or train again"
            )
        hasher = get(config["method"])._load(config, weights)
        if hasher.fingerprint != config["fingerprint"]:
            raise ModelError(
                f"{folder}/config.json was edited after training: settings and weights no "
                "longer match their fingerprint; restore it or train again"
            )
    except (ModelError, MissingDependencyError):
        raise
    except FileNotFoundError as error:
        name = Path(str(error.filename)).name
        raise ModelError(f"{folder} lacks {name}; copy the whole model folder") from None
    except Exception as error:
        raise ModelError(
            f"the model in {folder} cannot be read ({type(error).__name__}: {error}); "
            "restore it or train again"
        ) from error
    return hasher


def _dense(batch: Any) -> np.ndarray:
    if isinstance(batch, sparse.csr_matrix):
        return batch.toarray()
    return np.asarray(batch, dtype=np.float32)
