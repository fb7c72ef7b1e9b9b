"""UGACH: the game of SCH-GAN without a label, on a graph of nearest neighbours."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from crossbit.errors import ConfigError
from crossbit.graph.adjacency import NeighbourGraph
from crossbit.graph.blocks import BlockReader
from crossbit.graph.graph import CorrelationGraph, cache_folder, correlation_graph
from crossbit.methods.adversarial.adversary import Adversary
from crossbit.methods.base import Citation
from crossbit.methods.deep.base import Progress, silent
from crossbit.methods.deep.contrast import Losses, Relevance
from crossbit.methods.deep.unlabelled import UnlabelledHasher
from crossbit.methods.settings import hyper, method
from crossbit.networks.pathway import HashNetwork, squared_distance
from crossbit.networks.relevance import FusedSimilarity
from crossbit.networks.rows import Rows, SparseRows, dense
from crossbit.training.data import TrainingData
from crossbit.training.game import Game

__all__ = ["UGACH", "neighbours"]

METRIC = "euclidean"  # of the graph


@method
class UGACH(UnlabelledHasher, Adversary):
    """Unsupervised generative adversarial cross-modal hashing.

    Generator, discriminator, policy and rewards are SCH-GAN's (see `SCHGAN` for the equations),
    but no label is read. The positives of a query are its own pair and the items near it in a
    correlation graph: the nearest neighbours of its picture among the pictures and of its text
    among the texts, found once and kept for all code lengths (``CROSSBIT_CACHE`` names the
    folder). A neighbour is a row of the corpus, so it is a positive in every view. D learns that
    positives are nearer than G's samples,

        f = max(0, m + ||h(q) - h(i+)||^2 - ||h(q) - h(i_G)||^2),

    a sample that is a positive does not count, and G is rewarded for samples that D gets wrong.

    What is ours. Five neighbours a view are a small part of what is related to a query, and G,
    which hunts for what lies near, samples the rest. Here the relevance of every candidate is a
    probability, from the similarities of all views together (`relevance="fused"`), and it enters
    D's loss and G's reward as the class posterior does in SCH-GAN. Beside the game all pairs meet
    in a contrast whose probably related negatives count less. The published form is in
    ``experiments/``.

    Cost: the graph O(n^2 d) once; a step O((batch + pool) (d hidden + pool bits)).
    """

    name: ClassVar[str] = "ugach"
    title: ClassVar[str] = "UGACH"
    family: ClassVar[str] = "Deep, without labels"
    summary: ClassVar[str] = "unsupervised adversarial hashing: pairs, and no labels"
    citation: ClassVar[Citation | None] = Citation(
        "J. Zhang, Y. Peng, M. Yuan",
        "Unsupervised Generative Adversarial Cross-modal Hashing",
        "AAAI",
        2018,
        "https://arxiv.org/abs/1712.00358",
    )

    init_std: float = hyper(
        0.5, "standard deviation of a hidden unit's input at the start", "tuned"
    )
    adversarial_weight: float = hyper(0.5, "of D's loss on samples", "tuned")
    neighbours: int = hyper(5, "nearest neighbours in each view", "5 in the released code")
    drawn: int = hyper(2, "positives of each query that are drawn from the graph in a step")
    relevance: Literal["fused", "graph"] = hyper(
        "fused", "what is related to a query: by all views' similarity, or in the graph alone"
    )
    positive_rate: float = hyper(
        0.02, "of all pairs that fused similarity takes for related", "tuned"
    )
    slope: float = hyper(3.0, "of fused similarity at its threshold, per unit of its normal score")
    triplets: bool = hyper(
        False, "the graph's triplets in place of the contrast of all pairs", "paper: to pretrain D"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.neighbours < 1 or self.drawn < 1:
            raise ConfigError(f"{self.name}: neighbours and drawn must be at least 1")
        if not 0 < self.positive_rate < 1 or self.slope <= 0:
            raise ConfigError(f"{self.name}: positive_rate must be between 0 and 1, slope above 0")

    def _task(self, data: TrainingData, rng: torch.Generator, progress: Progress = silent) -> Game:
        graph = NeighbourGraph(
            *neighbours(
                data, self.neighbours, lambda view, share: progress(f"neighbours by {view}", share)
            ).positives
        )
        related = self._relevance(data, graph, rng)
        return self._game(
            data,
            rng,
            class_probabilities=data.labels,  # of an unlabelled corpus: nothing
            relevance=related,
            base_loss=lambda network: self._base_loss(network, data, related),
            candidates=torch.arange(len(data)),
            draw_queries=lambda count: data.draw(count, rng),
            draw_positives=lambda rows: graph.draw(rows, self.drawn, rng).flatten(),
        )

    def _relevance(
        self, data: TrainingData, graph: NeighbourGraph, rng: torch.Generator
    ) -> Relevance:
        def near(rows: Tensor, others: Tensor) -> Tensor:
            return graph.table(rows, others).float()

        if self.relevance == "graph":
            return near
        fused = FusedSimilarity(data.views, self.positive_rate, self.slope, rng, data.present)
        return lambda rows, others: torch.maximum(fused(rows, others), near(rows, others))

    def _base_loss(self, network: HashNetwork, data: TrainingData, related: Relevance) -> Losses:
        """Return D's losses beside the game: the contrast of all pairs, or triplets alone."""
        if not self.triplets:
            return self._contrast_losses(network, data, related)

        margin = self.margin * self.bits / 8

        def base_loss(pool: Tensor, codes: dict[str, Tensor]) -> dict[str, Tensor]:
            """A row's own pair against all of the pool that is not related to it."""
            wrong = 1 - related(pool, pool)
            terms = []
            for a, b in permutations(codes, 2):
                at = data.having(pool, a, b)
                distance = squared_distance(codes[a][at], codes[b][at])
                hinge = F.relu(margin + distance.diagonal()[:, None] - distance)
                terms.append((wrong[at][:, at] * hinge).sum() / wrong[at][:, at].sum().clamp(min=1))
            return {"triplet": torch.stack(terms).sum()}

        return base_loss


def neighbours(
    data: TrainingData, k: int, progress: Callable[[str, float], None] | None = None
) -> CorrelationGraph:
    """Return every row's k nearest neighbours, in each view among the rows that have it.

    A row that lacks a view is its own only neighbour there, and so is a text of no known word: it
    is nearer than all others to whatever shares little with them, and says nothing of it. Kept in
    the cache, view by view; `progress` hears of views that are not there yet.
    """
    everyone = torch.arange(len(data))
    near, far = {}, {}
    for view, x in data.views.items():
        at = everyone[data.having(everyone, view)]
        if isinstance(x, SparseRows):
            at = at[x.lengths[at] > 0]
        count = max(0, min(k, len(at) - 1))
        near[view] = everyone.int()[:, None].expand(-1, count).numpy().copy()
        far[view] = np.zeros(near[view].shape, dtype=np.float32)
        if count:
            found = correlation_graph(
                {view: _blocks(x, at)}, count, METRIC, cache=cache_folder(), progress=progress
            )
            near[view][at] = at.int().numpy()[found.neighbours[view]]
            far[view][at] = found.distances[view]
    return CorrelationGraph(near, far, METRIC)


def _blocks(x: Rows, at: Tensor) -> BlockReader:
    """Return the rows at some positions as the search for neighbours reads them."""
    return BlockReader(len(at), lambda part: dense(x[at[part]]).numpy())
