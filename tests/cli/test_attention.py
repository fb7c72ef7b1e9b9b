"""`crossbit attention`: a page or a picture of what a model attends to, and what it refuses."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crossbit.evaluation.attention import attended_shares
from crossbit.runs.folder import RunFolder

SIZES = [f"--set={text}" for text in (
    "hidden=32", "epochs=2", "min_steps_per_epoch=4", "labelled_batch=16", "channels=4", "bits=16"
)]  # fmt: skip


@pytest.fixture
def attending(invoke, table) -> Path:
    """A run of a small HashGAN on a table of pictures and sentences."""
    result = invoke("fit", table, "--method", "hashgan", *SIZES, "--out", "run")
    assert result.exit_code == 0, result.output
    return Path("run")


def test_the_page_shows_the_runs_own_queries(invoke, attending) -> None:
    result = invoke("attention", attending, "--items", "3")
    assert result.exit_code == 0, result.output
    assert "3 items drawn in run/attention.html" in result.stdout
    source = RunFolder(attending)
    for view, share in attended_shares(source.hasher, source.split.query).items():
        assert f"{view}: {share:.1%} attended on average of 6 items" in result.stdout
    page = (attending / "attention.html").read_text()
    data = re.search(r"data:image/png;base64,([^\"]+)", page)
    assert data is not None
    with Image.open(io.BytesIO(base64.b64decode(data[1]))) as picture:
        assert picture.height > 400  # three rows
    again = invoke("attention", attending, "--items", "3", "--out", "again.html")
    assert again.exit_code == 0
    assert Path("again.html").read_text() == page


def test_other_items_are_drawn_by_their_ids_as_a_picture(invoke, attending, table) -> None:
    result = invoke("attention", attending, table, "--ids", "item07,item02", "--out", "some.png")
    assert result.exit_code == 0, result.output
    assert "attended on average of 60 items" in result.stdout
    with Image.open("some.png") as picture:
        assert np.asarray(picture.convert("RGB")).std() > 10


def test_other_data_are_read_as_the_models_were(invoke, attending, table, tmp_path) -> None:
    # One row only: the words of this table alone would give another vocabulary of another width.
    (tmp_path / "new.csv").write_text(f"image,text,id\n{table.parent}/2.png,a blue square,new\n")
    result = invoke(
        "attention", attending, "new.csv", "--option", f"images={table.parent}", "--out", "new.png"
    )
    assert result.exit_code == 0, result.output
    assert "1 items drawn in new.png" in result.stdout


def test_what_cannot_be_shown_is_refused(invoke, attending, finished, table) -> None:
    result = invoke("attention", attending, "--ids", "item7")
    assert result.exit_code == 2
    assert "has no item 'item7'" in result.stderr
    result = invoke("attention", finished)
    assert result.exit_code == 2
    assert "fake has no attention to show; choose a model of hashgan" in result.stderr
