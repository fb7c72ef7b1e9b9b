"""The hash network: one two-layer pathway per view, into one space of bits."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from crossbit.errors import DataError
from crossbit.networks.rows import Rows, linear

__all__ = ["ACTIVATIONS", "Builder", "HashNetwork", "Pathway", "squared_distance"]

ACTIVATIONS = {
    "tanh": torch.tanh,
    "cosine": lambda x: math.sqrt(2) * torch.cos(x),
    "relu": torch.relu,
}
Builder = Callable[[torch.Generator], nn.Module]  # its layers: `first`, then `second`, which hashes


class Pathway(nn.Module):
    """Maps one view's features to logits of bits: W_h phi(x) + b_h, phi(x) = act(W_c x + b_c).

    Eq. (1) of SCH-GAN with act = tanh. With act = cosine and random W_c this is the random
    Fourier map of a Gaussian kernel (Rahimi and Recht, NIPS 2007), here a starting point that
    training moves on from.

    Parameters
    ----------
    dim, hidden, bits : int
        Widths of the three layers.
    activation : str
        One of `ACTIVATIONS`.
    gain : float
        Standard deviation of a hidden unit's input at the start; it sets the kernel's width.
    power : float
        Sum of the variances of the input columns, by which `gain` is made scale-free.
    rng : torch.Generator
        Source of the initial weights.
    """

    def __init__(
        self,
        dim: int,
        hidden: int,
        bits: int,
        *,
        activation: str,
        init_std: float,
        total_variance: float,
        rng: torch.Generator,
    ) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[activation]
        self.first = nn.Linear(dim, hidden)
        self.second = nn.Linear(hidden, bits)
        # Standard deviation 0.1, as in the released code, saturates every unit at d = 4,096.
        nn.init.normal_(
            self.first.weight, 0.0, init_std / math.sqrt(max(total_variance, 1e-12)), generator=rng
        )
        nn.init.normal_(self.second.weight, 0.0, 1 / math.sqrt(hidden), generator=rng)
        nn.init.zeros_(self.second.bias)
        if activation == "cosine":
            nn.init.uniform_(self.first.bias, -math.pi, math.pi, generator=rng)
        else:
            nn.init.zeros_(self.first.bias)

    def forward(self, x: Rows) -> Tensor:
        """Return logits, (b, bits), of features (b, dim)."""
        hidden = self.activation(linear(x, self.first.weight, self.first.bias))
        logits: Tensor = self.second(hidden)
        return logits


class HashNetwork(nn.Module):
    """A pathway for each view, no weights shared; the generator and the discriminator are one each.

    Parameters
    ----------
    dims, power : mapping of view name to int, to float
        Input widths, and the inputs' total variances (see `Pathway`).
    builders : mapping of view name to callable, optional
        Make the pathways of views that are no vectors, from the source of initial weights.

    Raises
    ------
    DataError
        For a view that is called like a method of torch's dictionary of modules.
    """

    def __init__(
        self,
        dims: Mapping[str, int],
        hidden: int,
        bits: int,
        *,
        activation: str,
        init_std: float,
        total_variance: Mapping[str, float],
        rng: torch.Generator,
        builders: Mapping[str, Builder] | None = None,
    ) -> None:
        super().__init__()
        builders = builders or {}
        for view in dims:
            if hasattr(nn.ModuleDict, view):  # "keys", "type": methods of the dictionary below
                raise DataError(f"a network cannot hold a view called {view!r}; rename the view")
        self.bits = bits
        self.pathways = nn.ModuleDict(
            {
                view: builders[view](rng)
                if view in builders
                else Pathway(
                    dim,
                    hidden,
                    bits,
                    activation=activation,
                    init_std=init_std,
                    total_variance=total_variance[view],
                    rng=rng,
                )
                for view, dim in dims.items()
            }
        )

    def forward(self, view: str, x: Rows) -> Tensor:
        """Return relaxed codes h in (0, 1), (b, bits): eq. (1); the bit is h > 1/2, eq. (2)."""
        return torch.sigmoid(self.pathways[view](x))

    def logits(self, view: str, x: Rows) -> Tensor:
        """Return what the sigmoid is taken of; the bit is logit > 0."""
        value: Tensor = self.pathways[view](x)
        return value

    def hash_layers(self) -> list[Tensor]:
        """Return the weights of the hash layers, (bits, hidden) each, where these are one layer."""
        layers = [path.second for path in self.pathways.values()]
        return [layer.weight for layer in layers if isinstance(layer, nn.Linear)]

    def parameter_groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """Return parameters for an optimizer: weight decay acts on the hash layers only."""
        paths: list[Any] = list(self.pathways.values())
        return [
            {"params": [p for path in paths for p in path.first.parameters()], "weight_decay": 0.0},
            {
                "params": [p for path in paths for p in path.second.parameters()],
                "weight_decay": weight_decay,
            },
        ]


def squared_distance(a: Tensor, b: Tensor) -> Tensor:
    """Return ||a_i - b_j||^2, (m, n): the relaxed Hamming distance of codes in 0..1."""
    return (a.square().sum(1)[:, None] + b.square().sum(1) - 2 * a @ b.T).clamp(min=0)
