"""SePH: codes that keep the labels' similarities as probabilities, then predicted from kernels."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics.pairwise import rbf_kernel

from crossbit.corpus import Corpus
from crossbit.errors import ConfigError, DataError
from crossbit.methods.base import Citation, FitRun
from crossbit.methods.classical.base import DEVELOPMENT, SCALING, ClassicalHasher
from crossbit.methods.classical.divergence import similar_codes
from crossbit.methods.classical.klr import kernel_logistic
from crossbit.methods.settings import hyper, method

__all__ = ["SePH"]


@method
class SePH(ClassicalHasher):
    """Two steps: codes of the training rows from their labels, then hash functions towards them.

    **Step 1.** P_ij is the cosine of the labels of rows i and j and Q_ij is
    (1 + ||h_i - h_j||² / 4)^-1, both 0 on the diagonal and scaled to sum 1. For codes of -1 and 1
    the fraction holds their Hamming distance. The codes H (n, q) of all views together minimise

        KL(P || Q) + alpha / (n q) || |H| - 1 ||²

    by 100 steps of gradient descent (`divergence.similar_codes`), and their signs are kept.

    **Step 2.** In every view, each bit is predicted by kernel logistic regression on anchors z:

        min_w sum_i log(1 + exp(-h_i K(x_i, Z) w)) + C wᵀ K(Z, Z) w,
        k(x, z) = exp(-||x - z||² / s),    s the mean squared distance of two training rows,

    to convergence, for all bits at once (`klr.kernel_logistic`); the authors' optimiser stops at
    its cap of steps, a difference within the noise of the anchors.

    A query has one view, and bit h is the sign of the log-odds K(x, Z) w. A database item is coded
    per view, or from all of its views by p(h | x, y) ∝ p(h | x) p(h | y) / p(h): the sum of their
    log-odds, less the prior's for every view beyond the first (the paper's figures are of these
    fused codes), or, if it was trained on, by the code of step 1.

    The n x n similarities are never held, but every step visits them, so that at most `most_rows`
    labelled rows are learnt from, drawn by the seed, as the paper does; `trained["coded"]` says how
    many. Any number of views.

    Cost for n such rows, m anchors: O(100 n² (q + c)) for the codes, O(n m d) per step of k-means,
    O(n m² + m³) and some 50 steps of O(n m q) for the regressions. Memory O(n (d + m)).
    """

    name: ClassVar[str] = "seph"
    title: ClassVar[str] = "SePH"
    family: ClassVar[str] = "Supervised"
    summary: ClassVar[str] = "codes from label similarities, predicted by kernel regression"
    citation: ClassVar[Citation | None] = Citation(
        "Z. Lin, G. Ding, M. Hu, J. Wang",
        "Semantics-Preserving Hashing for Cross-View Retrieval",
        "CVPR",
        2015,
        "https://openaccess.thecvf.com/content_cvpr_2015/html/"
        "Lin_Semantics-Preserving_Hashing_for_2015_CVPR_paper.html",
    )
    requires: ClassVar[frozenset[str]] = frozenset({"labels"})
    learns_from: ClassVar[str] = "labelled rows"
    database_codings: ClassVar[tuple[str, ...]] = ("single", "fused", "train")

    scaling: Literal["centred", "standard"] = hyper("standard", SCALING, DEVELOPMENT)
    alpha: float = hyper(0.01, "pull of codes towards -1 and 1 in step 1", "the paper")
    anchors: Literal["km", "random"] = hyper(
        "km", "k-means centres or random training rows", "the stronger of the paper's two"
    )
    anchor_count: int = hyper(500, "anchors in every view", "the paper")
    penalty: float = hyper(0.01, "weight C of the norm in step 2", "the authors' code")
    most_rows: int = hyper(5000, "labelled rows learnt from at most", "the paper's sample")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.anchor_count < 1 or self.most_rows < 2:
            raise ConfigError("anchor_count must be at least 1 and most_rows at least 2")
        if self.alpha < 0 or self.penalty <= 0:
            raise ConfigError("penalty must be above 0 and alpha not below")

    def _learn(self, rows: Corpus, rng: np.random.Generator, run: FitRun) -> dict[str, np.ndarray]:
        if len(rows) > self.most_rows:
            rows = rows.take(np.sort(rng.choice(len(rows), self.most_rows, replace=False)))
        labels = rows.require_labels().toarray().astype(np.float32)
        labels /= np.sqrt(np.maximum(labels.sum(axis=1, keepdims=True), 1))
        if not (labels.sum(axis=0) > labels.max(axis=0)).any():
            raise DataError(
                "seph learns from rows that share a label, but no two of the labelled rows do; "
                "label more rows"
            )
        self.trained["coded"] = len(rows)
        ones = similar_codes(labels, self.bits, self.alpha, rng) > 0
        share = np.clip(ones.mean(axis=0), 0.5 / len(rows), 1 - 0.5 / len(rows))
        learnt = {"prior": np.log(share / (1 - share)).astype(np.float32)}
        for view in rows.views:
            x = self._features(rows, view)
            gamma = 1 / max(2 * float(x.var(axis=0, dtype=np.float64).sum()), 1e-30)
            anchors = self._anchors(x, rng)
            weights = kernel_logistic(x, anchors, gamma, np.where(ones, 1.0, -1.0), self.penalty)
            learnt |= {
                f"gamma/{view}": np.array([gamma]),
                f"anchors/{view}": anchors,
                f"weights/{view}": weights.astype(np.float32),
            }
        return learnt | self._kept(rows, ones)

    def _anchors(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return anchors, (m, d) float32: all rows where there are no more than wanted."""
        if len(x) <= self.anchor_count:
            return x
        if self.anchors == "random":
            return x[np.sort(rng.choice(len(x), self.anchor_count, replace=False))]
        means = KMeans(
            self.anchor_count,
            init="random",
            n_init=1,
            max_iter=100,
            random_state=int(rng.integers(1 << 31)),
        )
        with warnings.catch_warnings():  # equal rows leave fewer centres, of which some coincide
            warnings.simplefilter("ignore", ConvergenceWarning)
            centres: np.ndarray = means.fit(x).cluster_centers_.astype(np.float32)
        return centres

    def _outputs(self, batch: np.ndarray, view: str) -> np.ndarray:
        """Return the log-odds of every bit."""
        learnt = self._learnt
        if not len(batch):  # which scikit-learn refuses
            return np.empty((0, self.bits), dtype=np.float32)
        kernel = rbf_kernel(batch, learnt[f"anchors/{view}"], float(learnt[f"gamma/{view}"][0]))
        return kernel @ learnt[f"weights/{view}"]

    def _unify(self, batches: Mapping[str, np.ndarray]) -> np.ndarray:
        odds = sum(self._outputs(batch, view) for view, batch in batches.items())
        return odds - (len(batches) - 1) * self._learnt["prior"]
