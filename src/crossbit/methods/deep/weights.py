"""Weights: the network, the scaling and the kernel memory of a model as named arrays, and back."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from crossbit.features.scaling import Scaling, scaling_from
from crossbit.methods.deep.kernel_head import KernelMemory
from crossbit.networks.pathway import HashNetwork

__all__ = ["load_network", "memories_from", "scalings_from", "to_arrays"]


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
