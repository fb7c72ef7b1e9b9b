"""DCMH: the objective by loops, its gradients and its B; buffers; pixels through convolutions."""

from __future__ import annotations

import math
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkerboard import board, maps, quick, split
from torch import Tensor, nn

import crossbit
from crossbit.corpus import Corpus
from crossbit.errors import ConfigError, DataError
from crossbit.features.pixels import Pixels
from crossbit.methods.deep.dcmh import Alternation
from crossbit.networks.convolution import Convolution
from crossbit.networks.pathway import Pathway
from crossbit.training.data import TrainingData
from crossbit.training.loop import run_epoch

ROWS, BITS, GAMMA, ETA = 9, 5, 0.7, 0.3
LABELLED = [0, 1, 3, 4, 6, 7, 8]
TWO, THREE = ("image", "text"), ("image", "text", "audio")


class Table(nn.Module):
    """A network whose outputs of one-hot rows are its weights."""

    def __init__(self, views: tuple[str, ...], scale: float) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(0)
        self.outputs = nn.ParameterDict(
            {v: nn.Parameter(scale * torch.randn(ROWS, BITS, generator=rng)) for v in views}
        )

    def logits(self, view: str, x: Tensor) -> Tensor:
        return x @ self.outputs[view]


def alternation(views: tuple[str, ...] = TWO, scale: float = 1.0) -> Alternation:
    labels = torch.zeros(ROWS, 3)
    labels[torch.arange(ROWS), torch.arange(ROWS) % 3] = 1
    labels[::4, 0] = 1
    seen = torch.tensor(LABELLED)
    hidden = labels.clone()
    hidden[[2, 5]] = 0
    data = TrainingData({v: torch.eye(ROWS) for v in views}, hidden, seen)
    network: Any = Table(views, scale)
    task = Alternation(
        network,
        torch.optim.SGD(network.parameters(), lr=0.1),
        data,
        torch.Generator().manual_seed(0),
        weights=(GAMMA, ETA),
        batch=3,
        steps=1,
        shapes={},
        mirror=False,
        shift=0,
    )
    task.refresh()
    return task


def objective(outputs: dict[str, np.ndarray], labels: np.ndarray, codes: np.ndarray) -> float:
    """J of the docstring, by loops; exact, so only for small outputs."""
    total = 0.0
    for a, b in combinations(outputs, 2):
        for i, f in enumerate(outputs[a]):
            for j, g in enumerate(outputs[b]):
                theta = sum(x * y for x, y in zip(f, g, strict=True)) / 2
                similar = any(labels[i, c] and labels[j, c] for c in range(labels.shape[1]))
                total -= similar * theta - math.log(1 + math.exp(theta))
    for f in outputs.values():
        total += GAMMA * sum(
            (f[i, k] - codes[i, k]) ** 2 for i in range(len(f)) for k in range(BITS)
        )
        total += ETA * sum(sum(f[i, k] for i in range(len(f))) ** 2 for k in range(BITS))
    return total


def buffers(task: Alternation) -> dict[str, np.ndarray]:
    return {view: b.double().numpy().copy() for view, b in task.buffers.items()}


@pytest.mark.parametrize("views", [TWO, THREE])
def test_the_terms_are_the_objective(views: tuple[str, ...]) -> None:
    """Every view's terms of a whole batch hold its own part of J and its likelihood with others."""
    task, rows = alternation(views), torch.arange(len(LABELLED))
    terms = torch.stack([task.losses(view, rows).detach() for view in views]).double()
    likelihood, *others = (terms.sum(0) * len(rows) ** 2).tolist()
    expected = objective(buffers(task), task.labels.numpy(), task.codes.numpy())
    assert likelihood / 2 + sum(others) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("views", [TWO, THREE])
def test_a_batch_goes_down_the_gradient_of_the_objective(views: tuple[str, ...]) -> None:
    """By differences of the naive J, in which every other row's outputs stand still."""
    task, batch = alternation(views), torch.tensor([4, 0, 2])
    for view in views:
        task.network.zero_grad(set_to_none=True)
        task.losses(view, batch).sum().backward()
        gradients = {v: p.grad for v, p in task.network.outputs.items()}
        assert [v for v, g in gradients.items() if g is not None] == [view]
        found = gradients[view] * len(batch) * len(LABELLED)
        labels, codes = task.labels.numpy(), task.codes.numpy()
        for i in range(len(LABELLED)):
            for k in range(BITS):
                sides = []
                for step in (1e-5, -1e-5):
                    moved = buffers(task)
                    moved[view][i, k] += step
                    sides.append(objective(moved, labels, codes))
                slope = (sides[0] - sides[1]) / 2e-5 if i in batch else 0.0
                assert float(found[LABELLED[i], k]) == pytest.approx(slope, abs=2e-3)
    assert float(found[[2, 5]].abs().sum()) == 0  # rows without labels


@pytest.mark.parametrize("views", [TWO, THREE])
def test_no_other_codes_are_as_near_to_the_outputs(views: tuple[str, ...]) -> None:
    """Eq. (7): the objective rises with any bit that is turned, so any other B is worse."""
    task = alternation(views)
    best = objective(buffers(task), task.labels.numpy(), task.codes.numpy())
    for i in range(len(LABELLED)):
        for k in range(BITS):
            codes = task.codes.numpy().copy()
            codes[i, k] *= -1
            assert objective(buffers(task), task.labels.numpy(), codes) > best
    assert set(task.codes.unique().tolist()) == {-1.0, 1.0}


def test_a_batch_meets_the_newest_outputs_of_the_other_view() -> None:
    task, rows = alternation(), torch.arange(len(LABELLED))
    before = buffers(task)
    with torch.no_grad():
        task.network.outputs["image"] += 1.0
    batch = torch.tensor([1, 5])
    task.losses("image", batch)
    after = buffers(task)
    np.testing.assert_allclose(after["image"][batch], before["image"][batch] + 1, rtol=1e-6)
    others = np.setdiff1d(rows, batch)
    np.testing.assert_array_equal(after["image"][others], before["image"][others])
    likelihood = float(task.losses("text", rows)[0].detach()) * len(rows) ** 2
    expected = 0.0
    for i, f in enumerate(after["image"]):
        for j, g in enumerate(after["text"]):
            similar = bool((task.labels[i] * task.labels[j]).sum() > 0)
            expected += np.log1p(np.exp(f @ g / 2)) - similar * (f @ g) / 2
    assert likelihood == pytest.approx(expected, rel=1e-5)


def test_a_round_brings_the_objective_down() -> None:
    task = alternation()
    labels = task.labels.numpy()
    values = [objective(buffers(task), labels, task.codes.numpy())]
    for number in range(1, 6):
        run_epoch(task, number)
        task.refresh()
        values.append(objective(buffers(task), labels, task.codes.numpy()))
    assert (np.diff(values) < 0).all(), values


def test_huge_outputs_overflow_nothing() -> None:
    """The authors' log(1 + exp(x)) is infinite from 89 on, in single precision."""
    task = alternation(scale=1e4)
    terms = task.losses("image", torch.arange(len(LABELLED)))
    terms.sum().backward()
    assert torch.isfinite(terms).all()
    assert torch.isfinite(task.network.outputs["image"].grad).all()


def test_few_labels_give_a_round_several_passes() -> None:
    assert alternation().passes == 1  # 7 rows in 3 batches
    hasher = quick("dcmh", min_steps_per_epoch=10, labelled_batch=16)
    parts = split(board(), 40, validation=0)
    data = TrainingData.of(
        parts.train, {view: hasher._fit_scaling(parts.train, view) for view in parts.train.views}
    )
    hasher.dims = parts.train.dims
    assert hasher._task(data, torch.Generator()).passes == 4  # of 3 steps


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"quantisation": -1.0}, "quantisation, balance and shift must not be below 0"),
        ({"shift": -1}, "quantisation, balance and shift must not be below 0"),
        ({"channels": 6}, "channels must be a multiple of 4"),
        ({"pictures": "layer"}, "pictures is 'layer'; did you mean 'layers'"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        quick("dcmh", **settings)


# -- pixels ----------------------------------------------------------------------------------

SIDE = 12
SIZES = {"channels": 8, "mirror": False, "shift": 1, "epochs": 8}  # a mirror swaps the diagonals


def drawings(colour: bool = True, n: int = 160) -> Corpus:
    """Noisy pictures of four kinds of stripes, wherever they begin, and vectors of the kind."""
    rng = np.random.default_rng(0)
    kind, start = np.arange(n) % 4, rng.integers(0, 6, n)
    y, x = np.mgrid[:SIDE, :SIDE]
    along = np.stack([x, y, x + y, x - y])[kind] + start[:, None, None]
    grey = 40 + 170 * (along % 6 < 3) + rng.integers(0, 40, (n, SIDE, SIDE))
    pictures = (
        np.repeat(grey[..., None], 3, 3).astype(np.uint8) if colour else grey.astype(np.uint8)
    )
    encoder = Pixels(SIDE, colour=colour)
    text = np.eye(4)[kind] @ rng.normal(size=(4, 10)) + 0.1 * rng.normal(size=(n, 10))
    return Corpus(
        {"image": encoder(pictures), "text": text},
        labels=np.eye(4, dtype=bool)[kind],
        encoders={"image": encoder},
        raw={"image": pictures},
        name="stripes",
    )


@pytest.mark.parametrize("colour", [True, False])
def test_pixels_go_through_convolutions_and_come_back_from_the_model_folder(
    colour: bool, tmp_path: Path
) -> None:
    corpus = drawings(colour)
    parts = split(corpus, 0.8)
    pictures = "auto" if colour else "convolution"
    hasher = quick("dcmh", **SIZES, pictures=pictures).fit(parts.train, validation=parts.validation)
    paths = hasher._network.pathways
    assert (type(paths["image"]), type(paths["text"])) == (Convolution, Pathway)
    assert min(maps(hasher, parts).values()) > 0.9
    hasher.save(tmp_path)
    again = crossbit.load(tmp_path)
    assert again.fingerprint == hasher.fingerprint
    raw = [corpus.raw["image"][row] for row in parts.query_rows]
    expected = hasher.encode(parts.query["image"], "image").packed
    np.testing.assert_array_equal(again.encode_raw(raw, "image").packed, expected)
    for row in range(0, len(raw), 7):  # what else is in a batch does not matter
        np.testing.assert_array_equal(
            again.encode_raw(raw[row : row + 1], "image").packed, expected[row : row + 1]
        )


def test_pixels_may_go_through_layers() -> None:
    parts = split(drawings())
    hasher = quick("dcmh", pictures="layers", epochs=1).fit(parts.train)
    assert {type(path) for path in hasher._network.pathways.values()} == {Pathway}


def test_convolutions_of_no_pixels_are_refused() -> None:
    with pytest.raises(DataError, match=r"pictures=convolution needs a view of pixels .* set pict"):
        quick("dcmh", pictures="convolution").fit(split(board()).train)
    parts = split(drawings())
    quick("dcmh", pictures="convolution", channels=4, epochs=1).fit(parts.train)
