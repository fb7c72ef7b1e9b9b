"""The game: losses and rewards by loop, a generator that hunts mistakes, labels kept hidden."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from checkerboard import board, quick, same_weights, split
from torch import Tensor

from crossbit.corpus import Corpus
from crossbit.features.scaling import fit_scaling
from crossbit.methods.base import FitRun
from crossbit.networks.pathway import HashNetwork, squared_distance
from crossbit.training.data import TrainingData
from crossbit.training.game import Game
from crossbit.training.game_losses import LOSSES, REWARDS, GameBatch
from crossbit.training.loop import run_epoch
from crossbit.training.policy import gumbel_top_k

TOY = TrainingData({"image": torch.zeros(1, 1)}, torch.ones(1, 1), torch.zeros(1).long())
CONFIG = replace(  # what is not said here is as SCH-GAN has it
    quick("schgan")._game_config(TOY),
    samples=3,
    positives=2,
    pool=7,
    query_batch=4,
    policy_temperature=1.0,
    ranking_temperature=1.7,
    margin=1.2,
    warmup_epochs=0,
    copy_discriminator=False,
)


# -- every loss and reward against a loop ----------------------------------------------------


def deal(seed: int = 0) -> GameBatch:
    """Four queries, a pool of seven, three picks and two positives each."""
    rng = torch.Generator().manual_seed(seed)
    return GameBatch(
        samples=torch.stack([torch.randperm(7, generator=rng)[:3] for _ in range(4)]),
        weights=torch.full((4, 3), 1 / 3),
        positives=torch.stack([torch.randperm(7, generator=rng)[:2] for _ in range(4)]),
        relevance=torch.rand(4, 7, generator=rng),
        queries=torch.rand(4, 8, generator=rng),
        candidates=torch.rand(7, 8, generator=rng),
    )


def by_pick(batch: GameBatch, value: Callable[[float, float], float]) -> list[list[float]]:
    """Return value(violation, weight) of every query and pick, both spelt out."""
    table = []
    for q in range(4):
        row = []
        i = int(batch.positives[q, 0])
        for k in batch.samples[q].tolist():
            near = sum(float(x) ** 2 for x in batch.queries[q] - batch.candidates[i])
            far = sum(float(x) ** 2 for x in batch.queries[q] - batch.candidates[k])
            weight = float(batch.relevance[q, i]) * (1 - float(batch.relevance[q, k]))
            row.append(value(CONFIG.margin + near - far, weight))
        table.append(row)
    return table


def by_rank(batch: GameBatch) -> tuple[list[list[float]], list[list[float]]]:
    """Return what D believes and what is warranted, of picks and positives of every query."""
    believed, warranted = [], []
    for q in range(4):
        chosen = batch.samples[q].tolist() + batch.positives[q].tolist()
        inner = [
            float(
                sum(
                    (2 * a - 1) * (2 * b - 1)
                    for a, b in zip(batch.queries[q], batch.candidates[i], strict=True)
                )
            )
            for i in chosen
        ]
        weights = [math.exp(s / CONFIG.ranking_temperature) for s in inner]
        relevance = [float(batch.relevance[q, i]) for i in chosen]
        believed.append([w / sum(weights) for w in weights])
        warranted.append([r / sum(relevance) for r in relevance])
    return believed, warranted


def softplus(x: float) -> float:
    return math.log(1 + math.exp(x))


def ranked(batch: GameBatch) -> float:
    believed, warranted = by_rank(batch)
    return sum(
        -w * math.log(b)
        for bs, ws in zip(believed, warranted, strict=True)
        for b, w in zip(bs, ws, strict=True)
    ) / len(believed)


def excess(batch: GameBatch) -> list[list[float]]:
    believed, warranted = by_rank(batch)
    return [
        [3 * max(0.0, b - w) for b, w in zip(bs[:3], ws[:3], strict=True)]
        for bs, ws in zip(believed, warranted, strict=True)
    ]


NAIVE_LOSSES: dict[str, Callable[[GameBatch], float]] = {
    "hinge": lambda batch: np.mean(by_pick(batch, lambda v, w: max(0.0, v) * w)),
    "softplus": lambda batch: np.mean(by_pick(batch, lambda v, w: softplus(max(0.0, v)) * w)),
    "ranking": ranked,
}
NAIVE_REWARDS: dict[str, Callable[[GameBatch], Any]] = {
    "log1pexp": lambda batch: by_pick(batch, lambda v, w: softplus(max(0.0, v)) * w),
    "sigmoid": lambda batch: by_pick(batch, lambda v, w: w / (1 + math.exp(-max(0.0, v)))),
    "margin": lambda batch: by_pick(batch, lambda v, _: 10 ** (-abs(v) / CONFIG.margin)),
    "excess": excess,
}


@pytest.mark.parametrize("name", sorted(LOSSES))
@pytest.mark.parametrize("seed", range(3))
def test_a_loss_is_its_formula(name: str, seed: int) -> None:
    batch = deal(seed)
    assert LOSSES[name](batch, CONFIG).item() == pytest.approx(NAIVE_LOSSES[name](batch), rel=1e-4)


@pytest.mark.parametrize("name", sorted(REWARDS))
@pytest.mark.parametrize("seed", range(3))
def test_a_reward_is_its_formula(name: str, seed: int) -> None:
    batch = deal(seed)
    found = REWARDS[name](batch, CONFIG)
    np.testing.assert_allclose(found, NAIVE_REWARDS[name](batch), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["hinge", "softplus", "ranking"])
def test_a_loss_brings_positives_nearer_and_drives_wrong_picks_away(name: str) -> None:
    batch = deal()
    batch.samples, batch.positives = torch.tensor([[0, 1, 2]] * 4), torch.tensor([[5, 6]] * 4)
    batch.relevance = torch.zeros(4, 7)
    batch.relevance[:, 5:] = 1.0
    pool = batch.candidates.clone().requires_grad_(True)
    batch.candidates = pool
    LOSSES[name](batch, CONFIG).backward()
    with torch.no_grad():
        moved = pool - 0.05 * pool.grad
    before = squared_distance(batch.queries, batch.candidates.detach()).mean(0)
    after = squared_distance(batch.queries, moved).mean(0)
    assert (after[:3] > before[:3]).all()
    assert after[5] < before[5]


@pytest.mark.parametrize("name", ["log1pexp", "sigmoid", "excess"])
def test_a_pick_that_is_surely_relevant_earns_nothing(name: str) -> None:
    batch = deal()
    batch.relevance = torch.zeros(4, 7)
    batch.relevance.scatter_(1, batch.samples[:, :1], 1.0)
    batch.positives = batch.samples[:, :1].clone()
    batch.positives = torch.cat([batch.positives, batch.positives], 1)
    reward = REWARDS[name](batch, CONFIG)
    assert reward[:, 0].abs().max() < 1e-6
    assert reward[:, 1:].sum() > 0


# -- a generator against a discriminator that is fooled ---------------------------------------

LOOKS = torch.arange(120) % 3  # where an item lies in every view
ODD = torch.arange(120) < 90
CLASS = torch.where(ODD & (LOOKS == 0), 1, LOOKS)  # most that look like class 0 are of class 1
TRAPS = (LOOKS == 0) & (CLASS == 1)


def fooled(**changed: Any) -> Game:
    """A game whose discriminator goes by looks, blind to the last column, which tells traps apart.

    Only items of class 0 are asked for.
    """
    rng = torch.Generator().manual_seed(0)
    centres = 2 * torch.randn(3, 6, generator=rng)
    x = torch.cat([centres[LOOKS], 3.0 * ODD[:, None]], 1)
    x = x + 0.2 * torch.randn(120, 7, generator=rng)
    labels = torch.eye(3)[CLASS]
    data = TrainingData({"image": x, "text": x.clone()}, labels, torch.arange(120))

    def network() -> HashNetwork:
        dims = dict.fromkeys(data.views, 7)
        return HashNetwork(
            dims,
            64,
            16,
            activation="tanh",
            init_std=1.0,
            total_variance=data.total_variance,
            rng=rng,
        )

    discriminator, generator = network(), network()
    paths = discriminator.pathways
    with torch.no_grad():
        paths["image"].first.weight[:, 6] = 0
    paths["text"].load_state_dict(paths["image"].state_dict())  # both views alike: D does match
    optimizers = {
        "discriminator": torch.optim.SGD(discriminator.parameters(), lr=0.0),
        "generator": torch.optim.Adam(generator.parameters(), lr=5e-3),
    }
    query_batch = torch.nonzero((CLASS == 0) & (LOOKS == 0))[:, 0]
    sizes = {"samples": 6, "positives": 6, "pool": 120, "query_batch": len(query_batch)}
    scales = {"policy_temperature": 2.0, "ranking_temperature": 4.0, "margin": 1.1}
    return Game(
        data,
        generator,
        discriminator,
        optimizers,
        rng,
        config=replace(CONFIG, **sizes | scales | changed),
        class_probabilities=labels,
        relevance=lambda a, b: (CLASS[a][:, None] == CLASS[b]).float(),
        draw_queries=lambda count: query_batch,
        draw_pool=lambda count: torch.arange(120),
        base_loss=lambda pool, codes: {"none": 0 * codes["image"].sum()},
    )


def picked_traps(game: Game) -> float:
    """Return the share of picks, in both directions, that look right and are wrong."""
    codes, query_batch = game._all_codes(), game.draw_queries(0)
    shares = []
    for a, b in game.directions:
        logits = game._policy(codes[a][query_batch], codes[b])
        samples, _ = gumbel_top_k(logits, game.config.samples, torch.Generator().manual_seed(1))
        shares.append(float(TRAPS[samples].float().mean()))
    return float(np.mean(shares))


@pytest.mark.parametrize("reward", ["excess", "log1pexp", "sigmoid"])
def test_the_generator_finds_what_is_wrong_and_believed(reward: str) -> None:
    game = fooled(reward=reward)
    assert picked_traps(game) < 0.3
    earned = [game.generator_step()["reward"] for _ in range(120)]
    assert np.mean(earned[-10:]) > 1.1 * np.mean(earned[:10])
    assert picked_traps(game) > 0.9


def test_the_margin_reward_leads_to_picks_that_lie_on_the_margin() -> None:
    game = fooled(reward="margin")
    earned = [game.generator_step()["reward"] for _ in range(120)]
    assert np.mean(earned[-10:]) > 1.1 * np.mean(earned[:10])


def test_the_released_form_fits_the_softmax_of_the_picks_to_their_rewards() -> None:
    game = fooled(reward="margin", generator_loss="regression", samples=2)
    losses = [game.generator_step()["generator"] for _ in range(120)]
    assert np.mean(losses[-10:]) < np.mean(losses[:10])


def test_the_policy_is_equation_5() -> None:
    game = fooled(policy_temperature=2.5)
    a, b = (torch.rand(n, 4, generator=game.rng) for n in (3, 5))
    weights = [[math.exp(-float((x - y).square().sum()) / 2.5) for y in b] for x in a]
    expected = torch.tensor([[w / sum(row) for w in row] for row in weights])
    torch.testing.assert_close(torch.softmax(game._policy(a, b), 1), expected)


@pytest.mark.parametrize("loss", ["baseline", "policy_gradient"])
def test_with_the_baseline_equal_rewards_teach_nothing(
    loss: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(REWARDS, "flat", lambda batch, rules: torch.ones(batch.samples.shape))
    game = fooled(reward="flat", generator_loss=loss)
    game.generator_step()
    moves = sum(float(p.grad.abs().sum()) for p in game.generator.parameters())
    assert (moves < 1e-4) == (loss == "baseline")


def test_a_step_of_one_player_leaves_the_other_alone() -> None:
    game = fooled()
    game.optimizers["discriminator"].param_groups[0]["lr"] = 0.1

    def state(network: HashNetwork) -> dict[str, Tensor]:
        return {name: value.clone() for name, value in network.state_dict().items()}

    def moved(network: HashNetwork, before: dict[str, Tensor]) -> bool:
        return any(not torch.equal(v, before[k]) for k, v in network.state_dict().items())

    players = game.generator, game.discriminator
    before = [state(player) for player in players]
    game.generator_step()
    assert [moved(p, b) for p, b in zip(players, before, strict=True)] == [True, False]
    before = [state(player) for player in players]
    game.discriminator_step(game._all_codes())
    assert [moved(p, b) for p, b in zip(players, before, strict=True)] == [False, True]


def test_the_share_of_true_positives_among_picks_is_counted() -> None:
    game = fooled()
    rows, picked = torch.tensor([0, 26]), torch.tensor([[1, 25, 26], [27, 29, 0]])
    assert CLASS[rows].tolist() == [1, 2]
    assert CLASS[picked].tolist() == [[1, 1, 2], [1, 2, 1]]
    assert game._relevant_share(rows, picked) == pytest.approx(3 / 6)
    game.data.labels[29] = 0  # not visible: neither right nor wrong
    assert game._relevant_share(rows, picked) == pytest.approx(2 / 5)


def test_in_the_first_rounds_the_discriminator_learns_alone() -> None:
    game = fooled(warmup_epochs=1, copy_discriminator=True)
    start = game.generator.state_dict()["pathways.image.first.weight"].clone()
    assert run_epoch(game, 1).keys() == {"none"}
    assert torch.equal(game.generator.state_dict()["pathways.image.first.weight"], start)
    game.optimizers["generator"].param_groups[0]["lr"] = 0.0
    assert {"game", "reward", "generator", "relevant_samples"} <= run_epoch(game, 2).keys()
    for name, value in game.discriminator.state_dict().items():
        assert torch.equal(game.generator.state_dict()[name], value)


# -- the game of SCH-GAN on a corpus ----------------------------------------------------------

PAPER = {
    "pool_from": "unlabelled",
    "queries": "labelled",
    "relevance": "labels",
    "loss": "softplus",
    "reward": "log1pexp",
    "triplets": True,
    "generator_loss": "policy_gradient",
    "kernel_head": "never",
}


def paper_game() -> tuple[Game, Tensor]:
    """Return the game in the paper's form, and the mask of labelled rows."""
    train = split(board()).train
    data = TrainingData.of(train, {view: fit_scaling(train[view]) for view in train.views})
    hasher = quick("schgan", **PAPER)
    game = hasher._task(data, torch.Generator().manual_seed(0))
    return game, torch.from_numpy(train.labelled)


def test_the_papers_pool_is_unlabelled_and_its_queries_are_labelled() -> None:
    game, labelled = paper_game()
    seen: list[tuple[Tensor, Tensor]] = []
    count = game._relevant_share
    game._relevant_share = lambda rows, picked: seen.append((rows, picked)) or count(rows, picked)
    for _ in range(5):
        game.discriminator_step(game._all_codes())
    assert len(seen) == 10
    for rows, picked in seen:
        assert labelled[rows].all()
        assert not labelled[picked].any()
    pool = game.draw_pool(10_000)
    assert sorted(pool.tolist()) == torch.nonzero(~labelled)[:, 0].tolist()


def test_the_papers_positives_are_labelled_so_that_its_game_is_on() -> None:
    game, _ = paper_game()
    start = game.generator.state_dict()["pathways.image.first.weight"].clone()
    assert game.generator_step()["reward"] > 0
    assert game.discriminator_step(game._all_codes())["game"] > 0
    assert not torch.equal(game.generator.state_dict()["pathways.image.first.weight"], start)


@pytest.mark.parametrize("settings", [{}, PAPER, {"relevance": "labels", "loss": "hinge"}])
def test_hidden_labels_are_never_read(settings: dict[str, Any]) -> None:
    corpus = board()
    parts = split(corpus)
    hidden = np.setdiff1d(parts.train_rows, parts.labelled_rows)
    labels = corpus.labels.toarray()
    labels[hidden] = np.roll(labels[hidden], 1, axis=1)
    other = Corpus(corpus.views, labels=labels)
    fitted = []
    for source in corpus, other:
        train = source.take(parts.train_rows)
        train = train.hide_labels(np.isin(parts.train_rows, parts.labelled_rows))
        validation = source.take(parts.validation_rows)
        hasher = quick("schgan", **settings, epochs=3, min_steps_per_epoch=3)
        fitted.append(hasher.fit(train, validation=validation, run=FitRun()))
    assert same_weights(*fitted)
    assert fitted[0].trained == fitted[1].trained
