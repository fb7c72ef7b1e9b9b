"""Evaluate a fitted hasher on a split: every view asks, every other view is searched."""

from __future__ import annotations

import dataclasses
import datetime
import time
from collections.abc import Iterable, Sequence
from itertools import permutations, product

import numpy as np

from crossbit import metrics
from crossbit.codes import Codes
from crossbit.corpus import Corpus
from crossbit.errors import ConfigError, DataError, suggest
from crossbit.evaluation.provenance import code_version
from crossbit.evaluation.report import Direction, Report
from crossbit.methods.base import DATABASE_CODINGS, Hasher
from crossbit.methods.ranking import HammingRanker
from crossbit.splits import Split
from crossbit.threads import n_threads

__all__ = ["evaluate"]

TOP_N = tuple(range(50, 1001, 50))


def evaluate(
    hasher: Hasher,
    split: Split,
    *,
    ks: Sequence[int] = (),
    radius: int = 2,
    coding: str = "single",
    label: str | None = None,
    n_jobs: int | None = None,
) -> Report:
    """Rank the split's database for each of its queries, in every direction between two views.

    Parameters
    ----------
    hasher : Hasher
        Fitted; it encodes query and database items by one view at a time.
    split : Split
        Its query and database parts, with labels: two items are relevant to each other if they
        share one. Items without labels are relevant to nothing, and counted. An item that lacks
        a view neither asks by it nor is found through it.
    ks : sequence of int
        Cuts at which MAP@k is wanted beside the MAP of the full ranking.
    radius : int
        Hamming radius of the look-up whose precision is reported.
    coding : {"single", "fused", "train"}
        How the database is coded (see `crossbit.methods.base.CODINGS`), where the method offers
        more than one way. Figures of different codings do not compare.
    label : str, optional
        What tables and plots call this run; the method's name if not given.
    n_jobs : int or None
        Threads that count distances; None: all cores.

    Returns
    -------
    Report
        With one view only, the direction is from it to itself.

    Raises
    ------
    DataError
        If the split holds no queries or no labels, no view that the hasher knows, or nothing that
        has one of the views.
    ConfigError
        If a cut or the radius is out of range, the hasher is not fitted, or does not offer the
        coding.

    Notes
    -----
    O(q n bits / 64) per direction; memory O(q bits), whatever the size of the database, where
    the method ranks by Hamming distance (see its `ranker`).
    """
    for k in ks:
        if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
            raise ConfigError(f"a MAP cut must be a whole number from 1 up, got {k!r}")
    if not 0 <= radius <= hasher.bits:
        raise ConfigError(f"radius must be from 0 to the {hasher.bits} bits, got {radius}")
    if not hasher.dims:
        raise ConfigError(f"this {hasher.name} is not fitted yet; call fit first")
    if coding not in DATABASE_CODINGS:
        raise ConfigError(
            f"there is no database coding {coding!r}{suggest(coding, DATABASE_CODINGS)}"
        )
    query, database = split.query, split.database
    _check(query, database)
    views = [view for view in query.views if view in hasher.dims]
    if not views:
        raise DataError(
            f"{hasher.name} knows none of the views of {query.name} ({', '.join(query.views)}); "
            "fit it on this corpus first"
        )
    for view, (part, items) in product(views, (("queries", query), ("database items", database))):
        if not items.has(view).any():
            raise DataError(
                f"none of the {len(items):,} {part} of {query.name} has the view {view!r}, so it "
                "cannot be judged; split with another query_seed or more queries, or leave the "
                "view out"
            )
    ranker = hasher.ranker(hasher)
    started = time.perf_counter()
    queries = {view: query.with_views(view) for view in views}
    databases = {view: database.with_views(view) for view in views}
    asking = {view: ranker.queries(part[view], view) for view, part in queries.items()}
    searched = {view: ranker.database(part, view, coding) for view, part in databases.items()}
    encoded = time.perf_counter()

    asked = {view: part.require_labels() for view, part in queries.items()}
    found = {view: part.require_labels() for view, part in databases.items()}
    pairs = list(permutations(views, 2)) or [(views[0], views[0])]
    by_hamming = isinstance(ranker, HammingRanker)
    cuts = sorted(set(map(int, ks)))
    fewest = min(map(len, databases.values()))  # so that all directions have figures at all places
    places = [n for n in TOP_N if n <= fewest] or [fewest]
    directions = {
        f"{a}->{b}": _measure(
            ranker.counts(asking[a], searched[b], asked[a], found[b], n_threads(n_jobs)),
            cuts,
            places,
        )
        for a, b in pairs
    }
    for (a, _), name in zip(pairs, directions, strict=True):
        values = np.full(len(query), np.nan)  # one per query: runs and directions can be paired
        values[query.has(a)] = directions[name].query_ap
        directions[name] = dataclasses.replace(directions[name], query_ap=values)
    if not by_hamming:  # a radius in bits says nothing about another distance
        directions = {k: dataclasses.replace(v, lookup=None) for k, v in directions.items()}
    return Report(
        label=label or hasher.name,
        method=hasher.name,
        settings=hasher.settings,
        bits=hasher.bits,
        seed=hasher.seed,
        dataset=query.name,
        split=split.summary(),
        unlabelled_database=int((~database.labelled).sum()),
        coding=DATABASE_CODINGS[coding],
        ranking=ranker.name,
        learns_from=hasher.learns_from,
        map_definition=metrics.MAP_DEFINITION,
        code_version=code_version(),
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        radius=int(radius),
        directions=directions,
        health={v: codes.health() for v, codes in searched.items() if isinstance(codes, Codes)},
        trained=hasher.trained,
        seconds={
            "encode": round(encoded - started, 4),
            "rank": round(time.perf_counter() - encoded, 4),
        },
    )


def _check(query: Corpus, database: Corpus) -> None:
    if not len(query) or not len(database):
        raise DataError(
            "the split has no queries or no database to evaluate on; make it with queries > 0"
        )
    if query.labels is None or not query.labelled.any() or not database.labelled.any():
        raise DataError(
            f"{query.name} has no labels on its queries or its database, so nothing says what is "
            "relevant; give labels to evaluate by"
        )


def _measure(
    counts: Iterable[tuple[np.ndarray, np.ndarray]], ks: list[int], places: list[int]
) -> Direction:
    parts = [_measured(relevant, total, ks, places) for relevant, total in counts]
    return parts[0] if len(parts) == 1 else Direction.mean(parts)


def _measured(
    relevant: np.ndarray, total: np.ndarray, ks: list[int], places: list[int]
) -> Direction:
    precision = metrics.found_at(relevant, total, places).mean(axis=0) / places
    everything_tied = relevant.sum(axis=1, keepdims=True), total.sum(axis=1, keepdims=True)
    return Direction(
        map=metrics.mean_average_precision(relevant, total),
        map_at={k: metrics.mean_average_precision(relevant, total, k) for k in ks},
        random_map=metrics.mean_average_precision(*everything_tied).expected,
        precision_at=dict(zip(places, precision.tolist(), strict=True)),
        ranking=metrics.ranking_curve(relevant, total),
        lookup=metrics.radius_curve(relevant, total),
        query_ap=metrics.average_precision(relevant, total).expected,
    )
