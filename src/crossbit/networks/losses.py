"""The losses of the deep methods, each on codes of one direction: query view to searched view.

Where a batch happens to hold no row that has a view, they are 0.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "all_triplets",
    "bit_balance",
    "contrast",
    "drawn_triplets",
    "mean",
    "orthogonality",
    "pair_likelihood",
    "quantisation",
    "ranking",
    "signed",
    "without_self",
]


def signed(codes: Tensor) -> Tensor:
    """Return codes in (0, 1) as codes in (-1, 1), whose inner product counts agreeing bits."""
    return 2 * codes - 1


def mean(values: Tensor) -> Tensor:
    """Return the mean of all values; 0 of none, where `Tensor.mean` is NaN."""
    return values.mean() if values.numel() else values.sum()


def all_triplets(distance: Tensor, relevant: Tensor, margin: float) -> Tensor:
    """Return the mean hinge of eq. (8) over every triplet (query, relevant, irrelevant) of a batch.

    max(0, margin + d(q, i+) - d(q, i-)), distance and relevant (q, n); 0 without any triplet.
    Time and memory O(q n^2).
    """
    hinge = F.relu(margin + distance[:, :, None] - distance[:, None, :])
    valid = relevant[:, :, None] & ~relevant[:, None, :]
    return (hinge * valid).sum() / valid.sum().clamp(min=1)


def ranking(similarity: Tensor, relevance: Tensor, temperature: float) -> Tensor:
    """Return the cross entropy between relevance and the softmax of similarity, over candidates.

    A log-sum-exp form of the triplet loss: for one relevant i and softmax weights it is
    log(1 + sum_j exp((s_j - s_i) / temperature)). `relevance`, (q, n) in 0..1, is normalised per
    query; a query with nothing relevant counts 0.
    """
    total = relevance.sum(1, keepdim=True)
    target = relevance / total.clamp(min=1e-6)
    return -mean((target * F.log_softmax(similarity / temperature, 1)).sum(1))


def contrast(similarity: Tensor, relevance: Tensor, temperature: float) -> Tensor:
    """Return the contrastive loss of aligned pairs: row i's partner is column i.

    InfoNCE; a negative that is relevant with probability r counts (1 - r), so that false
    negatives do not push.
    """
    own = torch.eye(len(similarity), dtype=torch.bool)
    counts = (1 - relevance).masked_fill(own, 1.0).clamp(min=1e-4)
    logits = similarity / temperature + torch.log(counts)
    return F.cross_entropy(logits, torch.arange(len(logits))) if len(logits) else logits.sum()


def pair_likelihood(similarity: Tensor, relevant: Tensor) -> Tensor:
    """Return the binary cross entropy of "do they share a label", similarity as the logit.

    The symmetric BCE of the large-batch triplet study, with the right labels (the released
    SCH-GAN code compares a list with a string, so its label is always 0). Classes are balanced.
    """
    loss = F.binary_cross_entropy_with_logits(similarity, relevant.float(), reduction="none")
    share = relevant.float().mean().clamp(1e-3, 1 - 1e-3)
    return mean(loss * torch.where(relevant, 0.5 / share, 0.5 / (1 - share)))


def quantisation(codes: Tensor) -> Tensor:
    """Return the mean distance of codes in (0, 1) from the nearest bit, (1 - |2 h - 1|)."""
    return mean(1 - signed(codes).abs())


def bit_balance(codes: Tensor) -> Tensor:
    """Return how far bits are from being one half the time: mean over bits of mean(2 h - 1)^2."""
    return signed(codes).mean(0).square().mean() if len(codes) else codes.sum()


def orthogonality(weight: Tensor) -> Tensor:
    """Return ||W W^T - I||^2 / bits^2 of a hash layer with rows scaled to length one."""
    rows = F.normalize(weight, dim=1)
    return (rows @ rows.T - torch.eye(len(rows))).square().mean()


def drawn_triplets(
    distance: Tensor, relevant: Tensor, margin: float, count: int, rng: torch.Generator
) -> Tensor:
    """Return the mean of max(0, margin + d(i, j) - d(i, k)) over triplets with S_ij > S_ik.

    For each query i, `count` items j are drawn evenly among the relevant ones and as many k among
    the others; a query without either kind does not count. Tables (q, n), O(q (n + count)):
    all triplets would be O(q n^2).
    """
    usable = relevant.any(1) & (~relevant).any(1)
    distance, relevant = distance[usable], relevant[usable]
    if not len(distance):
        return distance.sum()
    near, far = (
        distance.gather(1, torch.multinomial(kind.float(), count, True, generator=rng))
        for kind in (relevant, ~relevant)
    )
    return mean(F.relu(margin + near - far))


def without_self(table: Tensor) -> Tensor:
    """Return a table of items by the same items, (n, n), without its diagonal, (n, n - 1)."""
    n = len(table)
    return table[~torch.eye(n, dtype=torch.bool)].view(n, max(n - 1, 0))
