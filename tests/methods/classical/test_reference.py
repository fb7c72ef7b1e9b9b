"""Against the authors' code on the same rows: MAP as expected over tie orders, full ranking.

Settings are the authors' own, whatever the defaults; where a figure is one of several seeds, so is
the reference. "Within" allows a figure to be better.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from crossbit import methods
from crossbit.evaluation import evaluate
from crossbit.splits import Split

# bits: image->text, text->image
CVH_WIKIPEDIA = {
    16: (0.171, 0.153),
    32: (0.152, 0.131),
    64: (0.147, 0.122),
    128: (0.146, 0.119),
}
CMFH_WIKIPEDIA = {
    (16, "single"): (0.220, 0.208),
    (32, "single"): (0.233, 0.228),
    (64, "single"): (0.245, 0.237),
    (16, "fused"): (0.212, 0.488),
    (32, "fused"): (0.224, 0.519),
    (64, "fused"): (0.235, 0.534),
}
MIRFLICKR = {("cvh", 16): (0.553, 0.553), ("cvh", 64): (0.554, 0.554), ("cmfh", 16): (0.567, 0.563)}


def found(
    name: str, split: Split, bits: int, coding: str = "single", seeds: int = 1, **settings: Any
) -> np.ndarray:
    """Return MAP image->text and text->image, (2,), the mean over seeds."""
    rows = []
    for seed in range(seeds):
        hasher = methods.get(name)(bits=bits, seed=seed, **settings).fit(split.train)
        report = evaluate(hasher, split, coding=coding)
        rows.append([report.map[way].expected for way in ("image->text", "text->image")])
    return np.mean(rows, axis=0)


def test_cvh_gives_the_wikipedia_figures_to_the_third_decimal(wikipedia: Split) -> None:
    """The ridge is the authors' 1e-4 for images, as a share of their mean variance."""
    maps = found("cvh", wikipedia, 8, ridge=2.5e-4, scaling="centred")
    np.testing.assert_allclose(maps, (0.189, 0.186), atol=5e-4)


@pytest.mark.parametrize("bits", CVH_WIKIPEDIA)
def test_cvh_falls_with_bits_that_have_no_direction(wikipedia: Split, bits: int) -> None:
    maps = found("cvh", wikipedia, bits, seeds=3, ridge=2.5e-4, scaling="centred")
    np.testing.assert_allclose(maps, CVH_WIKIPEDIA[bits], atol=0.02)


@pytest.mark.parametrize(("bits", "coding"), CMFH_WIKIPEDIA)
def test_cmfh_gives_the_wikipedia_figures(wikipedia: Split, bits: int, coding: str) -> None:
    seeds = 5 if bits < 64 else 2
    maps = found("cmfh", wikipedia, bits, coding, seeds, scaling="centred")
    assert (maps > np.subtract(CMFH_WIKIPEDIA[bits, coding], 0.02)).all(), maps


@pytest.mark.parametrize(("name", "bits"), MIRFLICKR)
def test_the_mirflickr_figures(mirflickr: Split, name: str, bits: int) -> None:
    settings = {"ridge": 1e-4} if name == "cvh" else {}
    maps = found(name, mirflickr, bits, scaling="standard", **settings)
    assert (maps > np.subtract(MIRFLICKR[name, bits], 0.02)).all(), maps
