"""Comparisons over seeds and queries, from reports whose figures are set by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from crossbit.errors import DataError
from crossbit.evaluation import compare, evaluate
from crossbit.metrics import paired_difference


@pytest.fixture(scope="module")
def run(hasher, split):
    """Return a maker of reports: label, seed and the MAP of the two directions."""
    base = evaluate(hasher, split)

    def make(label, seed, forth, back, **changes):
        directions = {}
        for (name, found), value in zip(base.directions.items(), (forth, back), strict=True):
            query_ap = np.clip(found.query_ap - found.query_ap.mean() + value, -1, 2)
            directions[name] = replace(
                found, map=replace(found.map, expected=value), query_ap=query_ap
            )
        return replace(base, label=label, seed=seed, directions=directions, **changes)

    return make


def test_means_and_deviations_over_seeds(run):
    found = compare([run("a", 0, 0.2, 0.4), run("a", 1, 0.4, 0.4), run("b", 0, 0.3, 0.1)])
    table = {(item.label, item.direction): item for item in found.summaries}
    assert table["a", "image->text"].mean == pytest.approx(0.3)
    assert table["a", "image->text"].std == pytest.approx(np.std([0.2, 0.4], ddof=1))
    assert table["a", "mean"].mean == pytest.approx(0.35)
    assert table["a", "mean"].seeds == 2
    assert table["b", "text->image"].std is None


def test_differences_pair_common_seeds(run):
    a = [run("a", seed, 0.3 + 0.01 * seed, 0.4) for seed in range(4)]
    b = [run("b", seed, 0.2, 0.4 - 0.02 * seed) for seed in range(3)]
    found = compare(a + b, [("a", "b")], level=0.9).differences
    assert [item.direction for item in found] == ["image->text", "text->image", "mean"]
    want = paired_difference([0.3, 0.31, 0.32], [0.2, 0.2, 0.2], level=0.9)
    assert found[0].paired == want
    assert found[0].over == "seeds"
    assert found[0].paired.pairs == 3


def test_one_common_seed_pairs_its_queries(run):
    a, b = run("a", 0, 0.3, 0.5), run("b", 0, 0.25, 0.4)
    found = compare([a, b], [("a", "b")]).differences
    assert {item.over for item in found} == {"queries"}
    assert found[0].paired.pairs == 30
    assert found[2].paired.mean == pytest.approx(0.075)


def test_markdown_shows_means_deviations_the_best_and_the_intervals(run):
    reports = [run("a", 0, 0.2, 0.4), run("a", 1, 0.4, 0.42), run("b", 0, 0.25, 0.1)]
    reports += [run("b", 1, 0.25, 0.1)]
    text = compare(reports, [("a", "b")]).markdown()
    lines = text.splitlines()
    assert lines[0] == "| data | bits | run | image → text | text → image | mean | seeds |"
    assert lines[2].startswith("| shapes | 16 | a | **0.300** ± 0.141 | **0.410** ± 0.014 |")
    assert lines[3] == "| shapes | 16 | b | 0.250 ± 0.000 | 0.100 ± 0.000 | 0.175 ± 0.000 | 2 |"
    assert "| shapes | 16 | text → image | a - b | +0.310 | +0.183 to +0.437 |" in text
    assert "2 seeds" in text
    assert "95 % t interval" in text
    assert "a - b" not in compare(reports).markdown()


def test_what_cannot_be_compared_is_refused(run):
    a = run("a", 0, 0.2, 0.4)
    with pytest.raises(DataError, match="comes twice"):
        compare([a, a])
    with pytest.raises(DataError, match="labelled 'c'"):
        compare([a], [("a", "c")])
    with pytest.raises(DataError, match="never measured on the same data"):
        compare([a, run("b", 0, 0.1, 0.1, bits=32)], [("a", "b")])
    with pytest.raises(DataError, match="no seed in common"):
        compare([a, run("b", 1, 0.1, 0.1)], [("a", "b")])
    with pytest.raises(DataError, match="different splits"):
        compare([a, run("b", 0, 0.1, 0.1, split={"hash": "other"})], [("a", "b")])
