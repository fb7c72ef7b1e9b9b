"""Trial: one fit of a grid and its evaluation, under a key of its settings, data and code."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from crossbit.files import canonical_json, sha256
from crossbit.runs.code_digest import code_digest
from crossbit.runs.config import Plan

__all__ = ["Cell", "data_facts"]


@dataclass(frozen=True)
class Cell:
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
    plan: Plan
    development: bool = False

    @property
    def key(self) -> str:
        """Hash of the plan, the data and the code, 16 hexadecimal digits; not of paths to data."""
        value: dict[str, Any] = dataclasses.replace(self.plan, root=None).to_json()
        if self.development:
            value["development"] = True
        parts = canonical_json(value), self.data_print, _code_print(self.plan.method)
        return sha256(*parts)[:16]

    @property
    def data_print(self) -> str:
        """Fingerprint of the dataset: other data under the same name are another cell."""
        options = canonical_json(self.plan.options)
        return data_facts(self.plan.data, self.plan.root, options)[0]

    def __str__(self) -> str:
        settings, data = self.plan.settings, Path(self.plan.data).stem
        return f"{self.label}, {data}, {settings['bits']} bits, seed {settings['seed']}"


@cache
def data_facts(data: str, root: str | None, options: str = "{}") -> tuple[str, dict[str, int]]:
    """Return the fingerprint of a dataset and the width of each of its views."""
    corpus = Plan(data, root, json.loads(options)).corpus()
    return corpus.fingerprint(), corpus.dims


@cache
def _code_print(method: str) -> str:
    from crossbit import methods

    return code_digest(methods.get(method))
