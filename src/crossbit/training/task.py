"""Task: what the training loop runs: networks, their optimisers, and one round of learning."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

__all__ = ["Task"]


class Task(ABC):
    """What a method trains: its networks, their optimisers, and one round of learning.

    Attributes
    ----------
    networks, optimisers : dict
        By name; "discriminator" is the network that encodes.
    beliefs : (n, c) Tensor
        What is believed of the classes of the training rows: visible labels, or posteriors.
    rng : torch.Generator
        The one source of randomness: with its state saved, a resumed run is the same run.
    """

    networks: dict[str, nn.Module]
    optimisers: dict[str, torch.optim.Optimizer]
    beliefs: Tensor
    rng: torch.Generator

    @abstractmethod
    def round(self, number: int) -> dict[str, float]:
        """Learn for round `number`, from 1; return the means of its named losses and figures."""

    def set_rate(self, share: float) -> None:
        """Set all learning rates to `share` of their starting values."""
        for optimiser in self.optimisers.values():
            for group in optimiser.param_groups:
                group["lr"] = share * group.setdefault("initial_lr", group["lr"])
