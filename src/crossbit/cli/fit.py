"""`crossbit fit`: learn codes from data, with checkpoints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from crossbit.cli.options import Threads, assignments, number, use_threads

__all__ = ["command"]


def command(
    data: Annotated[
        str | None,
        typer.Argument(
            metavar="DATA",
            help="A dataset's name (`crossbit datasets`), a folder of `extract`, of clip-retrieval "
            "or of arrays (image.npy, text.npy, ...), or a .csv, .tsv or .jsonl table with columns "
            "image, text and labels.",
        ),
    ] = None,
    method: Annotated[str | None, typer.Option(help="See `crossbit methods`.")] = None,
    bits: Annotated[int | None, typer.Option(help="Code length, 8 to 1024.")] = None,
    labelled: Annotated[
        str | None,
        typer.Option(help="Labels to learn and choose from: a count, a fraction, or all."),
    ] = None,
    validation: Annotated[
        str | None, typer.Option(help="Part of those labels that chooses the model.")
    ] = None,
    queries: Annotated[
        str | None, typer.Option(help="Items held out to ask with: a count or a fraction.")
    ] = None,
    query_seed: Annotated[
        int | None,
        typer.Option(help="Seed of the queries, to keep them while --seed draws other labels."),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(help="How to split: random, or a published one (wikipedia, mirflickr)."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of split and training.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A setting of the method; repeatable."),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="An option of the dataset; repeatable."),
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option(help="Folder of the dataset's files; else CROSSBIT_DATA."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="TOML file with [data], [split] and [method]; flags override it."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Run folder; runs/DATA-METHOD-BITS if not given.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the run in the folder.")
    ] = False,
    threads: Threads = None,
) -> None:
    """Learn codes from data, into a run folder.

    Ctrl-C stops after the round that is running and leaves a checkpoint; `--resume` goes on to
    the same weights. A second Ctrl-C stops at once.

    \b
    Examples:
      crossbit fit glyphs --labelled 0.1 --bits 64
      crossbit fit wikipedia --root data --method displus --set batch=256 --out runs/wiki
      crossbit fit pairs.csv --option images=photos --validation 0.3
      crossbit fit --config experiments/schgan.toml --seed 3 --out runs/glyphs-3
      crossbit fit --resume --out runs/glyphs-3
    """
    from crossbit.errors import ConfigError
    from crossbit.runs.config import ExperimentConfig, merge, read_toml
    from crossbit.runs.fit import fit_run
    from crossbit.runs.folder import RunFolder, config_of

    use_threads(threads)
    settings: dict[str, Any] = dict(assignments(set_ or []))
    flags: dict[str, dict[str, Any]] = {
        "data": {
            "name": data,
            "root": None if root is None else str(root),
            "options": assignments(option, "--option") if option else None,
        },
        "split": {
            "recipe": recipe,
            "seed": seed,
            "queries": number(queries, "queries"),
            "labelled": number(labelled, "labelled"),
            "validation": number(validation, "validation"),
            "query_seed": query_seed,
        },
        "method": {**settings, "name": method, "bits": bits, "seed": seed},
    }
    base = read_toml(config) if config else {}
    if resume and out is not None and config is None:
        record = RunFolder(out).record
        if record is not None:
            base = config_of(record).to_json()
        elif data is None:
            raise ConfigError(f"{out} holds no run to resume; name the data to begin one")
    experiment = ExperimentConfig.from_json(merge(base, flags))
    run = RunFolder(out or _folder(experiment))
    if fit_run(run, experiment, resume=resume, overwrite=overwrite):
        _finished(run)
        return
    typer.echo(f"stopped; go on with: crossbit fit --resume --out {run.path}", err=True)
    raise typer.Exit(130)


def _folder(experiment: Any) -> Path:
    name = Path(experiment.data).stem
    bits = experiment.hasher().bits
    return Path("runs") / f"{name}-{experiment.method}-{bits}"


def _finished(run: Any) -> None:
    record = run.finished()
    config = json.loads((run.path / "config.json").read_text(encoding="utf-8"))
    trained = config["trained"]
    chosen = trained.get("validation_map")
    figures = "" if chosen is None else f"validation MAP {chosen:.3f}, "
    epochs = f"{trained['epochs']} epochs, " if trained.get("epochs") else ""
    typer.echo(f"{record['method']['name']}: {figures}{epochs}{record['seconds']:.0f} s")
    if trained.get("left_out"):
        typer.echo(f"{trained['left_out']:,} training rows lack a view and were left out")
    typer.echo(f"saved in {run.path}; next:")
    typer.echo(f"  crossbit evaluate {run.path}")
    views = list(config["dims"])
    query = f"--vector query.npy --from {views[-1]}"
    if "text" in config["encoders"]:
        query = '--text "..."'
    elif views == ["image"] == list(config["encoders"]):
        query = "--image picture.png"
    typer.echo(f"  crossbit search {run.path} {query}")
