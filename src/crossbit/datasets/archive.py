"""Named arrays of a .npz file, read without pickle, or an error that says what is wrong with it."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from crossbit.errors import DataError

__all__ = ["read_arrays"]


def read_arrays(path: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the arrays called `names`.

    Raises
    ------
    DataError
        If the file is damaged or lacks one of them.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            lacking = [name for name in names if name not in archive.files]
            if lacking:
                raise DataError(f"{path} lacks the arrays {', '.join(lacking)}; get it again")
            return {name: archive[name] for name in names}
    except (OSError, EOFError, zipfile.BadZipFile, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} cannot be read ({error}); get it again") from error
