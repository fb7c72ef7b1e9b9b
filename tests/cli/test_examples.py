"""Every example of every help text and of the README is run, or parsed where it cannot be."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from checkerboard import QUICK
from digit_files import write_digits
from PIL import Image
from scipy.io import savemat
from typer.testing import CliRunner

from crossbit.cli import app
from crossbit.methods.base import Hasher

ROOT = Path(__file__).parents[2]
EXAMPLE = re.compile(r"^ *crossbit (?=[a-z])(.+?)(?:  +# .*)?$", re.MULTILINE)
PAGES = {page: (ROOT / page).read_text(encoding="utf-8") for page in ("docs/cli.md", "README.md")}
# Joined: a command may go on in the next line.
EXAMPLES = sorted(
    {found for page in PAGES.values() for found in EXAMPLE.findall(page.replace("\\\n", " "))}
)
EXAMPLES = [text for text in EXAMPLES if not text.startswith("[OPTIONS]")]

# What cannot be run wherever tests run; its options are parsed all the same.
PARSED = {
    r"^demo": "takes minutes, and has tests of its own",
    r"^serve": "runs until it is stopped, and has tests of its own",
    r"milvus://": "needs a Milvus server",
    r"clip:|vgg19:": "needs weights that are fetched or given",
    r"^extract .*efficientnet": "takes long for its weights; tests/features runs it",
    r"mirflickr|laion|^attention": "needs data that are fetched",
    r"^bench(?!.*--dry-run)": "runs in processes of its own for long; its grid is listed",
}
PUT = "index add runs/photos pairs.csv --option images=photos --view image --to indexes/photos"
COLOURS = {"red": (220, 40, 40), "green": (40, 180, 60), "blue": (40, 60, 220)}


def reason(example: str) -> str | None:
    """Return why an example is parsed alone, or None."""
    return next((why for pattern, why in PARSED.items() if re.search(pattern, example)), None)


def run(example: str) -> Any:
    return CliRunner().invoke(app, shlex.split(example))


def write_pairs(folder: Path) -> None:
    """Write pictures and the tables that the examples name."""
    random = np.random.default_rng(0)
    (folder / "photos").mkdir()
    rows = []
    for k in range(60):
        colour = list(COLOURS)[k % 3]
        noise = random.integers(-20, 20, size=(8, 8, 3))
        pixels = np.clip(np.array(COLOURS[colour]) + noise, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "photos" / f"{k}.png")
        words = " ".join(random.choice(["quiet", "loud", "small", "large"], size=2))
        rows.append((f"{k}.png", f"a {colour} bicycle {words} n{k}", colour, f"cat-{k}", 2020 + k))
    for name, part in ("pairs", rows[:50]), ("more", rows[50:]), ("corrected", rows[:2]):
        lines = [",".join(map(str, row)) for row in part]
        text = "\n".join(["image,text,labels,id,year", *lines]) + "\n"
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
        beside = text.replace("\n", "\nphotos/").removesuffix("photos/")
        (folder / f"{name}-beside.csv").write_text(beside, encoding="utf-8")
    for name in ("cat.png", "drawing.png"):
        shutil.copy(folder / "photos" / "0.png", folder / name)


def write_wikipedia(folder: Path) -> None:
    """Write files of the published shapes."""
    random, matrices = np.random.default_rng(0), {}
    for part, n in ("tr", 2173), ("te", 693):
        for view, d in ("I", 128), ("T", 10):
            matrices[f"{view}_{part}"] = random.random((n, d))
    folder.mkdir(parents=True)
    savemat(folder / "raw_features.mat", matrices)
    for part, n, first in ("train", 2173, 0), ("test", 693, 2173):
        lines = [f"text{k}\timage{k}\t{k % 10 + 1}\n" for k in range(first, first + n)]
        (folder / f"{part}set_txt_img_cat.list").write_text("".join(lines))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with everything that the examples name, made by the commands themselves."""
    place = tmp_path_factory.mktemp("examples")
    quick = {name: value for name, value in QUICK.items() if name not in ("bits", "iterations")}
    quick |= {"epochs": 1, "warmup_epochs": 0, "min_steps_per_epoch": 1, "kernel_head": "never"}
    real = Hasher.__post_init__

    def small(self: Hasher) -> None:
        for name in quick.keys() & self.settings.keys():
            setattr(self, name, quick[name])
        real(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setenv("CROSSBIT_DATA", str(place / "data"))
        patch.setattr(Hasher, "__post_init__", small)
        write_pairs(place)
        write_wikipedia(place / "data" / "wikipedia")
        write_digits(place / "data", 240)
        shutil.copytree(ROOT / "experiments", place / "experiments")
        np.save("codes.npy", np.random.default_rng(0).integers(0, 256, (30, 8), dtype=np.uint8))
        Path("ids.txt").write_text("".join(f"n{k}\n" for k in range(30)))
        Path("withdrawn.txt").write_text("cat-20\ncat-21\n")
        np.save("topics.npy", np.random.default_rng(0).random(10, dtype=np.float32))
        Path("grid.toml").write_text('[grid]\ndata = ["glyphs"]\nmethods = ["dis"]\nbits = [16]\n')
        for command in (
            "fit glyphs --labelled 0.1 --bits 64 --out runs/glyphs",
            "fit wikipedia --root data --method displus --out runs/wiki",
            "fit pairs.csv --option images=photos --validation 0.3 --out runs/photos",
            "fit mnist --method dshgan --labelled 0.3 --validation 0 --bits 16 --out runs/mnist",
            "index build runs/photos --view image --to indexes/photos",
            PUT,
            "index approximate indexes/photos --set cells=2",
            "index build --codes codes.npy --ids ids.txt --to indexes/mine",
            "index build runs/glyphs glyphs --view image --to indexes/glyphs",
            "fit --config experiments/schgan.toml --seed 3 --out runs/glyphs-3",
        ):
            result = run(command)
            assert result.exit_code == 0, f"{command}: {result.output}"
        shutil.copytree("runs/mnist", "runs/cifar10")
        yield place


def name_pictures(folder: str) -> None:
    """Have the tables name pictures in `folder`, "" for those that are told where they are."""
    for name in "pairs", "more", "corrected":
        text = Path(f"{name}-beside.csv").read_text(encoding="utf-8")
        Path(f"{name}.csv").write_text(text.replace("photos/", folder), encoding="utf-8")


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_runs(example: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if reason(example):
        pytest.skip(f"{reason(example)}: parsed below")
    monkeypatch.setenv("CROSSBIT_DATA", str(folder / "data"))
    beside = ".csv" in example and "images=photos" not in example
    name_pictures("photos/" if beside else "")
    if example.startswith(("fit", "extract", "encode")) and "--resume" not in example:
        for made in re.findall(r"--(?:out|to) (\S+)", example):  # by an example before this one
            shutil.rmtree(made, ignore_errors=True)
        for made in Path("runs").glob("*-*-*"):
            shutil.rmtree(made)
    if example.startswith("index search"):  # others have removed what this one names
        name_pictures("")
        assert run(f"{PUT} --replace").exit_code == 0
    result = run(example)
    name_pictures("")
    assert result.exit_code == 0, f"{result.output}\n{result.exception!r}"


@pytest.mark.parametrize("example", [text for text in EXAMPLES if reason(text)])
def test_the_options_of_an_example_exist(example: str) -> None:
    group: Any = typer.main.get_command(app)
    words = shlex.split(example)
    context = group.make_context("crossbit", [words[0]])
    command = group.get_command(context, words[0])
    assert command is not None
    rest = words[1:]
    if hasattr(command, "commands"):
        command, rest = command.get_command(context, rest[0]), rest[1:]
        assert command is not None
    command.make_context(words[0], rest, parent=context)


def test_every_command_has_examples() -> None:
    shown = {text.split()[0] for text in EXAMPLES}
    assert shown == {command.name for command in app.registered_commands} | {"index"}
    assert len(EXAMPLES) > 50
