"""Who is probably relevant to whom: class posteriors of all items, learnt from the labelled few."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor

from crossbit.errors import DataError
from crossbit.networks.rows import Rows, dense

__all__ = ["FusedSimilarity", "class_posterior", "relevance"]

PENALTIES = (1000.0, 100.0, 10.0, 1.0)  # L2 on weights of standardised columns; chosen by folds
FOLDS = 5
TOLERANCE = 1e-5  # of the loss, in nats per item: an iteration that gains less is the last


def relevance(a: Tensor, b: Tensor, *, exclusive: bool) -> Tensor:
    """Return the probability that two items share a label, (m, n), from posteriors (m, c), (n, c).

    With exclusive classes it is sum_c a_c b_c, else 1 - prod_c (1 - a_c b_c). For known labels
    (zeros and ones) both are the truth. O(m n c) time, O(m n) memory.
    """
    if exclusive:
        return (a @ b.T).clamp(0, 1)
    none = torch.ones(len(a), len(b))
    for c in range(a.shape[1]):  # over classes: an (m, n, c) array would not fit for large pools
        none.addcmul_(none * a[:, c, None], b[None, :, c], value=-1)
    return 1 - none


def class_posterior(
    views: Mapping[str, Rows],
    labels: Tensor,
    labelled: Tensor,
    rng: torch.Generator,
    present: Mapping[str, Tensor] = MappingProxyType({}),
) -> Tensor:
    """Return p(class | item) for all n items, (n, c): a class head on each view, then stacked.

    The released SCH-GAN code gives its generator such heads (and trains them on hidden labels,
    which we do not). Each head is a regularised logistic regression on the labelled rows, its
    penalty chosen by 5-fold likelihood; the heads' out-of-fold scores are then weighted to the
    best joint likelihood, so that a view that knows nothing adds nothing. Rows with labels get
    their labels. O(n d c) per iteration; only labels of rows in `labelled` are read.

    Parameters
    ----------
    views : mapping of name to (n, d_v) rows
        Scaled features; the same items in each.
    labels : (n, c) float32 of zeros and ones
    labelled : (l,) int64
        Positions of the rows whose labels may be read.
    present : mapping of name to (n,) bool
        Which items have the view, where some lack it: their head says nothing.

    Raises
    ------
    DataError
        If fewer than two rows have labels: there would be nothing to choose a penalty by.
    """
    if len(labelled) < 2:
        raise DataError(
            f"class posteriors are learnt from two labelled rows or more, there are "
            f"{len(labelled)}; give more labels, or set relevance=labels"
        )
    known = labels[labelled]
    if len(known) == len(labels):
        return labels.clone()
    exclusive = bool((known.sum(1) == 1).all())
    fold = torch.randperm(len(labelled), generator=rng) % min(FOLDS, len(labelled))
    held, full = [], []
    for view, x in views.items():
        there = present[view].float() if view in present else torch.ones(len(labels))
        seen = there[labelled] > 0
        rows = x[labelled]
        scores = {penalty: torch.empty_like(known) for penalty in PENALTIES}
        for f in range(int(fold.max()) + 1):
            inside, outside = fold != f, fold == f
            head = None
            for penalty, out in scores.items():  # from the strongest: each starts from the last
                learnt = inside & seen
                head = _fit_head(rows[learnt], known[learnt], penalty, exclusive, head)
                out[outside] = head(rows[outside]) * there[labelled][outside, None]
        best = min(PENALTIES, key=lambda p: float(_loss(scores[p], known, exclusive)))
        held.append(scores[best])
        head = _fit_head(rows[seen], known[seen], best, exclusive)
        full.append(head(x) * there[:, None])
    weights, bias = _stack(held, known, exclusive)
    logits = sum(w * s for w, s in zip(weights, full, strict=True)) + bias
    assert isinstance(logits, Tensor)
    posterior = torch.softmax(logits, 1) if exclusive else torch.sigmoid(logits)
    posterior[labelled] = known
    return posterior


class _Head:
    """A linear classifier, all classes at once."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self.weight, self.bias = weight, bias

    def __call__(self, x: Rows) -> Tensor:
        return x @ self.weight + self.bias


def _fit_head(
    x: Rows, y: Tensor, penalty: float, exclusive: bool, near: _Head | None = None
) -> _Head:
    """Fit a head, from `near` if one is given; a view of no labelled row has one that is silent."""
    if not len(y):
        return _Head(torch.zeros(x.shape[1], y.shape[1]), torch.zeros(y.shape[1]))
    share = y.mean(0).clamp(0.5 / len(y), 1 - 0.5 / len(y))
    start = share.log() if exclusive else torch.logit(share)
    weight = near.weight.clone() if near else torch.zeros(x.shape[1], y.shape[1])
    bias = near.bias.clone() if near else start.clone()
    weight.requires_grad_(True)
    bias.requires_grad_(True)
    # The bias is drawn towards the classes' shares: folds that lack a class stay finite.
    _minimise(
        [weight, bias],
        lambda: (
            (
                _loss(x @ weight + bias, y, exclusive) * len(x)
                + 0.5 * penalty * weight.square().sum()
                + 0.5 * (bias - start).square().sum()
            )
            / len(x)
        ),
    )
    return _Head(weight.detach(), bias.detach())


def _stack(held: list[Tensor], y: Tensor, exclusive: bool) -> tuple[Tensor, Tensor]:
    """Return the views' weights (all >= 0) and class biases of the best joint likelihood."""
    raw = torch.full((len(held),), -1.0, requires_grad=True)
    bias = torch.zeros(y.shape[1], requires_grad=True)

    def loss() -> Tensor:
        weights = F.softplus(raw)
        logits = sum(w * s for w, s in zip(weights, held, strict=True)) + bias
        assert isinstance(logits, Tensor)
        return _loss(logits, y, exclusive) + 0.5 * bias.square().sum() / len(y)

    _minimise([raw, bias], loss)
    return F.softplus(raw).detach(), bias.detach()


def _loss(logits: Tensor, y: Tensor, exclusive: bool) -> Tensor:
    if exclusive:
        return -(y * torch.log_softmax(logits, 1)).sum(1).mean()
    return F.binary_cross_entropy_with_logits(logits, y, reduction="none").sum(1).mean()


def _minimise(parameters: list[Tensor], loss: object) -> None:
    assert callable(loss)
    optimizer = torch.optim.LBFGS(
        parameters, max_iter=60, tolerance_change=TOLERANCE, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        value: Tensor = loss()
        value.backward()
        return value

    optimizer.step(closure)


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
