"""clip-retrieval: the folders that `clip-retrieval inference` writes, as they are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from crossbit.corpus import Corpus, Encoder
from crossbit.datasets.concat_shards import joined
from crossbit.datasets.pictures import Pictures
from crossbit.datasets.shards import Column
from crossbit.errors import CrossbitError, DataError
from crossbit.features.named import named_encoder
from crossbit.features.shards import parquet

__all__ = ["load"]

VIEWS = {"image": "img_emb", "text": "text_emb"}


def load(path: Path, encoder: str = "", id_column: str = "") -> Corpus:
    """Return the embeddings in a folder as a corpus, with captions and picture paths.

    - ``img_emb/img_emb_0.npy``, ``text_emb/text_emb_0.npy``, ...: views image and text, or one
      of them; (rows, d) float16 or float32, memory-mapped and joined as in `joined`.
    - ``metadata/metadata_0.parquet``, ... (optional): of its columns, ``caption`` and
      ``image_path``.

    Parameters
    ----------
    encoder : str
        What made the embeddings, such as ``clip:laion/CLIP-ViT-B-32-laion2B-s34B-b79K``: then a
        model takes raw queries. The folder does not say it.
    id_column : str
        The metadata's column of unique ids, such as ``key``; row numbers if not given.

    Raises
    ------
    DataError
        If files are missing, damaged or do not fit together.
    """
    try:
        return _joined(path, encoder, id_column)
    except CrossbitError:
        raise
    except Exception as error:  # pyarrow raises whatever damaged tables lead it to
        raise DataError(f"{path} is damaged ({error}); copy it whole") from error


def _joined(path: Path, encoder: str, id_column: str) -> Corpus:
    parts = {
        view: _numbered(path / name, name, "npy")
        for view, name in VIEWS.items()
        if (path / name).is_dir()
    }
    if not any(parts.values()):
        raise DataError(f"{path} holds no embeddings such as img_emb/img_emb_0.npy; copy it whole")
    arrays = {view: [_array(file) for file in files.values()] for view, files in parts.items()}
    tables = _numbered(path / "metadata", "metadata", "parquet")
    sizes = {
        VIEWS[view]: dict(zip(files, map(len, arrays[view]), strict=True))
        for view, files in parts.items()
    }
    if tables:
        read = parquet().read_metadata
        sizes["metadata"] = {number: read(file).num_rows for number, file in tables.items()}
    if any(found != next(iter(sizes.values())) for found in sizes.values()):
        listing = ", ".join(
            f"{name} has {len(found)} files of {sum(found.values()):,} rows"
            for name, found in sizes.items()
        )
        raise DataError(
            f"the parts of {path} do not belong together, file by file: {listing}; copy it whole"
        )
    raw, ids = _described(list(tables.values()), id_column)
    encoders: dict[str, Encoder] = {}
    if encoder:
        encoders = {view: named_encoder(encoder, view, {}, ()) for view in arrays}
    return Corpus(
        views={view: joined(found) for view, found in arrays.items()},
        ids=ids,
        name=path.resolve().name,
        encoders=encoders,
        raw=raw,
    )


def _numbered(folder: Path, name: str, suffix: str) -> dict[int, Path]:
    """Return the files NAME_<number>.SUFFIX in a folder, by number: 2 is before 10."""
    pattern = re.compile(rf"{name}_(\d+)\.{suffix}")
    files = folder.iterdir() if folder.is_dir() else ()
    found = {int(match[1]): file for file in files if (match := pattern.fullmatch(file.name))}
    return dict(sorted(found.items()))


def _array(file: Path) -> np.ndarray:
    try:
        found = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{file} cannot be read ({error}); copy it again") from error
    if not isinstance(found, np.ndarray) or found.ndim != 2:
        raise DataError(f"{file} holds no rows of embeddings; copy it again")
    return found


def _described(
    tables: Sequence[Path], id_column: str
) -> tuple[dict[str, Sequence[Any]], np.ndarray | None]:
    """Return captions, pictures and ids, as far as the metadata hold them."""
    if not tables:
        if id_column:
            raise DataError(f"there is no metadata with a column {id_column!r}")
        return {}, None
    import pyarrow

    schema = parquet().read_schema(tables[0])
    if id_column and id_column not in schema.names:
        raise DataError(
            f"the metadata have no column {id_column!r}, only {', '.join(schema.names)}"
        )
    wanted = {"caption", "image_path", id_column}
    columns = [name for name in schema.names if name in wanted]
    if not columns:
        return {}, None
    table = pyarrow.concat_tables(
        [parquet().read_table(file, columns=columns, memory_map=True) for file in tables],
        promote_options="permissive",
    )
    raw: dict[str, Sequence[Any]] = {}
    if "caption" in columns:
        raw["text"] = Column(table["caption"], missing="")
    if "image_path" in columns:
        paths = Column(table["image_path"])
        raw["image"] = Pictures(len(table), lambda k: None if paths[k] is None else Path(paths[k]))
    if not id_column:
        return raw, None
    ids = table[id_column].to_numpy()
    return raw, ids if ids.dtype.kind == "i" else ids.astype(np.str_)
