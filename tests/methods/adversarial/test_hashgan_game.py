"""The game of attention: its terms by loops, and who moves in which step."""

from __future__ import annotations

import dataclasses
from itertools import permutations
from typing import Any

import numpy as np
import pytest
import torch

from crossbit.methods.adversarial.hashgan.game import AttentionGame, AttentionRules
from crossbit.methods.adversarial.hashgan.networks import vector_pathway
from crossbit.networks.pathway import HashNetwork
from crossbit.training.data import TrainingData
from crossbit.training.loop import run_epoch

BITS, WIDTH = 8, {"image": 6, "text": 5}
RULES = AttentionRules(
    attention=True,
    loss="ranking",
    temperature=2.0,
    margin=1.5,
    triplets=4,
    adversarial=0.7,
    within=0.4,
    pairs=0.0,
    batch=12,
    pair_batch=6,
    steps=2,
)


def game(lr: float = 1e-3, **changed: Any) -> AttentionGame:
    rng = torch.Generator().manual_seed(0)
    of = torch.arange(24) % 3
    views = {
        view: torch.randn(3, width, generator=rng)[of] + torch.randn(24, width, generator=rng)
        for view, width in WIDTH.items()
    }
    data = TrainingData(views, torch.eye(3)[of], torch.arange(20))
    rules = dataclasses.replace(RULES, **changed)

    def build(view: str) -> Any:
        return lambda rng: vector_pathway(
            WIDTH[view], 12, BITS, activation="relu", init_std=1.0,
            total_variance=float(WIDTH[view]),
            attends=rules.attention, gate_bias=1.0, rng=rng,
        )  # fmt: skip

    network = HashNetwork(
        WIDTH, 12, BITS, activation="relu", init_std=1.0, total_variance=WIDTH, rng=rng,
        builders={view: build(view) for view in WIDTH},
    )  # fmt: skip
    masking = [p for name, p in network.named_parameters() if ".attention." in name]
    optimizers = {
        "discriminator": torch.optim.SGD(network.parameter_groups(0.0), lr=lr),
        "generator": torch.optim.SGD(masking, lr=lr),
    }
    return AttentionGame(
        network, optimizers, data, rng, rules=rules, inputs=lambda view, rows: rows
    )


def ranking(queries: np.ndarray, items: np.ndarray, relevant: np.ndarray, same: bool) -> float:
    """By loops: the cross entropy of a uniform choice among what is relevant."""
    total = 0.0
    for i, q in enumerate(queries):
        others = [j for j in range(len(items)) if not (same and i == j)]
        scores = {j: (2 * q - 1) @ (2 * items[j] - 1) / RULES.temperature for j in others}
        norm = np.log(sum(np.exp(s) for s in scores.values()))
        wanted = [j for j in others if relevant[i, j]]
        total -= sum(scores[j] - norm for j in wanted) / max(len(wanted), 1)
    return total / len(queries)


def test_the_six_terms_are_those_of_the_paper() -> None:
    task, rows = game(), torch.arange(12)
    features = task._features(rows)
    masks = task._masks(features)
    losses = {name: float(v.detach()) for name, v in task._losses(rows, features, masks).items()}
    attended, rest = {}, {}
    for view, path in task.pathways.items():
        x = task.data.views[view][rows]
        with torch.no_grad():
            mask, found = path.masks(x), path.first(x)
            attended[view] = torch.sigmoid(path.second(mask * found)).double().numpy()
            rest[view] = torch.sigmoid(path.second((1 - mask) * found)).double().numpy()
        np.testing.assert_allclose(
            attended[view], torch.sigmoid(path(x)).detach().numpy(), atol=1e-5
        )
    labels = task.data.labels[rows].numpy()
    relevant = labels @ labels.T > 0
    two = list(permutations(WIDTH, 2))
    expected = {
        "across": sum(ranking(attended[a], attended[b], relevant, False) for a, b in two),
        "within": 0.4 * sum(ranking(attended[a], attended[a], relevant, True) for a in WIDTH),
        "adversarial": 0.7 * sum(ranking(attended[a], rest[b], relevant, False) for a, b in two),
    }
    assert losses == pytest.approx(expected, rel=1e-4)


def weights(task: AttentionGame, part: str) -> list[torch.Tensor]:
    return [p.detach().clone() for n, p in task.network.named_parameters() if f".{part}." in n]


def moved(task: AttentionGame, before: dict[str, list[torch.Tensor]]) -> set[str]:
    return {
        part
        for part, old in before.items()
        if not all(torch.equal(a, b) for a, b in zip(old, weights(task, part), strict=True))
    }


@pytest.mark.parametrize("loss", ["ranking", "triplets"])
def test_only_the_side_whose_turn_it_is_moves(loss: str) -> None:
    task, rows = game(loss=loss), torch.arange(20)
    parts = {part: weights(task, part) for part in ("first", "attention", "second")}
    features = {view: found.detach() for view, found in task._features(rows).items()}
    task._attend(rows, features)
    assert moved(task, parts) == {"attention"}
    task = game(loss=loss)
    task.rules = dataclasses.replace(task.rules, attention=False)  # no turn of G
    task.step()
    assert moved(task, parts) == {"first", "second"}


def adversarial(task: AttentionGame, rows: torch.Tensor) -> float:
    features = task._features(rows)
    masks = task._masks(features)
    attended = task._hashed(features, masks)
    return float(task._adversarial(rows, features, masks, attended).detach())


def test_g_raises_what_d_lowers() -> None:
    rows = torch.arange(20)
    task = game(lr=0.5)
    before = adversarial(task, rows)
    for _ in range(60):
        features = {view: found.detach() for view, found in task._features(rows).items()}
        task._attend(rows, features)
    raised = adversarial(task, rows)
    assert raised > before + 0.01
    for _ in range(60):
        features = task._features(rows)
        losses = task._losses(rows, features, task._masks(features))
        task.optimizers["discriminator"].zero_grad()
        losses["adversarial"].backward()
        task.optimizers["discriminator"].step()
    assert adversarial(task, rows) < raised - 0.01


def test_without_attention_nothing_plays_and_maps_are_whole() -> None:
    task = game(attention=False)
    before = weights(task, "attention")
    figures = run_epoch(task, 1)
    assert set(figures) == {"across", "within"}
    assert all(torch.equal(a, b) for a, b in zip(before, weights(task, "attention"), strict=True))
    features = task._features(torch.arange(5))
    hashed = task._hashed(features, task._masks(features))
    for view, path in task.pathways.items():
        torch.testing.assert_close(hashed[view], torch.sigmoid(path.second(features[view])))


def test_a_round_tells_its_losses_and_what_is_attended() -> None:
    figures = run_epoch(game(pairs=0.5), 1)
    assert set(figures) == {
        "across", "within", "adversarial", "pairs", "attended_image", "attended_text"
    }  # fmt: skip
    assert all(0 < figures[f"attended_{view}"] < 1 for view in WIDTH)


def test_rows_that_lack_a_view_neither_ask_nor_are_found_by_it() -> None:
    """Whatever stands in their place, no loss changes."""
    found = []
    for junk in (0.0, 50.0):
        task = game()
        present = torch.arange(24) % 4 != 0
        text = torch.where(present[:, None], task.data.views["text"], junk)
        task.data = dataclasses.replace(
            task.data, views={**task.data.views, "text": text}, present={"text": present}
        )
        features = task._features(torch.arange(12))
        losses = task._losses(torch.arange(12), features, task._masks(features))
        found.append({name: float(value.detach()) for name, value in losses.items()})
    assert found[0] == pytest.approx(found[1])
