"""`python -m benchmarks`: list the benchmarks; `python -m benchmarks NAME` runs one."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

from crossbit.errors import CrossbitError, suggest

__all__ = ["find", "main"]

# name: the line that the list shows. The module of the same name has `options` and `run`.
BENCHMARKS = {
    "wikipedia": "MAP on Wikipedia with all labels, 16 to 128 bits, beside authors' classical code",
    "semisupervised": "MAP with 10 % of the labels on three data sets, with paired differences",
    "paper": "Tables I to IV of the SCH-GAN paper: every method, as `crossbit bench --paper`",
    "tune": "how the defaults were chosen: trials of every method on development splits",
    "tune_all": "how the codes of fully labelled rows were chosen, on development splits",
    "tune_unsupervised": "how the settings of networks without labels were chosen, likewise",
    "unsupervised": "UGACH beside every method that learns without labels, 16 to 128 bits",
    "curves": "MAP from 1 % of the labels to all, five methods on three data sets, with a picture",
    "dshgan": "DSH-GAN with 10 % of the labels beside the same network on real pictures alone",
    "ablation": "what each part of the game adds to SCH-GAN and to UGACH, on development splits",
    "hashgan": "the game of attention on MIRFlickr's pictures, with and without, 16 to 64 bits",
    "encoders": "MIRFlickr's pictures as statistics, and as a network learnt on ImageNet sees them",
    "attention_cost": "pictures a second in the game of attention, beside a plain training loop",
    "game_cost": "what a round of the game costs by queries and by pool: a line each",
    "round_time": "one adversarial round at the released code's sizes, against that code's time",
    "hamming": "exact Hamming search and MAP beside faiss, read bandwidth and the usual evaluation",
    "graph": "exact nearest neighbours of every training row: seconds, speed and memory by size",
    "rerank": "MAP@50 before and after ordering the nearest anew by real-valued outputs",
    "index": "the embedded index: opening, adding, searching, removing, compacting 10 M items",
    "index_store": "what an index could keep its data in: SQLite segments, SQLite rows, Lance",
    "index_faults": "killed writers, flipped bytes, readers beside a writer, many times over",
    "serving": "`crossbit serve` under load: requests a second and waits, with and without batches",
    "startup": "how long `crossbit --help` and `import crossbit` take",
    "readme": "no benchmark: put the results into the README",
}


def find(name: str) -> ModuleType:
    """Return the module of a benchmark: of quality beside this file, of speed below it."""
    beside = Path(__file__).with_name(f"{name}.py").exists()
    return import_module(f"benchmarks.{name}" if beside else f"benchmarks.speed.{name}")


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code: 2 for a mistake, 1 if something is left undone."""
    from crossbit.runs.grid import UnfinishedError

    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments:
        width = max(map(len, BENCHMARKS))
        print("\n".join(f"{name:{width}}  {line}" for name, line in BENCHMARKS.items()))
        print("\nRun one with `python -m benchmarks NAME`; NAME --help shows its options.")
        return 0
    name, *rest = arguments
    if name in ("-h", "--help"):
        return main([])
    if name not in BENCHMARKS:
        print(f"there is no benchmark {name!r}{suggest(name, BENCHMARKS)}", file=sys.stderr)
        return 2
    module = find(name)
    parser = argparse.ArgumentParser(f"python -m benchmarks {name}", description=BENCHMARKS[name])
    module.options(parser)
    try:
        module.run(parser.parse_args(rest))
    except UnfinishedError as error:
        print(error, file=sys.stderr)
        return 1
    except CrossbitError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
