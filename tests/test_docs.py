"""The pages that are written from the code are up to date."""

from __future__ import annotations

import importlib.util
import re
import sys
import textwrap
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from checkerboard import board, maps, split

import crossbit
from crossbit import methods

ROOT = Path(__file__).parents[1]


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def blocks(page: str, language: str) -> list[str]:
    """Return the blocks of code of a page, without their indentation."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", (ROOT / page).read_text(), re.M | re.S)
    return [textwrap.dedent(code) for _, code in found]


def test_the_page_of_commands_is_what_the_program_says() -> None:
    tested = re.search(r"^typer==(.+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert tested is not None
    if version("typer") != tested[1]:
        pytest.skip(f"help is laid out by typer {version('typer')}, the page by {tested[1]}")
    page = script("make_cli")
    assert page.render() == (ROOT / "docs" / "cli.md").read_text(), "run `make docs`"


def test_the_readme_names_targets_and_commands_that_exist() -> None:
    readme = (ROOT / "README.md").read_text()
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"(?:^|`)make ([a-z]+)", readme, re.MULTILINE))
    assert {"demo", "test"} <= targets
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    commands = set(re.findall(r"^crossbit ([a-z]+)", readme, re.MULTILINE))
    assert commands
    assert commands <= set(script("make_cli").COMMANDS)


def test_the_python_of_the_readme_runs(monkeypatch, tmp_path) -> None:
    """With a quick method in place of SCH-GAN."""
    monkeypatch.setitem(methods.BUILT_IN, "fake", "fake_method:Fake")
    monkeypatch.chdir(tmp_path)
    code = blocks("README.md", "python")[0].replace('"schgan"', '"fake"')
    found: dict[str, Any] = {}
    exec(code, found)
    assert found["report"].map["text->image"].expected > 0.2
    assert found["distances"].shape == (1, 5)
    assert found["hasher"].fingerprint == crossbit.load("models/glyphs").fingerprint


def contributed(number: int, name: str, monkeypatch: pytest.MonkeyPatch) -> type:
    """Return the method of a block of CONTRIBUTING, as printed, under its name in the registry."""
    module = ModuleType(f"{name}_of_contributing")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(blocks("CONTRIBUTING.md", "python")[number], module.__dict__)
    found = (c for c in vars(module).values() if isinstance(c, type))
    (cls,) = (c for c in found if vars(c).get("name") == name)
    monkeypatch.setitem(methods.BUILT_IN, name, f"{module.__name__}:{cls.__name__}")
    return methods.get(name)


def test_the_method_in_contributing_is_a_method(monkeypatch, tmp_path) -> None:
    signs = contributed(0, "signs", monkeypatch)
    random = np.random.default_rng(0)
    corpus = crossbit.Corpus({"image": random.normal(size=(20, 5)), "text": np.eye(20)})
    hasher = signs(bits=16, spread=2.0).fit(corpus)
    hasher.save(tmp_path / "model")
    again = crossbit.load(tmp_path / "model")
    for view in corpus.views:
        codes = hasher.encode(corpus[view], view)
        assert len(np.unique(codes.packed, axis=0)) == 20
        assert np.array_equal(again.encode(corpus[view], view).packed, codes.packed)


def test_the_network_in_contributing_learns(monkeypatch, tmp_path) -> None:
    network = contributed(1, "pair_contrast", monkeypatch)
    parts = split(board())
    hasher = network(bits=16, hidden=64, epochs=8, batch=64).fit(parts.train)
    assert min(maps(hasher, parts).values()) > 0.9
    hasher.save(tmp_path / "model")
    again = crossbit.load(tmp_path / "model")
    assert again.fingerprint == hasher.fingerprint
    assert [set(event["loss"]) for event in hasher.history_] == [{"contrast"}] * 8


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", (ROOT / page).read_text()):
        if "://" not in target:
            assert (ROOT / target.partition("#")[0]).exists(), target
