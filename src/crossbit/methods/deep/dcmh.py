"""DCMH: networks learn the likelihood of "shares a label" and one code for all views of a row."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crossbit.corpus import Corpus
from crossbit.errors import ConfigError, DataError
from crossbit.features.pixels import Pixels
from crossbit.features.scaling import Scaling, fit_picture_scaling
from crossbit.methods.base import Citation
from crossbit.methods.deep.base import Progress, silent
from crossbit.methods.deep.labelled import LabelledHasher
from crossbit.methods.settings import hyper, method
from crossbit.networks.convolution import GROUPS, Convolution, Shape, jitter
from crossbit.networks.pathway import Builder, HashNetwork
from crossbit.networks.rows import Rows
from crossbit.training.data import TrainingData
from crossbit.training.task import Task

__all__ = ["DCMH", "Alternation"]


@method
class DCMH(LabelledHasher):
    """Deep Cross-Modal Hashing: the outputs F and G of two networks, and binary codes B, by turns.

    With Theta = F^T G / 2 and S_ij = 1 where i and j share a label, eq. (1) minimises

        J = - sum_ij (S_ij Theta_ij - log(1 + exp(Theta_ij)))
            + gamma (||B - F||^2 + ||B - G||^2) + eta (||F 1||^2 + ||G 1||^2),

    its first line the negative log likelihood of S, its last the balance of each bit. By turns
    (Algorithm 1): the weights of F by mini-batches, against the outputs G of all rows, which are
    held in a buffer (eqs. 3 and 4); those of G likewise (eqs. 5 and 6); B = sign(F + G) (eq. 7).
    A batch's own outputs replace the old ones in the buffer of its view.

    Of more than two views J takes every pair of views and every view's distance from the one B.
    Buffers and B are computed anew at the start of each pass, from the weights alone: the B of
    eq. (7) is then of the newest outputs, and a checkpoint needs no more than the weights. Where
    labels are few an epoch has several passes. Unlabelled rows are not used.

    Vectors go through two layers, as texts do in the paper. The paper's images go through a large
    network trained beforehand on others; here pixels go through a small one that starts at random.

    Cost of a pass: O(l^2 bits + l d hidden) for each view, l rows with labels; memory O(l bits).
    """

    name: ClassVar[str] = "dcmh"
    title: ClassVar[str] = "DCMH"
    family: ClassVar[str] = "Deep"
    summary: ClassVar[str] = "likelihood of shared labels, one code for all views; raw pixels too"
    citation: ClassVar[Citation | None] = Citation(
        "Q.-Y. Jiang, W.-J. Li",
        "Deep Cross-Modal Hashing",
        "IEEE Conference on Computer Vision and Pattern Recognition",
        2017,
        "https://arxiv.org/abs/1602.02255",
    )
    learns_from: ClassVar[str] = "labelled rows"
    supports_missing: ClassVar[bool] = False  # B is what all views of a row agree on

    hidden: int = hyper(512, "units of the hidden layer", "8,192 for texts in the authors' code")
    activation: Literal["cosine", "relu", "tanh"] = hyper(
        "relu", "of the hidden layer", "the paper"
    )
    init_std: float = hyper(
        0.3, "standard deviation of a hidden unit's input at the start", "tuned"
    )
    labelled_batch: int = hyper(128, "labelled rows in a step", "the paper")
    quantisation: float = hyper(1.0, "gamma, weight of the distance from B", "the paper")
    balance: float = hyper(
        3e-4, "eta, weight of each bit's balance", "1 in the paper, at which AdamW goes astray"
    )
    min_steps_per_epoch: int = hyper(
        32, "least steps of each view in an epoch, which is whole passes"
    )
    lr: float = hyper(
        3e-3, "learning rate at the start; falls along a cosine", "tuned; 0.03 of SGD in the paper"
    )
    weight_decay: float = hyper(5.0, "weight decay of the hash layers", "tuned; none in the paper")
    kernel_head: Literal["auto", "never", "always"] = hyper(
        "never", "kernel head over the labelled rows", "the paper has none"
    )
    pictures: Literal["auto", "layers", "convolution"] = hyper(
        "auto",
        "network of pixels; auto: convolution for those in colour (grey drawings lost by it)",
    )
    channels: int = hyper(32, "channels of the first convolution, a multiple of 4")
    mirror: bool = hyper(False, "mirror half of the pictures in training")
    shift: int = hyper(0, "move pictures by up to so many pixels in training")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.quantisation < 0 or self.balance < 0 or self.shift < 0:
            raise ConfigError("dcmh: quantisation, balance and shift must not be below 0")
        if self.channels < 1 or self.channels % GROUPS:
            raise ConfigError(f"dcmh: channels must be a multiple of {GROUPS}")

    def _task(
        self, data: TrainingData, rng: torch.Generator, progress: Progress = silent
    ) -> Alternation:
        network = self._new_network(data, rng)
        optimizer = self._new_optimizer(network, self.lr, self.weight_decay)
        return Alternation(
            network,
            optimizer,
            data,
            rng,
            weights=(self.quantisation, self.balance),
            batch=self.labelled_batch,
            steps=self.min_steps_per_epoch,
            shapes=self._shapes(),
            mirror=self.mirror,
            shift=self.shift,
        )

    def _kernel_rows(self, corpus: Corpus) -> np.ndarray:
        return corpus.labelled

    # -- pictures --------------------------------------------------------------------------

    def _shapes(self) -> dict[str, Shape]:
        """Return the shape of each view that goes through convolutions."""
        found = {
            view: Shape(encoder.size, 3 if encoder.colour else 1)
            for view, encoder in self.encoders.items()
            if isinstance(encoder, Pixels)
            and (self.pictures == "convolution" or (self.pictures == "auto" and encoder.colour))
        }
        if self.pictures == "convolution" and not found:
            raise DataError(
                "dcmh: pictures=convolution needs a view of pixels (as of `glyphs`, or of "
                "mirflickr with image=pixels), and there is none; set pictures=auto"
            )
        return found

    def _builders(self) -> dict[str, Builder]:
        return {view: partial(self._convolution, shape) for view, shape in self._shapes().items()}

    def _convolution(self, shape: Shape, rng: torch.Generator) -> nn.Module:
        return Convolution(shape, self.channels, self.bits, rng=rng)

    def _fit_scaling(self, corpus: Corpus, view: str) -> Scaling:
        shapes = self._shapes()
        if view in shapes:
            return fit_picture_scaling(corpus[view], shapes[view].colours)
        return super()._fit_scaling(corpus, view)


class Alternation(Task):
    """The alternating learning of DCMH, over the labelled rows.

    Attributes
    ----------
    buffers : dict of view name to (l, bits) float32
        Every view's outputs of the labelled rows: F and G.
    codes : (l, bits) float32 of -1 and 1
        B.
    """

    def __init__(
        self,
        network: HashNetwork,
        optimizer: torch.optim.Optimizer,
        data: TrainingData,
        rng: torch.Generator,
        *,
        weights: tuple[float, float],
        batch: int,
        steps: int,
        shapes: dict[str, Shape],
        mirror: bool,
        shift: int,
    ) -> None:
        self.network, self.optimizer, self.rng, self.class_probabilities = (
            network,
            optimizer,
            rng,
            data.labels,
        )
        self.networks: dict[str, nn.Module] = {"encoder": network}
        self.optimizers = {"encoder": optimizer}
        self.views, self.rows, self.labels = data.views, data.labelled, data.labels[data.labelled]
        self.quantisation, self.balance = weights
        self.batch, self.passes = batch, -(-steps // -(-len(self.rows) // batch))
        self.shapes, self.mirror, self.shift = shapes, mirror, shift
        self.buffers: dict[str, Tensor] = {}
        self.codes = torch.empty(0)
        self.batches: Iterator[tuple[str, Tensor]] = iter(())

    def begin_epoch(self, epoch: int) -> int:
        """Plan the passes over the labelled rows: each view's batches in turn."""
        self.batches = self._batches()
        return self.passes * len(self.views) * -(-len(self.rows) // self.batch)

    def step(self) -> dict[str, float]:
        """Lower J by one batch of one view; return its terms."""
        view, batch = next(self.batches)
        terms = self.losses(view, batch)
        # The other views' weights get no gradient at all, so they and their moments stay as they
        # are.
        self.optimizer.zero_grad(set_to_none=True)
        terms.sum().backward()
        self.optimizer.step()
        names = ("likelihood", "quantisation", "balance")
        return dict(zip(names, terms.tolist(), strict=True))

    def _batches(self) -> Iterator[tuple[str, Tensor]]:
        for _ in range(self.passes):
            self.refresh()
            for view in self.views:
                for batch in torch.randperm(len(self.rows), generator=self.rng).split(self.batch):
                    yield view, batch

    def refresh(self) -> None:
        """Compute the outputs of all rows by the weights as they are; then eq. (7)."""
        with torch.no_grad():
            self.buffers = {
                view: torch.cat([self.network.logits(view, x[r]) for r in self.rows.split(1024)])
                for view, x in self.views.items()
            }
        total = torch.stack(list(self.buffers.values())).sum(0)
        self.codes = torch.where(total > 0, 1.0, -1.0)

    def losses(self, view: str, batch: Tensor) -> Tensor:
        """Return the terms of J that one view's outputs of a batch are in, (3,).

        Divided by batch and rows, as in the authors' code; the batch's own outputs go into the
        view's buffer.
        """
        outputs = self.network.logits(view, self._inputs(view, batch))
        buffer, others = self.buffers[view], [b for v, b in self.buffers.items() if v != view]
        buffer[batch] = outputs.detach()
        shared = (self.labels[batch] @ self.labels.T > 0).float()
        likelihood = torch.stack(
            [negative_log_likelihood(outputs @ other.T / 2, shared) for other in others]
        ).sum()
        distance = (self.codes[batch] - outputs).square().sum()
        # F 1 of all rows, through which the gradient reaches those of the batch.
        total = buffer.sum(0) + (outputs - outputs.detach()).sum(0)
        terms = (likelihood, self.quantisation * distance, self.balance * total.square().sum())
        return torch.stack(terms) / (len(batch) * len(self.rows))

    def _inputs(self, view: str, batch: Tensor) -> Rows:
        x = self.views[view][self.rows[batch]]
        if view not in self.shapes:
            return x
        assert isinstance(x, Tensor)  # z-scores of pixels are dense
        return jitter(x, self.shapes[view], mirror=self.mirror, shift=self.shift, rng=self.rng)


def negative_log_likelihood(theta: Tensor, shared: Tensor) -> Tensor:
    """Return the sum of log(1 + exp(theta)) - shared theta, without an exp that overflows."""
    return F.softplus(theta).sum() - (shared * theta).sum()
