"""What a model attends to: pictures beside their masks, and the words that move a text's code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from crossbit.corpus import Corpus
from crossbit.errors import ConfigError, DataError
from crossbit.evaluation.canvas import INK, png
from crossbit.features.pixels import open_picture
from crossbit.methods.base import Hasher

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["attended_shares", "attention_picture", "masks_of", "word_weights"]

SIDE = 256  # pixels that a picture is shown in
LEFT_OUT = 0.22  # brightness of what is not attended
WORDS = 8  # of a text, those that move most bits
HEIGHT, WIDTH = 1.35, 1.35  # inches of a row, and of a picture in it
BAR = "#0072B2"
EDGE = (0.9, 0.62, 0.0)  # orange, between what is attended and what is not


def masks_of(hasher: Hasher, corpus: Corpus, view: str) -> np.ndarray:
    """Return the masks of all items of a corpus in one view: (n, H, W) of maps, (n, p) of vectors.

    Raises
    ------
    ConfigError
        If the method has no attention.
    """
    masks = getattr(hasher, "masks", None)
    if masks is None:
        raise ConfigError(f"{hasher.name} has no attention to show; choose a model of hashgan")
    found: np.ndarray = masks(corpus[view], view)
    return found


def attended_shares(hasher: Hasher, corpus: Corpus) -> dict[str, float]:
    """Return the mean share of positions, or of features, that items attend to, by view."""
    held = {view: corpus.with_views(view) for view in corpus.views if view in hasher.dims}
    return {
        view: float(masks_of(hasher, part, view).mean()) for view, part in held.items() if len(part)
    }


def word_weights(hasher: Hasher, view: str, row: Any) -> dict[str, float]:
    """Return how many bits each word of a text moves, the most first: {} without a vocabulary.

    A mask of text is over features that the network made, not over words. So every word is left
    out in turn: the sum over bits of how far that moves a relaxed code, in 0..1.

    Parameters
    ----------
    row : (1, d) CSR or array
        A bag of words.
    """
    vocabulary = getattr(hasher.encoders.get(view), "vocabulary", None)
    dense: np.ndarray = row.toarray() if hasattr(row, "toarray") else np.asarray(row)
    columns = np.flatnonzero(dense[0])
    if vocabulary is None or not len(columns):
        return {}
    without = np.repeat(dense, len(columns), axis=0)
    without[np.arange(len(columns)), columns] = 0
    whole, less = (_relaxed(hasher.project(part, view)) for part in (dense, without))
    moved = np.abs(whole - less).sum(axis=1)
    order = np.argsort(-moved, kind="stable")
    return {vocabulary[columns[k]]: float(moved[k]) for k in order}


def attention_picture(hasher: Hasher, corpus: Corpus) -> bytes:
    """Return a PNG with a row for each item: pictures beside what is attended of them, and words.

    Raises
    ------
    DataError
        If there are no items, or nothing of them can be shown.
    """
    from matplotlib.figure import Figure

    pictures = [view for view in corpus.views if _is_picture(hasher, corpus, view)]
    texts = [
        view
        for view in corpus.views
        if view not in pictures and hasattr(hasher.encoders.get(view), "vocabulary")
    ]
    if not len(corpus) or not (pictures or texts):
        raise DataError(
            f"{corpus.name} keeps no pictures and no words of the items asked for, so there is "
            "nothing to show; load it from its original items"
        )
    widths = [WIDTH] * (2 * len(pictures)) + [3.2] * len(texts)
    figure = Figure(
        figsize=(sum(widths) + 0.3, HEIGHT * len(corpus) + 0.2),
        layout="constrained",
        facecolor="white",
    )
    grid = figure.subplots(len(corpus), len(widths), squeeze=False, width_ratios=widths)
    for place, view in enumerate(pictures):
        masks = masks_of(hasher, corpus, view)
        for k, axes in enumerate(grid[:, 2 * place : 2 * place + 2]):
            if corpus.has(view)[k]:
                _draw_picture(axes, corpus.raw_item(view, k), masks[k], corpus.ids[k])
    for place, view in enumerate(texts, start=2 * len(pictures)):
        for k, axes in enumerate(grid[:, place]):
            found = word_weights(hasher, view, corpus[view][k : k + 1])
            _draw_words(axes, found if corpus.has(view)[k] else {})
    return png(figure)


def _is_picture(hasher: Hasher, corpus: Corpus, view: str) -> bool:
    """Whether the items are pictures with masks of positions."""
    first = next((k for k in range(len(corpus)) if corpus.has(view)[k]), None)
    if first is None or view not in corpus.raw or view not in hasher.dims:
        return False
    if hasattr(hasher.encoders.get(view), "vocabulary"):
        return False
    return masks_of(hasher, corpus.take([first]), view).ndim == 3


def _draw_picture(axes: np.ndarray, item: Any, mask: np.ndarray, name: Any) -> None:
    from PIL.Image import Resampling

    # As the encoders do: the whole picture is squeezed into a square.
    square = open_picture(item).convert("RGB").resize((SIDE, SIDE), Resampling.BICUBIC)
    picture = np.asarray(square, dtype=np.float32) / 255
    # The parts of a map are equal, and need not divide the picture's pixels.
    down, right = (np.arange(SIDE) * size // SIDE for size in mask.shape)
    attended = mask[down][:, right]
    grey = picture.mean(axis=2, keepdims=True) * LEFT_OUT
    marked = np.where(attended[..., None], picture, grey)
    marked[_edges(attended)] = EDGE  # in a dark picture the dark parts would not be seen
    shown = (picture, marked)
    for panel, image, text in zip(axes, shown, (f"{name}", f"{mask.mean():.0%}"), strict=True):
        panel.imshow(image, vmin=0, vmax=1)
        panel.set_axis_on()
        panel.set_xticks([])
        panel.set_yticks([])
        panel.set_title(text, fontsize=7, color=INK, pad=2)


def _edges(attended: np.ndarray) -> np.ndarray:
    """Return the pixels on either side of where attention ends, (h, w) bool."""
    edges = np.zeros_like(attended)
    for ends, first, second in (
        (attended[1:] != attended[:-1], np.s_[1:], np.s_[:-1]),
        (attended[:, 1:] != attended[:, :-1], np.s_[:, 1:], np.s_[:, :-1]),
    ):
        edges[first] |= ends
        edges[second] |= ends
    return edges


def _draw_words(axes: Axes, weights: dict[str, float]) -> None:
    shown = list(weights.items())[:WORDS]
    places = np.arange(len(shown))
    axes.barh(places, [weight for _, weight in shown], color=BAR, height=0.7)
    axes.set_yticks(places, [word[:24] for word, _ in shown], fontsize=7, parse_math=False)
    axes.set_ylim(WORDS - 0.5, -0.5)
    axes.tick_params(axis="x", labelsize=6)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right"]].set_visible(False)


def _relaxed(outputs: np.ndarray) -> np.ndarray:
    return 0.5 + 0.5 * np.tanh(outputs / 2)
