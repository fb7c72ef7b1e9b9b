"""The contract: what every registered method keeps, each on the checkerboard."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkerboard import (
    DIMS,
    SIDE,
    THREE,
    board,
    board_for,
    lacking_views,
    maps,
    of_pictures,
    quick,
    same_weights,
    split,
    words_for,
)
from scipy import sparse
from sklearn.base import clone

import crossbit
from crossbit import methods
from crossbit.corpus import Corpus
from crossbit.errors import ConfigError, DataError
from crossbit.methods.base import Hasher
from crossbit.methods.deep.target_codes import labelled_target_codes, target_codes
from crossbit.splits import Split
from crossbit.training.loop import train

NAMES = methods.names()
LONGER = {"epochs": 8}  # for what needs more than a moment
# Closed forms: the seed fills bits beyond the directions that there are, and here none are.
CLOSED = {"cca", "cvh", "scm_orth", "scm_seq"}

# MAP on the boards, where the method cannot reach 1 (see checkerboard.py).
LEAST = {"scm_orth": 0.6}


def fitted(name: str, parts: Split, **settings: Any) -> Hasher:
    return quick(name, **settings).fit(parts.train, validation=parts.validation)


@cache
def split_for(name: str, labelled: float = 0.3) -> Split:
    return split(board_for(name), labelled)


@pytest.fixture(scope="module", params=NAMES)
def hasher(request: pytest.FixtureRequest) -> Hasher:
    """Every method, fitted once."""
    return fitted(request.param, split_for(request.param))


@pytest.fixture(scope="module")
def parts(hasher: Hasher) -> Split:
    """The split that it was fitted on."""
    return split_for(hasher.name)


# -- learning --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("labelled", [0.12, 0.3])
def test_it_learns_the_checkerboard(name: str, labelled: float) -> None:
    parts = split_for(name, labelled)
    found = maps(fitted(name, parts, **(LONGER if name in deep() else {})), parts)
    assert min(found.values()) > LEAST.get(name, 0.99), found


@pytest.mark.parametrize("name", NAMES)
def test_three_views_find_each_other_in_six_directions(name: str) -> None:
    if (methods.get(name).max_views or 3) < 3:
        pytest.skip(f"{name} learns from fewer views")
    parts = split(board_for(name, THREE))
    found = maps(fitted(name, parts, **(LONGER if name in deep() else {})), parts)
    assert len(found) == 6
    assert min(found.values()) > 0.95, found


@pytest.mark.parametrize("name", NAMES)
def test_rows_that_lack_a_view_are_trained_on_or_left_out(name: str) -> None:
    of_several_views(name)
    dims = DIMS if methods.get(name).max_views == 2 else THREE
    whole = board_for(name, dims)
    lacking = np.arange(len(whole)) % 5 == 0
    holes = lacking_views(whole, {"text": ~lacking})
    parts = split(holes, 0.5)
    hasher = fitted(name, parts, **(LONGER if name in deep() else {}))
    if hasher.supports_missing:
        assert "left_out" not in hasher.trained
    else:
        assert hasher.trained["left_out"] == int((~parts.train.has("text")).sum()) > 0
    found = maps(hasher, parts)
    assert min(found.values()) > min(LEAST.get(name, 0.95), 0.95), found


@pytest.mark.parametrize("name", NAMES)
def test_what_stands_where_a_view_is_missing_does_not_matter(name: str) -> None:
    of_several_views(name)
    lacking = np.arange(len(board_for(name))) % 5 == 0
    prints = []
    for junk in 0.0, 9.0:
        corpus = lacking_views(board_for(name), {"text": ~lacking}, junk)
        parts = split(corpus)
        prints.append(fitted(name, parts).encode(parts.query["image"], "image").packed)
    np.testing.assert_array_equal(*prints)


@pytest.mark.parametrize("name", NAMES)
def test_sparse_words_are_learnt_and_encode_as_dense_ones_do(name: str) -> None:
    if of_pictures(name):
        pytest.skip(f"{name} learns from pictures, not from words")
    parts = split(words_for(name))
    hasher = fitted(name, parts, **(LONGER if name in deep() else {}))
    assert min(maps(hasher, parts).values()) > 0.9
    texts = parts.query["text"]
    assert sparse.issparse(texts)
    np.testing.assert_array_equal(
        hasher.encode(texts, "text").packed, hasher.encode(texts.toarray(), "text").packed
    )


@pytest.mark.parametrize("name", NAMES)
def test_labels_may_overlap(name: str) -> None:
    corpus = board_for(name)
    labels = corpus.labels.toarray()
    labels[::3, 0] = True
    parts = split(Corpus(corpus.views, labels=labels, encoders=corpus.encoders))
    hasher = fitted(name, parts)
    assert np.isfinite(hasher.project(parts.query["image"], "image")).all()
    assert min(maps(hasher, parts).values()) > LEAST.get(name, 0.7)


@pytest.mark.parametrize("name", NAMES)
def test_one_seed_gives_one_model_and_another_seed_another(name: str) -> None:
    first, again, other = (fitted(name, split_for(name), seed=seed) for seed in (3, 3, 4))
    assert same_weights(first, again)
    assert first.fingerprint == again.fingerprint
    assert first.trained == again.trained
    assert same_weights(first, other) == (name in CLOSED)


@pytest.mark.parametrize("name", NAMES)
def test_a_second_fit_of_one_hasher_starts_anew(name: str) -> None:
    parts = split_for(name)
    hasher = fitted(name, split(board_for(name, seed=9), 0.5))
    hasher.fit(parts.train, validation=parts.validation)
    assert same_weights(hasher, fitted(name, parts))


def test_training_is_on_record(hasher: Hasher, parts: Split) -> None:
    trained, blind = hasher.trained, hasher.name in unseeing()
    added = len(parts.validation_rows) if blind or trained.get("refit") else 0
    known = 0 if blind else len(parts.labelled_rows) + added
    assert (trained["rows"], trained["labelled"]) == (len(parts.train_rows) + added, known)
    assert hasher.dims == parts.train.dims


def of_several_views(name: str) -> None:
    if methods.get(name).max_views == 1:
        pytest.skip(f"{name} learns from one view, and an item without it is none")


def deep() -> list[str]:
    return [name for name in NAMES if "hidden" in quick(name).settings]


def choosing() -> list[str]:
    """Networks that learn from labels and choose by validation."""
    return [name for name in deep() if "labels" in methods.get(name).requires]


def unseeing() -> list[str]:
    """Networks that see no label."""
    return [name for name in deep() if name not in choosing()]


@pytest.mark.parametrize("name", unseeing())
def test_a_network_that_sees_no_label_trains_on_all_rows_for_all_rounds(name: str) -> None:
    parts = split_for(name)
    hasher = fitted(name, parts)
    assert hasher.trained["epochs"] == hasher.settings["epochs"]
    assert "validation_map" not in hasher.trained
    none = np.zeros(len(parts.train), bool)
    bare = quick(name).fit(parts.train.hide_labels(none), validation=parts.validation)
    assert same_weights(hasher, bare)
    assert not same_weights(hasher, quick(name).fit(parts.train))


@pytest.mark.parametrize("name", choosing())
def test_training_without_validation_keeps_the_last_round(name: str) -> None:
    parts = split_for(name)
    hasher = quick(name).fit(parts.train)
    assert hasher.trained["epochs"] == hasher.settings["epochs"]
    assert hasher.trained["validation_map"] is None
    assert not hasher.trained["refit"]
    assert min(maps(hasher, parts).values()) > 0.9


@pytest.mark.parametrize("name", choosing())
def test_the_refit_repeats_the_best_rounds_on_all_rows(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    falling = {"value": 1.0}

    def worse_and_worse(*_: Any) -> np.ndarray:
        falling["value"] -= 0.1
        return np.full(8, falling["value"])

    stages = []

    def spy(task: Any, **options: Any) -> Any:
        stages.append((options["stage"], options["epochs"], options["horizon"]))
        return train(task, **options)

    monkeypatch.setattr("crossbit.methods.deep.base.validation_ap", worse_and_worse)
    monkeypatch.setattr("crossbit.methods.deep.base.train", spy)
    hasher = fitted(name, split_for(name), kernel_head="never")
    # The horizon stays, so that the rates of the refit are those of the rounds it repeats.
    assert stages == [("train", 4, 4), ("refit", 1, 4)]
    assert hasher.trained["epochs"] == 1
    assert hasher.trained["validation_map"] >= 0.8  # of the first round, which asks at most twice


@pytest.mark.parametrize("name", deep())
@pytest.mark.parametrize("kernel_head", ["never", "always"])
def test_the_kernel_head_is_kept_as_asked(name: str, kernel_head: str) -> None:
    parts = split_for(name)
    hasher = fitted(name, parts, kernel_head=kernel_head)
    assert hasher.trained["kernel_head"] == (kernel_head == "always")
    assert any(key.startswith("kernel_head/") for key in hasher._arrays()) == (
        kernel_head == "always"
    )
    assert min(maps(hasher, parts).values()) > 0.9


@pytest.mark.parametrize("name", choosing())
@pytest.mark.parametrize(("labelled", "code"), [(0.3, target_codes), (1.0, labelled_target_codes)])
def test_the_kernel_head_learns_other_codes_where_every_row_has_labels(
    name: str, labelled: float, code: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = []

    def spy(function: Any) -> Any:
        def called(outputs: Any, class_probabilities: Any, pull: float, *seed: int) -> np.ndarray:
            used.append((function, pull))
            return function(outputs, class_probabilities, pull, *seed)

        return called

    for function in target_codes, labelled_target_codes:
        monkeypatch.setattr(f"crossbit.methods.deep.labelled.{function.__name__}", spy(function))
    hasher = fitted(name, split(board_for(name), labelled), kernel_head="always")
    pulls = {target_codes: "class_weight", labelled_target_codes: "labelled_class_weight"}
    assert set(used) == {(code, hasher.settings[pulls[code]])}


def last_view(hasher: Hasher) -> str:
    return list(hasher.dims)[-1]


# -- encoding --------------------------------------------------------------------------------


def test_codes_of_a_batch_are_those_of_single_items(hasher: Hasher, parts: Split) -> None:
    for view in hasher.dims:
        items = parts.query[view]
        whole = hasher.encode(items, view)
        assert (len(whole), whole.bits) == (40, hasher.bits)
        for row in range(0, 40, 7):
            np.testing.assert_array_equal(
                hasher.encode(items[row : row + 1], view).packed, whole.packed[row : row + 1]
            )


def test_blocks_of_a_large_batch_stay_in_order(hasher: Hasher, parts: Split) -> None:
    items = np.tile(parts.query["image"], (110, 1))  # 4,400 rows: more than one block
    codes = hasher.encode(items, "image", ids=np.arange(4400) + 7)
    np.testing.assert_array_equal(codes.packed[4360:], codes.packed[:40])
    assert codes.ids is not None
    assert codes.ids[-1] == 4406
    assert hasher.project(items, "image").shape == (4400, hasher.bits)


def test_a_bit_is_an_output_above_zero(hasher: Hasher, parts: Split) -> None:
    view = last_view(hasher)
    outputs = hasher.project(parts.query[view], view)
    assert outputs.dtype == np.float32
    np.testing.assert_array_equal(outputs > 0, hasher.encode(parts.query[view], view).unpack())


def test_no_items_give_no_codes(hasher: Hasher) -> None:
    view = last_view(hasher)
    nothing = np.empty((0, hasher.dims[view]), dtype=np.float32)
    assert len(hasher.encode(nothing, view)) == 0
    assert hasher.project(nothing, view).shape == (0, hasher.bits)


def test_encoding_leaves_its_input_alone(hasher: Hasher, parts: Split) -> None:
    items = np.array(parts.query["image"])
    before = items.copy()
    hasher.encode(items, "image")
    np.testing.assert_array_equal(items, before)


def test_a_saved_model_is_the_same_model(hasher: Hasher, parts: Split, tmp_path: Path) -> None:
    hasher.save(tmp_path)
    again = crossbit.load(tmp_path)
    assert type(again) is type(hasher)
    assert again.settings == hasher.settings
    assert again.trained == hasher.trained
    assert again.fingerprint == hasher.fingerprint
    assert same_weights(hasher, again)
    for view in hasher.dims:
        np.testing.assert_array_equal(
            hasher.encode(parts.query[view], view).packed,
            again.encode(parts.query[view], view).packed,
        )


# -- what is refused -------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_method_that_needs_labels_refuses_a_corpus_without(name: str) -> None:
    if "labels" not in methods.get(name).requires:
        pytest.skip(f"{name} needs no labels")
    corpus = board_for(name)
    for bare in Corpus(corpus.views), corpus.hide_labels(np.zeros(len(corpus), bool)):
        with pytest.raises(DataError, match=f"{name} learns from labels, .* give labels"):
            quick(name).fit(bare)


@pytest.mark.parametrize("name", NAMES)
def test_a_method_that_needs_pairs_refuses_a_single_view(name: str) -> None:
    if "pairs" not in methods.get(name).requires:
        pytest.skip(f"{name} needs no pairs")
    with pytest.raises(DataError, match=f"{name} needs at least two views, checkerboard has one"):
        quick(name).fit(board(dims={"image": 24}))


@pytest.mark.parametrize("name", NAMES)
def test_a_method_of_pictures_refuses_other_vectors(name: str) -> None:
    if not of_pictures(name):
        pytest.skip(f"{name} learns from any vectors")
    hasher = quick(name)
    hasher._train = lambda *_: pytest.fail("training began")
    with pytest.raises(DataError, match=f"{name} learns from pictures, and no view is one of"):
        hasher.fit(board(dims={"image": 24}))


@pytest.mark.parametrize("name", NAMES)
def test_an_unfitted_method_says_so(name: str, tmp_path: Path) -> None:
    for act in (
        lambda hasher: hasher.encode(np.ones((1, 24)), "image"),
        lambda hasher: hasher.project(np.ones((1, 24)), "image"),
        lambda hasher: hasher.save(tmp_path / "model"),
    ):
        with pytest.raises(ConfigError, match=f"this {name} is not fitted yet; call fit first"):
            act(quick(name))
    assert not (tmp_path / "model").exists()


def test_items_of_another_width_are_refused(hasher: Hasher) -> None:
    d = hasher.dims["image"]
    for items in np.ones((2, d - 1), dtype=np.float32), sparse.csr_matrix(np.ones((2, d + 1))):
        with pytest.raises(DataError, match=rf"image view has {d} dimensions, the items given"):
            hasher.encode(items, "image")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_none_are_refused(hasher: Hasher, bad: float) -> None:
    items = np.ones((3, hasher.dims["image"]), dtype=np.float32)
    items[1, 5] = bad
    for given in items, sparse.csr_matrix(items):
        with pytest.raises(DataError, match=r"NaN or infinity \(1 found, first in row 1\)"):
            hasher.encode(given, "image")


def test_an_unknown_view_suggests_the_nearest(hasher: Hasher) -> None:
    with pytest.raises(DataError, match="no view 'imgae'; did you mean 'image'"):
        hasher.encode(np.ones((1, 24)), "imgae")


def test_a_single_vector_is_refused_with_its_right_form(hasher: Hasher) -> None:
    with pytest.raises(DataError, match=r"for one item, \(1, d\)"):
        hasher.encode(np.ones(hasher.dims["image"]), "image")


def test_raw_items_need_an_encoder(hasher: Hasher, parts: Split) -> None:
    if of_pictures(hasher.name):  # which has one
        rows = parts.query["image"]
        raw = list(rows.reshape(len(rows), SIDE, SIDE))
        np.testing.assert_array_equal(
            hasher.encode_raw(raw, "image").packed, hasher.encode(rows, "image").packed
        )
        return
    width = hasher.dims["text"]
    with pytest.raises(DataError, match=f"cannot read a raw text; give a vector of {width} num"):
        hasher.encode_raw(["a black knight"], "text")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("bits", [7, 0, -8, 1025])
def test_bits_out_of_range_are_refused(name: str, bits: int) -> None:
    with pytest.raises(ConfigError, match=f"bits must be from 8 to 1024, got {bits}"):
        quick(name, bits=bits)


@pytest.mark.parametrize("name", NAMES)
def test_a_length_may_be_no_whole_bytes(name: str) -> None:
    if name == "ccq":
        with pytest.raises(ConfigError, match="a multiple of 8, got 12; try 8 or 16"):
            quick(name, bits=12)
        return
    parts = split_for(name)
    hasher = fitted(name, parts, bits=12)
    assert min(maps(hasher, parts).values()) > 0.3
    report = crossbit.evaluate(hasher, parts)
    assert report.settings["bits"] == 12
    for direction in report.directions.values():
        if direction.lookup is not None:
            assert direction.lookup.radius[-1] == 12
    codes = hasher.encode(parts.query["image"], "image")
    assert (codes.bits, codes.packed.shape[1]) == (12, 2)


@pytest.mark.parametrize("name", deep())
def test_layers_are_told_apart_whatever_the_views_are_called(name: str) -> None:
    of_several_views(name)
    learnt = []
    for names in ("image", "text"), ("first", "second"), ("second", "attention"):
        plain = board_for(name)
        corpus = Corpus(
            dict(zip(names, plain.views.values(), strict=True)), labels=plain.require_labels()
        )
        hasher = fitted(name, split(corpus))
        arrays = hasher._arrays()
        learnt.append([arrays[key] for key in sorted(arrays, key=lambda key: places(key, names))])
    for other in learnt[1:]:
        assert len(other) == len(learnt[0])
        assert all(np.array_equal(a, b) for a, b in zip(learnt[0], other, strict=True))


def places(key: str, names: tuple[str, str]) -> str:
    """Return the name of an array with its view as a number."""
    return re.sub(
        rf"(network/pathways\.|scaling/|kernel_head/)({'|'.join(names)})(?=[./])",
        lambda found: f"{found[1]}{names.index(found[2])}",
        key,
    )


@pytest.mark.parametrize("view", ["image.raw", "a/b", "", "-", "two words"])
def test_views_whose_names_cannot_be_kept_are_refused(view: str) -> None:
    with pytest.raises(DataError, match=r"a view cannot be called .* use letters, digits"):
        board(dims={view: 5, "text": 6})


@pytest.mark.parametrize("view", ["Bild-2", "图像", "text_en"])
def test_views_have_the_names_they_are_given(view: str) -> None:
    parts = split(board(dims={view: 12, "text": 6}))
    assert f"{view}->text" in maps(fitted("dis", parts), parts)


# -- what deep methods refuse before they train ----------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden": 0}, "hidden must be at least 1"),
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"lr": 0.0}, "lr and init_std must be above 0"),
        ({"weight_decay": -0.1}, "decay not below"),
        ({"activation": "swish"}, "activation is 'swish'; choose from cosine, relu, tanh"),
        ({"lr": float("nan")}, "lr must be a number, got nan"),
        ({"min_steps_per_epoch": 2.5}, "min_steps_per_epoch must be a whole number, got 2.5"),
    ],
)
@pytest.mark.parametrize("name", deep())
def test_settings_out_of_range_are_refused(
    name: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        quick(name, **settings)


@pytest.mark.parametrize("name", choosing())
def test_a_setting_of_yes_or_no_is_nothing_else(name: str) -> None:
    with pytest.raises(ConfigError, match="refit must be true or false, got 'maybe'"):
        quick(name, refit="maybe")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"samples": 65}, "65 samples need a pool of as many, not 64"),
        ({"query_batch": 0}, "query_batch must be at least 1"),
        ({"loss": "hing"}, "loss is 'hing'; did you mean 'hinge'"),
        ({"reward": "log"}, "reward is 'log'"),
    ],
)
def test_settings_of_the_game_out_of_range_are_refused(
    settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        quick("schgan", **settings)


@pytest.mark.parametrize("name", deep())
def test_validation_rows_of_another_corpus_are_refused_before_training(
    name: str,
) -> None:
    hasher = quick(name)
    hasher._train = lambda *_: pytest.fail("training began")
    with pytest.raises(DataError, match="two subsets of one corpus"):
        hasher.fit(split_for(name).train, validation=board(seed=5))


@pytest.mark.parametrize("name", deep())
def test_a_view_that_torch_cannot_name_is_refused(name: str) -> None:
    with pytest.raises(DataError, match="cannot hold a view called 'keys'; rename the view"):
        quick(name).fit(board_for(name, {"keys": 12, "text": 6}))


@pytest.mark.parametrize("name", deep())
def test_a_kernel_head_of_too_many_rows_is_refused_before_training(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crossbit.methods.deep.base.MAX_KERNEL_ROWS", 5)
    hasher = quick(name, kernel_head="always")
    hasher._train = lambda *_: pytest.fail("training began")
    with pytest.raises(DataError, match=r"holds up to 5 rows, .* set kernel_head=auto"):
        hasher.fit(split_for(name).train)


def test_class_posteriors_of_one_labelled_row_are_refused() -> None:
    parts = split(board(), 1, validation=0)
    with pytest.raises(DataError, match="set relevance=labels"):
        quick("schgan").fit(parts.train)
    quick("schgan", relevance="labels", epochs=2).fit(parts.train)  # and that does help


# -- what people expect of an object -----------------------------------------------------------


def test_settings_are_keywords_and_one_of_them_has_two_names() -> None:
    for name in NAMES:
        cls = methods.get(name)
        with pytest.raises(TypeError, match="positional"):
            cls(16)  # type: ignore[call-arg]
        assert cls(random_state=7).seed == 7  # type: ignore[call-arg]
        assert cls(random_state=7, seed=7).seed == 7  # type: ignore[call-arg]
        assert cls(random_state=None).seed == 0  # type: ignore[call-arg]
        assert "random_state" not in cls().settings
        with pytest.raises(ConfigError, match="one setting"):
            cls(random_state=7, seed=8)  # type: ignore[call-arg]


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_read_set_and_cloned(name: str) -> None:
    hasher = quick(name, seed=3)
    assert hasher.get_params() == hasher.settings
    copy = clone(hasher)
    assert type(copy) is type(hasher)
    assert copy is not hasher
    assert copy.get_params() == hasher.get_params()
    assert copy.set_params(seed=5, bits=24) is copy
    assert (copy.seed, copy.bits, hasher.seed) == (5, 24, 3)
    for wrong in {"bits": 3}, {"seeds": 1}:
        with pytest.raises(ConfigError):
            copy.set_params(**wrong)
    assert (copy.seed, copy.bits) == (5, 24)


def test_a_fitted_method_is_no_unfitted_one(hasher: Hasher) -> None:
    fresh = type(hasher)(**hasher.settings)
    assert hasher != fresh
    assert hasher == hasher
    assert len({hasher, fresh}) == 2
    assert "not fitted" in repr(fresh)
    assert f"fitted on {', '.join(hasher.dims)}" in repr(hasher)
    assert f"bits={hasher.bits}" in repr(hasher)
    assert "\n" not in repr(hasher)


def test_it_has_a_title_and_stands_in_a_family(hasher: Hasher) -> None:
    assert hasher.title
    assert hasher.family != Hasher.family


def test_features_of_any_kind_give_the_same_codes(hasher: Hasher, parts: Split) -> None:
    view = next(iter(hasher.dims))
    x = np.asarray(parts.query[view], dtype=np.float32)
    expected = hasher.encode(x, view).packed
    kinds = [
        x.tolist(),
        x.astype(np.float64),
        x.astype(">f4"),
        np.asfortranarray(x),
        torch.from_numpy(x),
        torch.from_numpy(x).requires_grad_(),
        sparse.csr_matrix(x),
        sparse.coo_array(x),
        sparse.csc_array(x),
        Frame(x),
    ]
    for kind in kinds:
        np.testing.assert_array_equal(hasher.encode(kind, view).packed, expected)
    half = x.astype(np.float16)
    np.testing.assert_array_equal(
        hasher.encode(half, view).packed, hasher.encode(half.astype(np.float32), view).packed
    )
    codes = hasher.encode(Frame(x), view)
    assert codes.ids is not None
    assert codes.ids[:2].tolist() == [100, 101]
    for wrong in x[0], x.astype(complex), [["a", "b"]], np.array([None, 1.0]):
        with pytest.raises(DataError):
            hasher.project(wrong, view)


class Frame:
    """What a frame of pandas shows of itself."""

    class Index:
        def __init__(self, n: int) -> None:
            self.n = n

        def to_numpy(self) -> np.ndarray:
            return np.arange(100, 100 + self.n)

    def __init__(self, values: np.ndarray) -> None:
        self.values, self.index = values, Frame.Index(len(values))

    def to_numpy(self) -> np.ndarray:
        return self.values


def test_a_view_is_named_where_there_are_several(hasher: Hasher, parts: Split) -> None:
    view = next(iter(hasher.dims))
    if len(hasher.dims) == 1:
        x = parts.query[view]
        np.testing.assert_array_equal(hasher.encode(x).packed, hasher.encode(x, view).packed)
    else:
        with pytest.raises(DataError, match="name the view of the items: image or text"):
            hasher.encode(parts.query[view])


@pytest.mark.parametrize("name", NAMES)
def test_features_and_labels_are_taken_as_they_come(name: str) -> None:
    corpus = board_for(name)
    if of_pictures(name):
        pytest.skip(f"{name} learns from pictures, which need an encoder")
    names = np.array(["class " + str(k) for k in corpus.require_labels().indices])
    expected = quick(name).fit(Corpus(corpus.views, labels=corpus.labels))
    views = {view: x.tolist() for view, x in corpus.views.items()}
    order = np.argsort(sorted(set(names)), kind="stable")
    forms = [corpus.require_labels().indices, corpus.require_labels().toarray().astype(float)]
    for labels in forms:
        assert same_weights(quick(name).fit(views, labels=labels), expected)
    named = quick(name).fit(views, labels=names)
    assert min(maps(named, split(corpus)).values()) > min(LEAST.get(name, 0.9), 0.9), order
    with pytest.raises(DataError, match="a mapping of view names"):
        quick(name).fit(corpus["image"])
    with pytest.raises(DataError, match="labels of its own"):
        quick(name).fit(corpus, labels=names)


@pytest.mark.parametrize("name", NAMES)
def test_the_history_is_kept_and_told(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    parts, events = split_for(name), []
    hasher = quick(name).fit(
        parts.train, validation=parts.validation, callback=events.append, verbose=True, n_jobs=1
    )
    losses = [event for event in events if event["loss"]]
    assert [event["epoch"] for event in losses] == [event["epoch"] for event in hasher.history_]
    assert (name in deep()) <= bool(hasher.history_)
    assert bool(losses) == (name in capsys.readouterr().err)
    again = quick(name).fit(parts.train, validation=parts.validation)
    assert same_weights(hasher, again)
    assert len(again.history_) == len(hasher.history_)
