"""The benchmarks of HashGAN: their plans, their pages, and what the timed ways have in common."""

from __future__ import annotations

import pytest

from benchmarks import forms, hashgan, pictures_page, tables
from benchmarks.speed import attention_cost
from crossbit import methods

pytestmark = pytest.mark.usefixtures("installed_fake")


@pytest.mark.parametrize(
    ("label", "changed"),
    [
        (hashgan.WITHOUT, {"attention"}),
        (hashgan.STILL, {"generator_lr", "adversarial_weight"}),
    ],
)
def test_all_forms_are_one_network_on_the_same_splits(label: str, changed: set[str]) -> None:
    with_game, without = (
        hashgan.experiment("/data", hashgan.FORMS[name], 32, 2) for name in (hashgan.GAME, label)
    )
    assert with_game.query_seed == without.query_seed == 12345
    assert with_game.options == {"image": "pixels"}
    assert with_game.split_seed == with_game.settings["seed"] == 2
    differ = {name for name, value in with_game.settings.items() if value != without.settings[name]}
    assert differ == changed
    there, left_out = forms.able(hashgan.FORMS)
    assert list(there) == list(hashgan.FORMS)
    assert not left_out


def test_the_page_shows_differences_and_shares(finished_grid) -> None:
    reports = finished_grid[2]
    value = tables.result("hashgan", reports, [("one", "other")])
    for k, entry in enumerate(value["runs"]):
        share = 1.0 if entry["label"] == "other" else 0.5 + 0.02 * k
        entry["attended"] = {"image": share, "text": share / 2}
    rows = {row["label"]: row for row in hashgan.shares(value)}
    of_one = [entry["attended"]["image"] for entry in value["runs"] if entry["label"] == "one"]
    assert rows["one"]["image"] == pytest.approx(sum(of_one) / 2)
    page = hashgan.render(value)
    assert f"| one | 16 | {rows['one']['image']:.1%} | {rows['one']['text']:.1%} |" in page
    assert "| other | 16 | 100.0% | 50.0% |" in page
    assert "## Paired differences" in page


def test_the_readme_has_both_directions_and_both_differences() -> None:
    def entry(label: str, direction: str, figure: float) -> tables.Json:
        where = {"dataset": "mirflickr", "bits": 16, "direction": direction}
        return where | {"label": label, "seeds": 3, "mean": figure, "std": 0.0}

    directions = ("image->text", "text->image", "mean")
    figures = dict(zip(hashgan.FORMS, (0.5, 0.6, 0.7), strict=True))
    paired = {"mean": 0.1, "low": 0.05, "high": 0.15}
    value = {
        "summaries": [entry(k, d, figure) for d in directions for k, figure in figures.items()],
        "differences": [
            entry(hashgan.GAME, "text->image", 0.0) | {"against": hashgan.STILL, "paired": paired}
        ],
        "runs": [
            {"label": hashgan.GAME, "bits": bits, "attended": {"image": share, "text": 0.9}}
            for bits, share in ((16, 0.5), (32, 0.7))
        ],
    }
    block = pictures_page.hashgan_block(value)
    assert "| image → text, 16 bits | 0.500 | 0.600 | 0.700 | – | – |" in block
    assert (
        "| text → image, 16 bits | 0.500 | 0.600 | 0.700 | – | +0.100 [+0.050, +0.150] |" in block
    )
    assert "60% of images, 90% of texts" in block


def test_the_readme_has_the_price_of_the_game() -> None:
    ratios = {"plain loop": 1.0, "without attention": 0.8, "the game": 0.5}
    rows = [{"way": way, "ratio": ratio} for way, ratio in ratios.items()]
    block = pictures_page.attention_cost_block({"rows": rows})
    assert "2.00 times as long as a plain loop of the same network, and 1.25 times without" in block


def test_the_ways_that_are_timed_train_one_network_on_as_many_rows() -> None:
    corpus = attention_cost.random_pictures(48, 16)
    sizes = {
        "bits": 16,
        "min_steps_per_epoch": 2,
        "labelled_batch": 24,
        "channels": 4,
        "hidden": 16,
    }
    rows = attention_cost.measure(corpus, repeats=1, **sizes)
    assert [row["way"] for row in rows] == ["plain loop", "without attention", "the game"]
    assert rows[0]["ratio"] == 1.0
    assert all(row["per_second"] > 0 for row in rows)
    count = attention_cost._plain(corpus, **sizes)()
    assert count == attention_cost._game(corpus, attention=True, **sizes)() == 48
    value = tables.head("attention_cost") | {
        "settings": {"bits": 32},
        "repeats": 5,
        "data": {"rows": 48, "size": 16, "words": 1386},
        "rows": [{"way": "plain loop", "per_second": 900.0, "ratio": 1.0},
                 {"way": "the game", "per_second": 600.0, "ratio": 0.6667}],
    }  # fmt: skip
    assert "| the game | 600 | 1.50 |" in attention_cost.render(value)


def test_the_published_form_is_a_setting() -> None:
    name, settings = forms.method_of("hashgan-paper.toml")
    hasher = methods.get(name)(**settings)
    assert (hasher.loss, hasher.gate_bias) == ("triplets", None)
