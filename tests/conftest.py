"""One thread for numbers: the same sums in the same order, whatever the machine; no cache."""

from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")  # read when the libraries load, which is after this
os.environ.setdefault("CROSSBIT_CACHE", "")  # no test leaves graphs behind

pytest_plugins = ["milvus_fixtures", "tiny_grid"]
