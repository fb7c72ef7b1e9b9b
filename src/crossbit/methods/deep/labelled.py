"""LabelledHasher: network methods that learn from labels, and choose by validation."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from crossbit.corpus import Corpus
from crossbit.errors import ConfigError, ModelError
from crossbit.files import write_json
from crossbit.methods.deep.base import DeepHasher
from crossbit.methods.deep.kernel_head import KernelHead
from crossbit.methods.deep.target_codes import labelled_target_codes, target_codes
from crossbit.methods.settings import hyper, method
from crossbit.training.loop import TrainResult
from crossbit.training.monitor import not_worse
from crossbit.training.run import FitRun

__all__ = ["LabelledHasher", "ModelSelection"]


@method
class LabelledHasher(DeepHasher):
    """A network that learns from labels where they are given.

    `fit` trains on the training rows and keeps the epoch with the best validation MAP; then it
    decides, on validation again, whether a kernel head encodes better than the network; then,
    with `refit`, it trains anew on training and validation rows together, for as many epochs as
    were best. Without validation rows it trains all epochs and keeps the last.
    """

    requires = frozenset({"labels", "pairs"})
    learns_from = "all rows, labels where they are given"

    labelled_batch: int = hyper(256, "labelled pairs in a step")
    patience: int = hyper(0, "epochs worse than the best before a stop; 0: never")
    class_weight: float = hyper(
        5.0, "weight of a row's classes in the code that the kernel head learns"
    )
    labelled_class_weight: float = hyper(100.0, "the same where every row has labels", "tuned")
    refit: bool = hyper(True, "train anew on training and validation rows for the chosen epochs")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.labelled_batch < 1:
            raise ConfigError(f"{self.name}: labelled_batch must be at least 1")
        if self.patience < 0:
            raise ConfigError(f"{self.name}: patience must not be below 0")

    def _fit(self, train: Corpus, validation: Corpus | None, run: FitRun) -> None:
        self._check_kernel_head(train)
        again = self.refit and validation is not None
        everything = train.union(validation) if again and validation is not None else train
        if not run.resume:
            run.clear_checkpoint()
        choice = ModelSelection.load(run)
        if choice is None:
            outcome = self._train(train, validation, self.epochs, "train", run, [], self.patience)
            if outcome.stopped:
                self.trained["stopped"] = True
                return
            choice = self._select(train, validation, outcome)
            choice.save(run)
        else:
            outcome = None
        if again:
            outcome = self._train(
                everything, None, choice.epochs, "refit", run, run.history or choice.events
            )
            if outcome.stopped:
                self.trained["stopped"] = True
                return
            train = everything
            self._kernel_head = self._fit_kernel_head(train) if choice.kernel_head else {}
        elif outcome is None:  # everything was done before: only the weights are to be read
            self._train(train, validation, self.epochs, "train", run, [], self.patience)
            self._kernel_head = self._fit_kernel_head(train) if choice.kernel_head else {}
        events = choice.events + (outcome.events if again and outcome else [])
        warnings = sorted({event["warning"] for event in events if event["warning"]})
        self.trained |= {
            "epochs": choice.epochs,
            "validation_map": choice.validation_map,
            "kernel_head": choice.kernel_head,
            "refit": again,
        }
        counts = {"rows": len(train), "labelled": int(train.labelled.sum())}
        self.trained |= {**counts, "warnings": warnings}

    def _select(
        self, train: Corpus, validation: Corpus | None, outcome: TrainResult
    ) -> ModelSelection:
        """Decide on the kernel head, by validation MAP alone."""
        assert self._network is not None
        best, keep = outcome.best_map, self.kernel_head == "always"
        head: dict[str, KernelHead] = {}
        if self._may_fit_kernel_head(train):
            if validation is not None or keep:
                head = self._fit_kernel_head(train)
            if validation is not None:
                network_ap = self._validate(train, validation, self._network)
                head_ap = self._validate(train, validation, self._network, head)
                keep = keep or not_worse(head_ap, network_ap)
                best = float(head_ap.mean()) if keep else best
        self._kernel_head = head if keep else {}
        return ModelSelection(outcome.best_epoch, best, keep, outcome.events)

    def _target_codes(self, outputs: list[np.ndarray], corpus: Corpus) -> np.ndarray:
        assert self._class_probabilities is not None
        class_probabilities = self._class_probabilities[self._kernel_rows(corpus)]
        if corpus.labelled.all():
            return labelled_target_codes(
                outputs, class_probabilities, self.labelled_class_weight, self.seed
            )
        return target_codes(outputs, class_probabilities, self.class_weight)


FILE = "choice.json"


@dataclass(frozen=True)
class ModelSelection:
    """How long to train, and whether the kernel head encodes.

    Attributes
    ----------
    epochs : int
    validation_map : float or None
        Of what was chosen; None without validation rows.
    memory : bool
    events : list of dict
        History of the training that the choice was made on.
    """

    epochs: int
    validation_map: float | None
    kernel_head: bool
    events: list[dict[str, Any]]

    @classmethod
    def load(cls, run: FitRun) -> Self | None:
        """Return what an earlier, interrupted fit chose, if there was one.

        Raises
        ------
        ModelError
            If the file is damaged.
        """
        path = run.checkpoint(FILE)
        if path is None or not path.exists():
            return None
        try:
            kept = json.loads(path.read_text())
            return cls(
                int(kept["epochs"]),
                kept["validation_map"],
                kept["kernel_head"],
                list(kept["events"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(
                f"the checkpoint {path.name} in {path.parent} cannot be used "
                f"({type(error).__name__}: {error}); remove that folder to begin again"
            ) from error

    def save(self, run: FitRun) -> None:
        """Keep the choice with the run's checkpoint, if it has one."""
        path = run.checkpoint(FILE)
        if path is not None:
            write_json(path, dataclasses.asdict(self))
