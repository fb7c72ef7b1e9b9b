"""HashGAN: attention masks and hash functions play against each other over what matters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from crossbit.corpus import Corpus
from crossbit.errors import ConfigError, DataError, suggest
from crossbit.features.pixels import Pixels
from crossbit.features.scaling import Scaling, fit_picture_scaling
from crossbit.methods.adversarial.hashgan.game import AttentionGame, AttentionRules, AttentionRun
from crossbit.methods.adversarial.hashgan.networks import (
    AttendedPathway,
    MapShape,
    map_pathway,
    vector_pathway,
)
from crossbit.methods.base import Citation
from crossbit.methods.deep.base import Progress, silent
from crossbit.methods.deep.labelled import LabelledHasher
from crossbit.methods.settings import hyper, method
from crossbit.networks.convolution import GROUPS, Shape, jitter
from crossbit.networks.pathway import HashNetwork
from crossbit.networks.rows import Rows
from crossbit.training.data import TrainingData
from crossbit.training.loop import TrainResult
from crossbit.training.run import FitRun

__all__ = ["HashGAN"]

JUDGED = 1000  # training rows that the attended share is measured on


@method
class HashGAN(LabelledHasher):
    """Attention-aware deep adversarial hashing: three modules for each view.

    E gives features: a map f of H x W positions for a picture, a vector f of p for a text. G
    scores positions (by a 1x1 convolution) or features (by one layer); P is the softmax of the
    scores and Z = 1[P >= alpha] the mask, at the uniform level alpha = 1 / (H W) or 1 / p, with
    straight-through gradients. D hashes what is attended, H = D(Z * f), and by the same weights
    what is not, H^ = D((1 - Z) * f). With F_A->B the ranking loss of queries in A and items in B,

        F = sum over S_ij > S_ik of max(0, eps + ||H_i^A - H_j^B||^2 - ||H_i^A - H_k^B||^2),

    the game is

        min over E, D:  F_T->I + F_I->T + F_I->I + F_T->T + F_T->I^ + F_I->T^
        max over G:     F_T->I^ + F_I->T^

    I^ and T^ being the codes of what is not attended: whatever D can still rank by there, G
    learns to attend to. Attended codes retrieve, by their signs.

    What is ours. Steps alternate batch by batch, and both sides learn from one pass of E. All
    triplets of a batch b would be O(b^3), so F is the log-sum-exp of all of them
    (``loss="ranking"``), or a few drawn evenly for each query (``loss="triplets"``, by squared
    distances of codes in 0..1 and a margin that grows with the bits). Scores are gates (`opening`):
    the softmax of scores as they are leaves out more than half of an item, and codes suffer by it.
    With `pair_weight`, rows without labels take part, each with its own pair as what is relevant.
    The paper's E of pictures is VGG-19, and its D begins with the layers fc6 and fc7; here pixels
    go through a small network that starts at random, or maps of another network are taken as they
    are (`maps`), and D begins with one layer. Views that are vectors follow the rule of texts, and
    the game is played in both directions of every two views. The published form is in
    ``experiments/``.

    Other methods called HashGAN, which make pictures, are not this one.

    Cost of a step: that of E on a batch, and O(batch (hidden^2 + batch bits)).
    """

    name: ClassVar[str] = "hashgan"
    title: ClassVar[str] = "HashGAN"
    family: ClassVar[str] = "Deep"
    summary: ClassVar[str] = "attention masks play against the hash functions; raw pixels, maps"
    citation: ClassVar[Citation | None] = Citation(
        "X. Zhang, H. Lai, J. Feng",
        "Attention-aware Deep Adversarial Hashing for Cross-Modal Retrieval",
        "European Conference on Computer Vision",
        2018,
        "https://arxiv.org/abs/1711.09347",
    )

    learns_from: ClassVar[str] = "labelled rows"

    hidden: int = hyper(
        512, "features of a vector, units of the layer before them, and of D's first for pictures"
    )
    activation: Literal["cosine", "relu", "tanh"] = hyper("relu", "of the first layer of vectors")
    labelled_batch: int = hyper(128, "labelled rows in a step")
    epochs: int = hyper(12, "epochs of training, each with a validation")
    lr: float = hyper(3e-3, "of E and D at the start; falls along a cosine", "development rows")
    kernel_head: Literal["auto", "never", "always"] = hyper(
        "never", "kernel head over the rows", "the paper has none"
    )
    attention: bool = hyper(True, "mask features; false: D sees whole maps, and there is no game")
    loss: Literal["ranking", "triplets"] = hyper(
        "ranking", "F, as a log-sum-exp over a batch or by triplets", "triplets in the paper"
    )
    temperature: float = hyper(
        0.6, "of the log-sum-exp over inner products, in units of bits", "development rows"
    )
    margin: float = hyper(1.0, "eps of triplets, in units of bits / 8; not known of the paper")
    triplets: int = hyper(8, "triplets drawn for each query and direction")
    gate_bias: float | None = hyper(
        3.0, "how far gates of attention are open; none: scores go to the softmax as they are"
    )
    adversarial_weight: float = hyper(1.0, "of the terms on what is not attended", "the paper")
    within_weight: float = hyper(1.0, "of F_I->I and F_T->T", "the paper")
    pair_weight: float = hyper(
        0.0, "of each row's own pair as what is relevant, for rows of any kind"
    )
    generator_lr: float = hyper(
        3e-2, "of G at the start; falls along a cosine; 0: masks stay as they start"
    )
    channels: int = hyper(16, "a quarter of those of a map, a multiple of 4")
    shift: int = hyper(2, "move pictures by up to so many pixels in training")
    mirror: bool = hyper(True, "mirror half of the pictures in training")
    maps: str = hyper("", 'views that hold maps, and their shape: "image=14x14x512"')

    def __post_init__(self) -> None:
        super().__post_init__()
        weights = (self.adversarial_weight, self.within_weight, self.pair_weight)
        if min(*weights, self.shift) < 0:
            raise ConfigError("hashgan: weights and shift must not be below 0")
        if self.channels < 1 or self.channels % GROUPS:
            raise ConfigError(f"hashgan: channels must be a multiple of {GROUPS}")
        if self.triplets < 1 or self.temperature <= 0 or self.generator_lr < 0:
            raise ConfigError(
                "hashgan: triplets must be at least 1, temperature above 0, and generator_rate not "
                "below 0"
            )
        self._maps = MapShape.parse_views(self.maps)

    def masks(self, items: Any, view: str) -> np.ndarray:
        """Return what is attended of features `items`, (n, d), bool.

        (n, H, W) for pictures and maps, H W equal parts of the picture; (n, p) for vectors, whose
        p features are the network's own. All true without attention.
        """

        def act(batch: np.ndarray, view: str) -> np.ndarray:
            assert self._network is not None
            path: Any = self._network.pathways[view]
            with torch.inference_mode():
                found: np.ndarray = path.masks(torch.from_numpy(self._scaling[view](batch))).numpy()
            return (found > 0.5) | (not self.attention)

        return self._in_batches(items, view, act)

    # -- training --------------------------------------------------------------------------

    def _task(
        self, data: TrainingData, rng: torch.Generator, progress: Progress = silent
    ) -> AttentionGame:
        network = self._new_network(data, rng)
        optimizers = {"discriminator": self._new_optimizer(network, self.lr, self.weight_decay)}
        if self.attention and self.generator_lr:
            paths: list[Any] = list(network.pathways.values())
            masking = [p for path in paths for p in path.attention.parameters()]
            optimizers["generator"] = torch.optim.Adam(masking, lr=self.generator_lr)
        rules = AttentionRules(
            attention=self.attention,
            loss=self.loss,
            temperature=self.temperature * self.bits,
            margin=self.margin * self.bits / 8,
            triplets=self.triplets,
            adversarial=self.adversarial_weight,
            within=self.within_weight,
            pairs=self.pair_weight,
            batch=self.labelled_batch,
            pair_batch=self.batch,
            steps=self._steps(data),
        )
        shapes = self._shapes()

        def inputs(view: str, rows: Rows) -> Rows:
            shape = shapes.get(view)
            if not isinstance(shape, Shape):
                return rows
            assert isinstance(rows, Tensor)  # z-scores of pixels are dense
            return jitter(rows, shape, mirror=self.mirror, shift=self.shift, rng=rng)

        return AttentionGame(network, optimizers, data, rng, rules=rules, inputs=inputs)

    def _steps(self, data: TrainingData) -> int:
        """An epoch is a pass over what is learnt from: labelled rows, pairs where they count."""
        passes = -(-len(data.labelled) // self.labelled_batch)
        return max(
            self.min_steps_per_epoch, passes, super()._steps(data) if self.pair_weight else 0
        )

    def _train(
        self,
        corpus: Corpus,
        validation: Corpus | None,
        epochs: int,
        stage: str,
        run: FitRun,
        before: list[dict[str, Any]],
        patience: int = 0,
    ) -> TrainResult:
        self._check_maps(corpus.dims)
        watched = AttentionRun(**vars(run))
        found = super()._train(corpus, validation, epochs, stage, watched, before, patience)
        run.history = watched.history
        sample = corpus.take(np.arange(len(corpus))[:JUDGED])
        self.trained["attended"] = {
            view: round(float(self.masks(sample.with_views(view)[view], view).mean()), 4)
            for view in corpus.views
        }
        return found

    def _kernel_rows(self, corpus: Corpus) -> np.ndarray:
        return np.ones(len(corpus), dtype=bool) if self.pair_weight else corpus.labelled

    # -- views -----------------------------------------------------------------------------

    def _shapes(self) -> dict[str, Shape | MapShape]:
        """Return the shape of each view that is pixels or maps."""
        pixels = {
            view: Shape(encoder.size, 3 if encoder.colour else 1)
            for view, encoder in self.encoders.items()
            if isinstance(encoder, Pixels)
        }
        return pixels | self._maps

    def _fit_scaling(self, corpus: Corpus, view: str) -> Scaling:
        shape = self._shapes().get(view)
        return (
            super()._fit_scaling(corpus, view)
            if shape is None
            else fit_picture_scaling(corpus[view], shape[-1])
        )

    def _build(
        self, dims: Mapping[str, int], total_variance: Mapping[str, float], rng: torch.Generator
    ) -> HashNetwork:
        shapes = self._shapes()

        def pathway(view: str, rng: torch.Generator) -> AttendedPathway:
            if view in shapes:
                return map_pathway(
                    shapes[view],
                    self.channels,
                    self.hidden,
                    self.bits,
                    attends=self.attention,
                    gate_bias=self.gate_bias,
                    rng=rng,
                )
            return vector_pathway(
                dims[view],
                self.hidden,
                self.bits,
                activation=self.activation,
                init_std=self.init_std,
                total_variance=total_variance[view],
                attends=self.attention,
                gate_bias=self.gate_bias,
                rng=rng,
            )

        return HashNetwork(
            dims,
            self.hidden,
            self.bits,
            activation=self.activation,
            init_std=self.init_std,
            total_variance=total_variance,
            rng=rng,
            builders={view: partial(pathway, view) for view in dims},
        )

    def _check_maps(self, dims: Mapping[str, int]) -> None:
        for view, shape in self._maps.items():
            if view not in dims:
                raise DataError(
                    f"hashgan: maps: the data have no view {view!r}{suggest(view, dims)}"
                )
            if math.prod(shape) != dims[view]:
                raise DataError(
                    f"hashgan: the {view} view has {dims[view]:,} numbers, a map of "
                    f"{'x'.join(map(str, shape))} has {math.prod(shape):,}; mend maps"
                )
