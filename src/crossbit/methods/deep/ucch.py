"""UCCH: contrast with binary keys from a momentum bank, and a ranking robust to false negatives."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import permutations
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crossbit.errors import ConfigError
from crossbit.methods.base import Citation
from crossbit.methods.deep.base import Progress, silent
from crossbit.methods.deep.unlabelled import UnlabelledHasher
from crossbit.methods.settings import hyper, method
from crossbit.networks.pathway import HashNetwork
from crossbit.training.data import TrainingData
from crossbit.training.task import Task

__all__ = ["UCCH", "MemoryBank", "binary_keys", "key_contrast", "pair_ranking"]


@method
class UCCH(UnlabelledHasher):
    """Two-pathway network without labels and without an adversary: L = beta L_c + (1 - beta) L_r.

    Outputs are h = tanh(logits), scaled to length 1, so that inner products are cosines; the bit
    is h > 0. For every row i a bank keeps v_i, and its binary key is k_i = sgn(v_i) / sqrt(bits).

    Contrastive hashing, summed over views:
    L_c = -mean_i log exp(<h_i, k_i> / tau) / sum_j exp(<h_i, k_j> / tau), j = i and the negatives.
    The keys are bits already, so nothing is relaxed; gradients flow through h_i alone. With each
    step v_i <- delta v_i + (1 - delta) mean of the views' h_i, rescaled to length 1. In the first
    `warmup_epochs` epochs the bank knows too little: keys are the batch's, and v_i is overwritten.

    Cross-modal ranking, for both directions of every two views, M_ij = <h^x_i, h^y_j>:
    L_r = mean_i m + lambda log sum_j exp(S_ij / lambda) - S_ii, where S_ij = M_ij if
    M_ii - M_ij <= m, else M_ij - xi: all negatives count, those already ranked right for less,
    so that no single false negative dominates as the hardest does in a hinge.

    Differences from the released code: one draw of negatives serves a whole batch (it draws K for
    every row, B times the work), a row is never its own negative, the rate falls, the last epoch
    is kept (it keeps the epoch that is best by labels), both pathways have two layers, its image
    network has three of up to 8,192 units, and weight decay acts on the hash layers. With more
    than two views the bank follows the mean of all, and L_r is a view's mean over its partners.

    Rate and beta were chosen on development rows of Wikipedia and MIRFlickr. The kernel head
    (``kernel_head="auto"``) is no part of the method; it helps where there are few rows.

    Cost of a step: O(batch (d hidden + (negatives + batch) bits)); memory O(n bits).
    """

    name: ClassVar[str] = "ucch"
    title: ClassVar[str] = "UCCH"
    family: ClassVar[str] = "Deep, without labels"
    summary: ClassVar[str] = "contrast with a bank of binary codes, and ranking; no labels"
    citation: ClassVar[Citation | None] = Citation(
        "P. Hu, H. Zhu, J. Lin, D. Peng, Y.-P. Zhao, X. Peng",
        "Unsupervised Contrastive Cross-Modal Hashing",
        "IEEE Transactions on Pattern Analysis and Machine Intelligence",
        2023,
        "https://doi.org/10.1109/TPAMI.2022.3177356",
    )

    supports_missing: ClassVar[bool] = False  # a key of the bank is the mean of a row's views

    activation: Literal["cosine", "relu", "tanh"] = hyper(
        "relu", "of the hidden layer", "the released code"
    )
    init_std: float = hyper(
        0.3, "standard deviation of a hidden unit's input at the start", "tuned"
    )
    epochs: int = hyper(20, "epochs of training", "the released code, for MIRFlickr")
    batch: int = hyper(256, "pairs in a step", "the released code")
    lr: float = hyper(
        1e-3, "learning rate at the start; falls along a cosine", "tuned; 1e-4 in the released code"
    )
    weight_decay: float = hyper(1e-6, "weight decay of the hash layers", "the released code")
    kernel_head: Literal["auto", "never", "always"] = hyper(
        "never", "kernel head beside the network, up to 4,096 rows", "the paper has none"
    )
    contrast_weight: float = hyper(
        0.5, "beta, of the contrast in the loss", "tuned; 0.7 in the released code, for MIRFlickr"
    )
    temperature: float = hyper(0.9, "tau, of the softmax over cosines", "the released code")
    negatives: int = hyper(4096, "K, keys of other rows in a step", "the released code")
    momentum: float = hyper(0.4, "delta, of a row's old vector in the bank", "the released code")
    warmup_epochs: int = hyper(1, "first epochs, with the batch as negatives", "the released code")
    margin: float = hyper(0.2, "m of the ranking, a cosine", "the released code")
    shift: float = hyper(
        0.1, "xi, off what is ranked right by more", "the released code, for MIRFlickr"
    )
    softness: float = hyper(1.0, "lambda, of the softmax in the ranking", "the released code")
    clip: float = hyper(1.0, "largest norm of a step's gradient", "the released code")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (0 <= self.contrast_weight <= 1 and 0 <= self.momentum < 1):
            raise ConfigError(
                f"{self.name}: contrast_weight must be in 0..1, momentum from 0 to below 1"
            )
        if self.temperature <= 0 or self.softness <= 0 or self.clip <= 0:
            raise ConfigError(f"{self.name}: temperature, softness and clip must be above 0")
        if self.negatives < 1 or self.warmup_epochs < 0 or self.margin < 0 or self.shift < 0:
            raise ConfigError(
                f"{self.name}: negatives must be at least 1; warmup_epochs, margin and shift not "
                "below 0"
            )

    def _task(
        self, data: TrainingData, rng: torch.Generator, progress: Progress = silent
    ) -> ContrastTask:
        network = self._new_network(data, rng)
        bank = MemoryBank(len(data), self.bits, rng)
        return ContrastTask(self, data, network, bank, rng)


class ContrastTask(Task):
    """The network, its optimizer and the bank; an epoch is a pass over all rows, or several."""

    def __init__(
        self,
        method: UCCH,
        data: TrainingData,
        network: HashNetwork,
        bank: MemoryBank,
        rng: torch.Generator,
    ) -> None:
        self.networks: dict[str, nn.Module] = {"encoder": network, "bank": bank}
        self.optimizers = {
            "encoder": method._new_optimizer(network, method.lr, method.weight_decay)
        }
        self.class_probabilities, self.rng = data.labels, rng
        self.method, self.data, self.network, self.bank = method, data, network, bank
        self.batches: Iterator[Tensor] = iter(())
        self.warming_up = True

    def begin_epoch(self, epoch: int) -> int:
        """Plan passes over all rows until there are enough steps."""
        method = self.method
        self.warming_up = epoch <= method.warmup_epochs
        steps = -(-len(self.data) // method.batch)
        passes = -(-method.min_steps_per_epoch // steps)
        self.batches = self._batches(passes)
        return passes * steps

    def step(self) -> dict[str, float]:
        """Lower both losses of one batch of different rows."""
        losses = self.losses(next(self.batches), warm=self.warming_up)
        optimizer = self.optimizers["encoder"]
        optimizer.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self.method.clip)
        optimizer.step()
        return {name: value.item() for name, value in losses.items()}

    def _batches(self, passes: int) -> Iterator[Tensor]:
        for _ in range(passes):
            yield from self.data.draw_distinct(len(self.data), self.rng).split(self.method.batch)

    def losses(self, rows: Tensor, warm: bool) -> dict[str, Tensor]:
        """Return beta L_c and (1 - beta) L_r of different rows, (b,), and update their vectors."""
        method = self.method
        outputs = {
            view: F.normalize(torch.tanh(self.network.logits(view, x[rows])), dim=1)
            for view, x in self.data.views.items()
        }
        mean = torch.stack(list(outputs.values())).mean(0)
        if warm:
            others, own = rows, binary_keys(mean)
            keys = own
        else:
            others = self.data.draw_distinct(method.negatives, self.rng)
            own, keys = self.bank.keys(rows), self.bank.keys(others)
        same = rows[:, None] == others
        contrasts = [key_contrast(h, own, keys, same, method.temperature) for h in outputs.values()]
        rankings = [
            pair_ranking(a @ b.T, method.margin, method.shift, method.softness)
            for a, b in permutations(outputs.values(), 2)
        ]
        self.bank.update(rows, mean, 0.0 if warm else method.momentum)
        return {
            "contrast": method.contrast_weight * torch.stack(contrasts).sum(),
            "ranking": (1 - method.contrast_weight)
            * torch.stack(rankings).sum()
            / (len(outputs) - 1),
        }


def key_contrast(
    outputs: Tensor, own: Tensor, others: Tensor, same: Tensor, temperature: float
) -> Tensor:
    """Return InfoNCE of outputs (b, bits) with their own keys (b, bits) against others (k, bits).

    `same`, (b, k) bool, is true where another key is the row's own: it is left out.
    """
    positive = (outputs * own).sum(1) / temperature
    negative = (outputs @ (others / temperature).T).masked_fill(same, -torch.inf)
    return (torch.logaddexp(positive, negative.logsumexp(1)) - positive).mean()


def pair_ranking(similarity: Tensor, margin: float, shift: float, softness: float) -> Tensor:
    """Return L_r of one direction, from cosines (b, b): a row's partner is on the diagonal."""
    partner = similarity.diagonal()[:, None]
    # Which side of the margin a pair is on is not learnt from: S has the gradient of M.
    moved = torch.where(partner - similarity <= margin, similarity, similarity - shift)
    soft = softness * torch.logsumexp(moved / softness, 1)
    return (margin + soft - moved.diagonal()).mean()


class MemoryBank(nn.Module):
    """One vector v_i of length 1 per training row, which follows the row's outputs.

    A buffer, so that a checkpoint holds it; nothing in it is learnt by gradients. It starts as
    random signs. Memory O(n bits).
    """

    vectors: Tensor

    def __init__(self, rows: int, bits: int, rng: torch.Generator) -> None:
        super().__init__()
        self.register_buffer("vectors", binary_keys(torch.randn(rows, bits, generator=rng)))

    def keys(self, rows: Tensor) -> Tensor:
        """Return sgn(v_i) / sqrt(bits) of some rows, (b, bits)."""
        return binary_keys(self.vectors[rows])

    def update(self, rows: Tensor, outputs: Tensor, momentum: float) -> None:
        """Move different rows to momentum v_i + (1 - momentum) outputs_i, rescaled to length 1."""
        mean = F.normalize(outputs.detach(), dim=1)
        self.vectors[rows] = F.normalize(
            momentum * self.vectors[rows] + (1 - momentum) * mean, dim=1
        )


def binary_keys(vectors: Tensor) -> Tensor:
    """Return sgn(v) / sqrt(bits), (b, bits), of length 1; through it no gradient flows."""
    signs = torch.where(vectors.detach() > 0, 1.0, -1.0)
    return signs / math.sqrt(vectors.shape[1])
