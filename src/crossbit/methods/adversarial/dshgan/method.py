"""DSH-GAN: pictures are hashed by a network that also learns from synthetic ones."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import torch

from crossbit.corpus import Corpus
from crossbit.errors import ConfigError
from crossbit.methods.adversarial.dshgan.data import Rules
from crossbit.methods.adversarial.dshgan.discriminator import MultiHeadDiscriminator
from crossbit.methods.adversarial.dshgan.games import TripletGame
from crossbit.methods.adversarial.dshgan.stage_one import SMOOTH_EVERY, Drawing
from crossbit.methods.base import Citation
from crossbit.methods.deep.base import Progress, silent
from crossbit.methods.settings import hyper, method
from crossbit.training.data import TrainingData

__all__ = ["DSHGAN"]


@method
class DSHGAN(Drawing):
    """Deep semantic hashing with generative adversarial networks, for pictures alone.

    A generator G draws a picture of given labels y from noise z. One network has three streams:
    hash codes H(x) in (0, 1)^bits, P(real | x), and class probabilities. For a triplet of a real
    labelled picture x, x+ = G(z, y) with its labels and x- = G(z', y') with none of them,

        l_tri = max(0, 1 - ||H(x) - H(x-)||^2 + ||H(x) - H(x+)||^2),
        l_a = -log P(real | x) of real, -log P(synthetic | x) of synthetic pictures,
        l_c = -sum_j 1[y = j] log softmax_j (one label each), or the binary cross entropy of every
              class (several),
        L_CNN = sum of l_tri + l_a + l_c,        L_G = sum of l_tri - l_a + l_c,

    l_a and l_c being means over the triplet. First (stage 1) G and the network play without l_tri
    over labelled and unlabelled pictures, of which the latter take part in l_a alone; then (stage
    2) steps of the network and of G alternate over triplets. Only the hash stream encodes.

    The paper's network was trained beforehand on ImageNet; this one starts at random. What else is
    ours stands with the settings; ``experiments/dshgan-paper.toml`` has the published form.

    With `synthetic=0` neither G nor the adversary exists: the same network learns l_tri and l_c
    from real pictures. Stage 1 does not depend on the bits, so it is played once for all lengths
    and kept (``CROSSBIT_CACHE`` names the folder). The generator stays with the model, to look at
    what it draws (`crossbit synthesise`): 1.7 MB of 4.5 at 32 x 32 pixels in colour.

    Cost of a step: O(batch) passes through both networks; nothing grows with n but an epoch of
    stage 1, which is one pass over all pictures.
    """

    name: ClassVar[str] = "dshgan"
    title: ClassVar[str] = "DSH-GAN"
    family: ClassVar[str] = "Deep"
    summary: ClassVar[str] = "pictures alone: triplets of real and synthetic ones, few labels"
    citation: ClassVar[Citation | None] = Citation(
        "Z. Qiu, Y. Pan, T. Yao, T. Mei",
        "Deep Semantic Hashing with Generative Adversarial Networks",
        "SIGIR",
        2017,
        "https://arxiv.org/abs/1804.08275",
    )
    requires: ClassVar[frozenset[str]] = frozenset({"labels", "pictures"})
    max_views: ClassVar[int | None] = 1
    supports_missing: ClassVar[bool] = False

    labelled_batch: int = hyper(64, "labelled pictures in a step of stage 2")
    lr: float = hyper(1e-3, "learning rate of the network in stage 2; falls along a cosine")
    kernel_head: Literal["auto", "never", "always"] = hyper(
        "never", "kernel head over the rows", "the paper has none"
    )
    shift: int = hyper(
        0, "move pictures by up to so many pixels in stage 2; G draws them where they are"
    )
    trust: float = hyper(
        0.5, "weight of a synthetic picture beside a real one in l_c of stage 2", "1 in the paper"
    )
    margin: float = hyper(4.0, "of the triplets, squared distance", "1 in the paper")
    all_triplets: bool = hyper(
        True, "all triplets of a batch's partners, else one of each picture", "one in the paper"
    )
    generator_every: int = hyper(
        0,
        "steps of the network to one of G in stage 2; 0: G learns in stage 1 alone",
        "1 in the paper",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("shift", "trust", "margin", "generator_every"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{self.name}: {name} must be at least 0")

    # -- training --------------------------------------------------------------------------

    def _task(
        self, data: TrainingData, rng: torch.Generator, progress: Progress = silent
    ) -> TripletGame:
        network = self._new_network(data, rng)
        streams = next(iter(network.pathways.values()))
        assert isinstance(streams, MultiHeadDiscriminator)
        optimizers = {"discriminator": self._adam(network, self.lr)}
        synthesiser = average = None
        if self.synthetic:
            synthesiser, average = self._new_synthesiser(rng), self._new_synthesiser(rng)
            synthesiser.load_state_dict(self._parts["synthesiser"])
            average.load_state_dict(self._parts["average"])
            learnt = self._parts["discriminator"]
            streams.load_state_dict(
                streams.state_dict()
                | {k: v for k, v in learnt.items() if not k.startswith("second.")}
            )
            self._synthesiser = average.eval()
            if self.generator_every:
                optimizers["synthesiser"] = self._adam(synthesiser, self.game_lr)
        return TripletGame(
            self._pictures(data, rng, shift=self.shift),
            streams,
            network,
            synthesiser,
            average,
            optimizers,
            rng,
            self._rules(self.min_steps_per_epoch),
        )

    def _kernel_rows(self, corpus: Corpus) -> np.ndarray:
        return corpus.labelled

    def _rules(self, steps: int) -> Rules:
        return Rules(
            steps=steps,
            batch=self.batch,
            labelled_batch=self.labelled_batch,
            synthetic=self.synthetic,
            first_trust=self.first_trust,
            trust=self.trust,
            classification_weight=self.classification_weight,
            margin=self.margin,
            all_triplets=self.all_triplets,
            generator_every=self.generator_every,
            average=self.average,
            conditional=self.conditional,
            smoothing=self.smoothing,
            smooth_every=SMOOTH_EVERY,
            bfloat16=self.bfloat16,
        )
