"""clip-retrieval's folders: embeddings, captions and paths as that program writes them."""

from __future__ import annotations

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from crossbit import datasets
from crossbit.errors import ConfigError, DataError

SIZES = [4, 3, 4, 3, 3, 4, 3, 3, 3, 3, 5, 2]  # twelve files: file 10 comes after file 9


def write(folder, *, metadata=True, text=True, padded=0):
    """Write what `clip-retrieval inference` does, float16 and numbered; return both views."""
    random = np.random.default_rng(0)
    rows = {"img_emb": [], "text_emb": []}
    at = 0
    for number, size in enumerate(SIZES):
        name = str(number).zfill(padded)
        for kind in rows:
            made = random.normal(size=(size, 8))
            made = (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float16)
            rows[kind].append(made)
            if kind == "img_emb" or text:
                (folder / kind).mkdir(parents=True, exist_ok=True)
                np.save(folder / kind / f"{kind}_{name}.npy", made)
        if metadata:
            (folder / "metadata").mkdir(exist_ok=True)
            positions = range(at, at + size)
            table = pyarrow.table(
                {
                    "image_path": [f"photos/{k}.jpg" for k in positions],
                    "caption": [f"caption {k}" for k in positions],
                    "key": [f"k{k:05d}" for k in positions],
                    "width": list(positions),
                }
            )
            file = folder / "metadata" / f"metadata_{name}.parquet"
            pyarrow.parquet.write_table(table, file)
        at += size
    return {name: np.concatenate(parts).astype(np.float32) for name, parts in rows.items()}


@pytest.mark.parametrize("padded", [0, 2, 4])
def test_a_folder_is_read_as_it_is(tmp_path, padded) -> None:
    expected = write(tmp_path / "laion", padded=padded)
    corpus = datasets.load(tmp_path / "laion")
    assert corpus.name == "laion"
    np.testing.assert_array_equal(corpus["image"], expected["img_emb"])
    np.testing.assert_array_equal(corpus["text"], expected["text_emb"])
    assert isinstance(corpus["image"], np.memmap)
    assert corpus.ids.tolist() == list(range(40))
    assert corpus.raw_item("text", 37) == "caption 37"
    assert str(corpus.raw["image"].source(37)) == "photos/37.jpg"
    assert not corpus.encoders


def test_images_alone_without_metadata_are_enough(tmp_path) -> None:
    expected = write(tmp_path, metadata=False, text=False)
    corpus = datasets.load(tmp_path)
    assert list(corpus.views) == ["image"]
    np.testing.assert_array_equal(corpus["image"], expected["img_emb"])


def test_ids_can_be_a_column(tmp_path) -> None:
    write(tmp_path)
    assert datasets.load(tmp_path, id_column="key").ids[-1] == "k00039"
    assert datasets.load(tmp_path, id_column="width").ids.dtype.kind == "i"
    with pytest.raises(DataError, match="no column 'uid', only image_path, caption, key, width"):
        datasets.load(tmp_path, id_column="uid")


def test_the_model_that_made_the_embeddings_can_be_named(tmp_path) -> None:
    write(tmp_path / "laion")
    (tmp_path / "clip").mkdir()
    corpus = datasets.load(tmp_path / "laion", encoder=f"clip:{tmp_path}/clip")
    for view in "image", "text":
        assert corpus.encoders[view].kind == "clip"
        assert corpus.encoders[view].side == view
        assert corpus.encoders[view].model == str(tmp_path / "clip")
    with pytest.raises(ConfigError, match="no encoder 'klip' reads images; did you mean 'clip'"):
        datasets.load(tmp_path / "laion", encoder="klip:x")


def test_parts_that_do_not_belong_together_are_refused(tmp_path) -> None:
    write(tmp_path)
    (tmp_path / "text_emb" / "text_emb_3.npy").unlink()
    with pytest.raises(DataError, match=r"img_emb has 12 files of 40 rows, text_emb has 11 files"):
        datasets.load(tmp_path)
    np.save(tmp_path / "text_emb" / "text_emb_3.npy", np.zeros((2, 8), np.float16))
    with pytest.raises(DataError, match="do not belong together, file by file"):
        datasets.load(tmp_path)


def test_damaged_and_empty_folders_are_refused(tmp_path) -> None:
    (tmp_path / "img_emb").mkdir()
    with pytest.raises(DataError, match="holds no embeddings such as"):
        datasets.load(tmp_path)
    (tmp_path / "img_emb" / "img_emb_0.npy").write_bytes(b"cut")
    with pytest.raises(DataError, match=r"img_emb_0\.npy cannot be read"):
        datasets.load(tmp_path)
    np.save(tmp_path / "img_emb" / "img_emb_0.npy", np.zeros(3))
    with pytest.raises(DataError, match="holds no rows of embeddings"):
        datasets.load(tmp_path)
