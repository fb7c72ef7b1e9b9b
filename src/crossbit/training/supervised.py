"""SupervisedTask: one network trained on the sum of some losses, without an adversary."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from crossbit.networks.pathway import HashNetwork
from crossbit.training.task import Task, descend

__all__ = ["SupervisedTask"]


class SupervisedTask(Task):
    """One network, trained on the sum of some named losses.

    Parameters
    ----------
    losses : callable
        Draws a batch and returns its losses by name.
    steps : int
        Steps in an epoch.
    """

    def __init__(
        self,
        network: HashNetwork,
        optimizer: torch.optim.Optimizer,
        rng: torch.Generator,
        losses: Callable[[], dict[str, Tensor]],
        steps: int,
        class_probabilities: Tensor,
    ) -> None:
        self.networks: dict[str, nn.Module] = {"encoder": network}
        self.optimizers = {"encoder": optimizer}
        self.rng, self.losses, self.steps = rng, losses, steps
        self.class_probabilities = class_probabilities

    def begin_epoch(self, epoch: int) -> int:
        """Return the steps of an epoch, always as many."""
        return self.steps

    def step(self) -> dict[str, float]:
        """Lower the losses of one batch."""
        losses = self.losses()
        descend(self.optimizers["encoder"], losses)
        return {name: value.item() for name, value in losses.items()}
