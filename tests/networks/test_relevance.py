"""Relevance: the formulas against brute force, posteriors that read visible labels alone."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor

from crossbit.errors import DataError
from crossbit.networks.relevance import class_posterior, relevance

CLASSES = 3


def items(n: int = 300, *, seed: int = 0, noise: float = 1.2) -> tuple[Tensor, Tensor, Tensor]:
    """Return two views of items in three overlapping classes, and one-hot labels."""
    rng = torch.Generator().manual_seed(seed)
    classes = torch.arange(n) % CLASSES
    views = [
        torch.randn(CLASSES, d, generator=rng)[classes] + noise * torch.randn(n, d, generator=rng)
        for d in (6, 4)
    ]
    return views[0], views[1], torch.eye(CLASSES)[classes]


def posterior(views: list[Tensor], labels: Tensor, labelled: Tensor, seed: int = 0) -> Tensor:
    named = {str(number): view for number, view in enumerate(views)}
    return class_posterior(named, labels, labelled, torch.Generator().manual_seed(seed))


# -- the formulas ----------------------------------------------------------------------------


def test_exclusive_relevance_sums_over_worlds() -> None:
    rng = torch.Generator().manual_seed(0)
    a, b = (torch.softmax(torch.randn(k, CLASSES, generator=rng), 1) for k in (4, 5))
    found = relevance(a, b, exclusive=True)
    for i, j in product(range(4), range(5)):
        worlds = product(range(CLASSES), repeat=2)  # the class of i, the class of j
        expected = sum(float(a[i, x] * b[j, y]) for x, y in worlds if x == y)
        assert found[i, j].item() == pytest.approx(expected, rel=1e-5)


def test_multi_label_relevance_sums_over_worlds() -> None:
    rng = torch.Generator().manual_seed(0)
    a, b = (torch.rand(k, CLASSES, generator=rng) for k in (3, 4))
    found = relevance(a, b, exclusive=False)
    sets = list(product((0, 1), repeat=CLASSES))

    def chance(p: Tensor, world: tuple[int, ...]) -> float:
        return float(np.prod([q if held else 1 - q for q, held in zip(p, world, strict=True)]))

    for i, j in product(range(3), range(4)):
        expected = sum(
            chance(a[i], x) * chance(b[j], y)
            for x, y in product(sets, sets)
            if any(p and q for p, q in zip(x, y, strict=True))
        )
        assert found[i, j].item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("exclusive", [True, False])
def test_known_labels_give_the_truth(exclusive: bool) -> None:
    rng = torch.Generator().manual_seed(0)
    if exclusive:
        labels = torch.eye(CLASSES)[torch.randint(CLASSES, (9,), generator=rng)]
    else:
        labels = (torch.rand(9, CLASSES, generator=rng) < 0.4).float()
    truth = (labels @ labels.T > 0).float()
    found = relevance(labels, labels, exclusive=exclusive)
    torch.testing.assert_close(found, truth, atol=1e-5, rtol=0)


# -- posteriors ------------------------------------------------------------------------------


@pytest.mark.parametrize("multi", [False, True])
def test_hidden_labels_are_never_read(multi: bool) -> None:
    image, text, labels = items()
    if multi:
        labels[::4, 0] = 1
    labelled = torch.arange(0, 60)
    other = labels.clone()
    other[60:] = torch.rand(240, CLASSES, generator=torch.Generator().manual_seed(9))
    first = posterior([image, text], labels, labelled)
    assert torch.equal(first, posterior([image, text], other, labelled))
    other[3] = 1 - other[3]  # the same change to a visible row does show
    assert not torch.equal(first, posterior([image, text], other, labelled))


def test_exclusive_posteriors_are_distributions_and_labelled_rows_keep_their_labels() -> None:
    image, text, labels = items()
    labelled = torch.arange(10, 70)
    found = posterior([image, text], labels, labelled)
    assert found.shape == labels.shape
    torch.testing.assert_close(found.sum(1), torch.ones(len(labels)))
    assert torch.equal(found[labelled], labels[labelled])


def test_multi_label_posteriors_are_probabilities_of_each_class() -> None:
    image, text, labels = items()
    labels[::4, 0] = 1
    found = posterior([image, text], labels, torch.arange(60))[60:]
    assert ((found >= 0) & (found <= 1)).all()
    assert found.sum(1).max() > 1.2  # no softmax: several labels may hold at once


def test_two_views_know_more_than_one_and_both_beat_chance() -> None:
    image, text, labels = items()
    labelled, hidden = torch.arange(90), torch.arange(90, 300)

    def log_loss(table: Tensor) -> float:
        return float(-(labels * table.clamp(min=1e-9).log()).sum(1)[hidden].mean())

    one, both = (log_loss(posterior(v, labels, labelled)) for v in ([image], [image, text]))
    assert both < one < np.log(CLASSES)


def test_posteriors_are_calibrated() -> None:
    image, text, labels = items(3000, noise=1.6)
    found = posterior([image, text], labels, torch.arange(300))[300:]
    truth = labels[300:]
    for low in np.arange(0, 1, 0.2):
        bin_ = (found >= low) & (found < low + 0.2)
        assert bin_.sum() > 100
        assert abs(float(found[bin_].mean() - truth[bin_].mean())) < 0.1


def test_a_view_of_noise_adds_nothing() -> None:
    image, _, labels = items()
    noise = torch.randn(300, 8, generator=torch.Generator().manual_seed(3))
    labelled, hidden = torch.arange(90), torch.arange(90, 300)
    alone = posterior([image], labels, labelled)[hidden]
    beside = posterior([image, noise], labels, labelled)[hidden]
    assert float((alone - beside).abs().mean()) < 0.03
    useless = posterior([noise], labels, labelled)[hidden]
    assert float((useless - 1 / CLASSES).abs().mean()) < 0.1


def test_a_view_seen_twice_counts_once() -> None:
    image, _, labels = items()
    labelled = torch.arange(90)
    once = posterior([image], labels, labelled)
    twice = posterior([image, image], labels, labelled)
    assert float((once - twice).abs().mean()) < 0.01  # simply added, the scores would double


def test_a_class_without_labelled_rows_is_unlikely_and_nothing_is_nan() -> None:
    image, text, labels = items()
    labelled = torch.nonzero(labels[:, 2] == 0)[:8, 0]
    found = posterior([image, text], labels, labelled)
    assert torch.isfinite(found).all()
    hidden = torch.ones(300, dtype=torch.bool)
    hidden[labelled] = False
    assert found[hidden, 2].max() < 0.3


def test_one_labelled_row_is_refused_with_the_way_out() -> None:
    image, text, labels = items(20)
    with pytest.raises(DataError, match=r"two labelled rows .* there are 1; .*relevance=labels"):
        posterior([image, text], labels, torch.tensor([4]))


def test_two_labelled_rows_are_enough() -> None:
    image, text, labels = items(20)
    assert torch.isfinite(posterior([image, text], labels, torch.tensor([0, 1]))).all()


# -- missing views ---------------------------------------------------------------------------

LABELLED = torch.arange(0, 300, 4)


def with_holes(present: dict[str, Tensor], junk: float = 0.0, views: str = "ab") -> Tensor:
    """Return the posterior from some of two views, whose holes hold `junk`."""
    a, b, labels = items()
    named = {"a": a, "b": b}
    for view, there in present.items():
        named[view][~there] = junk
    chosen = {view: named[view] for view in views}
    given = {view: there for view, there in present.items() if view in views}
    rng = torch.Generator().manual_seed(0)
    return class_posterior(chosen, labels, LABELLED, rng, given)


def test_what_stands_in_place_of_a_view_does_not_matter() -> None:
    there = torch.arange(300) % 5 != 0
    found = with_holes({"b": there})
    torch.testing.assert_close(found, with_holes({"b": there}, junk=30.0))
    whole = with_holes({})
    assert float((found - whole)[~there].abs().mean()) > 0.01


def test_rows_without_any_view_are_as_likely_as_their_classes() -> None:
    there = torch.arange(300) % 5 != 0
    found = with_holes({"a": there, "b": there}, junk=30.0)
    hidden = torch.ones(300, dtype=torch.bool)
    hidden[LABELLED] = False
    unseen = found[hidden & ~there]
    assert torch.equal(unseen, unseen[:1].expand_as(unseen))
    assert float((unseen[0] - 1 / CLASSES).abs().max()) < 0.1
    assert found[hidden & there].max() > 0.9


def test_a_view_that_no_labelled_row_has_says_nothing() -> None:
    never = torch.ones(300, dtype=torch.bool)
    never[LABELLED] = False
    torch.testing.assert_close(
        with_holes({"b": never}), with_holes({}, views="a"), atol=1e-3, rtol=1e-2
    )
    once = never.clone()
    once[LABELLED[7]] = True
    assert torch.isfinite(with_holes({"b": once})).all()
