"""The engines that every contract test runs on."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from crossbit.index.milvus import collection


@dataclass
class Engine:
    """A fresh address of one engine.

    `ordered`: equal distances come in the order of adding. `approximate`: build_approximate
    needs a package that is not installed where this is False.
    """

    name: str
    address: str
    ordered: bool = True


@pytest.fixture(params=["embedded", "milvus"])
def engine(request, tmp_path, monkeypatch):
    if request.param == "milvus":
        spares = request.getfixturevalue("milvus_spares")
        monkeypatch.setattr(collection, "create", spares.create)
        return Engine("milvus", request.getfixturevalue("milvus_address"), ordered=False)
    return Engine(request.param, str(tmp_path / "index"))
