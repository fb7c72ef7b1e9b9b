"""Wikipedia featured articles: 2,866 pairs of SIFT words and LDA topics in ten categories."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from crossbit.corpus import Corpus
from crossbit.datasets.dataset_paths import locate
from crossbit.errors import DataError

__all__ = ["load"]

MATRICES = "raw_features.mat"
LISTS = ("trainset_txt_img_cat.list", "testset_txt_img_cat.list")
SHAPES = {"I_tr": (2173, 128), "T_tr": (2173, 10), "I_te": (693, 128), "T_te": (693, 10)}
PUBLISHED = (
    "http://www.svcl.ucsd.edu/projects/crossmodal/ (Rasiwasia et al., A New Approach to "
    "Cross-Modal Multimedia Retrieval, ACM Multimedia 2010)"
)
CATEGORIES = (
    "art & architecture",
    "biology",
    "geography & places",
    "history",
    "literature & theatre",
    "media",
    "music",
    "royalty & nobility",
    "sport & recreation",
    "warfare",
)


def load(root: str | Path | None = None) -> Corpus:
    """Return the 2,173 published training pairs, then the 693 test pairs.

    Views: image (128 SIFT words), text (10 LDA topics). One category each; ids are
    ``text-id|image-id``. The recipe "wikipedia" knows the order of the rows.

    Raises
    ------
    DataError
        If the original files are missing, damaged or of other shapes.
    """
    folder = locate("wikipedia", "wikipedia", (MATRICES, *LISTS), PUBLISHED, root)
    image, text = _matrices(folder / MATRICES)
    ids: list[str] = []
    categories: list[int] = []
    for name, expected in zip(LISTS, (SHAPES["I_tr"][0], SHAPES["I_te"][0]), strict=True):
        part_ids, part_categories = _list(folder / name, expected)
        ids += part_ids
        categories += part_categories
    labels = np.zeros((len(ids), len(CATEGORIES)), dtype=bool)
    labels[np.arange(len(ids)), np.array(categories) - 1] = True
    return Corpus(
        views={"image": image, "text": text},
        ids=np.array(ids),
        labels=labels,
        name="wikipedia",
        label_names=CATEGORIES,
    )


def _matrices(path: Path) -> tuple[np.ndarray, np.ndarray]:
    from scipy.io import loadmat

    try:
        found = loadmat(path, variable_names=list(SHAPES))
    except Exception as error:  # scipy's reader raises many kinds for a damaged file
        raise DataError(
            f"{path} cannot be read as a MATLAB file ({type(error).__name__}: {error}); get the "
            f"original from {PUBLISHED}"
        ) from error
    for name, shape in SHAPES.items():
        has = found[name].shape if name in found else "nothing"
        if has != shape:
            raise DataError(
                f"{path} should hold {name} of shape {shape}, it has {has}; get the original from "
                f"{PUBLISHED}"
            )
    return (
        np.concatenate([found["I_tr"], found["I_te"]]),
        np.concatenate([found["T_tr"], found["T_te"]]),
    )


def _list(path: Path, expected: int) -> tuple[list[str], list[int]]:
    """Return ids and categories (1..10) of a list: text id, image id, category by tabs."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    if len(lines) != expected:
        raise DataError(f"{path} has {len(lines):,} lines, expected {expected:,}: get it again")
    ids, categories = [], []
    for number, line in enumerate(lines, start=1):
        fields = line.split("\t")
        known = len(fields) == 3 and fields[2].strip().isdecimal()
        if not known or not 1 <= int(fields[2]) <= len(CATEGORIES):
            raise DataError(
                f"{path}, line {number}: expected text id, image id and a category 1..10, "
                f"separated by tabs, got {line!r}"
            )
        ids.append(f"{fields[0]}|{fields[1]}")
        categories.append(int(fields[2]))
    return ids, categories
