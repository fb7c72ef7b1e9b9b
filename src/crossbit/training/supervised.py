"""SupervisedTask: one network trained on the sum of some losses, without an adversary."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from crossbit.networks.pathway import HashNetwork
from crossbit.training.task import Task

__all__ = ["SupervisedTask"]


class SupervisedTask(Task):
    """One network, trained on the sum of some named losses."""

    def __init__(
        self,
        network: HashNetwork,
        optimizer: torch.optim.Optimizer,
        rng: torch.Generator,
        losses: Callable[[], dict[str, Tensor]],
        steps: int,
        class_probabilities: Tensor,
    ) -> None:
        self.networks: dict[str, nn.Module] = {"discriminator": network}
        self.optimizers = {"discriminator": optimizer}
        self.rng, self.losses, self.steps, self.class_probabilities = (
            rng,
            losses,
            steps,
            class_probabilities,
        )

    def round(self, number: int) -> dict[str, float]:
        """Take the steps of one epoch; return the mean of each loss."""
        sums: dict[str, float] = {}
        for _ in range(self.steps):
            losses = self.losses()
            self.optimizers["discriminator"].zero_grad(set_to_none=True)
            torch.stack(list(losses.values())).sum().backward()
            self.optimizers["discriminator"].step()
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + value.item()
        return {name: value / self.steps for name, value in sums.items()}
