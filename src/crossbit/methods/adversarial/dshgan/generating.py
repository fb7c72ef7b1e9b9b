"""Generating: methods for pictures with a generator, which stays with the model to look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from crossbit.corpus import Corpus
from crossbit.errors import ConfigError, DataError
from crossbit.features.pixels import Pixels
from crossbit.features.scale import Scaler
from crossbit.features.scaling import Scaling
from crossbit.methods.adversarial.dshgan.generator import Synthesiser
from crossbit.methods.deep.labelled import LabelledHasher
from crossbit.methods.settings import hyper
from crossbit.networks.convolution import Shape

__all__ = ["Generating"]


@dataclass
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
        self._synthesiser: Synthesiser | None = None

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

    def _new_synthesiser(self, rng: torch.Generator) -> Synthesiser:
        return Synthesiser(
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
