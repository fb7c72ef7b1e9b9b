"""Task: what the training loop runs: networks, their optimizers, and one epoch of learning."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

__all__ = ["Task"]


class Task(ABC):
    """What a method trains: its networks, their optimizers, and one epoch of learning.

    Attributes
    ----------
    networks, optimizers : dict
        By name; "discriminator" is the network that encodes.
    class probabilities : (n, c) Tensor
        What is believed of the classes of the training rows: visible labels, or posteriors.
    rng : torch.Generator
        The one source of randomness: with its state saved, a resumed run is the same run.
    """

    networks: dict[str, nn.Module]
    optimizers: dict[str, torch.optim.Optimizer]
    class_probabilities: Tensor
    rng: torch.Generator

    @abstractmethod
    def round(self, number: int) -> dict[str, float]:
        """Learn for round `number`, from 1; return the means of its named losses and figures."""

    def scale_lr(self, share: float) -> None:
        """Set all learning rates to `share` of their starting values."""
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = share * group.setdefault("initial_lr", group["lr"])
