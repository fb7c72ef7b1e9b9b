"""Codes whose distances are distributed as the labels' similarities: step one of SePH."""

from __future__ import annotations

import numpy as np

__all__ = ["divergence", "similar_codes"]

BLOCK = 128  # rows whose distances to all others are held at a time: they stay in the cache
STEPS = 100
RATE = 500.0
MOMENTUM = 0.5


def similar_codes(
    similar: np.ndarray, bits: int, alpha: float, rng: np.random.Generator
) -> np.ndarray:
    """Return real-valued codes, (n, bits) float32, that minimise `divergence`.

    Gradient descent with momentum and a gain per number (up by .2 where the slope keeps its sign,
    else times .8), as t-SNE does it; the columns are centred after every step, and the best step
    counts.

    Parameters
    ----------
    similar : (n, c) float
        Rows of length 1 (or 0), whose products are the similarities.
    alpha : float
        Pull of every number towards -1 and 1.
    """
    codes = (1e-4 * rng.normal(size=(len(similar), bits))).astype(np.float32)
    similar = similar.astype(np.float32)
    step, gains = np.zeros_like(codes), np.ones_like(codes)
    best, least = codes, np.inf
    value, slope = divergence(codes, similar, alpha)
    for _ in range(STEPS):
        same = np.sign(slope) == np.sign(step)  # the step goes down the slope
        gains = np.maximum(np.where(same, gains * 0.8, gains + 0.2), 0.01).astype(np.float32)
        step = MOMENTUM * step - RATE * gains * slope
        codes = codes + step
        codes -= codes.mean(axis=0)
        value, slope = divergence(codes, similar, alpha)
        if value < least:
            best, least = codes, value
    return best


def divergence(codes: np.ndarray, similar: np.ndarray, alpha: float) -> tuple[float, np.ndarray]:
    """Return -sum P log Q + alpha / (n q) || |H| - 1 ||² and its gradient by H, (n, q).

    P_ij is similar_i · similar_j and Q_ij is 1 / (1 + ||h_i - h_j||² / 4), both 0 for i = j and
    scaled to sum 1; for codes of -1 and 1 the fraction holds their Hamming distance. The first term
    is KL(P || Q) less a constant. With W_ij = (P_ij - Q_ij) / (1 + ||h_i - h_j||² / 4), its
    gradient by h_i is sum_j W_ij (h_i - h_j).

    Neither P nor Q is held: O(n² (q + c)) time, memory O(n) beside a block of rows.
    """
    n, bits = codes.shape
    norms = (np.square(codes).sum(axis=1) / 4)[:, None]
    ones = np.ones_like(norms)
    # One product gives 1 + ||h_i - h_j||² / 4.
    left = np.hstack([codes / -2, norms + 1, ones])
    right = np.hstack([codes, ones, norms])
    padded = np.hstack([codes, ones])
    mass = np.square(similar.sum(axis=0)).sum() - np.square(similar).sum()
    log_q = total = 0.0
    attraction, repulsion = np.zeros_like(padded), np.zeros_like(padded)
    for start in range(0, n, BLOCK):
        part = slice(start, start + BLOCK)
        near = left[part] @ right.T
        p = similar[part] @ similar.T
        rows = np.arange(len(p))
        p[rows, start + rows] = 0
        p /= mass
        log_q += float(np.vdot(p, np.log(near)))
        np.divide(1, near, out=near)
        near[rows, start + rows] = 0
        total += float(near.sum(dtype=np.float64))
        p *= near
        attraction[part] = p @ padded
        np.square(near, out=near)
        repulsion[part] = near @ padded
    weight = attraction - repulsion / total
    gap = np.abs(codes) - 1
    pull = alpha / (n * bits)
    slope = weight[:, -1:] * codes - weight[:, :-1] + 2 * pull * gap * np.sign(codes)
    value = log_q + np.log(total) + pull * float(np.square(gap).sum())
    return float(value), slope.astype(codes.dtype)
