"""Kill a writer at random moments, then look whether every acknowledged write is there.

Run as ``python kill.py FOLDER --trials N --seed S [--lines]``: prints JSON. A forked child works
through random operations, and writes a byte into a pipe after each; the parent kills it (after
a random time, or with --lines at a random line of the engine's own code) and compares what it
finds with the model after as many operations as were acknowledged, or one more.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

import crossbit.index
from crossbit import hamming
from crossbit.codes import Codes
from crossbit.index import open_index

ENGINE = str(Path(crossbit.index.__file__).parent)
MOST = 3000  # items that the model lets the index grow to
SLOWEST = 0.08  # seconds until the kill, at most
Model = dict  # id: (code, payload)


def next_operation(model: Model, random: np.random.Generator, strings: bool) -> tuple:
    """Return (kind, ids, packed, payload) that fit the model."""
    kinds = ["add", "upsert", "remove", "compact"]
    kind = "add" if not model else random.choice(kinds, p=[0.35, 0.25, 0.2, 0.2])
    if len(model) > MOST:
        kind = "remove"
    known = list(model)
    many = int(random.choice([1, 7, 60, 900]))
    if kind == "compact":
        return kind, [], None, None
    if kind == "remove":
        many = min(many, len(known))
        return kind, [known[k] for k in random.permutation(len(known))[:many]], None, None
    numbers = random.integers(0, 2**60, many).tolist()
    ids = [f"id-{number}" if strings else number for number in numbers]
    if kind == "upsert" and known:
        ids[: many // 2] = [known[k] for k in random.permutation(len(known))[: many // 2]]
    packed = random.integers(0, 256, (len(ids), 8), dtype=np.uint8)
    payload = [{"n": int(packed[k, 0])} if k % 2 else {} for k in range(len(ids))]
    return kind, ids, packed, payload


def after(model: Model, operation: tuple) -> Model:
    """Return the model after an operation."""
    kind, ids, packed, payload = operation
    model = dict(model)
    for row, key in enumerate(ids):
        model.pop(key, None)
        if kind in ("add", "upsert"):
            model[key] = (packed[row].tobytes(), payload[row])
    return model


def perform(index, operation: tuple) -> None:
    """Do an operation to the index."""
    kind, ids, packed, payload = operation
    if kind == "compact":
        index.compact()
    elif kind == "remove":
        index.remove(ids)
    else:
        getattr(index, kind)(Codes(packed, 64, np.array(ids)), payload)


def differences(folder: Path, model: Model) -> list[str]:
    """Compare an index with the model: ids, codes, payload, order, and a search."""
    with open_index(folder) as index:
        found = [f"verify: {line}" for line in index.verify()]
        if len(index) != len(model):
            return [*found, f"{len(index)} items instead of {len(model)}"]
        if not model:
            return found
        ids = np.array(list(model))
        packed = np.frombuffer(b"".join(code for code, _ in model.values()), np.uint8)
        codes = Codes(packed.reshape(-1, 8), 64, ids)
        got, payload = index.get(ids)
        if not np.array_equal(got.packed, codes.packed):
            found.append("codes differ")
        if payload != [value for _, value in model.values()]:
            found.append("payload differs")
        query = codes[:1]
        hit = index.search(query, 20, payload=False)[0]
        distances, positions = hamming.topk(query, codes, 20)
        if hit.ids.tolist() != ids[positions[0]].tolist():
            found.append("neighbours differ")
        if hit.distances.tolist() != distances[0].tolist():
            found.append("distances differ")
    return found


def kill_at_line(number: int) -> None:
    """Have this process killed at the number-th line of the engine that runs from now on."""
    left = number

    def trace(frame, event, argument):
        nonlocal left
        if not frame.f_code.co_filename.startswith(ENGINE):
            return None
        left -= 1
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)


def trial(folder: Path, model: Model, seed: int, strings: bool, lines: bool) -> tuple:
    """Run one child, kill it; return (model now, kind of the operation in flight, problems)."""
    random = np.random.default_rng(seed)
    moment = random.uniform(0, SLOWEST)
    line = int(random.integers(1, 900))
    before = int(random.integers(0, 6))
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(reader)
            index = open_index(folder, "w")
            os.write(writer, b"o")
            if lines:
                kill_at_line(line)
            while True:
                operation = next_operation(model, random, strings)
                perform(index, operation)
                os.write(writer, b".")
                model = after(model, operation)
        except BaseException as error:
            os.write(writer, f"!{error!r}".encode())
        finally:
            os._exit(1)
    os.close(writer)
    acknowledged = b""
    if not lines:
        # Counted in operations: a busy machine gets as deep into the work as an idle one.
        while acknowledged.count(b".") < before:
            part = os.read(reader, 1)
            if not part:
                break  # it failed: the pipe says how
            acknowledged += part
        time.sleep(moment)
        os.kill(child, signal.SIGKILL)
    while part := os.read(reader, 1 << 16):
        acknowledged += part
    os.close(reader)
    os.waitpid(child, 0)
    if b"!" in acknowledged:
        return model, "none", [acknowledged.decode()]
    for _ in range(acknowledged.count(b".")):
        model = after(model, next_operation(model, random, strings))
    flying = next_operation(model, random, strings)
    problems = differences(folder, model)
    if problems:  # perhaps the one in flight was committed before it could be acknowledged
        model = after(model, flying)
        also = differences(folder, model)
        problems = [*problems, *also] if also else []
    return model, flying[0], problems


def main() -> None:
    """Run the trials; print how many ended in which operation, and all problems."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--lines", action="store_true")
    chosen = parser.parse_args()
    killed: Counter = Counter()
    problems: list[str] = []
    models: list[Model] = [{}, {}]
    for number in range(chosen.trials):
        strings = number % 2
        folder = chosen.folder / ("strings" if strings else "numbers")
        models[strings], kind, found = trial(
            folder, models[strings], chosen.seed + number, bool(strings), chosen.lines
        )
        killed[kind] += 1
        problems += [f"trial {number}, killed in {kind}: {problem}" for problem in found]
        if found:
            break
    print(json.dumps({"trials": chosen.trials, "killed": killed, "problems": problems}))


if __name__ == "__main__":
    main()
