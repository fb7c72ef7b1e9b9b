"""Split: the rows of one corpus that train, validate, ask and are searched, checked for leaks."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from crossbit.corpus import Corpus
from crossbit.errors import DataError, LeakError
from crossbit.files import check_format, sha256, write_json
from crossbit.splits.duplicates import row_hashes

__all__ = ["Split"]

FORMAT = 1
PARTS = ("train", "labelled", "validation", "query", "database")


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """Positions in one corpus, each array sorted int64 and without repetition.

    Parameters
    ----------
    corpus : Corpus
        The rows count from 0 to len(corpus) - 1, also where it is itself a subset.
    recipe, seed, options
        How the split was made, for the record.
    train_rows, labelled_rows, validation_rows, query_rows, database_rows : (n,) int64
        Training sees the labels of `labelled_rows` alone, which are part of `train_rows`.
    transductive : bool
        Allows queries in the unlabelled part of the training pool; reports say so.
    duplicates_dropped : int
        Rows kept out of training because they equal a query in all views.

    Raises
    ------
    LeakError
        If a query is also a training or validation row, or equals one in all views.
    DataError
        If the arrays are not rows of the corpus, or contradict each other.
    """

    corpus: Corpus
    recipe: str
    seed: int
    options: dict[str, Any] = field(repr=False)
    train_rows: np.ndarray = field(repr=False)
    labelled_rows: np.ndarray = field(repr=False)
    validation_rows: np.ndarray = field(repr=False)
    query_rows: np.ndarray = field(repr=False)
    database_rows: np.ndarray = field(repr=False)
    transductive: bool = False
    duplicates_dropped: int = 0

    def __post_init__(self) -> None:
        for part in PARTS:
            name = f"{part}_rows"
            rows = _as_rows(getattr(self, name), name, len(self.corpus))
            object.__setattr__(self, name, rows)
        self.check()

    def __repr__(self) -> str:
        parts = ", ".join(f"{len(getattr(self, f'{part}_rows')):,} {part}" for part in PARTS)
        return f"Split({self.recipe!r}, seed {self.seed}, of {self.corpus.name}: {parts})"

    @cached_property
    def train(self) -> Corpus:
        """The training pool; the labels of `labelled_rows` are visible, all others hidden."""
        shown = np.isin(self.train_rows, self.labelled_rows)
        return self.corpus.take(self.train_rows).hide_labels(shown)

    @cached_property
    def validation(self) -> Corpus | None:
        """The rows that choose the model, with labels; None if there are none."""
        return self.corpus.take(self.validation_rows) if len(self.validation_rows) else None

    @cached_property
    def query(self) -> Corpus:
        """The rows that ask, with labels."""
        return self.corpus.take(self.query_rows)

    @cached_property
    def database(self) -> Corpus:
        """The rows that are searched, with labels."""
        return self.corpus.take(self.database_rows)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the corpus and of every choice: equal hashes mean the same experiment."""
        arrays = [getattr(self, f"{part}_rows").astype("<i8") for part in PARTS]
        return sha256(self.corpus.fingerprint(), *arrays, str(bool(self.transductive)))

    def summary(self) -> dict[str, Any]:
        """Return the counts and the hash that stand beside every result."""
        return {
            "corpus": self.corpus.name,
            "recipe": self.recipe,
            "seed": self.seed,
            "options": dict(self.options),
            **{part: len(getattr(self, f"{part}_rows")) for part in PARTS},
            "duplicates_dropped": self.duplicates_dropped,
            "transductive": self.transductive,
            **({"lacking": self._lacking()} if self.corpus.present else {}),
            "hash": self.hash,
        }

    def _lacking(self) -> dict[str, dict[str, int]]:
        """Return how many rows of each part lack which view."""
        return {
            view: {part: int((~mask[getattr(self, f"{part}_rows")]).sum()) for part in PARTS}
            for view, mask in ((view, self.corpus.has(view)) for view in self.corpus.present)
        }

    def check(self) -> None:
        """Raise LeakError if a query can be learnt from, DataError if the parts contradict."""
        if not len(self.train_rows) or not len(self.database_rows):
            raise DataError("a split needs at least one training row and one database row")
        self._refuse(
            ~np.isin(self.labelled_rows, self.train_rows),
            self.labelled_rows,
            "is labelled but not in train",
            DataError,
        )
        self._refuse(
            np.isin(self.validation_rows, self.train_rows),
            self.validation_rows,
            "is both in train and in validation, so it could not tell a better model",
            LeakError,
        )
        self._refuse(
            np.isin(self.query_rows, self.database_rows),
            self.query_rows,
            "is a query and also in the database, where it would find itself",
            LeakError,
        )
        learnt = self.labelled_rows if self.transductive else self.train_rows
        prints = row_hashes(self.corpus)
        for rows, part in (learnt, "train"), (self.validation_rows, "validation"):
            self._refuse(
                np.isin(rows, self.query_rows),
                rows,
                f"is a query and also in {part}; take it out of one of them",
                LeakError,
            )
            self._refuse(
                np.isin(prints[rows], prints[self.query_rows]),
                rows,
                f"is in {part} and equals a query in all views; take it out of {part}",
                LeakError,
            )

    def save(self, path: str | Path) -> None:
        """Write the split as a JSON manifest, rows as ranges ("0-8,10"), with its hash."""
        manifest = {
            "format": FORMAT,
            "recipe": self.recipe,
            "seed": self.seed,
            "options": self.options,
            "transductive": self.transductive,
            "duplicates_dropped": self.duplicates_dropped,
            "corpus": {
                "name": self.corpus.name,
                "rows": len(self.corpus),
                "fingerprint": self.corpus.fingerprint(),
            },
            "rows": {part: _ranges(getattr(self, f"{part}_rows")) for part in PARTS},
            "hash": self.hash,
        }
        write_json(path, manifest)

    @classmethod
    def load(cls, path: str | Path, corpus: Corpus) -> Self:
        """Return the split saved in `path`, for the corpus it was made from.

        Raises
        ------
        DataError
            If the file is missing, damaged or edited, or the corpus is another one.
        """
        path = Path(path)
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
            check_format(path, manifest["format"], FORMAT, "make the split again")
            made_for = manifest["corpus"]
            if made_for["fingerprint"] != corpus.fingerprint():
                raise DataError(
                    f"{path} was made for {made_for['name']} with {made_for['rows']:,} rows, not "
                    f"for this {corpus.name} with {len(corpus):,}: the data differ; load the same "
                    "data or make a new split"
                )
            split = cls(
                corpus=corpus,
                recipe=str(manifest["recipe"]),
                seed=int(manifest["seed"]),
                options=dict(manifest["options"]),
                transductive=bool(manifest["transductive"]),
                duplicates_dropped=int(manifest["duplicates_dropped"]),
                **{f"{part}_rows": _parse(manifest["rows"][part]) for part in PARTS},
            )
        except FileNotFoundError:
            raise DataError(f"there is no split file {path}; `crossbit fit` writes one") from None
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(
                f"{path} is not a readable split ({type(error).__name__}: {error}); restore it "
                "or make the split again"
            ) from error
        if split.hash != manifest.get("hash"):
            raise DataError(
                f"{path} was edited: its rows do not match its hash; restore it or make the "
                "split again"
            )
        return split

    def _refuse(self, bad: np.ndarray, rows: np.ndarray, why: str, error: type[DataError]) -> None:
        if bad.any():
            row = int(rows[np.flatnonzero(bad)[0]])
            more = f" (and {int(bad.sum()) - 1:,} more)" if bad.sum() > 1 else ""
            raise error(f"row {row} (id {self.corpus.ids[row]}){more} {why}")


def _as_rows(value: Any, name: str, n: int) -> np.ndarray:
    rows = np.asarray(value)
    if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iu"):
        raise DataError(f"{name} must be a list of row numbers, got {rows.dtype} {rows.shape}")
    rows = np.sort(rows.astype(np.int64))
    if rows.size and (rows[0] < 0 or rows[-1] >= n):
        bad = rows[0] if rows[0] < 0 else rows[-1]
        raise DataError(f"{name} holds row {bad}, but the corpus has rows 0 to {n - 1}")
    if (np.diff(rows) == 0).any():
        raise DataError(f"{name} holds row {rows[:-1][np.diff(rows) == 0][0]} twice")
    return rows


def _ranges(rows: np.ndarray) -> str:
    """Return sorted rows as text, runs as "first-last"."""
    if not len(rows):
        return ""
    ends = np.flatnonzero(np.diff(rows) != 1)
    firsts = rows[np.concatenate([[0], ends + 1])].tolist()
    lasts = rows[np.concatenate([ends, [len(rows) - 1]])].tolist()
    runs = zip(firsts, lasts, strict=True)
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def _parse(text: str) -> np.ndarray:
    bounds = [run.partition("-") for run in text.split(",") if run]
    parts = [np.arange(int(a), int(b or a) + 1, dtype=np.int64) for a, _, b in bounds]
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)
