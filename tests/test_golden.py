"""Golden fits: a change of names or layout leaves every weight and every code as it was."""

from __future__ import annotations

import json
from pathlib import Path

import golden
import pytest

KEPT = json.loads(golden.FILE.read_text(encoding="utf-8")).get(golden.machine())

pytestmark = pytest.mark.skipif(
    KEPT is None,
    reason=f"no golden fits of {golden.machine()}; python tests/support/golden.py on the old code",
)


@pytest.mark.parametrize("data", golden.DATA)
@pytest.mark.parametrize("name", golden.NAMES)
def test_a_method_learns_what_it_learnt_before(name: str, data: str) -> None:
    assert KEPT
    assert golden.fit(name, data) == KEPT[f"{name} on {data}"]


@pytest.mark.parametrize("path", sorted(golden.EXPERIMENTS.glob("*.toml")), ids=lambda p: p.stem)
def test_a_published_form_learns_what_it_learnt_before(path: Path) -> None:
    assert KEPT
    assert golden.fit_experiment(path) == KEPT[path.stem]
