"""What a grid is asked for: TOML, flags over it, and what is left out."""

from __future__ import annotations

from pathlib import Path

import fake_method
import pytest

from crossbit import methods
from crossbit.bench import published
from crossbit.bench.request import PAPER, Request
from crossbit.errors import ConfigError, DataError

pytestmark = pytest.mark.usefixtures("installed_fake")


class OneSpace(fake_method.Fake):
    name = "one_space"
    requires = frozenset({"one space"})


@pytest.fixture
def write(tmp_path: Path):
    def file(text: str, name: str = "grid.toml") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return file


def test_a_file_says_everything_and_flags_override_it(write, shapes) -> None:
    path = write(
        f"""
        [grid]
        data = ["{shapes}"]
        methods = ["fake", "fake_together"]
        bits = [16, 32]
        seeds = [0, 1]
        [split]
        validation = 0.25
        [split."{shapes}"]
        labelled = 40
        [settings.fake]
        margin = 4
        """
    )
    request = Request.read(path)
    assert request.name == "grid"
    trials, skipped = request.trials()
    assert skipped == []
    assert len(trials) == 8
    assert [c.experiment.split_seed for c in trials] == [0] * 4 + [1] * 4, "seeds are outermost"
    first = trials[0].experiment
    assert (first.method, first.settings["margin"], first.settings["bits"]) == ("fake", 4, 16)
    assert (first.labelled, first.validation, first.settings["seed"]) == (40, 0.25, 0)
    assert trials[1].experiment.settings["margin"] == 8
    flags = {"bits": [8], "seeds": [5], "methods": ["fake"], "labelled": 0.5}
    (trial,) = Request.read(path, **flags).trials()[0]
    assert (
        trial.experiment.settings["bits"],
        trial.experiment.split_seed,
        trial.experiment.labelled,
    ) == (8, 5, 0.5)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[grids]\n", r"no section \[grids\]; did you mean 'grid'"),
        ("[grid]\nmethod = ['fake']\n", r"entry method in \[grid\]; did you mean 'methods'"),
        ("[grid]\ndata = 'glyphs'\nmethods = ['fake']\n", r"data in \[grid\] must be a list"),
        ("[grid]\ndata=['a']\nmethods=['b']\nbits = 64\n", r"bits in \[grid\] must be a list"),
        ("[split]\nlabeled = 3\n", r"entry labeled in \[split\]; did you mean 'labelled'"),
        ("[split.glyphs]\nseed = 3\n", r"entry seed in \[split.glyphs\]"),
        ("[split.glyfs]\nlabelled = 3\n", r"data of the section \[split.glyfs\].*'glyphs'"),
        ("grid = 3\n", r"\[grid\] must be a section"),
        ("[grid]\nmethods = ['fake']\n", r"name data, for example `--data wikipedia`"),
        ("[grid]\ndata = ['glyphs']\n", r"name methods, for example `--method cvh`"),
        (
            "[grid]\ndata=['glyphs']\nmethods=['fake']\n[tuning]\nfake = 'nowhere.md'\n",
            "nowhere.md records how fake was tuned, but there is no such file",
        ),
    ],
)
def test_mistakes_in_a_file_are_named(write, text: str, words: str) -> None:
    if text.startswith("[split"):
        text += "[grid]\ndata = ['glyphs']\nmethods = ['fake']\n"
    with pytest.raises(ConfigError, match=words):
        Request.read(write(text))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"methods": ("fakee",)}, "no method 'fakee'; did you mean 'fake'"),
        ({"methods": ("dcmh_",)}, "no method 'dcmh_'"),
        ({"data": ("glyfs",)}, "no dataset 'glyfs'; did you mean 'glyphs'"),
        ({"settings": {"fake": {"margins": 3}}}, "no setting 'margins'; did you mean 'margin'"),
        ({"settings": {"fakee": {}}}, "no method 'fakee'"),
        ({"bits": (6,)}, "bits must be from 8 to 1024, got 6"),
        ({"data": ("a/shapes", "b/shapes.csv")}, "two data are called shapes"),
        ({"seeds": ("0",)}, "seeds must be whole numbers"),
    ],
)
def test_what_is_unknown_is_refused_before_any_cell(shapes, wrong, words) -> None:
    given = {"name": "x", "data": (str(shapes),), "methods": ("fake",)} | wrong
    for skip in (False, True):
        with pytest.raises(ConfigError, match=words):
            Request(**given, skip_missing=skip).trials()


def test_published_things_that_are_not_there_are_left_out_if_they_may_be(
    shapes, tmp_path, monkeypatch
) -> None:
    data, missing = (str(shapes), "mirflickr", "elsewhere"), "not_yet"
    monkeypatch.setitem(published.DATASETS, "elsewhere", "Elsewhere")
    blocks = (*published.BLOCKS, published.Block("Later", (missing,)))
    monkeypatch.setattr(published, "BLOCKS", blocks)
    given = {"name": "x", "methods": ("fake", missing), "bits": (8,), "seeds": (0,)}
    given["root"] = str(tmp_path)
    trials, skipped = Request(**given, data=data, skip_missing=True).trials()
    assert [trial.experiment.data for trial in trials] == [str(shapes)]
    assert [item.what for item in skipped] == ["mirflickr", "elsewhere", missing]
    assert "published at" in skipped[0].why
    assert skipped[1].why == skipped[2].why == "not in this version"
    with pytest.raises(ConfigError, match="no method 'not_yet'"):
        Request(**given, data=data).trials()
    with pytest.raises(DataError, match="published at"):
        Request(**{**given, "methods": ("fake",)}, data=("mirflickr",)).trials()


def test_a_method_for_one_space_is_left_out_where_views_differ(shapes, monkeypatch) -> None:
    monkeypatch.setitem(methods.BUILT_IN, "one_space", "fake_method:OneSpace")
    monkeypatch.setattr(fake_method, "OneSpace", OneSpace, raising=False)
    request = Request("x", (str(shapes),), ("fake", "one_space"), (8,), (0,))
    trials, skipped = request.trials()
    assert [trial.experiment.method for trial in trials] == ["fake"]
    assert skipped[0].what == "one_space on shapes"
    assert "one space" in skipped[0].why


def test_the_grid_of_the_paper_is_its_protocol(tmp_path, monkeypatch) -> None:
    request = Request.read(PAPER, root=str(tmp_path))
    assert request.bits == published.BITS
    assert set(request.methods) == published.known_methods()
    assert set(request.data) == set(published.DATASETS)
    assert request.settings == {}, "every method runs with its defaults"
    monkeypatch.setattr(
        "crossbit.runs.config.ExperimentConfig.resolved", lambda experiment: experiment
    )
    experiment = request.experiment("mirflickr", "schgan", 64, 3)
    assert (experiment.recipe, experiment.query_seed, experiment.labelled) == (
        "mirflickr",
        12345,
        5000,
    )
    assert (experiment.split_seed, experiment.settings) == (3, {"bits": 64, "seed": 3})
    assert request.experiment("wikipedia", "dis", 16, 0).labelled is None


def test_published_figures_are_the_papers() -> None:
    assert published.published_map("wikipedia", "schgan", "image->text", 64) == 0.551
    assert published.published_map("mirflickr", "cvh", "text->image", 128) == 0.574
    assert published.published_map("nuswide", "dis", "image->text", 16) == 0.611
    assert published.published_map("wikipedia", "displus", "image->text", 64) is None
    assert published.published_map("wikipedia", "schgan", "image->text", 8) is None
    assert published.published_map("wikipedia", "schgan", "image->image", 64) is None
    for table in published._MAP.values():
        assert all(len(text.replace("|", "").split()) == 8 for text in table.values())
    for method in published.known_methods():
        assert published.title_of(method) == methods.get(method).title
        assert published.family_of(method) == methods.get(method).family
    assert published.family_of("hashgan") == "Deep"
    assert published.title_of("unheard of") == "unheard of"
