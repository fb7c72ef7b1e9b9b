"""DSH-GAN: pictures are hashed by a network that also learns from synthetic ones."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import nn

from crossbit.corpus import Corpus
from crossbit.errors import ConfigError, DataError
from crossbit.features.pixels import Pixels
from crossbit.features.scale import Scaler
from crossbit.features.scaling import Scaling
from crossbit.files import canonical_json
from crossbit.methods.base import Citation
from crossbit.methods.deep.labelled import LabelledHasher
from crossbit.methods.settings import hyper
from crossbit.networks.convolution import Shape, jitter
from crossbit.networks.pathway import Builder
from crossbit.networks.streams import Streams
from crossbit.networks.synthesis import Synthesiser
from crossbit.training.data import TrainingData
from crossbit.training.loop import Outcome, cosine, train
from crossbit.training.run import FitRun
from crossbit.training.stages import keep_stage, kept_stage, stage_path
from crossbit.training.synthesis import Pictures, Rules, SynthesisGame, TripletGame

__all__ = ["DSHGAN"]

STAGE = "synthesis"  # comes before "train" and "refit", and is part of each

SMOOTH_EVERY = 4  # steps of stage 1
DECISIVE = (  # settings that stage 1 depends on
    "activation",
    "average",
    "batch",
    "channels",
    "class_weight",
    "conditional",
    "decay",
    "first_trust",
    "gain",
    "game_rate",
    "generator_channels",
    "hidden",
    "mirror",
    "momentum",
    "noise",
    "optimiser",
    "pretrain_rounds",
    "seed",
    "smoothing",
    "steps",
)


@dataclass
class DSHGAN(LabelledHasher):
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

    Cost of a step: O(batch) passes through both networks; nothing grows with n but a round of
    stage 1, which is one pass over all pictures.
    """

    name: ClassVar[str] = "dshgan"
    summary: ClassVar[str] = "pictures alone: triplets of real and synthetic ones, few labels"
    citation: ClassVar[Citation | None] = Citation(
        "Z. Qiu, Y. Pan, T. Yao, T. Mei",
        "Deep Semantic Hashing with Generative Adversarial Networks",
        "SIGIR",
        2017,
        "https://arxiv.org/abs/1804.08275",
    )
    needs: ClassVar[frozenset[str]] = frozenset({"labels", "pictures"})
    most_views: ClassVar[int | None] = 1
    takes_missing: ClassVar[bool] = False

    hidden: int = hyper(256, "units of the layer that the three streams share")
    activation: Literal["cosine", "relu", "tanh"] = hyper("relu", "of that layer")
    batch: int = hyper(
        32, "in a step of stage 1: pictures with labels, any pictures, synthetic ones"
    )
    labelled_batch: int = hyper(64, "labelled pictures in a step of stage 2")
    steps: int = hyper(40, "steps in a round of stage 2; in one of stage 1, at least so many")
    rate: float = hyper(1e-3, "learning rate of the network in stage 2; falls along a cosine")
    decay: float = hyper(1e-2, "weight decay of all networks")
    memory: Literal["auto", "never", "always"] = hyper(
        "never", "kernel memory over the rows", "the paper has none"
    )
    channels: int = hyper(32, "channels of the network's first convolution")
    mirror: bool = hyper(False, "mirror half of the pictures in training")
    shift: int = hyper(
        0, "move pictures by up to so many pixels in stage 2; G draws them where they are"
    )
    synthetic: float = hyper(
        0.5,
        "share of positives and negatives that G draws; 0: no G, no adversary",
        "1 in the paper",
    )
    first_trust: float = hyper(
        0.0,
        "weight of a synthetic picture beside a real one in the l_c that the network lowers in "
        "stage 1, when pictures are no good yet",
        "1 in the paper",
    )
    trust: float = hyper(0.5, "the same in stage 2", "1 in the paper")
    class_weight: float = hyper(
        0.1,
        "weight of l_c in L_G; a large one has G draw what classes are told by, one picture each",
        "1 in the paper",
    )
    margin: float = hyper(4.0, "of the triplets, squared distance", "1 in the paper")
    all_triplets: bool = hyper(
        True, "all triplets of a batch's partners, else one of each picture", "one in the paper"
    )
    pretrain_rounds: int = hyper(
        3, "rounds of stage 1, each a pass over all pictures, labelled or not"
    )
    game_rate: float = hyper(5e-4, "learning rate of both players' game", "DCGAN: 2e-4")
    conditional: bool = hyper(
        True,
        "the adversary knows a picture's labels, or the classes it is believed to have",
        "false in the paper",
    )
    smoothing: float = hyper(
        1.0,
        "weight of the adversary's squared slope at real pictures (R1) in stage 1",
        "none in the paper",
    )
    momentum: float = hyper(0.5, "first moment's decay in Adam", "DCGAN")
    noise: int = hyper(100, "numbers that G draws a picture from, beside the labels", "DCGAN")
    generator_channels: int = hyper(32, "channels before G's last deconvolution")
    generator_every: int = hyper(
        0,
        "steps of the network to one of G in stage 2; 0: G learns in stage 1 alone",
        "1 in the paper",
    )
    average: float = hyper(0.98, "how slowly the average of G, which draws in the end, follows it")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("channels", "noise", "generator_channels"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{self.name}: {name} must be at least 1")
        for name in (
            "shift",
            "trust",
            "class_weight",
            "margin",
            "pretrain_rounds",
            "generator_every",
        ):
            if getattr(self, name) < 0:
                raise ConfigError(f"{self.name}: {name} must not be below 0")
        for name in ("synthetic", "momentum", "average"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{self.name}: {name} must be from 0 to 1")
        if self.game_rate <= 0:
            raise ConfigError(f"{self.name}: game_rate must be above 0")
        self._classes = 0
        self._parts: dict[str, dict[str, torch.Tensor]] = {}  # what stage 1 learnt
        self._synthesiser: Synthesiser | None = None

    # -- training --------------------------------------------------------------------------

    def _fit(self, train: Corpus, validation: Corpus | None, run: FitRun) -> None:
        self._shape()
        self._classes = train.label_matrix.shape[1]
        self._build(self.dims, {}, torch.Generator())  # what cannot work is refused before stage 1
        self.trained["classes"] = list(train.label_names)
        super()._fit(train, validation, run)

    def _train(
        self,
        corpus: Corpus,
        validation: Corpus | None,
        rounds: int,
        stage: str,
        run: FitRun,
        before: list[dict[str, Any]],
        patience: int = 0,
    ) -> Outcome:
        self._parts, self._synthesiser = {}, None
        if self.synthetic:
            first = self._synthesise(corpus, f"{STAGE}-{stage}", run, before)
            if first.stopped:
                return first
            before = before + first.events
        return super()._train(corpus, validation, rounds, stage, run, before, patience)

    def _synthesise(
        self, corpus: Corpus, stage: str, run: FitRun, before: list[dict[str, Any]]
    ) -> Outcome:
        """Play stage 1 and keep what it learnt."""
        rng = torch.Generator().manual_seed(self.seed)
        self._scaling = {v: self._fit_scaling(corpus, v) for v in corpus.views}
        data = TrainingData.of(corpus, self._scaling)
        path = self._stage_path(data)
        kept = kept_stage(path)
        if kept is not None:
            self._parts = kept
            return Outcome()
        task = self._first_task(data, rng)
        outcome = train(
            task,
            rounds=self.pretrain_rounds,
            horizon=max(self.pretrain_rounds, 1),
            stage=stage,
            run=run,
            schedule=cosine,
            before=before,
        )
        self._parts = {name: part.state_dict() for name, part in task.networks.items()}
        if not outcome.stopped:
            keep_stage(path, self._parts)
        return outcome

    def _first_task(self, data: TrainingData, rng: torch.Generator) -> SynthesisGame:
        # The hash stream takes no part: with one bit this stage is the same for all lengths.
        streams, synthesiser = self._streams(1, rng), self._new_synthesiser(rng)
        return SynthesisGame(
            self._pictures(data, rng, shift=0),
            streams,
            streams,
            synthesiser,
            deepcopy(synthesiser),
            {
                "discriminator": self._adam(streams, self.game_rate),
                "synthesiser": self._adam(synthesiser, self.game_rate),
            },
            rng,
            self._rules(self._steps(data)),
        )

    def _stage_path(self, data: TrainingData) -> Path | None:
        """Return where stage 1 is kept: it is the same for all code lengths."""
        decisive = {name: getattr(self, name) for name in DECISIVE}
        (pixels,) = (x.numpy() for x in data.views.values() if isinstance(x, torch.Tensor))
        known = (data.labels.numpy(), data.labelled.numpy())
        return stage_path(self.name, (canonical_json(decisive), pixels, *known))

    def _task(self, data: TrainingData, rng: torch.Generator) -> TripletGame:
        network = self._new_network(data, rng)
        streams = next(iter(network.pathways.values()))
        assert isinstance(streams, Streams)
        optimisers = {"discriminator": self._adam(network, self.rate)}
        synthesiser = average = None
        if self.synthetic:
            synthesiser, average = self._new_synthesiser(rng), self._new_synthesiser(rng)
            synthesiser.load_state_dict(self._parts["synthesiser"])
            average.load_state_dict(self._parts["average"])
            learnt = self._parts["discriminator"]
            streams.load_state_dict(
                streams.state_dict() | {k: v for k, v in learnt.items() if "second" not in k}
            )
            self._synthesiser = average.eval()
            if self.generator_every:
                optimisers["synthesiser"] = self._adam(synthesiser, self.game_rate)
        return TripletGame(
            self._pictures(data, rng, shift=self.shift),
            streams,
            network,
            synthesiser,
            average,
            optimisers,
            rng,
            self._rules(self.steps),
        )

    def _remembered(self, corpus: Corpus) -> np.ndarray:
        return corpus.is_labelled

    def _rules(self, steps: int) -> Rules:
        return Rules(
            steps=steps,
            batch=self.batch,
            labelled_batch=self.labelled_batch,
            synthetic=self.synthetic,
            first_trust=self.first_trust,
            trust=self.trust,
            class_weight=self.class_weight,
            margin=self.margin,
            all_triplets=self.all_triplets,
            generator_every=self.generator_every,
            average=self.average,
            conditional=self.conditional,
            smoothing=self.smoothing,
            smooth_every=SMOOTH_EVERY,
        )

    # -- pictures --------------------------------------------------------------------------

    def _shape(self) -> Shape:
        """Return the shape of the pictures."""
        for view in self.dims:
            encoder = self.encoders.get(view)
            if isinstance(encoder, Pixels) and encoder.size > 1:
                return Shape(encoder.size, 3 if encoder.colour else 1)
        raise DataError(
            f"{self.name} learns from pictures, and no view is one of pixels; give a corpus whose "
            "view has a Pixels encoder, as those of cifar10 and mnist"
        )

    def _pictures(self, data: TrainingData, rng: torch.Generator, shift: int) -> Pictures:
        (pixels,) = data.views.values()
        assert isinstance(pixels, torch.Tensor)
        vary = partial(jitter, shape=self._shape(), mirror=self.mirror, shift=shift, rng=rng)
        return Pictures(pixels, data.labels, data.labelled, vary)

    def _fit_scaling(self, corpus: Corpus, view: str) -> Scaling:
        """Return pixels in -1..1, where the generator's tanh ends."""
        d = corpus.dims[view]
        return Scaler(np.full(d, 0.5, dtype=np.float32), np.full(d, 2.0, dtype=np.float32))

    # -- networks --------------------------------------------------------------------------

    def _builders(self) -> dict[str, Builder]:
        return {view: lambda rng: self._streams(self.bits, rng) for view in self.dims}

    def _streams(self, bits: int, rng: torch.Generator) -> Streams:
        return Streams(
            self._shape(),
            self.channels,
            self.hidden,
            bits,
            self._classes,
            activation=self.activation,
            gain=self.gain,
            rng=rng,
        )

    def _new_synthesiser(self, rng: torch.Generator) -> Synthesiser:
        return Synthesiser(
            self._shape(), self._classes, self.noise, self.generator_channels, rng=rng
        )

    def _adam(self, network: nn.Module, rate: float) -> torch.optim.Optimizer:
        if self.optimiser == "sgd":
            return torch.optim.SGD(network.parameters(), lr=rate, weight_decay=self.decay)
        betas = (self.momentum, 0.999)
        return torch.optim.AdamW(
            network.parameters(), lr=rate, betas=betas, weight_decay=self.decay
        )

    # -- the hasher's side -----------------------------------------------------------------

    @property
    def classes(self) -> int:
        """How many classes it was trained on; 0 before."""
        return self._classes

    def synthesise(self, labels: np.ndarray, seed: int = 0) -> np.ndarray:
        """Return one synthetic picture of each row of labels, (n, size, size, colours) in 0..1.

        Parameters
        ----------
        labels : (n, c) of zeros and ones
        seed : int
            Of the noise.

        Raises
        ------
        DataError
            If the labels are of another number of classes.
        ConfigError
            If the model is not fitted, or has no generator (`synthetic=0`).
        """
        self._check_fitted()
        if self._synthesiser is None:
            raise ConfigError("this model was fitted with synthetic=0, so it has no generator")
        if labels.ndim != 2 or labels.shape[1] != self._classes:
            raise DataError(f"labels must be (n, {self._classes}), got {labels.shape}")
        rng = torch.Generator().manual_seed(seed)
        wanted = torch.from_numpy(np.asarray(labels, dtype=np.float32))
        with torch.inference_mode():
            parts = [self._synthesiser.draw(part, rng) for part in torch.split(wanted, 256)]
        shape = self._shape()
        rows: np.ndarray = torch.cat(parts).numpy() / 2 + 0.5
        return rows.reshape(-1, shape.size, shape.size, shape.colours)

    def _arrays(self) -> dict[str, np.ndarray]:
        arrays = super()._arrays()
        if self._synthesiser is not None:
            state = self._synthesiser.state_dict()
            arrays |= {f"synthesiser/{name}": value.numpy() for name, value in state.items()}
        return arrays

    def _restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        (view,) = self.dims
        self._classes = arrays[f"network/pathways.{view}.classes.bias"].shape[0]
        super()._restore(arrays)
        kept = {k.removeprefix("synthesiser/"): a for k, a in arrays.items() if k.startswith("syn")}
        if kept:
            self._synthesiser = self._new_synthesiser(torch.Generator()).eval()
            own = self._synthesiser.state_dict()
            self._synthesiser.load_state_dict(  # a safetensors file gives no array without axes
                {name: torch.from_numpy(a.copy()).view_as(own[name]) for name, a in kept.items()}
            )
