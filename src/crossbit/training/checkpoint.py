"""Checkpoints: weights, optimizers, random state and cursor of a task in one safetensors file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from crossbit.errors import ModelError
from crossbit.files import replace_file
from crossbit.training.task import Task

__all__ = ["read_checkpoint", "write_checkpoint"]


def write_checkpoint(
    path: Path, task: Task, cursor: dict[str, Any], best: dict[str, Tensor]
) -> None:
    """Write the state of `task` atomically; `cursor` is JSON, `best` the best weights so far."""
    tensors = {"rng": task.rng.get_state()}
    tensors |= {f"best/{name}": value for name, value in best.items()}
    for name, network in task.networks.items():
        tensors |= {f"network/{name}/{key}": v for key, v in network.state_dict().items()}
    for name, optimizer in task.optimizers.items():
        for index, state in optimizer.state_dict()["state"].items():
            tensors |= {
                f"optimizer/{name}/{index}/{key}": torch.as_tensor(value)
                for key, value in state.items()
                if value is not None
            }
    blob = save({n: t.contiguous() for n, t in tensors.items()}, {"cursor": json.dumps(cursor)})
    with replace_file(path) as stream:
        stream.write(blob)


def read_checkpoint(path: Path, task: Task) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Put the state in `path` back into `task`; return the cursor and the best weights.

    Raises
    ------
    ModelError
        If the file is damaged or belongs to other settings.
    """
    try:
        with safe_open(path, framework="pt") as stored:
            cursor: dict[str, Any] = json.loads(stored.metadata()["cursor"])
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        for name, network in task.networks.items():
            network.load_state_dict(_below(tensors, f"network/{name}/"))
        for name, optimizer in task.optimizers.items():
            saved: dict[int, dict[str, Tensor]] = {}
            for key, value in _below(tensors, f"optimizer/{name}/").items():
                index, _, field = key.partition("/")
                saved.setdefault(int(index), {})[field] = value
            groups = optimizer.state_dict()["param_groups"]
            optimizer.load_state_dict({"state": saved, "param_groups": groups})
        task.rng.set_state(tensors["rng"])
    except Exception as error:
        raise ModelError(
            f"the checkpoint {path.name} in {path.parent} cannot be used "
            f"({type(error).__name__}: {error}); remove that folder to begin again"
        ) from error
    return cursor, _below(tensors, "best/")


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
