"""A Milvus server that all tests of a run share."""

from __future__ import annotations

import importlib.util
import uuid
from collections.abc import Iterator

import pytest
from milvus_keeper import shared_server

from crossbit.index.milvus.server import connect, parse_address


@pytest.fixture(scope="session")
def milvus_root(tmp_path_factory):
    """Return the folder that all test processes of this run share."""
    for package in ("milvus", "pymilvus"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"the package {package} is not installed; pip install 'crossbit[dev]'")
    base = tmp_path_factory.getbasetemp()
    # Under xdist every process has a folder of its own in the run's.
    root = (base.parent if base.name.startswith("popen-") else base) / "milvus"
    root.mkdir(exist_ok=True)
    return root


@pytest.fixture(scope="session")
def milvus_server(milvus_root) -> Iterator[str]:
    """Return host:port of a running server."""
    with shared_server(milvus_root) as port:
        yield f"127.0.0.1:{port}"


@pytest.fixture
def milvus_address(milvus_server):
    """Return an address where nothing is yet; what comes there goes with the test."""
    location = f"{milvus_server}/test_{uuid.uuid4().hex}"
    yield f"milvus://{location}"
    address = parse_address(location)
    client = connect(address)
    client.drop_collection(address.collection)
    client.close()


@pytest.fixture(scope="session")
def milvus_spares(milvus_server):
    from milvus_spares import Spares

    address = parse_address(f"{milvus_server}/spares")
    spares = Spares(connect(address), address)
    yield spares
    spares.close()
