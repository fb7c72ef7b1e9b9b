"""TrainingData: scaled views, and the labels that may be seen, no others."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from checkerboard import board, words
from scipy import sparse

from crossbit.corpus import Corpus
from crossbit.features.scaling import fit_scaling
from crossbit.networks.rows import SparseRows
from crossbit.training.data import TrainingData


def data_of(corpus: Corpus) -> TrainingData:
    return TrainingData.of(corpus, {view: fit_scaling(corpus[view]) for view in corpus.views})


def test_hidden_labels_are_zero() -> None:
    keep = np.arange(160) % 5 == 0
    data = data_of(board().hide_labels(keep))
    np.testing.assert_array_equal(data.labelled, np.flatnonzero(keep))
    assert data.labels[~torch.from_numpy(keep)].sum() == 0
    np.testing.assert_array_equal(data.labels[data.labelled].sum(1), 1)


def test_views_are_scaled_and_whole_and_words_stay_sparse() -> None:
    corpus = words(160)
    corpus = corpus.take(np.arange(0, 160, 2))
    scaling = {view: fit_scaling(corpus[view]) for view in corpus.views}
    data = TrainingData.of(corpus, scaling)
    for view in corpus.views:
        features = corpus[view]
        dense = features.toarray() if sparse.issparse(features) else features
        rows = data.views[view]
        assert isinstance(rows, SparseRows) == sparse.issparse(features)
        held = rows.dense() if isinstance(rows, SparseRows) else rows
        np.testing.assert_array_equal(held, scaling[view](dense))
        assert held.dtype == torch.float32
    assert len(data) == 80


def test_more_rows_than_one_block_stay_in_order() -> None:
    x = np.arange(5000, dtype=np.float32)[:, None]
    data = data_of(Corpus({"image": x, "text": -x}))
    assert (data.views["image"].diff(dim=0) > 0).all()
    assert data.labels.shape == (5000, 0)


def test_power_is_the_sum_of_the_columns_variances() -> None:
    for corpus in board(), words(160):
        data = data_of(corpus)
        for view, x in data.views.items():
            held = x.dense() if isinstance(x, SparseRows) else x
            expected = float(np.var(held.numpy(), axis=0).sum())
            assert data.total_variance[view] == pytest.approx(expected, rel=1e-5)


def test_draws() -> None:
    data = data_of(board().hide_labels(np.arange(160) % 8 == 0))
    rng = torch.Generator().manual_seed(0)
    assert set(data.draw(2000, rng).tolist()) == set(range(160))
    assert set(data.draw_labelled(500, rng).tolist()) == set(range(0, 160, 8))
    distinct = data.draw_distinct(100, rng)
    assert len(distinct.unique()) == len(distinct) == 100
    assert sorted(data.draw_distinct(500, rng).tolist()) == list(range(160))
