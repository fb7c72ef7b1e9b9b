"""ShardFolder: extracted features on disk, where each shard is there as a whole or not at all."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from crossbit.errors import ConfigError, DataError, MissingDependencyError
from crossbit.files import check_format, replace_file, write_array, write_json, write_text

__all__ = ["FORMAT", "HEAD", "ShardFolder", "parquet"]

FORMAT = 1
HEAD, BAD = "features.json", "bad.csv"
LEFT = (".features.json.*", ".bad.csv.*", "*/.?????.np[yz].*", "*/.?????.parquet.*")
NAMES = {"source": "data", "views": "encoders", "rows_per_shard": "rows", "items": "data"}


class ShardFolder:
    """Features of n items, a numbered file per shard in a folder for each view.

    - ``features.json``: format version, where the items come from, the encoder and the shape of
      each view, options; once all is there, ``finished`` with counts.
    - ``image/00000.npy``, ...: (rows, ...) float16 or float32, a row of NaN where an item lacks
      the view; ``text/00000.npz`` for sparse views.
    - ``metadata/00000.parquet``, ...: id, caption, path, labels, and which views an item has.
      Written last: a shard that has it is complete.
    - ``bad.csv``: the pictures that could not be read, and why.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    # -- writing ---------------------------------------------------------------------------

    def begin(self, about: Mapping[str, Any]) -> None:
        """Make the folder for what `about` describes, or take up the one that was made for it.

        Raises
        ------
        ConfigError
            If the folder holds anything else.
        MissingDependencyError
            If pyarrow is not installed: before anything is made.
        """
        parquet()
        wanted = json.loads(json.dumps({"format": FORMAT, **about}))
        if (self.path / HEAD).is_file():
            found = {key: value for key, value in self.head().items() if key != "finished"}
            differing = {key for key in {*found, *wanted} if found.get(key) != wanted.get(key)}
            if differing == {"bad"} and wanted["bad"] == "skip" and "finished" not in self.head():
                write_json(self.path / HEAD, wanted)  # no shard that is done has a bad picture
            elif differing:
                listing = ", ".join(sorted({NAMES.get(key, key) for key in differing}))
                raise ConfigError(
                    f"{self.path} was begun with other {listing}; choose another folder, or give "
                    "the options it was begun with to go on"
                )
            for left in (file for kind in LEFT for file in self.path.glob(kind)):
                left.unlink()  # what a killed run had half written
            return
        if self.path.exists() and any(self.path.iterdir() if self.path.is_dir() else [self.path]):
            raise ConfigError(f"{self.path} holds other files; choose another folder")
        write_json(self.path / HEAD, wanted)

    def has(self, number: int) -> bool:
        """Return whether a shard is complete."""
        return self._file("metadata", number, "parquet").is_file()

    def write(
        self,
        number: int,
        views: Mapping[str, np.ndarray | sparse.csr_matrix],
        columns: Mapping[str, Sequence[Any]],
        bad: Sequence[tuple[str, str, str]],
    ) -> None:
        """Write one shard, its metadata last.

        Parameters
        ----------
        views : mapping of view to (rows, ...) array or CSR
        columns : mapping of column to rows values
            id (an array of int64 or str), caption, path, labels, and has_VIEW.
        bad : sequence of (id, path, reason)
        """
        for view, rows in views.items():
            if sparse.issparse(rows):
                with replace_file(self._file(view, number, "npz")) as stream:
                    sparse.save_npz(stream, rows)
            else:
                write_array(self._file(view, number, "npy"), rows)
        # What an interrupted run said of this shard and later ones is said again.
        told = self.bad()
        kept = [line for line in told if int(line[0]) < number]
        lines = [*kept, *([str(number), *line] for line in bad)]
        if lines != told:
            text = io.StringIO()
            writer = csv.writer(text, lineterminator="\n")
            writer.writerows([("shard", "id", "path", "reason"), *lines])
            write_text(self.path / BAD, text.getvalue())
        table = _table(columns)
        with replace_file(self._file("metadata", number, "parquet")) as stream:
            parquet().write_table(table, stream)

    def finish(self, counts: Mapping[str, int]) -> None:
        """Say in features.json that all shards are there, and what is in them."""
        write_json(self.path / HEAD, {**self.head(), "finished": dict(counts)})

    # -- reading ---------------------------------------------------------------------------

    def head(self) -> dict[str, Any]:
        """Return what features.json says.

        Raises
        ------
        DataError
            If it is missing, damaged or of another format version.
        """
        file = self.path / HEAD
        try:
            head = json.loads(file.read_text(encoding="utf-8"))
            version = head["format"]
        except FileNotFoundError:
            raise DataError(
                f"{self.path} holds no features of `crossbit extract`: {HEAD} is missing"
            ) from None
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{file} is damaged ({error}); extract again") from None
        check_format(file, version, FORMAT, "extract again")
        return dict(head)

    def bad(self) -> list[list[str]]:
        """Return [shard, id, path, reason] of every picture that could not be read."""
        file = self.path / BAD
        if not file.is_file():
            return []
        with file.open(encoding="utf-8", newline="") as stream:
            return list(csv.reader(stream))[1:]

    def rows(self, shards: int) -> list[int]:
        """Return how many rows each of the first shards has."""
        read = parquet().read_metadata
        return [read(self._file("metadata", k, "parquet")).num_rows for k in range(shards)]

    def metadata(self, shards: int) -> Any:
        """Return the metadata of all shards as one pyarrow table, memory-mapped."""
        import pyarrow

        read = parquet().read_table
        files = [self._file("metadata", k, "parquet") for k in range(shards)]
        return pyarrow.concat_tables([read(file, memory_map=True) for file in files])

    def arrays(self, view: str, shards: int, *, is_sparse: bool) -> list[Any]:
        """Return a view's shards: memory maps, or CSR matrices.

        Raises
        ------
        DataError
            If one is missing or damaged.
        """
        found = []
        for number in range(shards):
            file = self._file(view, number, "npz" if is_sparse else "npy")
            try:
                if is_sparse:
                    found.append(sparse.csr_matrix(sparse.load_npz(file)))
                else:
                    found.append(np.load(file, mmap_mode="r", allow_pickle=False))
            except FileNotFoundError:
                raise DataError(f"{file} is missing; copy the whole folder") from None
            except Exception as error:  # NumPy, scipy and zipfile each raise their own
                raise DataError(f"{file} is damaged ({error}); extract again") from error
        return found

    def _file(self, folder: str, number: int, suffix: str) -> Path:
        return self.path / folder / f"{number:05d}.{suffix}"


def parquet() -> Any:
    """Return the module pyarrow.parquet.

    Raises
    ------
    MissingDependencyError
        If pyarrow is not installed.
    """
    try:
        import pyarrow.parquet
    except ImportError:
        raise MissingDependencyError(
            "the table of ids and captions needs pyarrow; install it with "
            "pip install 'crossbit[features]'"
        ) from None
    return pyarrow.parquet


def _table(columns: Mapping[str, Sequence[Any]]) -> Any:
    import pyarrow

    whole = np.asarray(columns["id"]).dtype.kind == "i"
    kinds = {
        "id": pyarrow.int64() if whole else pyarrow.string(),
        "caption": pyarrow.string(),
        "path": pyarrow.string(),
        "labels": pyarrow.list_(pyarrow.string()),
    }
    return pyarrow.table(
        {
            name: pyarrow.array(values, kinds.get(name, pyarrow.bool_()))
            for name, values in columns.items()
        }
    )
