"""FusedSimilarity: the score of a pair by a loop, with and without missing views."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from crossbit.networks import relevance as fusion
from crossbit.networks.relevance import FusedSimilarity
from crossbit.networks.rows import SparseRows

N, SHARE, SLOPE = 60, 0.1, 3.0


def items(seed: int = 0) -> dict[str, Tensor]:
    """Six groups, told apart better in one view than in the other."""
    rng = np.random.default_rng(seed)
    of = np.arange(N) % 6
    found = {}
    for view, d, noise in ("image", 9, 0.5), ("text", 7, 1.5):
        centres = rng.normal(size=(6, d))
        found[view] = torch.from_numpy(centres[of] + noise * rng.normal(size=(N, d))).float()
    return found


def some_missing() -> dict[str, Tensor]:
    return {"image": torch.arange(N) % 4 != 0, "text": torch.arange(N) % 4 != 1}


def naive(views: dict[str, Tensor], present: dict[str, Tensor], i: int, j: int) -> float:
    """The probability that i and j are related, if all rows are in the sample."""
    if i == j:
        return 1.0

    def has(view: str, k: int) -> bool:
        return view not in present or bool(present[view][k])

    def score(a: int, b: int) -> float:
        shared = [v for v in views if has(v, a) and has(v, b)]
        values = [(cosine[v][a, b] - moments[v][0]) / moments[v][1] for v in shared]
        return sum(values) / len(values) if values else -math.inf

    cosine, moments = {}, {}
    for view, x in views.items():
        rows = np.asarray(x, dtype=np.float64)
        held = [k for k in range(N) if has(view, k)]
        centred = rows - rows[held].mean(axis=0)
        centred /= np.linalg.norm(centred, axis=1, keepdims=True)
        cosine[view] = centred @ centred.T
        pairs = [cosine[view][a, b] for a in held for b in held if a != b]
        moments[view] = float(np.mean(pairs)), float(np.std(pairs, ddof=1))
    every = [score(a, b) for a in range(N) for b in range(N) if a != b]
    mine = score(i, j)
    rank = sum(value < mine - 1e-6 for value in every)
    normal = NormalDist()
    z = normal.inv_cdf((rank + 0.5) / (len(every) + 1)) - normal.inv_cdf(1 - SHARE)
    return 1 / (1 + math.exp(-SLOPE * z))


@pytest.mark.parametrize("missing", [False, True])
def test_a_pair_is_judged_as_by_a_loop(missing: bool) -> None:
    views, present = items(), some_missing() if missing else {}
    if missing:  # what stands in the place of a missing view does not matter
        for view, mask in present.items():
            views[view][~mask] = 50.0
    fused = FusedSimilarity(views, SHARE, SLOPE, torch.Generator().manual_seed(0), present)
    rows, others = torch.tensor([0, 1, 2, 7, 30]), torch.tensor([0, 5, 6, 8, 12, 13, 30, 55])
    found = fused(rows, others)
    for q, i in enumerate(rows.tolist()):
        for p, j in enumerate(others.tolist()):
            # A rank counts float32 scores: two of 3,540 may stand the other way round.
            assert float(found[q, p]) == pytest.approx(naive(views, present, i, j), abs=5e-3)
    assert found.std() > 0.1


def test_items_without_a_common_view_are_not_related() -> None:
    fused = FusedSimilarity(items(), SHARE, SLOPE, torch.Generator().manual_seed(0), some_missing())
    without_image, without_text = torch.tensor([0, 4, 8]), torch.tensor([1, 5, 9])
    assert fused(without_image, without_text).max() < 0.02
    assert fused(without_image, without_image).diagonal().tolist() == [1, 1, 1]


def test_groups_are_found_through_the_views_that_are_there() -> None:
    present = some_missing()
    fused = FusedSimilarity(items(), SHARE, SLOPE, torch.Generator().manual_seed(0), present)
    table = fused(torch.arange(N), torch.arange(N))
    same = torch.arange(N)[:, None] % 6 == torch.arange(N) % 6
    apart = ~torch.eye(N, dtype=torch.bool)
    common = sum((m[:, None] & m).int() for m in present.values()) > 0
    assert table[same & apart & common].mean() > 3 * table[~same & common].mean()


def test_sparse_rows_and_samples_change_nothing_much(monkeypatch: pytest.MonkeyPatch) -> None:
    views = {view: x.clamp(min=0) for view, x in items().items()}
    sparse = {view: SparseRows.of(csr_matrix(x.numpy())) for view, x in views.items()}
    rows = torch.arange(N)
    found = [
        FusedSimilarity(x, SHARE, SLOPE, torch.Generator().manual_seed(0))(rows, rows)
        for x in (views, sparse)
    ]
    torch.testing.assert_close(*found)
    monkeypatch.setattr(fusion, "SAMPLE", 40)
    fewer = FusedSimilarity(views, SHARE, SLOPE, torch.Generator().manual_seed(0))(rows, rows)
    assert not torch.equal(fewer, found[0])
    assert np.corrcoef(fewer.flatten(), found[0].flatten())[0, 1] > 0.98


def test_a_view_of_one_row_alone_has_no_say() -> None:
    views, rng = items(), torch.Generator()
    lone = {"text": torch.arange(N) == 3}
    found = FusedSimilarity(views, SHARE, SLOPE, rng.manual_seed(0), lone)
    alone = FusedSimilarity({"image": views["image"]}, SHARE, SLOPE, rng.manual_seed(0))
    rows = torch.arange(N)
    torch.testing.assert_close(found(rows, rows), alone(rows, rows))
