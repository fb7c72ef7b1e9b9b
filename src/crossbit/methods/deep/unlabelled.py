"""UnlabelledHasher: network methods that see no label, neither to learn nor to choose."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from crossbit.corpus import Corpus
from crossbit.methods.deep.base import DeepHasher
from crossbit.methods.deep.target_codes import agreed_codes
from crossbit.methods.settings import hyper, method
from crossbit.training.run import FitRun

__all__ = ["UnlabelledHasher"]


@method
class UnlabelledHasher(DeepHasher):
    """A network that learns from pairs alone.

    A validation MAP needs labels, so there is none: `fit` trains on training and validation rows
    together, without their labels, for all epochs, and keeps the last. Its settings were chosen
    once, on development rows that no test sees, and are the same for all data.
    """

    requires: ClassVar[frozenset[str]] = frozenset({"pairs"})

    kernel_head: Literal["auto", "never", "always"] = hyper(
        "auto", "kernel head beside the network; auto: up to 4,096 rows"
    )

    def _fit(self, train: Corpus, validation: Corpus | None, run: FitRun) -> None:
        rows = train if validation is None else train.union(validation)
        rows = rows.hide_labels(np.zeros(len(rows), dtype=bool))
        self._check_kernel_head(rows)
        if not run.resume:
            run.clear_checkpoint()
        outcome = self._train(rows, None, self.epochs, "train", run, [])
        if outcome.stopped:
            self.trained["stopped"] = True
            return
        if self._may_fit_kernel_head(rows):
            self._kernel_head = self._fit_kernel_head(rows)
        warnings = sorted({event["warning"] for event in outcome.events if event["warning"]})
        self.trained |= {
            "rows": len(rows),
            "labelled": 0,
            "epochs": outcome.best_epoch,
            "kernel_head": bool(self._kernel_head),
            "warnings": warnings,
        }

    def _target_codes(self, outputs: list[np.ndarray], corpus: Corpus) -> np.ndarray:
        return agreed_codes(outputs)
