"""Starting is quick: neither the package nor the help loads what is heavy."""

from __future__ import annotations

import subprocess
import sys

import pytest

import crossbit

HEAVY = ("torch", "transformers", "pyarrow", "sklearn", "matplotlib", "scipy", "PIL")


def loaded_by(statement: str) -> list[str]:
    code = f"import sys; {statement}; print(*[m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.splitlines()[-1].split() if done.stdout.strip() else []


@pytest.mark.parametrize(
    "statement",
    [
        "import crossbit",
        "import crossbit.cli",
        "import crossbit; crossbit.methods.names(); crossbit.datasets.names()",
    ],
)
def test_nothing_heavy_is_imported(statement: str) -> None:
    assert loaded_by(statement) == []


def test_data_and_codes_do_without_torch() -> None:
    assert "torch" not in loaded_by(
        "import crossbit; crossbit.Corpus, crossbit.Codes, crossbit.make_split, crossbit.hamming, "
        "crossbit.metrics, crossbit.open_index, crossbit.evaluate"
    )


def test_classical_methods_do_without_torch() -> None:
    """Not only their imports: a fit, too."""
    assert "torch" not in loaded_by(
        "import numpy as np, crossbit; from crossbit import methods; "
        "table = methods.BUILT_IN.items(); "
        "classical = [name for name, place in table if '.classical.' in place]; "
        "assert 'cvh' in classical; "
        "views = np.random.default_rng(0).normal(size=(2, 60, 9)); "
        "labels = np.eye(3, dtype=bool)[np.arange(60) % 3]; "
        "corpus = crossbit.Corpus({'image': views[0], 'text': views[1]}, labels=labels); "
        "[methods.get(name)(bits=8).fit(corpus) for name in classical]"
    )


def test_help_works_without_heavy_imports() -> None:
    code = (
        "import sys\n"
        "from crossbit.cli import main\n"
        "sys.argv = ['crossbit', '--help']\n"
        "try:\n    main()\n"
        "except SystemExit as done:\n    assert done.code == 0\n"
        f"print(*[m for m in {HEAVY!r} if m in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert "Usage: " in done.stdout
    assert done.stdout.splitlines()[-1] == ""


@pytest.mark.parametrize("name", crossbit.__all__)
def test_every_public_name_can_be_had(name: str) -> None:
    assert getattr(crossbit, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        crossbit.nothing  # noqa: B018
