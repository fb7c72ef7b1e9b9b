"""Who is probably relevant to whom: class posteriors of all items, learnt from the labelled few."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor

from crossbit.errors import DataError
from crossbit.networks.rows import Rows

__all__ = ["class_posterior", "relevance"]

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
    optimiser = torch.optim.LBFGS(
        parameters, max_iter=60, tolerance_change=TOLERANCE, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        value: Tensor = loss()
        value.backward()
        return value

    optimiser.step(closure)
