"""DeepHasher: what all network methods share: scaling, networks, training, the kernel memory."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch

from crossbit.corpus import Corpus
from crossbit.errors import ConfigError, DataError
from crossbit.features.scaling import Scaling, fit_scaling, scaling_from
from crossbit.methods.base import Hasher
from crossbit.methods.deep.kernel_head import KernelMemory
from crossbit.methods.settings import hyper
from crossbit.networks.pathway import Builder, HashNetwork
from crossbit.training.data import TrainingData
from crossbit.training.loop import Outcome, cosine, train
from crossbit.training.monitor import diagnose, validation_ap
from crossbit.training.run import FitRun
from crossbit.training.task import Task

__all__ = ["DeepHasher", "load_network", "memories_from", "scalings_from", "to_arrays"]

MEMORY_ROWS = 4096  # beyond, the kernel memory's n^2 kernel and n^3 solution cost too much


@dataclass
class DeepHasher(Hasher):
    """A hasher whose codes come from one two-layer network per view.

    How long it is trained, and whether a kernel memory encodes beside the network, is decided by
    its two kinds: `LabelledHasher` by validation, `UnlabelledHasher` by its settings alone. A row
    that lacks a view trains the networks of the others.
    """

    takes_missing: ClassVar[bool] = True

    hidden: int = hyper(1024, "units of the hidden layer", "4,096 in the paper, 8,192 in its code")
    activation: Literal["cosine", "relu", "tanh"] = hyper(
        "cosine", "of the hidden layer", "tanh in the paper; cosine won on validation"
    )
    gain: float = hyper(1.0, "standard deviation of a hidden unit's input at the start")
    rounds: int = hyper(15, "rounds of training, each with a validation", "30 in the released code")
    batch: int = hyper(384, "pairs in a step", "64 in the paper")
    steps: int = hyper(20, "least steps in a round; a round is one pass over the pairs if longer")
    optimiser: Literal["adamw", "sgd"] = hyper("adamw", "update rule", "SGD in the released code")
    rate: float = hyper(1e-3, "learning rate at the start; falls along a cosine", "tuned")
    decay: float = hyper(1e-2, "weight decay of the hash layers", "0.01 in the released code")
    memory: Literal["auto", "never", "always"] = hyper(
        "auto", "kernel memory beside the network, up to 4,096 rows; auto: if validation gains"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("hidden", "rounds", "batch", "steps"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{self.name}: {name} must be at least 1")
        if self.rate <= 0 or self.gain <= 0 or self.decay < 0:
            raise ConfigError(f"{self.name}: rate and gain must be above 0, decay not below")
        self._scaling: dict[str, Scaling] = {}
        self._network: HashNetwork | None = None
        self._memory: dict[str, KernelMemory] = {}
        self._beliefs: np.ndarray | None = None  # (n, c): what the memory knows of classes
        self._progress: Callable[[str, float], None] | None = None  # of what precedes training

    # -- what a method adds ----------------------------------------------------------------

    @abstractmethod
    def _task(self, data: TrainingData, rng: torch.Generator) -> Task:
        """Return what is trained; its "discriminator" encodes."""

    def _remembered(self, corpus: Corpus) -> np.ndarray:
        """Return the mask of rows whose codes the kernel memory may learn: all."""
        return np.ones(len(corpus), dtype=bool)

    @abstractmethod
    def _settle(self, outputs: list[np.ndarray], corpus: Corpus) -> np.ndarray:
        """Return the codes, (n, bits) of -1 and 1, that the kernel memory learns of some rows."""

    # -- training --------------------------------------------------------------------------

    def _train(
        self,
        corpus: Corpus,
        validation: Corpus | None,
        rounds: int,
        stage: str,
        run: FitRun,
        before: list[dict[str, Any]],
        patience: int = 0,
    ) -> Outcome:
        rng = torch.Generator().manual_seed(self.seed)
        self._memory = {}
        self._scaling = {v: self._fit_scaling(corpus.with_views(v), v) for v in corpus.views}
        self._progress = run.progress
        task = self._task(TrainingData.of(corpus, self._scaling), rng)
        self._progress = None
        network = task.networks["discriminator"]
        assert isinstance(network, HashNetwork)
        self._network = network
        self._beliefs = task.beliefs.numpy()

        known = np.flatnonzero(corpus.labelled)
        judged = corpus.take((known if len(known) else np.arange(len(corpus)))[:1000])
        labels = judged.require_labels().toarray() if len(known) else None
        kinds = None if labels is None else len(np.unique(labels, axis=0))

        def watch() -> dict[str, Any]:
            sample = {v: self.project(judged.with_views(v)[v], v) for v in corpus.views}
            figures: dict[str, Any] = {"warning": diagnose(sample, kinds)}
            generator = task.networks.get("generator")
            if validation is not None and generator is not None:  # Figure 6 shows both players
                assert isinstance(generator, HashNetwork)
                self._network = generator
                figures["generator_map"] = float(self._validate(corpus, validation).mean())
                self._network = network
            return figures

        return train(
            task,
            rounds=rounds,
            horizon=self.rounds,
            stage=stage,
            run=run,
            schedule=cosine,
            validate=None if validation is None else lambda: self._validate(corpus, validation),
            watch=watch,
            patience=patience,
            before=before,
        )

    def _validate(self, train: Corpus, validation: Corpus) -> np.ndarray:
        return validation_ap(lambda part, view: self.project(part[view], view), validation, train)

    def _remember(self, corpus: Corpus) -> dict[str, KernelMemory]:
        """Fit each view to the codes that its rows settled on."""
        rows = corpus.take(self._remembered(corpus))
        outputs = [self._outputs(rows, view) for view in rows.views]
        for view, logits in zip(rows.views, outputs, strict=True):
            logits[~rows.has(view)] = 0.0  # a view that is not there has no say
        codes = self._settle(outputs, corpus)
        memory = {}
        for view in rows.views:
            at = np.flatnonzero(rows.has(view))
            memory[view] = KernelMemory.fit(self._scaling[view](rows.batch(view, at)), codes[at])
        return memory

    def _may_remember(self, corpus: Corpus) -> bool:
        return self.memory != "never" and self._remembered(corpus).sum() <= MEMORY_ROWS

    def _check_memory(self, corpus: Corpus) -> None:
        """What cannot work is refused before the hours of training that come before it."""
        if self.memory == "always" and not self._may_remember(corpus):
            raise DataError(
                f"the kernel memory holds up to {MEMORY_ROWS:,} rows, there are {len(corpus):,} to "
                "train on; set memory=auto"
            )

    def _outputs(self, corpus: Corpus, view: str) -> np.ndarray:
        """Return the network's logits of a corpus, whatever the memory says."""
        memory, self._memory = self._memory, {}
        outputs = self.project(corpus[view], view)
        self._memory = memory
        return outputs

    # -- parts for tasks -------------------------------------------------------------------

    def _new_network(self, data: TrainingData, rng: torch.Generator) -> HashNetwork:
        dims = {view: x.shape[1] for view, x in data.views.items()}
        return self._build(dims, data.power, rng)

    def _fit_scaling(self, corpus: Corpus, view: str) -> Scaling:
        return fit_scaling(corpus[view])

    def _builders(self) -> dict[str, Builder]:
        """Return what makes the pathways of views that two layers are not for: of none."""
        return {}

    def _build(
        self, dims: Mapping[str, int], power: Mapping[str, float], rng: torch.Generator
    ) -> HashNetwork:
        return HashNetwork(
            dims,
            self.hidden,
            self.bits,
            activation=self.activation,
            gain=self.gain,
            power=power,
            rng=rng,
            builders=self._builders(),
        )

    def _new_optimiser(
        self, network: HashNetwork, rate: float, decay: float
    ) -> torch.optim.Optimizer:
        groups = network.parameter_groups(decay)
        if self.optimiser == "sgd":
            return torch.optim.SGD(groups, lr=rate)
        return torch.optim.AdamW(groups, lr=rate)

    def _steps(self, data: TrainingData) -> int:
        return max(self.steps, -(-len(data) // self.batch))

    # -- the hasher's side -----------------------------------------------------------------

    def _project(self, batch: np.ndarray, view: str) -> np.ndarray:
        scaled = self._scaling[view](batch)
        if self._memory:
            return self._memory[view](scaled)
        assert self._network is not None
        with torch.inference_mode():
            logits: np.ndarray = self._network.logits(view, torch.from_numpy(scaled)).numpy()
        return logits

    def _arrays(self) -> dict[str, np.ndarray]:
        assert self._network is not None
        return to_arrays(self._network, self._scaling, self._memory)

    def _restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        rng = torch.Generator().manual_seed(0)
        self._network = self._build(self.dims, dict.fromkeys(self.dims, 1.0), rng)
        load_network(self._network, arrays)
        self._scaling = scalings_from(arrays, self.dims)
        self._memory = memories_from(arrays, self.dims)


def to_arrays(
    network: HashNetwork, scaling: Mapping[str, Scaling], memory: Mapping[str, KernelMemory]
) -> dict[str, np.ndarray]:
    """Return all arrays of a model, called "part/view/name"."""
    arrays = {f"network/{name}": tensor.numpy() for name, tensor in network.state_dict().items()}
    for part, by_view in (("scaling", scaling), ("memory", memory)):
        for view, item in by_view.items():
            arrays |= {f"{part}/{view}/{name}": a for name, a in item.arrays().items()}
    return arrays


def load_network(network: HashNetwork, arrays: Mapping[str, np.ndarray]) -> None:
    """Put the kept weights into a network of the same widths."""
    kept = _below(arrays, "network")
    network.load_state_dict({name: torch.from_numpy(a.copy()) for name, a in kept.items()})


def scalings_from(arrays: Mapping[str, np.ndarray], views: Mapping[str, int]) -> dict[str, Scaling]:
    """Return each view's scaling."""
    return {view: scaling_from(_below(arrays, f"scaling/{view}")) for view in views}


def memories_from(
    arrays: Mapping[str, np.ndarray], views: Mapping[str, int]
) -> dict[str, KernelMemory]:
    """Return each view's kernel memory; none if the model has none."""
    return {
        view: KernelMemory.from_arrays(_below(arrays, f"memory/{view}"))
        for view in views
        if f"memory/{view}/centres" in arrays
    }


def _below(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    start = prefix + "/"
    return {name.removeprefix(start): a for name, a in arrays.items() if name.startswith(start)}
