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
from crossbit.methods.deep.target_codes import known_codes, settled_codes
from crossbit.methods.settings import hyper
from crossbit.training.loop import Outcome
from crossbit.training.monitor import not_worse
from crossbit.training.run import FitRun

__all__ = ["Choice", "LabelledHasher"]


@dataclass
class LabelledHasher(DeepHasher):
    """A network that learns from labels where they are given.

    `fit` trains on the training rows and keeps the round with the best validation MAP; then it
    decides, on validation again, whether a kernel memory encodes better than the network; then,
    with `refit`, it trains anew on training and validation rows together, for as many rounds as
    were best. Without validation rows it trains all rounds and keeps the last.
    """

    needs = frozenset({"labels", "pairs"})
    learns_from = "all rows, labels where they are given"

    labelled_batch: int = hyper(256, "labelled pairs in a step")
    patience: int = hyper(0, "rounds worse than the best before a stop; 0: never")
    class_pull: float = hyper(5.0, "weight of a row's classes in the code that the memory learns")
    known_pull: float = hyper(100.0, "the same where every row has labels", "tuned")
    refit: bool = hyper(True, "train anew on training and validation rows for the chosen rounds")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.labelled_batch < 1:
            raise ConfigError(f"{self.name}: labelled_batch must be at least 1")
        if self.patience < 0:
            raise ConfigError(f"{self.name}: patience must not be below 0")

    def _fit(self, train: Corpus, validation: Corpus | None, run: FitRun) -> None:
        self._check_memory(train)
        again = self.refit and validation is not None
        everything = train.union(validation) if again and validation is not None else train
        if not run.resume:
            run.forget()
        choice = Choice.load(run)
        if choice is None:
            outcome = self._train(train, validation, self.rounds, "train", run, [], self.patience)
            if outcome.stopped:
                self.trained["stopped"] = True
                return
            choice = self._choose(train, validation, outcome)
            choice.save(run)
        else:
            outcome = None
        if again:
            outcome = self._train(everything, None, choice.rounds, "refit", run, choice.events)
            if outcome.stopped:
                self.trained["stopped"] = True
                return
            train = everything
            self._memory = self._remember(train) if choice.memory else {}
        elif outcome is None:  # everything was done before: only the weights are to be read
            self._train(train, validation, self.rounds, "train", run, [], self.patience)
            self._memory = self._remember(train) if choice.memory else {}
        events = choice.events + (outcome.events if again and outcome else [])
        warnings = sorted({event["warning"] for event in events if event["warning"]})
        self.trained |= {
            "rounds": choice.rounds,
            "validation_map": choice.validation_map,
            "memory": choice.memory,
            "refit": again,
        }
        counts = {"rows": len(train), "labelled": int(train.labelled.sum())}
        self.trained |= {**counts, "warnings": warnings}

    def _choose(self, train: Corpus, validation: Corpus | None, outcome: Outcome) -> Choice:
        """Decide on the kernel memory, by validation MAP alone."""
        best, keep = outcome.best_map, self.memory == "always"
        self._memory = {}
        if self._may_remember(train):
            if validation is not None or keep:
                self._memory = self._remember(train)
            if validation is not None:
                alone, self._memory = self._memory, {}
                network = self._validate(train, validation)
                self._memory = alone
                value = self._validate(train, validation)
                keep = keep or not_worse(value, network)
                best = float(value.mean()) if keep else best
        self._memory = self._memory if keep else {}
        return Choice(outcome.best_round, best, keep, outcome.events)

    def _settle(self, outputs: list[np.ndarray], corpus: Corpus) -> np.ndarray:
        assert self._beliefs is not None
        beliefs = self._beliefs[self._remembered(corpus)]
        if corpus.labelled.all():
            return known_codes(outputs, beliefs, self.known_pull, self.seed)
        return settled_codes(outputs, beliefs, self.class_pull)


FILE = "choice.json"


@dataclass(frozen=True)
class Choice:
    """How long to train, and whether the kernel memory encodes.

    Attributes
    ----------
    rounds : int
    validation_map : float or None
        Of what was chosen; None without validation rows.
    memory : bool
    events : list of dict
        History of the training that the choice was made on.
    """

    rounds: int
    validation_map: float | None
    memory: bool
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
                int(kept["rounds"]), kept["validation_map"], kept["memory"], list(kept["events"])
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
