"""MIRFlickr-25K pairs: picture statistics or pixels, and 1,386 tags, under 24 labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from scipy import sparse

from crossbit.corpus import Corpus, Encoder
from crossbit.datasets.archive import read_arrays
from crossbit.datasets.dataset_paths import locate
from crossbit.datasets.pictures import Pictures
from crossbit.errors import ConfigError, DataError, suggest
from crossbit.features.bow import BagOfWords
from crossbit.features.pixels import Pixels

__all__ = ["load"]

PAIRS = "mirflickr_pairs.npz"
VOCABULARY = "tag_vocabulary_1386.txt"
PICTURES = "mirflickr_images_jpg64.npz"
PUBLISHED = (
    "https://press.liacs.nl/mirflickr/ (Huiskes and Lew, The MIR Flickr Retrieval Evaluation, "
    "ACM MIR 2008)"
)
KINDS = ("statistics", "pixels")
SIZE = 64  # pixels, of the pictures in the file
ARRAYS = (
    "image_id",
    "gist512",
    "rgbhist64",
    "labels24",
    "label_names",
    "tags_indices",
    "tags_indptr",
    "tags_shape",
)


def load(
    root: str | Path | None = None, image: Literal["statistics", "pixels"] = "statistics"
) -> Corpus:
    """Return the pairs: image (GIST 512 and RGB histogram 64), text (1,386 tags, 0/1).

    Several of 24 labels each, ids are MIRFlickr's image numbers. The 64x64 pictures come along,
    decoded when looked at, where their file is present.

    Parameters
    ----------
    image : "statistics" or "pixels"
        "pixels": the view is the pictures themselves, (n, 12,288) in 0..1, and their file is
        needed. About 10 seconds and 500 MB.

    Raises
    ------
    ConfigError
        If `image` is neither.
    DataError
        If files are missing, damaged or do not fit together.
    """
    if image not in KINDS:
        raise ConfigError(f"image of mirflickr is {image!r}{suggest(str(image), KINDS)}")
    pixels = image == "pixels"
    files = (PAIRS, VOCABULARY, *((PICTURES,) if pixels else ()))
    folder = locate("mirflickr", "mirflickr25k", files, PUBLISHED, root)
    pairs = read_arrays(folder / PAIRS, ARRAYS)
    words = (folder / VOCABULARY).read_text(encoding="utf-8").splitlines()
    n, d = (int(size) for size in pairs["tags_shape"])
    if len(words) != d:
        raise DataError(f"{folder / VOCABULARY} has {len(words):,} tags for {d:,} columns")
    try:
        ones = np.ones(len(pairs["tags_indices"]), dtype=np.float32)
        tags = sparse.csr_matrix((ones, pairs["tags_indices"], pairs["tags_indptr"]), shape=(n, d))
        tags.check_format()
        statistics = np.hstack([pairs["gist512"], pairs["rgbhist64"]]).astype(np.float32)
    except ValueError as error:
        raise DataError(f"{folder / PAIRS} is damaged ({error}); get it again") from error
    texts = [
        " ".join(words[column] for column in tags.indices[start:stop])
        for start, stop in zip(tags.indptr[:-1], tags.indptr[1:], strict=True)
    ]
    raw: dict[str, Sequence[Any]] = {"text": texts}
    if (folder / PICTURES).is_file():
        raw["image"] = _pictures(folder / PICTURES, pairs["image_id"])
    encoders: dict[str, Encoder] = {"text": BagOfWords(words, binary=True)}
    if pixels:
        encoders["image"] = Pixels(SIZE)
    return Corpus(
        views={"image": encoders["image"](raw["image"]) if pixels else statistics, "text": tags},
        ids=pairs["image_id"].astype(np.int64),
        labels=pairs["labels24"],
        name="mirflickr",
        label_names=[str(name) for name in pairs["label_names"]],
        encoders=encoders,
        raw=raw,
    )


def _pictures(path: Path, image_ids: np.ndarray) -> Pictures:
    found = read_arrays(path, ("image_id", "jpeg_offsets", "jpeg_bytes"))
    offsets = found["jpeg_offsets"]
    if not np.array_equal(found["image_id"], image_ids) or len(offsets) != len(image_ids) + 1:
        raise DataError(f"{path} holds other pictures than {PAIRS}; get both from one source")
    data = found["jpeg_bytes"]
    return Pictures(len(image_ids), lambda k: data[offsets[k] : offsets[k + 1]].tobytes())
