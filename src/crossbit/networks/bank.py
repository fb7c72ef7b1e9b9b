"""CodeBank: a running mean of what each training row's views agree on, read as binary keys."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["CodeBank", "binary_keys"]


class CodeBank(nn.Module):
    """One vector v_i of length 1 per training row, which follows the row's outputs.

    A buffer, so that a checkpoint holds it; nothing in it is learnt by gradients. It starts as
    random signs. Memory O(n bits).
    """

    vectors: Tensor

    def __init__(self, rows: int, bits: int, rng: torch.Generator) -> None:
        super().__init__()
        self.register_buffer("vectors", binary_keys(torch.randn(rows, bits, generator=rng)))

    def keys(self, rows: Tensor) -> Tensor:
        """Return sgn(v_i) / sqrt(bits) of some rows, (b, bits)."""
        return binary_keys(self.vectors[rows])

    def update(self, rows: Tensor, outputs: Tensor, momentum: float) -> None:
        """Move different rows to momentum v_i + (1 - momentum) outputs_i, rescaled to length 1."""
        mean = F.normalize(outputs.detach(), dim=1)
        self.vectors[rows] = F.normalize(
            momentum * self.vectors[rows] + (1 - momentum) * mean, dim=1
        )


def binary_keys(vectors: Tensor) -> Tensor:
    """Return sgn(v) / sqrt(bits), (b, bits), of length 1; through it no gradient flows."""
    signs = torch.where(vectors.detach() > 0, 1.0, -1.0)
    return signs / math.sqrt(vectors.shape[1])
