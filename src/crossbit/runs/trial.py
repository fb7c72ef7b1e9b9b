"""Trial: one fit of a grid and its evaluation, under a key of its settings, data and code."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from crossbit.files import canonical_json, sha256
from crossbit.runs.code_hash import code_hash
from crossbit.runs.config import ExperimentConfig

__all__ = ["Trial", "dataset_info"]


@dataclass(frozen=True)
class Trial:
    """One fit and its evaluation.

    Attributes
    ----------
    label : str
        What tables call the run; not part of its key.
    plan : Plan
        Dataset, split options, method and settings with bits and seed; settled.
    development : bool
        For choosing settings: judged by queries drawn from the rows that the plan would search,
        so that its own queries stay unseen.
    """

    label: str
    experiment: ExperimentConfig
    development: bool = False

    @property
    def key(self) -> str:
        """Hash of the plan, the data and the code, 16 hexadecimal digits; not of paths to data."""
        value: dict[str, Any] = dataclasses.replace(self.experiment, root=None).to_json()
        if self.development:
            value["development"] = True
        parts = canonical_json(value), self.data_hash, _code_hash(self.experiment.method)
        return sha256(*parts)[:16]

    @property
    def data_hash(self) -> str:
        """Fingerprint of the dataset: other data under the same name are another trial."""
        options = canonical_json(self.experiment.options)
        return dataset_info(self.experiment.data, self.experiment.root, options)[0]

    def __str__(self) -> str:
        settings, data = self.experiment.settings, Path(self.experiment.data).stem
        return f"{self.label}, {data}, {settings['bits']} bits, seed {settings['seed']}"


@cache
def dataset_info(data: str, root: str | None, options: str = "{}") -> tuple[str, dict[str, int]]:
    """Return the fingerprint of a dataset and the width of each of its views."""
    corpus = ExperimentConfig(data, root, json.loads(options)).corpus()
    return corpus.fingerprint(), corpus.dims


@cache
def _code_hash(method: str) -> str:
    from crossbit import methods

    return code_hash(methods.get(method))
