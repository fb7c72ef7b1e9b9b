"""DeepHasher: what all network methods share: scaling, networks, training, the kernel head."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import torch

from crossbit.corpus import Corpus
from crossbit.errors import ConfigError, DataError
from crossbit.features.scaling import Scaling, fit_scaling, scaling_from
from crossbit.methods.base import Hasher
from crossbit.methods.deep.kernel_head import KernelHead
from crossbit.methods.settings import hyper, method
from crossbit.networks.pathway import Builder, HashNetwork
from crossbit.training.data import TrainingData
from crossbit.training.loop import TrainResult, cosine, train
from crossbit.training.monitor import check_collapse, validation_ap
from crossbit.training.run import FitRun
from crossbit.training.task import Task

__all__ = [
    "DeepHasher",
    "Progress",
    "kernel_heads_from",
    "load_network",
    "scalings_from",
    "to_arrays",
]

MAX_KERNEL_ROWS = 4096  # beyond, the kernel head's n^2 kernel and n^3 solution cost too much

Progress = Callable[[str, float], None]  # stage, share done in 0..1


def silent(stage: str, share: float) -> None:
    """Take a report of progress that nobody wants to hear."""


@method
class DeepHasher(Hasher):
    """A hasher whose codes come from one two-layer network per view.

    How long it is trained, and whether a kernel head encodes beside the network, is decided by
    its two kinds: `LabelledHasher` by validation, `UnlabelledHasher` by its settings alone. A row
    that lacks a view trains the networks of the others.
    """

    supports_missing: ClassVar[bool] = True

    hidden: int = hyper(1024, "units of the hidden layer", "4,096 in the paper, 8,192 in its code")
    activation: Literal["cosine", "relu", "tanh"] = hyper(
        "cosine", "of the hidden layer", "tanh in the paper; cosine won on validation"
    )
    init_std: float = hyper(1.0, "standard deviation of a hidden unit's input at the start")
    epochs: int = hyper(15, "epochs of training, each with a validation", "30 in the released code")
    batch: int = hyper(384, "pairs in a step", "64 in the paper")
    min_steps_per_epoch: int = hyper(
        20, "least steps in an epoch; an epoch is one pass over the pairs if longer"
    )
    optimizer: Literal["adamw", "sgd"] = hyper("adamw", "update rule", "SGD in the released code")
    lr: float = hyper(1e-3, "learning rate at the start; falls along a cosine", "tuned")
    weight_decay: float = hyper(
        1e-2, "weight decay of the hash layers", "0.01 in the released code"
    )
    kernel_head: Literal["auto", "never", "always"] = hyper(
        "auto", "kernel head beside the network, up to 4,096 rows; auto: if validation gains"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("hidden", "epochs", "batch", "min_steps_per_epoch"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{self.name}: {name} must be at least 1")
        if self.lr <= 0 or self.init_std <= 0 or self.weight_decay < 0:
            raise ConfigError(
                f"{self.name}: lr and init_std must be above 0, weight_decay not below"
            )
        self._scaling: dict[str, Scaling] = {}
        self._network: HashNetwork | None = None
        self._kernel_head: dict[str, KernelHead] = {}
        self._class_probabilities: np.ndarray | None = (
            None  # (n, c): what the memory knows of classes
        )

    # -- what a method adds ----------------------------------------------------------------

    @abstractmethod
    def _task(self, data: TrainingData, rng: torch.Generator, progress: Progress = silent) -> Task:
        """Return what is trained; `progress` is told of long work before the first step."""

    def _kernel_rows(self, corpus: Corpus) -> np.ndarray:
        """Return the mask of rows whose codes the kernel head may learn: all."""
        return np.ones(len(corpus), dtype=bool)

    @abstractmethod
    def _target_codes(self, outputs: list[np.ndarray], corpus: Corpus) -> np.ndarray:
        """Return the codes, (n, bits) of -1 and 1, that the kernel head learns of some rows."""

    # -- training --------------------------------------------------------------------------

    def _train(
        self,
        corpus: Corpus,
        validation: Corpus | None,
        epochs: int,
        stage: str,
        run: FitRun,
        before: list[dict[str, Any]],
        patience: int = 0,
    ) -> TrainResult:
        rng = torch.Generator().manual_seed(self.seed)
        self._scaling = {v: self._fit_scaling(corpus.with_views(v), v) for v in corpus.views}
        task = self._task(TrainingData.of(corpus, self._scaling), rng, run.report_progress)
        network = task.encoder
        assert isinstance(network, HashNetwork)
        self._network, self._kernel_head = network, {}
        self._class_probabilities = task.class_probabilities.numpy()

        labelled = np.flatnonzero(corpus.labelled)
        judged = corpus.take((labelled if len(labelled) else np.arange(len(corpus)))[:1000])
        labels = judged.require_labels().toarray() if len(labelled) else None
        n_label_sets = None if labels is None else len(np.unique(labels, axis=0))

        def callback() -> dict[str, Any]:
            sample = {v: self._outputs(judged.with_views(v), v, network) for v in corpus.views}
            figures: dict[str, Any] = {"warning": check_collapse(sample, n_label_sets)}
            generator = task.networks.get("generator")
            if validation is not None and generator is not None:  # Figure 6 shows both players
                assert isinstance(generator, HashNetwork)
                figures["generator_map"] = float(
                    self._validate(corpus, validation, generator).mean()
                )
            return figures

        return train(
            task,
            epochs=epochs,
            horizon=self.epochs,
            stage=stage,
            run=run,
            schedule=cosine,
            validate=None
            if validation is None
            else lambda: self._validate(corpus, validation, network),
            callback=callback,
            patience=patience,
            before=before,
        )

    def _validate(
        self,
        train: Corpus,
        validation: Corpus,
        network: HashNetwork,
        kernel_head: Mapping[str, KernelHead] | None = None,
    ) -> np.ndarray:
        """Return the AP of every validation query, (q,), coded by a network or its kernel head."""

        def project(corpus: Corpus, view: str) -> np.ndarray:
            return self._outputs(corpus, view, network, kernel_head)

        return validation_ap(project, validation, train)

    def _fit_kernel_head(self, corpus: Corpus) -> dict[str, KernelHead]:
        """Fit each view to the target codes of its rows."""
        assert self._network is not None
        rows = corpus.take(self._kernel_rows(corpus))
        outputs = [self._outputs(rows, view, self._network) for view in rows.views]
        for view, logits in zip(rows.views, outputs, strict=True):
            logits[~rows.has(view)] = 0.0  # a view that is not there has no say
        codes = self._target_codes(outputs, corpus)
        kernel_head = {}
        for view in rows.views:
            at = np.flatnonzero(rows.has(view))
            kernel_head[view] = KernelHead.fit(self._scaling[view](rows.batch(view, at)), codes[at])
        return kernel_head

    def _may_fit_kernel_head(self, corpus: Corpus) -> bool:
        return self.kernel_head != "never" and self._kernel_rows(corpus).sum() <= MAX_KERNEL_ROWS

    def _check_kernel_head(self, corpus: Corpus) -> None:
        """What cannot work is refused before the hours of training that come before it."""
        if self.kernel_head == "always" and not self._may_fit_kernel_head(corpus):
            raise DataError(
                f"the kernel head holds up to {MAX_KERNEL_ROWS:,} rows, there are "
                f"{len(corpus):,} to train on; set kernel_head=auto"
            )

    def _outputs(
        self,
        corpus: Corpus,
        view: str,
        network: HashNetwork,
        kernel_head: Mapping[str, KernelHead] | None = None,
    ) -> np.ndarray:
        """Return the logits of a corpus, (n, bits): the network's, or those of a kernel head."""
        return self._in_batches(
            corpus[view], view, lambda batch, view: self._logits(batch, view, network, kernel_head)
        )

    def _logits(
        self,
        batch: np.ndarray,
        view: str,
        network: HashNetwork,
        kernel_head: Mapping[str, KernelHead] | None = None,
    ) -> np.ndarray:
        scaled = self._scaling[view](batch)
        if kernel_head:
            return kernel_head[view](scaled)
        with torch.inference_mode():
            logits: np.ndarray = network.logits(view, torch.from_numpy(scaled)).numpy()
        return logits

    # -- parts for tasks -------------------------------------------------------------------

    def _new_network(self, data: TrainingData, rng: torch.Generator) -> HashNetwork:
        dims = {view: x.shape[1] for view, x in data.views.items()}
        return self._build(dims, data.total_variance, rng)

    def _fit_scaling(self, corpus: Corpus, view: str) -> Scaling:
        return fit_scaling(corpus[view])

    def _builders(self) -> dict[str, Builder]:
        """Return what makes the pathways of views that two layers are not for: of none."""
        return {}

    def _build(
        self, dims: Mapping[str, int], total_variance: Mapping[str, float], rng: torch.Generator
    ) -> HashNetwork:
        return HashNetwork(
            dims,
            self.hidden,
            self.bits,
            activation=self.activation,
            init_std=self.init_std,
            total_variance=total_variance,
            rng=rng,
            builders=self._builders(),
        )

    def _new_optimizer(
        self, network: HashNetwork, lr: float, weight_decay: float
    ) -> torch.optim.Optimizer:
        groups = network.parameter_groups(weight_decay)
        if self.optimizer == "sgd":
            return torch.optim.SGD(groups, lr=lr)
        return torch.optim.AdamW(groups, lr=lr)

    def _steps(self, data: TrainingData) -> int:
        return max(self.min_steps_per_epoch, -(-len(data) // self.batch))

    # -- the hasher's side -----------------------------------------------------------------

    def _project(self, batch: np.ndarray, view: str) -> np.ndarray:
        assert self._network is not None
        return self._logits(batch, view, self._network, self._kernel_head)

    def _arrays(self) -> dict[str, np.ndarray]:
        assert self._network is not None
        return to_arrays(self._network, self._scaling, self._kernel_head)

    def _restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        rng = torch.Generator().manual_seed(0)
        self._network = self._build(self.dims, dict.fromkeys(self.dims, 1.0), rng)
        load_network(self._network, arrays)
        self._scaling = scalings_from(arrays, self.dims)
        self._kernel_head = kernel_heads_from(arrays, self.dims)


def to_arrays(
    network: HashNetwork, scaling: Mapping[str, Scaling], memory: Mapping[str, KernelHead]
) -> dict[str, np.ndarray]:
    """Return all arrays of a model, called "part/view/name"."""
    arrays = {f"network/{name}": tensor.numpy() for name, tensor in network.state_dict().items()}
    for part, by_view in (("scaling", scaling), ("kernel_head", memory)):
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


def kernel_heads_from(
    arrays: Mapping[str, np.ndarray], views: Mapping[str, int]
) -> dict[str, KernelHead]:
    """Return each view's kernel head; none if the model has none."""
    return {
        view: KernelHead.from_arrays(_below(arrays, f"kernel_head/{view}"))
        for view in views
        if f"kernel_head/{view}/centres" in arrays
    }


def _below(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    start = prefix + "/"
    return {name.removeprefix(start): a for name, a in arrays.items() if name.startswith(start)}
