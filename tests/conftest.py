"""One thread for numbers: the same sums in the same order, whatever the machine."""

from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")  # read when the libraries load, which is after this

pytest_plugins = ["tiny_grid"]
