"""Composite quantisation: points as sums of one codeword from each of several codebooks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy import sparse
from scipy.linalg import solve, svd

__all__ = ["WORDS", "greedy", "quantised", "restored"]

WORDS = 256  # codewords of a codebook: the number of one is a byte of the code
ROWS = 8192  # points compared with a codebook at a time
RIDGE = 1e-3  # of the authors' least squares: codewords that nothing uses stay finite


def greedy(points: np.ndarray, books: np.ndarray) -> np.ndarray:
    """Return a codeword for each codebook in turn, nearest to what those before left of a point.

    Parameters
    ----------
    points : (n, d) float
    books : (m, 256, d) float

    Returns
    -------
    codes : (n, m) uint8
    """
    codes = np.empty((len(points), len(books)), dtype=np.uint8)
    squares = np.square(books).sum(axis=2)
    for start in range(0, len(points), ROWS):
        part = slice(start, start + ROWS)
        left = points[part].copy()
        for place, book in enumerate(books):
            chosen = (squares[place] - 2 * (left @ book.T)).argmin(axis=1)
            left -= book[chosen]
            codes[part, place] = chosen
    return codes


def restored(codes: np.ndarray, books: np.ndarray) -> np.ndarray:
    """Return the sums of codewords that codes (n, m) stand for, (n, d)."""
    total = np.zeros((len(codes), books.shape[2]), dtype=books.dtype)
    for place, book in enumerate(books):
        total += book[codes[:, place]]
    return total


def quantised(
    views: Sequence[np.ndarray],
    weights: Sequence[float],
    books: int,
    width: int,
    rng: np.random.Generator,
) -> Iterator[tuple[float, np.ndarray, np.ndarray]]:
    """Yield the objective, the codebooks and the codes after every round of

        min sum_v weight_v ||X_v - B C R_vᵀ||² + ridge ||C||²,

    over R_v (d_v, width) with orthonormal columns, shared codebooks C (books * 256, width) and
    codes B with one codeword from each. Every round takes, and no step of it raises the objective:

        R_v  U Vᵀ of the SVD of X_vᵀ B C,
        C    least squares on the weighted mean Z of the X_v R_v,
        B    `greedy` codes of Z, for the points where they are nearer than those they had.

    All views are held to one B C, so that their squared distances to it, weighted and summed, are
    that of Z but for what B and C do not change.

    Notes
    -----
    A round is O(n d width + n books² + (256 books)³) time, the last for the least squares.
    """
    total = float(sum(weights))
    shares = [weight / total for weight in weights]
    energy = sum(
        share * float(np.square(x, dtype=np.float64).sum())
        for share, x in zip(shares, views, strict=True)
    )
    points = _mean(shares, (x @ np.eye(x.shape[1], width, dtype=x.dtype) for x in views))
    words = _sampled(points, books, rng)
    codes = greedy(points, words)
    sums = restored(codes, words)
    while True:
        points = _mean(shares, (x @ _rotation(x.T @ sums) for x in views))
        words = _refit(points, codes, books, RIDGE / total)
        fresh = greedy(points, words)
        kept = restored(codes, words)
        sums = restored(fresh, words)
        worse = np.square(points - sums).sum(axis=1) > np.square(points - kept).sum(axis=1)
        codes, sums = np.where(worse[:, None], codes, fresh), np.where(worse[:, None], kept, sums)
        # ||X - S Rᵀ||² = ||X||² - 2 <X R, S> + ||S||², and X R sums to the points.
        fit = float((sums * (sums - 2 * points)).sum(dtype=np.float64))
        penalty = RIDGE / total * float(np.square(words, dtype=np.float64).sum())
        yield total * (energy + fit + penalty), words, codes


def _mean(shares: Sequence[float], parts: Iterator[np.ndarray]) -> np.ndarray:
    total = [share * part for share, part in zip(shares, parts, strict=True)]
    mean: np.ndarray = np.sum(total, axis=0)
    return mean


def _rotation(products: np.ndarray) -> np.ndarray:
    """Return the R with orthonormal columns that has the largest tr(Rᵀ products)."""
    first, _, second = svd(products, full_matrices=False)
    turned: np.ndarray = first @ second
    return turned


def _sampled(points: np.ndarray, books: int, rng: np.random.Generator) -> np.ndarray:
    """Return codebooks of random points, each of what the ones before leave of them."""
    left, words = points.copy(), []
    for _ in range(books):
        chosen = rng.choice(len(points), WORDS, replace=len(points) < WORDS)
        words.append(left[chosen])
        left -= restored(greedy(left, words[-1][None]), words[-1][None])
    return np.stack(words)


def _refit(points: np.ndarray, codes: np.ndarray, books: int, ridge: float) -> np.ndarray:
    """Return the codebooks of least squares under given codes: (BᵀB + ridge I)^-1 BᵀZ."""
    width = points.shape[1]
    places = codes.astype(np.int64) + WORDS * np.arange(books)
    used = _one_hot(places, WORDS * books)
    system = (used.T @ used).toarray()
    system.flat[:: len(system) + 1] += ridge
    words = solve(system, used.T @ points.astype(np.float64), assume_a="pos")
    return words.reshape(books, WORDS, width).astype(points.dtype)


def _one_hot(places: np.ndarray, width: int) -> sparse.csr_matrix:
    n, m = places.shape
    ones = np.ones(n * m)
    return sparse.csr_matrix((ones, places.ravel(), np.arange(0, n * m + 1, m)), shape=(n, width))
