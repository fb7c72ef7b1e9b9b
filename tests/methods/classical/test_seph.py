"""SePH: both steps against the formulas written out, and its three codings."""

from __future__ import annotations

import numpy as np
import pytest
from checkerboard import board, split
from scipy.optimize import minimize
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import rbf_kernel

from crossbit.codes import Codes
from crossbit.corpus import Corpus
from crossbit.errors import ConfigError, DataError
from crossbit.methods.classical import divergence as step_one
from crossbit.methods.classical.divergence import divergence, similar_codes
from crossbit.methods.classical.klr import kernel_logistic, losses
from crossbit.methods.classical.seph import SePH

ALPHA = 0.01


def similar(n: int = 60, classes: int = 5, seed: int = 0) -> np.ndarray:
    labels = np.random.default_rng(seed).random((n, classes)) < 0.3
    labels[:, 0] |= ~labels.any(axis=1)
    return labels / np.sqrt(labels.sum(axis=1, keepdims=True))


def naive(codes: np.ndarray, similar: np.ndarray, alpha: float) -> float:
    """KL(P || Q) + alpha / (n q) || |H| - 1 ||², with P and Q in full."""
    p = similar @ similar.T
    np.fill_diagonal(p, 0)
    p /= p.sum()
    q = 1 / (1 + np.square(codes[:, None] - codes[None]).sum(-1) / 4)
    np.fill_diagonal(q, 0)
    q /= q.sum()
    some = p > 0
    pull = alpha / codes.size * np.square(np.abs(codes) - 1).sum()
    return float((p[some] * np.log(p[some] / q[some])).sum() + pull)


# -- step one ----------------------------------------------------------------------------------


@pytest.mark.parametrize("block", [7, 128])
def test_the_divergence_is_that_of_full_matrices_but_for_a_constant(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_one, "BLOCK", block)
    rng, labels = np.random.default_rng(0), similar()
    found = [
        (divergence(codes, labels, ALPHA)[0], naive(codes, labels, ALPHA))
        for codes in (scale * rng.normal(size=(60, 8)) for scale in (0.1, 1, 3))
    ]
    differences = [ours - full for ours, full in found]
    np.testing.assert_allclose(differences, differences[0], atol=1e-10)


def test_the_gradient_is_that_of_finite_differences() -> None:
    rng, labels = np.random.default_rng(1), similar()
    codes = rng.normal(size=(60, 8))
    _, slope = divergence(codes, labels, 0.5)
    for row, bit in rng.integers((60, 8), size=(20, 2)):
        moved = [codes.copy(), codes.copy()]
        moved[0][row, bit] -= 1e-5
        moved[1][row, bit] += 1e-5
        low, high = (naive(at, labels, 0.5) for at in moved)
        assert slope[row, bit] == pytest.approx((high - low) / 2e-5, rel=1e-4, abs=1e-8)


def test_the_divergence_falls_and_the_best_step_counts() -> None:
    labels = similar(200)
    start = 1e-4 * np.random.default_rng(0).normal(size=(200, 16))
    codes = similar_codes(labels, 16, ALPHA, np.random.default_rng(0))
    assert naive(codes, labels, ALPHA) < 0.5 * naive(start, labels, ALPHA)
    np.testing.assert_allclose(codes.mean(axis=0), 0, atol=1e-5)


def test_rows_of_equal_labels_get_near_codes() -> None:
    labels = similar(200)
    signs = np.sign(similar_codes(labels, 16, ALPHA, np.random.default_rng(0)))
    distance = (16 - signs @ signs.T) / 2
    related = labels @ labels.T > 0
    assert distance[related].mean() < 0.6 * distance[~related].mean()


# -- step two ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def problem() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(2)
    items, anchors = rng.normal(size=(150, 4)), rng.normal(size=(12, 4))
    signs = np.sign(items @ rng.normal(size=(4, 3)) + rng.normal(size=(150, 3)))
    return {"items": items, "anchors": anchors, "signs": signs}


def test_weights_minimise_the_penalised_loss_of_every_bit(problem: dict[str, np.ndarray]) -> None:
    weights = kernel_logistic(**problem, gamma=0.2, penalty=0.01)
    k = rbf_kernel(problem["items"], problem["anchors"], gamma=0.2)
    within = rbf_kernel(problem["anchors"], gamma=0.2)
    for bit, h in enumerate(problem["signs"].T):

        def objective(w: np.ndarray, h: np.ndarray = h) -> float:
            return float(np.logaddexp(0, -h * (k @ w)).sum() + 0.01 * w @ within @ w)

        found = minimize(objective, np.zeros(12), method="BFGS", options={"gtol": 1e-6})
        assert objective(weights[:, bit]) <= found.fun + 1e-6
        np.testing.assert_allclose(k @ weights[:, bit], k @ found.x, atol=2e-3)


def test_one_bit_is_a_logistic_regression_on_whitened_kernels(
    problem: dict[str, np.ndarray],
) -> None:
    """Of features Φ = K L^-T, with K_zz = L Lᵀ; scikit-learn weighs the norm by 1 / (2 C)."""
    weights = kernel_logistic(**problem, gamma=0.2, penalty=0.05)
    lower = np.linalg.cholesky(rbf_kernel(problem["anchors"], gamma=0.2))
    k = rbf_kernel(problem["items"], problem["anchors"], gamma=0.2)
    features = np.linalg.solve(lower, k.T).T
    model = LogisticRegression(C=1 / (2 * 0.05), fit_intercept=False, tol=1e-8, max_iter=10_000)
    model.fit(features, problem["signs"][:, 0])
    np.testing.assert_allclose(k @ weights[:, 0], model.decision_function(features), atol=1e-3)


def test_a_bit_alone_is_the_bit_among_others(problem: dict[str, np.ndarray]) -> None:
    together = kernel_logistic(**problem, gamma=0.2, penalty=0.01)
    alone = kernel_logistic(
        **problem | {"signs": problem["signs"][:, [1]]}, gamma=0.2, penalty=0.01
    )
    k = rbf_kernel(problem["items"], problem["anchors"], gamma=0.2)
    np.testing.assert_allclose(k @ together[:, 1], k @ alone[:, 0], atol=1e-3)


def test_anchors_that_coincide_and_bits_that_are_constant_are_learnt() -> None:
    rng = np.random.default_rng(3)
    items = rng.normal(size=(40, 3))
    weights = kernel_logistic(items, items[np.arange(40) // 2], 0.5, np.ones((40, 1)), 0.01)
    assert (rbf_kernel(items, items[np.arange(40) // 2], gamma=0.5) @ weights > 0).all()


def test_losses_do_not_overflow() -> None:
    value, slope = losses(np.array([[1e4, -1e4]]), np.array([[-1.0, -1.0]]))
    assert value == 1e4
    np.testing.assert_array_equal(slope, [[1, 0]])


# -- the method --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def noisy() -> Corpus:
    return board(dims={"image": 24, "text": 16, "audio": 10}, noise=1.5)


@pytest.fixture(scope="module", params=["km", "random"])
def fitted(request: pytest.FixtureRequest, noisy: Corpus) -> SePH:
    return SePH(bits=16, anchors=request.param, anchor_count=20).fit(noisy)


def test_fused_codes_multiply_probabilities_and_divide_by_the_prior(
    fitted: SePH, noisy: Corpus
) -> None:
    """p(h | x, y, z) ∝ p(h | x) p(h | y) p(h | z) / p(h)², for h = 0 and 1."""
    outputs = [fitted.project(noisy[view], view).astype(float) for view in noisy.views]
    log_p = sum(-np.logaddexp(0, [odds, -odds]) for odds in outputs)  # of h = 0, h = 1
    ones = fitted.encode_database(noisy, "text", "train").unpack().mean(axis=0)
    log_p -= 2 * np.log([1 - ones, ones])[:, None]
    log_p -= logsumexp(log_p, axis=0)
    sure = np.abs(log_p[1] - log_p[0]) > 1e-3
    assert sure.mean() > 0.95
    found = fitted.encode_database(noisy, "text", "fused").unpack()
    np.testing.assert_array_equal(found[sure], (log_p[1] > log_p[0])[sure])


def test_train_codes_are_those_of_step_one(fitted: SePH, noisy: Corpus) -> None:
    labels = noisy.require_labels().toarray()  # one each: rows of length 1
    wanted = similar_codes(labels, 16, fitted.alpha, np.random.default_rng(fitted.seed)) > 0
    np.testing.assert_array_equal(
        fitted.encode_database(noisy.take([5, 3]), "image", "train").packed,
        Codes.pack(wanted[[5, 3]]).packed,
    )


def test_kernels_are_as_wide_as_rows_are_apart(noisy: Corpus) -> None:
    fitted = SePH(bits=16, scaling="centred").fit(noisy)
    x = noisy["image"].astype(float)
    apart = np.square(x[:, None] - x[None]).sum(-1).mean()
    assert 1 / fitted._arrays()["gamma/image"][0] == pytest.approx(apart, rel=1e-5)
    np.testing.assert_allclose(fitted._arrays()["anchors/image"], x - x.mean(0), atol=1e-5)


def test_rows_beyond_the_limit_are_sampled() -> None:
    parts = split(board(), 1.0)
    fitted = SePH(bits=16, most_rows=50, anchor_count=20).fit(parts.train)
    assert fitted.trained["coded"] == 50
    assert fitted.trained["labelled"] == len(parts.train)
    assert fitted._arrays()["anchors/image"].shape == (20, 24)
    with pytest.raises(DataError, match=r"46 of 96 database items were not trained on"):
        fitted.encode_database(parts.train, "image", "train")


def test_a_single_view_is_learnt() -> None:
    parts = split(board(dims={"image": 24}), 0.5)
    fitted = SePH(bits=16).fit(parts.train)
    for coding in "single", "fused":
        codes = fitted.encode_database(parts.database, "image", coding)
        assert codes.health().distinct >= 4


def test_what_cannot_be_learnt_is_refused() -> None:
    alone = Corpus({"image": np.eye(4)}, labels=np.eye(4, dtype=bool))
    with pytest.raises(DataError, match=r"no two of the labelled rows do; label more rows"):
        SePH().fit(alone)
    with pytest.raises(ConfigError, match="anchor_count must be at least 1"):
        SePH(anchor_count=0)
    with pytest.raises(ConfigError, match="penalty must be above 0"):
        SePH(penalty=0)
