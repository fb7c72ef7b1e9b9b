"""Adversary: the generator's side of a method, and the game that both methods play."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from crossbit.errors import ConfigError
from crossbit.methods.deep.contrast import ContrastLosses, Relevance
from crossbit.methods.settings import hyper, method
from crossbit.networks.pathway import HashNetwork
from crossbit.training.data import TrainingData
from crossbit.training.game import BaseLoss, Game
from crossbit.training.game_losses import GameConfig

__all__ = ["Adversary"]


@method
class Adversary(ContrastLosses):
    """A generator G samples items for each query, a discriminator D learns from the samples.

    What a method adds is who is relevant to whom, and D's losses beside the game; see `SCHGAN`
    for the equations and `training.game` for the steps.
    """

    query_batch: int = hyper(128, "queries in a step of the game", "64 in the paper, 1 in its code")
    samples: int = hyper(64, "items that G samples for a query", "20 in the paper, 2 in its code")
    positives: int = hyper(16, "candidates drawn by their relevance beside the samples")
    pool: int = hyper(
        384, "candidates shared by the queries of a step", "a tenth of all in the code"
    )
    policy_temperature: float = hyper(
        1.0, "of eq. (5), in units of bits / 8", "1 / (bits / 8) in the paper"
    )
    loss: Literal["ranking", "hinge", "softplus"] = hyper(
        "ranking", "D's loss on samples", "hinge in the released code"
    )
    reward: Literal["excess", "log1pexp", "sigmoid", "margin"] = hyper(
        "excess", "G's reward", "log1pexp: eq. (10); sigmoid: UGACH's code; margin: SCH-GAN's code"
    )
    margin: float = hyper(
        1.0, "of the hinges, in units of bits / 8, squared distance", "UGACH's code"
    )
    adversarial_weight: float = hyper(2.0, "of D's loss on samples", "tuned")
    generator_loss: Literal["baseline", "policy_gradient", "regression"] = hyper(
        "baseline",
        "G's loss: the policy gradient, eq. (11), with the samples' mean reward as baseline or "
        "without, or the released code's regression of the softmax over the samples",
        "baseline: IRGAN; policy_gradient: the paper; results/ablation.md: level within .002",
    )
    generator_start: Literal["random", "discriminator"] = hyper(
        "discriminator",
        "G's weights before the game",
        "a pretrained G, in an unknown way, in the code",
    )
    warmup_epochs: int = hyper(
        3, "epochs of D alone before the game", "1,000 epochs at most in the code"
    )
    generator_steps: int = hyper(5, "steps of G in an epoch", "2 epochs to D's one in the code")
    generator_lr: float = hyper(1e-3, "learning rate of G", "0.01 in the code")
    generator_weight_decay: float = hyper(
        1e-4, "weight decay of G; a large one shrinks it to a constant"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("query_batch", "samples", "positives", "pool", "generator_steps"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{self.name}: {name} must be at least 1")
        if self.samples > self.pool:
            raise ConfigError(
                f"{self.name}: {self.samples} samples need a pool of as many, not {self.pool}"
            )

    def _game(
        self,
        data: TrainingData,
        rng: torch.Generator,
        *,
        class_probabilities: Tensor,
        relevance: Relevance,
        base_loss: Callable[[HashNetwork], BaseLoss],
        candidates: Tensor,
        draw_queries: Callable[[int], Tensor],
        draw_positives: Callable[[Tensor], Tensor] | None = None,
    ) -> Game:
        """Return the game over `candidates`, rows of the data; `base_loss` gives D's own losses."""
        discriminator = self._new_network(data, rng)
        generator = self._new_network(data, rng)
        optimizers = {
            "discriminator": self._new_optimizer(discriminator, self.lr, self.weight_decay),
            "generator": self._new_optimizer(
                generator, self.generator_lr, self.generator_weight_decay
            ),
        }

        def draw_pool(count: int) -> Tensor:
            """Different rows where there are enough: a pool without repeats."""
            return candidates[torch.randperm(len(candidates), generator=rng)[:count]]

        return Game(
            data,
            generator,
            discriminator,
            optimizers,
            rng,
            config=self._game_config(data),
            class_probabilities=class_probabilities,
            relevance=relevance,
            draw_queries=draw_queries,
            draw_pool=draw_pool,
            base_loss=base_loss(discriminator),
            draw_positives=draw_positives,
        )

    def _game_config(self, data: TrainingData) -> GameConfig:
        unit = self.bits / 8  # distances grow with the bits: so do margin and temperature
        return GameConfig(
            samples=self.samples,
            positives=self.positives,
            pool=self.pool,
            query_batch=self.query_batch,
            policy_temperature=self.policy_temperature * unit,
            ranking_temperature=self.temperature * self.bits,
            margin=self.margin * unit,
            adversarial_weight=self.adversarial_weight,
            loss=self.loss,
            reward=self.reward,
            generator_loss=self.generator_loss,
            generator_steps=self.generator_steps,
            discriminator_steps=self._steps(data),
            warmup_epochs=self.warmup_epochs,
            copy_discriminator=self.generator_start == "discriminator",
        )
