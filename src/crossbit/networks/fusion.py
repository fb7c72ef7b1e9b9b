"""FusedSimilarity: how probably two training items are related, judged by all of their views."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor

from crossbit.networks.rows import Rows, dense

__all__ = ["FusedSimilarity"]

SAMPLE = 1024  # rows whose pairs are the measure of "similar"
BASIS = 8192  # rows that the directions of a view are measured on
DIRECTIONS = 64  # of a view: the rest of a bag of words is noise to its cosines


class FusedSimilarity:
    """Who is related to whom, from the features of all views at once, without labels.

    In every view the cosines of centred rows, along its 64 strongest directions, are put in units
    of their standard deviation over random pairs, so that a view in which few pairs stand out
    from the rest counts where they do. Their mean over the views ranks a pair among random pairs;
    the normal score z of that rank becomes the probability sigmoid(slope (z - z_0)), z_0 such that
    `share` of all pairs lie above it. Fusing views into one soft matrix instead of neighbours that
    are in or out is DJSRH's idea (Su, Zhong and Zhang, ICCV 2019); this form is a project choice.

    Time O(n d 64) once, O(q p 64) for a call with q and p rows; memory O(n 64) a view.

    Parameters
    ----------
    views : mapping of name to (n, d) rows
    share : float
        Share of pairs that are taken for related, in 0..1.
    slope : float
        Per unit of the normal score; the larger, the harder the threshold.
    rng : torch.Generator
        Draws the rows that directions and ranks are measured on.
    present : mapping of name to (n,) bool
        Which items have the view, where some lack it: a pair is judged by the views it shares,
        and is not related if there are none.
    """

    def __init__(
        self,
        views: Mapping[str, Rows],
        share: float,
        slope: float,
        rng: torch.Generator,
        present: Mapping[str, Tensor] = MappingProxyType({}),
    ) -> None:
        self.slope, self.present = slope, present
        n = len(next(iter(views.values())))
        order = torch.randperm(n, generator=rng)
        self.places, self.scales = {}, {}
        for view, x in views.items():
            here = order[self._has(view, order)]
            self.places[view] = _places(x, here[:BASIS])
            pairs = _apart(self._cosines(view, here[:SAMPLE], here[:SAMPLE]))
            if len(pairs):
                self.scales[view] = float(pairs.mean()), float(pairs.std().clamp(min=1e-6))
            else:  # one row alone has the view: no pair will ever share it
                self.scales[view] = 0.0, 1.0
        rows = order[:SAMPLE]
        self.ranked = _apart(self._scores(rows, rows)).sort().values
        self.threshold = float(torch.special.ndtri(torch.tensor(1 - share)))

    def __call__(self, rows: Tensor, others: Tensor) -> Tensor:
        """Return the probability that two items are related, (q, p), for positions (q,), (p,)."""
        scores = self._scores(rows, others)
        rank = torch.searchsorted(self.ranked, scores.contiguous()).float()
        normal = torch.special.ndtri((rank + 0.5) / (len(self.ranked) + 1))
        related = torch.sigmoid(self.slope * (normal - self.threshold))
        return related.masked_fill(rows[:, None] == others, 1.0)

    def _scores(self, rows: Tensor, others: Tensor) -> Tensor:
        total, shared = torch.zeros(2, len(rows), len(others))
        for view, (mean, scale) in self.scales.items():
            score = (self._cosines(view, rows, others) - mean) / scale
            both = self._has(view, rows)[:, None] & self._has(view, others)
            total += torch.where(both, score, 0.0)
            shared += both
        return torch.where(shared > 0, total / shared.clamp(min=1), -torch.inf)

    def _has(self, view: str, rows: Tensor) -> Tensor:
        if view in self.present:
            return self.present[view][rows]
        return torch.ones(len(rows), dtype=torch.bool)

    def _cosines(self, view: str, rows: Tensor, others: Tensor) -> Tensor:
        return self.places[view][rows] @ self.places[view][others].T


def _places(x: Rows, sample: Tensor) -> Tensor:
    """Return all rows, (n, <= 64), of length one, along the strongest directions of a sample."""
    held = dense(x[sample])
    mean = held.mean(0)
    _, _, directions = torch.linalg.svd(held - mean, full_matrices=False)
    turned = directions[:DIRECTIONS].T
    parts = [dense(part) @ turned - mean @ turned for part in x.split(4096)]
    return F.normalize(torch.cat(parts))


def _apart(square: Tensor) -> Tensor:
    """Return what stands off the diagonal: pairs of different rows."""
    return square[~torch.eye(len(square), dtype=torch.bool)]
