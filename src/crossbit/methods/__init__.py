"""The registry of methods: one line here and one file beside it add a method."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

from crossbit.errors import ConfigError, MissingDependencyError, suggest

if TYPE_CHECKING:
    from typing import Any

    from crossbit.methods.adversarial.dshgan import DSHGAN as DSHGAN
    from crossbit.methods.adversarial.hashgan import HashGAN as HashGAN
    from crossbit.methods.adversarial.schgan import SCHGAN as SCHGAN
    from crossbit.methods.adversarial.ugach import UGACH as UGACH
    from crossbit.methods.base import Hasher
    from crossbit.methods.classical.cca import CCA as CCA
    from crossbit.methods.classical.ccq import CCQ as CCQ
    from crossbit.methods.classical.cmfh import CMFH as CMFH
    from crossbit.methods.classical.cmssh import CMSSH as CMSSH
    from crossbit.methods.classical.cvh import CVH as CVH
    from crossbit.methods.classical.itq import ITQ as ITQ
    from crossbit.methods.classical.itq_cca import ITQCCA as ITQCCA
    from crossbit.methods.classical.lsh import LSH as LSH
    from crossbit.methods.classical.pdh import PDH as PDH
    from crossbit.methods.classical.scm import SCMOrth as SCMOrth
    from crossbit.methods.classical.scm import SCMSeq as SCMSeq
    from crossbit.methods.classical.seph import SePH as SePH
    from crossbit.methods.classical.sign import Sign as Sign
    from crossbit.methods.deep.dcmh import DCMH as DCMH
    from crossbit.methods.deep.dis import Dis as Dis
    from crossbit.methods.deep.displus import DisPlus as DisPlus
    from crossbit.methods.deep.ucch import UCCH as UCCH

__all__ = ["get", "load", "names"]

BUILT_IN = {
    "cca": "crossbit.methods.classical.cca:CCA",
    "ccq": "crossbit.methods.classical.ccq:CCQ",
    "cmfh": "crossbit.methods.classical.cmfh:CMFH",
    "cmssh": "crossbit.methods.classical.cmssh:CMSSH",
    "cvh": "crossbit.methods.classical.cvh:CVH",
    "itq": "crossbit.methods.classical.itq:ITQ",
    "itq_cca": "crossbit.methods.classical.itq_cca:ITQCCA",
    "lsh": "crossbit.methods.classical.lsh:LSH",
    "pdh": "crossbit.methods.classical.pdh:PDH",
    "scm_orth": "crossbit.methods.classical.scm:SCMOrth",
    "scm_seq": "crossbit.methods.classical.scm:SCMSeq",
    "seph": "crossbit.methods.classical.seph:SePH",
    "sign": "crossbit.methods.classical.sign:Sign",
    "dcmh": "crossbit.methods.deep.dcmh:DCMH",
    "dis": "crossbit.methods.deep.dis:Dis",
    "displus": "crossbit.methods.deep.displus:DisPlus",
    "ucch": "crossbit.methods.deep.ucch:UCCH",
    "dshgan": "crossbit.methods.adversarial.dshgan:DSHGAN",
    "hashgan": "crossbit.methods.adversarial.hashgan:HashGAN",
    "schgan": "crossbit.methods.adversarial.schgan:SCHGAN",
    "ugach": "crossbit.methods.adversarial.ugach:UGACH",
}

# Package that a method may lack: the extra of crossbit that brings it.
EXTRAS = {"torch": "torch"}


def __getattr__(name: str) -> Any:
    """Import a method's class on first use: ``from crossbit.methods import SCHGAN``."""
    for method, address in BUILT_IN.items():
        if address.endswith(f":{name}"):
            return get(method)
    raise AttributeError(f"module 'crossbit.methods' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *(address.partition(":")[2] for address in BUILT_IN.values())])


def names() -> list[str]:
    """Return the names of all methods: built in, and from other packages' entry points."""
    return sorted(_table())


def get(name: str) -> type[Hasher]:
    """Return the class of the method called `name`.

    Raises
    ------
    ConfigError
        If there is no such method; the message suggests the nearest.
    MissingDependencyError
        If it needs a package that is not installed; the message names the extra.
    """
    table = _table()
    if name not in table:
        raise ConfigError(f"there is no method {name!r}{suggest(name, table)}")
    address, _, attribute = table[name].partition(":")
    try:
        module = import_module(address)
    except ModuleNotFoundError as error:
        if error.name not in EXTRAS:
            raise
        raise MissingDependencyError(
            f"{name} needs {error.name}; install it with: pip install "
            f"'crossbit[{EXTRAS[error.name]}]'"
        ) from None
    found: type[Hasher] = getattr(module, attribute)
    return found


def load(folder: str | Path) -> Hasher:
    """Return the fitted hasher saved in `folder` (see `Hasher.save`)."""
    from crossbit.methods.folder import read_model

    hasher: Hasher = read_model(folder, get)
    return hasher


def _table() -> dict[str, str]:
    """Other packages add methods under the entry-point group ``crossbit.methods``."""
    found = {point.name: point.value for point in entry_points(group="crossbit.methods")}
    return {**found, **BUILT_IN}
