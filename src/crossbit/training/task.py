"""Task: what the training loop runs: networks, their optimizers, and one step of learning."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor, nn

__all__ = ["Task", "descend"]


class Task(ABC):
    """What a method trains.

    An epoch is `begin_epoch` and as many calls of `step` as it says; the loop averages what they
    return.

    Attributes
    ----------
    networks, optimizers : dict
        By name. The network that encodes is called "encoder", or "discriminator" where it plays
        against a generator.
    class_probabilities : (n, c) Tensor
        Of the training rows: visible labels, or posteriors.
    rng : torch.Generator
        The one source of randomness: with its state saved, a resumed run is the same run.
    """

    networks: dict[str, nn.Module]
    optimizers: dict[str, torch.optim.Optimizer]
    class_probabilities: Tensor
    rng: torch.Generator

    @abstractmethod
    def begin_epoch(self, epoch: int) -> int:
        """Prepare for an epoch, from 1; return how many steps it takes."""

    @abstractmethod
    def step(self) -> Mapping[str, float | Tensor]:
        """Take one step; return its named losses and figures, scalars."""

    @property
    def encoder(self) -> nn.Module:
        """The network that encodes."""
        return self.networks.get("encoder") or self.networks["discriminator"]

    def scale_lr(self, share: float) -> None:
        """Set all learning rates to `share` of their starting values."""
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = share * group.setdefault("initial_lr", group["lr"])


def descend(optimizer: torch.optim.Optimizer, losses: Mapping[str, Tensor]) -> None:
    """Take one step of an optimizer down the sum of some losses."""
    optimizer.zero_grad(set_to_none=True)
    torch.stack(list(losses.values())).sum().backward()
    optimizer.step()
