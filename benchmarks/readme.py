"""Put the results into the README, between its two marks."""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import median

from benchmarks import ROOT, curves_page, pictures_page, unsupervised_page
from benchmarks.reference import BITS, SEPH_TRAIN
from benchmarks.tables import RESULTS, Json, gap, mean, read, table
from crossbit.bench import published
from crossbit.bench.standing import blocks_of, row_of
from crossbit.errors import DataError
from crossbit.evaluation.tables import arrow
from crossbit.files import write_text
from crossbit.methods.base import DATABASE_CODINGS

__all__ = ["filled", "options", "run"]

BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
README = ROOT / "README.md"
OURS = "SCH-GAN"
PAPER_BITS = 64
ALL_LABELS = (OURS, "Dis+", "Dis", "Dis, memory")
FEW_LABELS = ("Dis", "Dis+", "SCH-GAN, no picks", OURS)
RIVALS = ("Dis+", "SCH-GAN, no picks", "Dis")


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the options: there are none."""


def run(chosen: argparse.Namespace) -> None:
    """Write the README anew where its figures changed."""
    before = README.read_text(encoding="utf-8")
    after = filled(before, RESULTS)
    if after != before:
        write_text(README, after)
    print("README.md is " + ("written" if after != before else "up to date"))


def filled(text: str, results: Path) -> str:
    """Return `text` with the block between the marks made from the files in `results`."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise DataError(f"README.md must hold {BEGIN} and then {END}, once each; put them back")
    makers = {
        "paper": _paper,
        "wikipedia": _wikipedia,
        "semisupervised": _semisupervised,
        "curves": curves_page.block,
        "unsupervised": unsupervised_page.block,
        "ablation": _ablation,
        "hashgan": pictures_page.hashgan_block,
        "attention_cost": pictures_page.attention_cost_block,
        "dshgan": pictures_page.dshgan_block,
        "encoders": pictures_page.encoders_block,
        "graph": _graph,
        "round_time": _round_time,
        "startup": _startup,
        "hamming": _hamming,
        "index": _index,
        "serving": _serving,
    }
    found = {name: read(name, results) for name in makers}
    parts = [make(value) for name, make in makers.items() if (value := found[name]) is not None]
    first, last = text.index(BEGIN) + len(BEGIN), text.index(END)
    return f"{text[:first]}\n{''.join(part + chr(10) for part in parts)}{text[last:]}"


def _paper(value: Json) -> str:
    """Return every method at one length, published figures in brackets."""
    names = [name for name in value["data"] if name in value["datasets"]]
    rows = []
    for block in blocks_of(value):
        for method, coding in ((m, c) for m in block.methods for c in DATABASE_CODINGS):
            found = [row_of(value, name, method, coding, PAPER_BITS) for name in names]
            if any(found):
                label = value["methods"][method]["label"]
                codes = DATABASE_CODINGS[coding].partition(":")[0]
                seeds = len(value["seeds"])
                cells = [
                    _cell(row, name, method, seeds) for row, name in zip(found, names, strict=True)
                ]
                rows.append([block.title, label, codes, *cells])
    titles = [published.DATASETS.get(name, name) for name in names]
    return (
        f"**Every method**, {PAPER_BITS} bits (MAP {arrow('image->text')} / "
        f"{arrow('text->image')}, mean of {len(value['seeds'])} seeds; [all lengths, spreads, what "
        "each learns from](results/paper.md)). Rows compare within one kind of database codes. In "
        f"brackets the SCH-GAN paper's figures, of {published.FEATURES}: not comparable.\n\n"
        + table(["", "method", "database codes", *titles], rows)
    )


def _cell(row: Json | None, dataset: str, method: str, seeds: int) -> str:
    """Return ".147 / .122 (.144 / .187)", the second pair as published; and seeds, if too few."""
    if row is None:
        return "–"
    ours = " / ".join(f"{sum(values) / len(values):.3f}" for values in row["map"].values())
    theirs = [published.published_map(dataset, method, d, row["bits"]) for d in row["map"]]
    known = [f"{figure:.3f}" for figure in theirs if figure is not None]
    done = len(row["seeds"])
    few = "" if done == seeds else f", {done} of {seeds} seeds"
    return f"{ours} ({' / '.join(known)}){few}" if known else f"{ours}{few}"


def _wikipedia(value: Json) -> str:
    rows = []
    for label in ALL_LABELS:
        cells = []
        for bits in BITS:
            both = [
                mean(value, "wikipedia", label, bits, direction)
                for direction in ("image->text", "text->image")
            ]
            cells.append(" / ".join("–" if m is None else f"{m['mean']:.3f}" for m in both))
        rows.append([f"**{label}**" if label == OURS else label, *cells])
    theirs = zip(SEPH_TRAIN.image_to_text, SEPH_TRAIN.text_to_image, strict=True)
    rows.append(
        ["SePH, the authors' code, train codes", *(f"{i2t:.3f} / {t2i:.3f}" for i2t, t2i in theirs)]
    )
    seeds = max(item["seeds"] for item in value["summaries"])
    return (
        f"**Wikipedia, all labels** (MAP {arrow('image->text')} / {arrow('text->image')}, mean of "
        f"{seeds} seeds; [all rows](results/wikipedia.md)). With all labels the kernel head "
        "on the target codes, which all but plain Dis have here, decides more than the game "
        "does:\n\n" + table(["", *(f"{bits} bits" for bits in BITS)], rows)
    )


def _semisupervised(value: Json) -> str:
    datasets = list(dict.fromkeys(item["dataset"] for item in value["summaries"]))
    bits = value["summaries"][0]["bits"]
    seeds = max(item["seeds"] for item in value["summaries"])
    rows = []
    for dataset in datasets:
        cells = [dataset]
        for label in FEW_LABELS:
            found = mean(value, dataset, label, bits, "mean")
            cells.append("–" if found is None else f"{found['mean']:.3f}")
        cells += [gap(value, dataset, OURS, rival, bits, "mean") for rival in RIVALS]
        rows.append(cells)
    columns = ["", *FEW_LABELS, *(f"{OURS} − {rival}" for rival in RIVALS)]
    return (
        f"**A tenth of the labels**, {bits} bits (MAP, mean of both directions and {seeds} seeds; "
        "in brackets the 95 % interval of the paired difference; "
        "[every form and direction](results/semisupervised.md); [how the defaults were chosen]"
        '(results/tune.md)). "No picks" is SCH-GAN without its generator\'s picks:\n\n'
        + table(columns, rows)
    )


def _ablation(value: Json) -> str:
    splits = max(item["seeds"] for item in value["summaries"])
    return (
        f"**What each part of the games adds**, on {splits} development splits of three data sets, "
        "with intervals: [results/ablation.md](results/ablation.md).\n"
    )


def _graph(value: Json) -> str:
    most = max(row["items"] for row in value["rows"])
    found = [
        f"{row['seconds'] / 60:.0f} minutes for {row['view']}s of {row['width']:,} numbers "
        f"({row['own_bytes'] / 2**30:.1f} GiB beside the data)"
        for row in value["rows"]
        if row["items"] == most
    ]
    return (
        f"**Correlation graph** of {most:,} items, their {value['k']} exact nearest neighbours on "
        f"{value['threads']} threads: {' and '.join(found)} ([details](results/graph.md)).\n"
    )


def _round_time(value: Json) -> str:
    told = [
        f"{row['seconds']:.0f} s with {row['hidden']:,} hidden units, where the released code "
        f"takes {row['original_seconds']:,.0f} s ({row['ratio']:.0f} times as long)"
        for row in value["rounds"]
    ]
    return (
        "**Speed**: one adversarial round at the released code's sizes, over as many triplets, "
        f"takes {' and '.join(told)}, on {value['threads']} "
        f"thread{'s' if value['threads'] > 1 else ''} ([details](results/round_time.md)).\n"
    )


def _hamming(value: Json) -> str:
    rows = {row["name"]: row for row in value["rows"]}
    batch, one = rows["top10"], rows["one"]
    return (
        f"**Exact search** on one thread: {batch['rate'] / 1e9:.1f} billion comparisons a second "
        f"for 64 queries over 10 million 64-bit codes, {batch['ratio']:.1f} times faiss, and "
        f"{one['ratio']:.1f} times for a single query; MAP over full rankings "
        f"{rows['map32']['ratio']:.0f} times as fast as the usual NumPy code in single precision, "
        f"{rows['map64']['ratio']:.0f} times in double "
        "([details](results/hamming.md)).\n"
    )


def _index(value: Json) -> str:
    rows = {row["work"]: row for row in value["rows"]}
    added, opened = rows["add 1 M items, int64 ids"], rows["open for reading"]
    return (
        f"**Index** of {value['items'] / 1e6:.0f} million items: opens in {opened['time']}, takes "
        f"{added['rate']} new items, durable on return ([details](results/index.md); [what it "
        "survives](results/index_faults.md)).\n"
    )


def _serving(value: Json) -> str:
    most = max(row["connections"] for row in value["rows"])
    rates = {
        (row["query"], row["form"]): median([run["rate"] for run in row["runs"]])
        for row in value["rows"]
        if row["connections"] == most
    }
    text, code = (rates[query, "together"] for query in ("text", "code"))
    alone = {query: rates[query, "one at a time"] for query in ("text", "code")}
    return (
        f"**Service** over {value['items'] / 1e6:.0f} million codes, {most} connections on "
        f"loopback, {value['cores']} cores that the load shares: {text:,.0f} texts coded and "
        f"searched a second, {text / alone['text']:.1f} times as many as one at a time; "
        f"{code:,.0f} codes, {code / alone['code']:.1f} times ([details](results/serving.md)).\n"
    )


def _startup(value: Json) -> str:
    times = value["median"]
    return (
        f"**Starting**: `crossbit --help` takes {times['crossbit --help']:.2f} s, "
        f"`import crossbit` {times['import crossbit']:.2f} s ([details](results/startup.md)).\n"
    )
