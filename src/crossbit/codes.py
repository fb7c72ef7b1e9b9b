"""Codes: packed binary codes with the ids of the items they stand for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from crossbit.errors import ConfigError, DataError

__all__ = ["CodeHealth", "Codes", "check_bits", "code_bytes"]

MIN_BITS, MAX_BITS = 8, 1024


@dataclass(frozen=True)
class CodeHealth:
    """How well a set of codes uses its bits.

    Attributes
    ----------
    balance : float
        Mean over bits of 1 - |2 p - 1|, p the share of ones: 1 is perfect, 0 is constant bits.
    entropy : float
        Mean over bits of the binary entropy, in bits (0..1).
    dead_bits : int
        Bits that are the same in every code.
    distinct : int
        Number of different codes.
    correlation : float
        Mean absolute correlation between two different live bits (0..1); 0 if fewer than two.
    """

    balance: float
    entropy: float
    dead_bits: int
    distinct: int
    correlation: float


@dataclass(frozen=True, eq=False, repr=False)
class Codes:
    """n binary codes, eight bits to the byte, bit 0 of a code in the lowest bit of byte 0.

    Parameters
    ----------
    packed : (n, ceil(bits / 8)) uint8
        As ``numpy.packbits(bits01, axis=1, bitorder="little")`` gives them: what is left of the
        last byte is zero, so that it adds nothing to a distance.
    bits : int
        From 8 to 1024.
    ids : (n,) int64 or str, optional
        Row numbers if not given.
    """

    packed: np.ndarray
    bits: int
    ids: np.ndarray | None = None

    def __post_init__(self) -> None:
        check_bits(self.bits)
        packed = np.ascontiguousarray(self.packed)
        width = code_bytes(self.bits)
        if packed.dtype != np.uint8 or packed.ndim != 2 or packed.shape[1] != width:
            raise DataError(
                f"codes of {self.bits} bits need a (n, {width}) uint8 array, "
                f"got {packed.dtype} {packed.shape}"
            )
        if self.bits % 8 and (packed[:, -1] >> self.bits % 8).any():
            raise DataError(
                f"codes of {self.bits} bits must be zero beyond them, in the last byte; pack bits "
                "with Codes.pack"
            )
        ids = np.arange(len(packed)) if self.ids is None else np.asarray(self.ids)
        if ids.shape != (len(packed),):
            raise DataError(f"{len(packed)} codes need as many ids, got shape {ids.shape}")
        object.__setattr__(self, "packed", packed)
        object.__setattr__(self, "ids", ids)

    @classmethod
    def pack(cls, bits01: Any, ids: np.ndarray | None = None) -> Codes:
        """Pack an (n, bits) array of booleans or of zeros and ones."""
        array = np.asarray(bits01)
        if array.ndim != 2:
            raise DataError(f"bits to pack must be an (n, bits) array, got shape {array.shape}")
        if array.dtype != np.bool_ and array.size and not np.isin(array, (0, 1)).all():
            raise DataError("bits to pack must be 0 or 1; threshold real values first")
        packed = np.packbits(array.astype(bool), axis=1, bitorder="little")
        return cls(packed, array.shape[1], ids)

    def unpack(self) -> np.ndarray:
        """Return the bits as (n, bits) uint8 of zeros and ones."""
        return np.unpackbits(self.packed, axis=1, bitorder="little", count=self.bits)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return what `unpack` does; NumPy calls this, as in ``np.asarray(codes)``."""
        if copy is False:
            raise ValueError("codes are packed, so an array of their bits is always a copy")
        return self.unpack().astype(dtype or np.uint8, copy=False)

    def __repr__(self) -> str:
        return f"Codes({len(self):,} codes of {self.bits} bits)"

    def __len__(self) -> int:
        return len(self.packed)

    def __getitem__(self, rows: Any) -> Codes:
        """Return the codes of `rows` (a slice, a mask or positions)."""
        assert self.ids is not None
        return Codes(np.atleast_2d(self.packed[rows]), self.bits, np.atleast_1d(self.ids[rows]))

    def __xor__(self, other: Codes) -> Codes:
        """Return the bitwise difference; a single code broadcasts over many."""
        self._same_bits(other)
        return Codes(self.packed ^ other.packed, self.bits, self.ids)

    def distance(self, other: Codes) -> np.ndarray:
        """Return the Hamming distances row by row, (n,) int32; a single code broadcasts."""
        return np.bitwise_count((self ^ other).packed).sum(axis=1, dtype=np.int32)

    @classmethod
    def concatenate(cls, parts: list[Codes]) -> Codes:
        """Return the codes of all parts below one another."""
        if not parts:
            raise DataError("nothing to concatenate; give at least one set of codes")
        for part in parts[1:]:
            parts[0]._same_bits(part)
        ids = np.concatenate([np.asarray(part.ids) for part in parts])
        return cls(np.concatenate([part.packed for part in parts]), parts[0].bits, ids)

    def health(self) -> CodeHealth:
        """Measure balance, entropy, dead bits, distinct codes and bit correlation, O(n bits^2)."""
        if not len(self):
            raise DataError("the health of no codes is not defined; encode some items first")
        unpacked = self.unpack().astype(np.float64)
        share = unpacked.mean(axis=0)
        live = (share > 0) & (share < 1)
        clipped = np.clip(share, 1e-12, 1 - 1e-12)
        entropy = -(clipped * np.log2(clipped) + (1 - clipped) * np.log2(1 - clipped))
        correlation = 0.0
        if live.sum() > 1:
            table = np.atleast_2d(np.corrcoef(unpacked[:, live], rowvar=False))
            correlation = float(np.abs(table[np.triu_indices(len(table), 1)]).mean())
        return CodeHealth(
            balance=float((1 - np.abs(2 * share - 1)).mean()),
            entropy=float(np.where(live, entropy, 0.0).mean()),
            dead_bits=int((~live).sum()),
            distinct=len(np.unique(self.packed, axis=0)),
            correlation=correlation,
        )

    def _same_bits(self, other: Codes) -> None:
        if self.bits != other.bits:
            raise DataError(
                f"codes of {self.bits} and {other.bits} bits do not mix; "
                "encode both with the same model"
            )


def check_bits(bits: int) -> int:
    """Return `bits` if it is a usable code length, else raise ConfigError."""
    if isinstance(bits, bool) or not isinstance(bits, (int, np.integer)):
        raise ConfigError(f"bits must be a whole number, got {bits!r}")
    if not MIN_BITS <= bits <= MAX_BITS:
        raise ConfigError(f"bits must be from {MIN_BITS} to {MAX_BITS}, got {bits}")
    return int(bits)


def code_bytes(bits: int) -> int:
    """Return how many bytes a code of `bits` bits takes: 12 bits take 2."""
    return -(-bits // 8)
