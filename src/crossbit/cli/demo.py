"""`crossbit demo`: three methods on one built-in data set, compared and tried out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossbit.cli.options import Threads, use_threads

if TYPE_CHECKING:
    from crossbit.runs.config import ExperimentConfig
    from crossbit.runs.folder import RunFolder

__all__ = ["command"]

METHODS = {"dis": "Dis", "displus": "Dis+", "schgan": "SCH-GAN"}
BEST = "schgan"
LABELLED = 0.1
TEXTS = ("black chess knight", "leftwards arrow with tail", "greek small letter omega")
DRAWN = "\N{GREEK CAPITAL LETTER OMEGA}"
SHOWN = 5
NOTE = (
    "Images are characters of the DejaVu Sans font, texts their official Unicode names. The "
    "methods share one split: the same tenth of the labels to learn and choose from, the other "
    "training pairs without labels, and queries that none of them has seen."
)


def command(
    out: Annotated[Path, typer.Option(help="Folder of the demo's runs.")] = Path("runs/demo"),
    bits: Annotated[int, typer.Option(help="Code length, 8 to 1024.")] = 64,
    seed: Annotated[int, typer.Option(help="Seed of split and training.")] = 0,
    threads: Threads = None,
) -> None:
    """Learn, compare and search codes of glyphs.

    Three methods learn codes for 5,575 characters and their names; then texts find glyphs, and
    a picture finds names. A few minutes on two cores, without any download. What is finished is
    not fitted again, so an interrupted demo goes on where it was.

    \b
    Examples:
      crossbit demo
      crossbit demo --bits 32 --out runs/demo-32
    """
    from crossbit.cli.evaluate import table
    from crossbit.evaluation import evaluate, gallery, page, save_report
    from crossbit.files import replace_file, write_text
    from crossbit.runs.config import ExperimentConfig
    from crossbit.runs.folder import RunFolder

    use_threads(threads)
    experiments = {
        name: ExperimentConfig(
            data="glyphs",
            labelled=LABELLED,
            split_seed=seed,
            method=name,
            settings={"bits": bits, "seed": seed},
        ).resolved()
        for name in METHODS
    }
    glyphs = experiments[BEST].corpus()
    runs = {name: RunFolder(out / name, data=glyphs) for name in METHODS}
    for name, experiment in experiments.items():
        _fit(runs[name], experiment)
    reports = []
    for name, label in METHODS.items():
        reports.append(evaluate(runs[name].hasher, runs[name].split, label=label))
        save_report(reports[-1], runs[name].path / "report")
    counts = runs[BEST].split.summary()
    typer.echo(
        f"{len(glyphs):,} glyphs: {counts['train']:,} pairs to learn from, "
        f"{counts['labelled']:,} of them with labels; {counts['validation']:,} to choose the "
        f"model by; {counts['query']:,} queries\n"
    )
    table(reports)
    picture = gallery(runs[BEST].hasher, runs[BEST].split)
    with replace_file(out / "gallery.png") as stream:
        stream.write(picture)
    html = page(
        reports,
        title=f"Crossbit demo: glyphs and their names in {bits} bits",
        introduction=NOTE,
        gallery=picture,
        histories={label: _history(runs[name].path) for name, label in METHODS.items()},
    )
    write_text(out / "report.html", html)
    _try_out(runs[BEST], out / "query.png")
    best = runs[BEST].path
    typer.echo(f"The report, with plots and pictures: {out / 'report.html'}\n")
    typer.echo("Try next:")
    typer.echo(f"  crossbit serve {best}       (then http://127.0.0.1:8080 in a browser)")
    typer.echo(f'  crossbit search {best} --text "roman numeral"')
    typer.echo(f"  crossbit search {best} --image your-drawing.png")
    typer.echo("  crossbit fit pairs.csv --out runs/pairs    (yours: columns image, text, labels)")
    typer.echo("  crossbit serve runs/pairs                  (and search them in a browser)")
    typer.echo("  crossbit methods schgan")


def _fit(run: RunFolder, experiment: ExperimentConfig) -> None:
    """Fit, or go on, or leave a finished run alone, unless code or settings have changed since."""
    import crossbit
    from crossbit.runs.fit import fit_run
    from crossbit.runs.folder import config_of

    record = run.record
    current = (
        record is not None
        and record["version"] == crossbit.__version__
        and config_of(record) == experiment
    )
    if not fit_run(run, experiment, resume=current, overwrite=not current):
        typer.echo("stopped; run the demo again to go on", err=True)
        raise typer.Exit(130)


def _history(folder: Path) -> list[dict[str, Any]]:
    file = folder / "history.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return [json.loads(line) for line in lines]


def _try_out(run: RunFolder, picture: Path) -> None:
    """Ask three texts for glyphs, and a picture in another font for names."""
    from crossbit.cli.hits import print_hits
    from crossbit.cli.search import find
    from crossbit.indexing.query import encode_query

    for text in TEXTS:
        typer.echo(f'The glyphs nearest to the text "{text}":')
        print_hits(find(run, encode_query(run.hasher, "text", text), "image", SHOWN))
        typer.echo()
    _draw(DRAWN, picture)
    typer.echo(f"The names nearest to {picture}, a {DRAWN} in another font:")
    print_hits(find(run, encode_query(run.hasher, "image", picture), "text", SHOWN))
    typer.echo()


def _draw(character: str, path: Path) -> None:
    """Write a picture of a character in a font that no model was trained on."""
    import matplotlib
    from PIL import Image, ImageDraw, ImageFont

    from crossbit.files import replace_file

    file = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSerif.ttf"
    picture = Image.new("L", (128, 128), 255)
    font = ImageFont.truetype(str(file), 96)
    ImageDraw.Draw(picture).text((64, 64), character, font=font, fill=0, anchor="mm")
    with replace_file(path) as stream:
        picture.save(stream, format="PNG")
