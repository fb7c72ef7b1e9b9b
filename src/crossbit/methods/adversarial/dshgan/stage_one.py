"""Drawing: methods that learn to draw pictures before they hash them; stage 1 of DSH-GAN."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from crossbit.corpus import Corpus
from crossbit.errors import ConfigError, DataError
from crossbit.features.pixels import Pixels
from crossbit.features.scale import Scaler
from crossbit.features.scaling import Scaling
from crossbit.files import canonical_json
from crossbit.methods.adversarial.dshgan.data import Pictures, Rules
from crossbit.methods.adversarial.dshgan.discriminator import MultiHeadDiscriminator
from crossbit.methods.adversarial.dshgan.games import SynthesisGame
from crossbit.methods.adversarial.dshgan.generator import ImageGenerator, augment
from crossbit.methods.adversarial.dshgan.stage_cache import keep_stage, kept_stage, stage_path
from crossbit.methods.deep.labelled import LabelledHasher
from crossbit.methods.settings import hyper, method
from crossbit.networks.convolution import Shape, jitter
from crossbit.networks.pathway import Builder
from crossbit.training.data import TrainingData
from crossbit.training.loop import TrainResult, cosine, train
from crossbit.training.run import FitRun

__all__ = ["Drawing", "Generating"]

STAGE = "synthesis"  # comes before "train" and "refit", and is part of each
SMOOTH_EVERY = 4  # steps

DECISIVE = (  # settings that stage 1 depends on
    "activation",
    "augment",
    "average",
    "batch",
    "bfloat16",
    "channels",
    "classification_weight",
    "conditional",
    "weight_decay",
    "first_trust",
    "init_std",
    "game_lr",
    "generator_channels",
    "hidden",
    "mirror",
    "momentum",
    "noise",
    "optimizer",
    "warmup_epochs",
    "seed",
    "smoothing",
    "min_steps_per_epoch",
)


@method
class Generating(LabelledHasher):
    """A method whose view is pixels, with a generator that draws pictures of given labels."""

    noise: int = hyper(100, "numbers that G draws a picture from, beside the labels", "DCGAN")
    generator_channels: int = hyper(32, "channels before G's last doubling")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("noise", "generator_channels"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{self.name}: {name} must be at least 1")
        self._classes = 0
        self._synthesiser: ImageGenerator | None = None

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

    def _fit_scaling(self, corpus: Corpus, view: str) -> Scaling:
        """Return pixels in -1..1, where the generator's tanh ends."""
        d = corpus.dims[view]
        return Scaler(np.full(d, 0.5, dtype=np.float32), np.full(d, 2.0, dtype=np.float32))

    def _new_synthesiser(self, rng: torch.Generator) -> ImageGenerator:
        return ImageGenerator(
            self._shape(), self._classes, self.noise, self.generator_channels, rng=rng
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


@method
class Drawing(Generating):
    """A network of three streams and a generator, which play before any picture is hashed.

    What a method adds is what it learns after that, by `_task` from `_parts`; see `DSHGAN` for the
    equations and `training.synthesis` for the steps.
    """

    hidden: int = hyper(256, "units of the layer that the three streams share")
    activation: Literal["cosine", "relu", "tanh"] = hyper("relu", "of that layer")
    batch: int = hyper(
        32, "in a step of stage 1: pictures with labels, any pictures, synthetic ones"
    )
    min_steps_per_epoch: int = hyper(
        40, "steps in an epoch of stage 2; in one of stage 1, at least so many"
    )
    weight_decay: float = hyper(1e-2, "weight decay of all networks")
    channels: int = hyper(32, "channels of the network's first convolution")
    mirror: bool = hyper(False, "mirror half of the pictures in training")
    first_trust: float = hyper(
        0.0,
        "weight of a synthetic picture beside a real one in the l_c that the network lowers in "
        "stage 1, when pictures are no good yet",
        "1 in the paper",
    )
    classification_weight: float = hyper(
        0.1,
        "weight of l_c in L_G; a large one has G draw what classes are told by, one picture each",
        "1 in the paper",
    )
    warmup_epochs: int = hyper(
        10, "epochs of stage 1, each a pass over all pictures, labelled or not"
    )
    game_lr: float = hyper(5e-4, "learning rate of both players' game", "DCGAN: 2e-4")
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
    augment: bool = hyper(
        True,
        "move, lighten and cut real and synthetic pictures alike before the network in stage 1",
        "none in the paper",
    )
    bfloat16: bool = hyper(
        False, "pass through both networks of stage 1 in half precision, where that is faster"
    )
    momentum: float = hyper(0.5, "first moment's decay in Adam", "DCGAN")
    average: float = hyper(0.98, "how slowly the average of G, which draws in the end, follows it")

    synthetic: float = hyper(
        0.5,
        "share of positives and negatives that G draws; 0: no G, no adversary",
        "1 in the paper",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        least = {"channels": 1} | dict.fromkeys(
            ("first_trust", "classification_weight", "warmup_epochs", "smoothing"), 0
        )
        for name, value in least.items():
            if getattr(self, name) < value:
                raise ConfigError(f"{self.name}: {name} must be at least {value}")
        for name in ("synthetic", "momentum", "average"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{self.name}: {name} must be from 0 to 1")
        if self.game_lr <= 0:
            raise ConfigError(f"{self.name}: game_rate must be above 0")
        self._parts: dict[str, dict[str, torch.Tensor]] = {}  # what stage 1 learnt

    @abstractmethod
    def _rules(self, steps: int) -> Rules:
        """Return the sizes of a step and the weights of its losses, for epochs of `steps`."""

    # -- training --------------------------------------------------------------------------

    def _fit(self, train: Corpus, validation: Corpus | None, run: FitRun) -> None:
        self._shape()
        self._classes = train.require_labels().shape[1]
        self._build(self.dims, {}, torch.Generator())  # what cannot work is refused before stage 1
        self.trained["classes"] = list(train.label_names)
        super()._fit(train, validation, run)

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
        self._parts, self._synthesiser = {}, None
        if self.synthetic:
            first = self._synthesise(corpus, f"{STAGE}-{stage}", run, before)
            if first.stopped:
                return first
            before = before + first.events
        return super()._train(corpus, validation, epochs, stage, run, before, patience)

    def _synthesise(
        self, corpus: Corpus, stage: str, run: FitRun, before: list[dict[str, Any]]
    ) -> TrainResult:
        """Play stage 1 and keep what it learnt."""
        rng = torch.Generator().manual_seed(self.seed)
        self._scaling = {v: self._fit_scaling(corpus, v) for v in corpus.views}
        data = TrainingData.of(corpus, self._scaling)
        path = self._stage_path(data)
        kept = kept_stage(path)
        if kept is not None:
            self._parts = kept
            return TrainResult()
        task = self._first_task(data, rng)
        outcome = train(
            task,
            epochs=self.warmup_epochs,
            horizon=max(self.warmup_epochs, 1),
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
                "discriminator": self._adam(streams, self.game_lr),
                "synthesiser": self._adam(synthesiser, self.game_lr),
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

    def _pictures(self, data: TrainingData, rng: torch.Generator, shift: int) -> Pictures:
        (pixels,) = data.views.values()
        assert isinstance(pixels, torch.Tensor)
        shape = self._shape()
        return Pictures(
            pixels,
            data.labels,
            data.labelled,
            vary=partial(jitter, shape=shape, mirror=self.mirror, shift=shift, rng=rng),
            augment=partial(augment, shape=shape, rng=rng) if self.augment else lambda rows: rows,
        )

    # -- networks --------------------------------------------------------------------------

    def _builders(self) -> dict[str, Builder]:
        return {view: lambda rng: self._streams(self.bits, rng) for view in self.dims}

    def _streams(self, bits: int, rng: torch.Generator) -> MultiHeadDiscriminator:
        return MultiHeadDiscriminator(
            self._shape(),
            self.channels,
            self.hidden,
            bits,
            self._classes,
            activation=self.activation,
            init_std=self.init_std,
            rng=rng,
        )

    def _adam(self, network: nn.Module, lr: float) -> torch.optim.Optimizer:
        if self.optimizer == "sgd":
            return torch.optim.SGD(network.parameters(), lr=lr, weight_decay=self.weight_decay)
        betas = (self.momentum, 0.999)
        return torch.optim.AdamW(
            network.parameters(), lr=lr, betas=betas, weight_decay=self.weight_decay
        )
