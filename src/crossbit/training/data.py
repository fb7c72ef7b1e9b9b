"""Training data as tensors: scaled once, so that a step only gathers rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from crossbit.corpus import Corpus
from crossbit.features.scaling import Scaling
from crossbit.features.terms import TermWeights
from crossbit.networks.rows import Rows, SparseRows

__all__ = ["TrainingData"]


@dataclass
class TrainingData:
    """A corpus in memory, O(n sum of d): scaled views, and the labels that may be seen.

    Attributes
    ----------
    views : dict of view name to (n, d) float32
        Sparse where the corpus holds the view so and its zeros stay zeros.
    labels : (n, c) float32 of zeros and ones; rows without labels are zero
    labelled : (l,) int64, positions of the rows with labels
    present : dict of view name to (n,) bool
        Which rows have the view, for views that some lack.
    """

    views: Mapping[str, Rows]
    labels: Tensor
    labelled: Tensor
    present: Mapping[str, Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, corpus: Corpus, scaling: Mapping[str, Scaling]) -> TrainingData:
        """Scale and load the views of `corpus`."""
        views = {name: _scaled(corpus, name, scale) for name, scale in scaling.items()}
        if corpus.labels is None:
            labels = torch.zeros(len(corpus), 0)
        else:
            labels = torch.from_numpy(corpus.require_labels().toarray().astype(np.float32))
        present = {view: torch.from_numpy(corpus.has(view)) for view in corpus.present}
        return cls(views, labels, torch.from_numpy(np.flatnonzero(corpus.labelled)), present)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def total_variance(self) -> dict[str, float]:
        """Total variance of each view's columns: scale for first-layer weights."""
        everyone = torch.arange(len(self))
        total_variance = {}
        for name, x in self.views.items():
            at = self.having(everyone, name)
            held = x if isinstance(at, slice) else x[at]
            total_variance[name] = _power(held) if len(held) else 1.0
        return total_variance

    def having(self, rows: Tensor, *views: str) -> Tensor | slice:
        """Return which positions of `rows` have all of some views; a slice if none lacks one."""
        masks = [self.present[view][rows] for view in views if view in self.present]
        if not masks:
            return slice(None)
        return torch.nonzero(torch.stack(masks).all(0))[:, 0]

    def draw(self, count: int, rng: torch.Generator) -> Tensor:
        """Return positions of `count` rows drawn evenly, with replacement."""
        return torch.randint(len(self), (count,), generator=rng)

    def draw_distinct(self, count: int, rng: torch.Generator) -> Tensor:
        """Return positions of `count` different rows, or of all rows if there are fewer."""
        return torch.randperm(len(self), generator=rng)[:count]

    def draw_labelled(self, count: int, rng: torch.Generator) -> Tensor:
        """The same among the labelled rows."""
        chosen = torch.randint(len(self.labelled), (count,), generator=rng)
        return self.labelled[chosen]


def _scaled(corpus: Corpus, view: str, scaling: Scaling) -> Rows:
    runs = [slice(start, start + 4096) for start in range(0, len(corpus), 4096)]
    parts = [scaling(corpus.batch(view, run)) for run in runs]
    if sparse.issparse(corpus[view]) and isinstance(scaling, TermWeights):
        return SparseRows.of(sparse.vstack([sparse.csr_matrix(part) for part in parts]).tocsr())
    return torch.from_numpy(np.concatenate(parts))


def _power(x: Rows) -> float:
    if isinstance(x, SparseRows):
        columns, values = x.columns, x.values.double()
        sums, squares = (
            torch.zeros(x.width, dtype=torch.float64).index_add_(0, columns, v)
            for v in (values, values.square())
        )
        return float((squares / len(x) - (sums / len(x)).square()).sum())
    return float(x.var(0, correction=0).sum())
