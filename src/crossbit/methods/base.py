"""Hasher: the contract that every method keeps, and the model folder."""

from __future__ import annotations

import dataclasses
from abc import ABCMeta, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from scipy import sparse

from crossbit import features
from crossbit.arrays import as_features, index_of
from crossbit.codes import Codes, check_bits, code_bytes
from crossbit.corpus import Corpus, Encoder
from crossbit.errors import ConfigError, DataError, suggest
from crossbit.files import canonical_json, sha256
from crossbit.methods.folder import FORMAT, write_model
from crossbit.methods.ranking import HammingRanker, Ranker
from crossbit.methods.settings import coerce, hyper, method
from crossbit.progress import Progress
from crossbit.threads import thread_limit
from crossbit.training.run import FitRun

__all__ = [
    "DATABASE_CODINGS",
    "Citation",
    "FitRun",
    "Hasher",
    "check_requirements",
    "with_all_views",
]

BATCH = 4096  # rows per encoding step: bounds memory, large enough to keep BLAS busy

# How a database can be coded: part of every figure's name, and never mixed in one column.
DATABASE_CODINGS = {
    "single": "single: each database item is coded by the searched view's own function, from it "
    "alone",
    "fused": "fused: each database item is coded from all of its views together, the view that "
    "asks among them",
    "train": "train codes: each database item keeps the code that it was given in training",
}


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


class _Settings(ABCMeta):
    """Takes scikit-learn's name of the seed where a method is made."""

    def __call__(cls, *args: Any, **settings: Any) -> Any:
        if "random_state" in settings:
            state = settings.pop("random_state")
            if settings.setdefault("seed", 0 if state is None else state) != (state or 0):
                raise ConfigError("seed and random_state are one setting; give one of them")
        return super().__call__(*args, **settings)


@method
class Hasher(metaclass=_Settings):
    """A method that learns binary codes for every view of a corpus.

    Subclasses are dataclasses whose fields are their hyper-parameters, set `name`, `title`,
    `family`, `citation`, `summary` and `requires` ("labels"; "pairs": two views or more; "one
    space": views that are vectors of one space; "pictures": a view of pixels), are decorated with
    `settings.method`, and implement `_fit`, `_project`, `_arrays` and `_restore`.
    """

    name: ClassVar[str]
    title: ClassVar[str]  # in tables and plots
    family: ClassVar[str] = "Other methods"  # the block of a table that it stands in
    summary: ClassVar[str]
    citation: ClassVar[Citation | None] = None
    requires: ClassVar[frozenset[str]] = frozenset()  # see above
    learns_from: ClassVar[str] = "all rows, without labels"  # stands beside every figure
    max_views: ClassVar[int | None] = None  # None: any number
    supports_missing: ClassVar[bool] = False  # learns from rows that lack a view; else left out
    database_codings: ClassVar[tuple[str, ...]] = (
        "single",
    )  # of CODINGS: how it can code a database
    ranker: ClassVar[type[Ranker]] = HammingRanker  # how it ranks

    bits: int = hyper(64, "code length, 8 to 1024", "the papers use 16, 32, 64, 128")
    seed: int = hyper(0, "seed of every random choice")

    def __post_init__(self) -> None:
        # One form for every value: margin=1 and margin=1.0 are one model, with one fingerprint.
        for name, value in coerce(type(self), self.settings).items():
            setattr(self, name, value)
        check_bits(self.bits)
        self.dims: dict[str, int] = {}
        self.encoders: dict[str, Encoder] = {}
        self.trained: dict[str, Any] = {}
        self.history_: list[dict[str, Any]] = []

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "name" in cls.__dict__ and "title" not in cls.__dict__:
            cls.title = cls.name

    def __repr__(self) -> str:
        defaults = {item.name: item.default for item in dataclasses.fields(self)}
        changed = [
            f"{k}={v!r}" for k, v in self.settings.items() if k == "bits" or v != defaults[k]
        ]
        state = f"fitted on {', '.join(self.dims)}" if self.dims else "not fitted"
        return f"<{type(self).__name__}({', '.join(changed)}), {state}>"

    # -- settings, as scikit-learn asks for them -------------------------------------------

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the hyper-parameters by name."""
        return self.settings

    def set_params(self, **settings: Any) -> Self:
        """Set hyper-parameters by name; a fitted hasher keeps its weights until `fit`.

        Raises
        ------
        ConfigError
            For an unknown name or a value outside its range; nothing is set then.
        """
        checked = type(self)(**coerce(type(self), self.settings | settings))
        for name, value in checked.settings.items():
            setattr(self, name, value)
        return self

    # -- learning and encoding -------------------------------------------------------------

    def fit(
        self,
        train: Corpus | Mapping[str, Any],
        *,
        labels: Any = None,
        validation: Corpus | None = None,
        run: FitRun | None = None,
        callback: Callable[[dict[str, Any]], None] | None = None,
        verbose: bool = False,
        n_jobs: int | None = None,
    ) -> Self:
        """Learn from `train`; choose by `validation`, if given, and by nothing else.

        Parameters
        ----------
        train : Corpus, or mapping of view name to (n, d) features
        labels : optional
            Of the features in a mapping, in any form that `Corpus` reads.
        validation : Corpus, optional
        run : FitRun, optional
            Folder, resume and stop of a long fit.
        callback : callable, optional
            Called with a dictionary after every epoch: stage, epoch, epochs, loss (by name),
            validation_map, warning, seconds; without losses during long work before training.
        verbose : bool
            Show progress on standard error.
        n_jobs : int, optional
            Threads of matrix products; None: as BLAS and torch are set, all cores by default.

        Raises
        ------
        DataError
            If the corpus lacks what the method `requires`, before any work starts.
        """
        if not isinstance(train, Corpus):
            train = _corpus(train, labels)
        elif labels is not None:
            raise DataError("a corpus has labels of its own; give labels with a mapping of views")
        check_requirements(self.name, self.requires, self.max_views, train)
        n = len(train)
        if train.present and not self.supports_missing:
            train = with_all_views(self.name, self.requires, train)
            # None if nothing is left to judge by.
            validation = (validation and validation.with_views(*train.views)) or None
        self.dims = train.dims
        self.encoders = dict(train.encoders)
        self.trained = {"rows": len(train), "labelled": int(train.labelled.sum())}
        run = run or FitRun()
        with thread_limit(n_jobs), _reports(run, callback, self.name if verbose else None) as run:
            self._fit(train, validation, run)
        self.history_ = run.history
        if len(train) < n:
            self.trained["left_out"] = n - len(train)
        return self

    def project(self, items: Any, view: str | None = None) -> np.ndarray:
        """Return the real-valued hash outputs of `items`, (n, bits) float32; bit = output > 0."""
        outputs = self._in_batches(items, self._view(view), self._project)
        return outputs if len(outputs) else np.empty((0, self.bits), dtype=np.float32)

    def _in_batches(
        self, items: Any, view: str, act: Callable[[np.ndarray, str], np.ndarray]
    ) -> np.ndarray:
        """Return act(dense batch, view) of all items, one batch after the other."""
        items = self._check(items, view)
        starts = range(0, max(items.shape[0], 1), BATCH)
        return np.concatenate([act(_dense(items[at : at + BATCH]), view) for at in starts])

    def encode(
        self,
        items: Any,
        view: str | None = None,
        ids: np.ndarray | None = None,
        *,
        n_jobs: int | None = None,
    ) -> Codes:
        """Return the codes of items seen through one view alone.

        Deterministic, in batches of 4,096 rows: memory beyond the codes does not grow with n.

        Parameters
        ----------
        items : (n, d) features, or a list of raw texts or pictures
            Raw items where the model kept its preprocessing at `fit`, see `encode_raw`.
        view : str, optional
            A model of one view needs none.
        ids : (n,), optional
            The index of a pandas frame, or row numbers, if not given.
        n_jobs : int, optional
            Threads of matrix products; None: as BLAS and torch are set, all cores by default.
        """
        view = self._view(view)
        with thread_limit(n_jobs):
            if _is_raw(items):
                return self.encode_raw(items, view, ids)
            ids = index_of(items) if ids is None else ids
            items = self._check(items, view)
            parts = [
                Codes.pack(self._project(_dense(items[start : start + BATCH]), view) > 0).packed
                for start in range(0, items.shape[0], BATCH)
            ]
        empty = np.empty((0, code_bytes(self.bits)), dtype=np.uint8)
        return Codes(np.concatenate(parts) if parts else empty, self.bits, ids)

    def encode_database(self, corpus: Corpus, view: str, coding: str = "single") -> Codes:
        """Return the codes of database items that are to be searched through `view`.

        Parameters
        ----------
        corpus : Corpus
            The items, in all views that the coding looks at.
        view : str
            The view that they are searched through.
        coding : str
            One of `codings`; what they mean stands in `CODINGS`.

        Raises
        ------
        ConfigError
            If the method does not offer the coding.
        DataError
            If an item has no code of that kind (train codes are those of training rows).
        """
        self.check_coding(coding)
        if coding == "single":
            return self.encode(corpus[view], view, corpus.ids)
        self._check_fitted()
        return self._encode_together(corpus, view, coding)

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

        Killed at any moment, the folder still holds the old model or already the new one.
        """
        from safetensors.numpy import save

        self._check_fitted()
        weights = save({name: np.ascontiguousarray(a) for name, a in self._arrays().items()})
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
        write_model(folder, config, weights)

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

    def _encode_together(self, corpus: Corpus, view: str, coding: str) -> Codes:
        """Return codes of a coding other than "single", for methods whose `codings` name one."""
        raise AssertionError(f"{self.name} names {coding} among its codings and gives no codes")

    # -- checks ----------------------------------------------------------------------------

    def check_coding(self, coding: str) -> None:
        """Raise a ConfigError if the method does not code a database in this way."""
        if coding not in self.database_codings:
            raise ConfigError(
                f"{self.name} offers no {coding!r} codes of a database; it has: "
                f"{', '.join(self.database_codings)}"
            )

    def _check_fitted(self) -> None:
        if not self.dims:
            raise ConfigError(f"this {self.name} is not fitted yet; call fit first")

    def _view(self, view: str | None) -> str:
        """Return the view that is meant: the only one if none is named."""
        self._check_fitted()
        if view is None:
            if len(self.dims) > 1:
                raise DataError(f"name the view of the items: {' or '.join(self.dims)}")
            view = next(iter(self.dims))
        return view

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


def _dense(batch: Any) -> np.ndarray:
    if isinstance(batch, sparse.csr_matrix):
        return batch.toarray()
    return np.asarray(batch, dtype=np.float32)


def check_requirements(name: str, requires: Set[str], max_views: int | None, train: Corpus) -> None:
    """Raise a DataError that names the fix if the method `name` cannot learn from `train`.

    Parameters
    ----------
    name : str
    needs : set of "labels", "pairs", "one space"
        See `Hasher`; "pictures" is for the method to check, which knows what it reads as one.
    most_views : int or None
        How many views it can learn; None: any number.
    train : Corpus
    """
    if "labels" in requires and not train.labelled.any():
        raise DataError(
            f"{name} learns from labels, but no training row has any; give labels, "
            "or choose a method that needs none (see `crossbit methods`)"
        )
    if "pairs" in requires and len(train.views) < 2:
        raise DataError(f"{name} needs at least two views, {train.name} has one")
    if "one space" in requires and len(set(train.dims.values())) > 1:
        widths = ", ".join(f"{view} has {width}" for view, width in train.dims.items())
        raise DataError(
            f"{name} codes all views by one function, so they must be vectors of one "
            f"space, as CLIP's are, but {widths} dimensions; itq_cca finds a common space first"
        )
    if max_views is not None and len(train.views) > max_views:
        raise DataError(
            f"{name} learns from at most {max_views} views, {train.name} has "
            f"{len(train.views)} ({', '.join(train.views)}); leave some out, or choose a "
            "method for any number (see `crossbit methods`)"
        )
    for view in train.present:
        if not train.has(view).any():
            raise DataError(
                f"no training row of {train.name} has the view {view!r}, so nothing can be "
                "learnt about it; leave it out, or split with another seed"
            )


def with_all_views(name: str, requires: Set[str], train: Corpus) -> Corpus:
    """Return the rows that have all views; a DataError if nothing can be learnt from them."""
    whole = train.with_views(*train.views)
    if not len(whole) or ("labels" in requires and not whole.labelled.any()):
        labelled = "labelled " if len(whole) else ""
        raise DataError(
            f"{name} learns from items that have all views, but every {labelled}"
            "training row lacks one; choose a method that takes them, such as schgan"
        )
    return whole


def _corpus(views: Any, labels: Any) -> Corpus:
    if not isinstance(views, Mapping):
        raise DataError(
            f"fit takes a Corpus, or a mapping of view names to features such as "
            f"{{'image': x, 'text': y}}, got {type(views).__name__}"
        )
    return Corpus(views, labels=labels)


def _is_raw(items: Any) -> bool:
    """Return whether these are texts or pictures: a list whose items are no rows of numbers."""
    if not isinstance(items, list | tuple) or not len(items):
        return False
    first = items[0]
    picture = hasattr(first, "convert") or (isinstance(first, np.ndarray) and first.ndim in (2, 3))
    return picture or isinstance(first, str | bytes | Path)


@contextmanager
def _reports(
    run: FitRun, callback: Callable[[dict[str, Any]], None] | None, title: str | None
) -> Iterator[FitRun]:
    """Have a run tell a callback, and show its progress under a title, beside its own report."""
    listeners = [listener for listener in (run.report, callback) if listener is not None]
    with Progress(title) if title else nullcontext() as progress:
        if progress is not None:
            listeners.append(progress)

        def report(event: dict[str, Any]) -> None:
            for listener in listeners:
                listener(event)

        yield dataclasses.replace(run, report=report if listeners else None)
