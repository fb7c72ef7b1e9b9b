"""The sheet of synthetic pictures: every class in its row, beside its name."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from crossbit.errors import ConfigError
from crossbit.evaluation.synthetic import GAP, synthetic_sheet


class Draws:
    """Draws plain pictures, the brighter the higher the class; colours by choice."""

    classes = 3

    def __init__(self, colours: int) -> None:
        self.colours = colours

    def synthesise(self, labels: np.ndarray, seed: int = 0) -> np.ndarray:
        level = labels.argmax(axis=1) / 10 + seed / 100
        return np.broadcast_to(level[:, None, None, None], (len(labels), 28, 28, self.colours))


@pytest.mark.parametrize("colours", [1, 3])
@pytest.mark.parametrize("names", [(), ("none", "one", "a very long name")])
def test_a_row_for_each_class(colours: int, names: tuple[str, ...]) -> None:
    png = synthetic_sheet(Draws(colours), names, columns=4, seed=2)
    sheet = np.asarray(Image.open(BytesIO(png)))
    cell = 56 + 2 * GAP
    assert sheet.shape[0] == 3 * cell
    margin = sheet.shape[1] - 4 * cell
    assert (margin > 0) == bool(names)
    for row in range(3):
        for column in range(4):
            middle = sheet[row * cell + cell // 2, margin + column * cell + cell // 2]
            np.testing.assert_array_equal(middle, round(255 * (row / 10 + 0.02)))
    if names:
        for row in range(3):
            assert (sheet[row * cell : (row + 1) * cell, :margin] < 128).any()


def test_a_sheet_has_columns() -> None:
    with pytest.raises(ConfigError, match="at least one column, got 0"):
        synthetic_sheet(Draws(1), columns=0)
