"""FusedSimilarity: how probably two training items are related, judged by all of their views."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from crossbit.networks.rows import Rows, SparseRows

__all__ = ["FusedSimilarity"]

SAMPLE = 1024  # rows whose pairs are the measure of "similar"


class FusedSimilarity:
    """Who is related to whom, from the features of all views at once, without labels.

    In every view the cosines of centred rows are put in units of their standard deviation over
    random pairs, so that a view in which few pairs stand out from the rest counts where they do.
    Their mean over the views, s, becomes the probability sigmoid(slope (s - threshold)), the
    threshold such that `share` of all pairs lie above it. Fusing views into one soft matrix
    instead of neighbours that are in or out is DJSRH's idea (Su, Zhong and Zhang, ICCV 2019);
    this form is a project choice. A call costs O(q p d) for q and p rows; nothing is kept for
    pairs.

    Parameters
    ----------
    views : mapping of name to (n, d) rows
    share : float
        Share of pairs that are taken for related, in 0..1.
    slope : float
        Per standard deviation; the larger, the harder the threshold.
    rng : torch.Generator
        Draws the rows that cosines are measured on.
    """

    def __init__(
        self, views: Mapping[str, Rows], share: float, slope: float, rng: torch.Generator
    ) -> None:
        self.views, self.slope = views, slope
        n = len(next(iter(views.values())))
        rows = torch.randperm(n, generator=rng)[:SAMPLE]
        self.means = {view: _dense(x[rows]).mean(0) for view, x in views.items()}
        apart = ~torch.eye(len(rows), dtype=torch.bool)
        self.scales: dict[str, tuple[float, float]] = {}
        for view in views:
            pairs = self._cosines(view, rows, rows)[apart]
            self.scales[view] = float(pairs.mean()), float(pairs.std().clamp(min=1e-6))
        ranked = self._scores(rows, rows)[apart].sort().values
        self.threshold = float(ranked[min(int((1 - share) * len(ranked)), len(ranked) - 1)])

    def __call__(self, rows: Tensor, others: Tensor) -> Tensor:
        """Return the probability that two items are related, (q, p), for positions (q,), (p,)."""
        related = torch.sigmoid(self.slope * (self._scores(rows, others) - self.threshold))
        return related.masked_fill(rows[:, None] == others, 1.0)

    def _scores(self, rows: Tensor, others: Tensor) -> Tensor:
        scores = [
            (self._cosines(view, rows, others) - mean) / scale
            for view, (mean, scale) in self.scales.items()
        ]
        return torch.stack(scores).mean(0)

    def _cosines(self, view: str, rows: Tensor, others: Tensor) -> Tensor:
        a, b = (
            F.normalize(_dense(self.views[view][at]) - self.means[view]) for at in (rows, others)
        )
        return a @ b.T


def _dense(x: Rows) -> Tensor:
    return x.dense() if isinstance(x, SparseRows) else x
