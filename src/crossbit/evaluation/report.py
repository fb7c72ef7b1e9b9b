"""Report: what one evaluation found, with everything needed to repeat it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any, Self

import numpy as np

from crossbit.codes import CodeHealth
from crossbit.errors import DataError, MissingDependencyError
from crossbit.files import check_format
from crossbit.metrics import MapValue, mean_of
from crossbit.metrics.curves import RadiusCurve, RankingCurve

__all__ = ["Direction", "Report"]

FORMAT = 2  # 1 had no ranking and no learns_from


@dataclass(frozen=True, eq=False)
class Direction:
    """What one view found in another.

    Attributes
    ----------
    map : MapValue
        MAP of the full ranking: expected, best and worst over the orders of tied items.
    map_at : dict of k to MapValue
    random_map : float
        Expected MAP of a random ranking of this database: the floor.
    precision_at : dict of n to float
        Expected precision of the first n items, mean over queries.
    ranking : RankingCurve
        Precision and recall over places of the ranking.
    lookup : RadiusCurve or None
        Precision and recall over Hamming radii; None where another distance ranks.
    query_ap : (q,) float64
        Expected average precision of every query, for paired tests; NaN for one that cannot ask,
        for want of the view.
    """

    map: MapValue
    map_at: dict[int, MapValue]
    random_map: float
    precision_at: dict[int, float]
    ranking: RankingCurve
    lookup: RadiusCurve | None
    query_ap: np.ndarray

    def precision_within(self, radius: int) -> float | None:
        """Return the mean precision of a look-up within `radius`; finding nothing counts 0."""
        if self.lookup is None:
            return None
        at = np.searchsorted(self.lookup.radius, radius, side="right") - 1
        return float(self.lookup.lookup[at]) if at >= 0 else 0.0

    @classmethod
    def mean(cls, parts: Sequence[Self]) -> Self:
        """Return what was found over the queries of all `parts`, which searched one database."""
        weights = [len(part.query_ap) for part in parts]

        def mean(values: Sequence[Any]) -> Any:
            return np.average(np.asarray(values), axis=0, weights=weights)

        first = parts[0]
        ranking = RankingCurve(
            first.ranking.places,
            mean([part.ranking.precision for part in parts]),
            mean([part.ranking.recall for part in parts]),
        )
        return cls(
            map=mean_of([part.map for part in parts]),
            map_at={k: mean_of([part.map_at[k] for part in parts]) for k in first.map_at},
            random_map=float(mean([part.random_map for part in parts])),
            precision_at={
                n: float(mean([part.precision_at[n] for part in parts])) for n in first.precision_at
            },
            ranking=ranking,
            lookup=None,
            query_ap=np.concatenate([part.query_ap for part in parts]),
        )


@dataclass(frozen=True, eq=False, repr=False)
class Report:
    """One fitted hasher on one split.

    Attributes
    ----------
    label : str
        What tables and plots call this run.
    method, settings, bits, seed
        The hasher.
    dataset, split, unlabelled_database
        The data: `Split.summary`, and how many database items have no labels to be found by.
    coding, ranking : str
        How the database was coded and what ranked it, part of every figure's name.
    learns_from : str
        Which rows the method learns from, and whether it sees their labels.
    map_definition : str
        How MAP was computed.
    code_version, date : str
        Of the evaluation.
    radius : int
        Hamming radius of `p_radius`.
    directions : dict of "image->text" to Direction
    health : dict of view to CodeHealth
        How well the database codes use their bits.
    trained : dict
        What the hasher says about its training.
    seconds : dict
        Time to encode both sides in all views, and to rank in all directions.
    """

    label: str
    method: str
    settings: dict[str, Any]
    bits: int
    seed: int
    dataset: str
    split: dict[str, Any]
    unlabelled_database: int
    coding: str
    ranking: str
    learns_from: str
    map_definition: str
    code_version: str
    date: str
    radius: int
    directions: dict[str, Direction]
    health: dict[str, CodeHealth]
    trained: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def __repr__(self) -> str:
        figures = ", ".join(f"{k} {value.expected:.3f}" for k, value in self.map.items())
        return f"<Report {self.label} on {self.dataset}, {self.bits} bits: MAP {figures}>"

    def _repr_html_(self) -> str:
        """Return MAP by direction, with its bounds, as a table for notebooks."""
        rows = "".join(
            f"<tr><td>{escape(name)}</td><td>{value.expected:.3f}</td><td>{value.worst:.3f}</td>"
            f"<td>{value.best:.3f}</td></tr>"
            for name, value in self.map.items()
        )
        title = escape(f"{self.label} on {self.dataset}, {self.bits} bits")
        return (
            f"<table><caption>{title}</caption><thead><tr><th>direction</th><th>MAP</th>"
            f"<th>worst order of ties</th><th>best</th></tr></thead><tbody>{rows}</tbody></table>"
        )

    def to_frame(self) -> Any:
        """Return the figures as a pandas frame, a row for each direction.

        Raises
        ------
        MissingDependencyError
            Without pandas.
        """
        try:
            from pandas import DataFrame
        except ImportError:
            raise MissingDependencyError(
                "to_frame needs pandas; install it with: pip install pandas"
            ) from None
        rows = [
            {
                "label": self.label,
                "method": self.method,
                "dataset": self.dataset,
                "bits": self.bits,
                "seed": self.seed,
                "direction": name,
                "map": part.map.expected,
                "map_worst": part.map.worst,
                "map_best": part.map.best,
                **{f"map@{k}": value.expected for k, value in part.map_at.items()},
                **{f"precision@{n}": value for n, value in part.precision_at.items()},
                f"precision_within_{self.radius}": self.p_radius[name],
            }
            for name, part in self.directions.items()
        ]
        return DataFrame(rows)

    @property
    def map(self) -> dict[str, MapValue]:
        """MAP of the full ranking by direction."""
        return {name: found.map for name, found in self.directions.items()}

    @property
    def mean_map(self) -> float:
        """Mean over the directions of the expected MAP."""
        return float(np.mean([value.expected for value in self.map.values()]))

    @property
    def map_at(self) -> dict[str, dict[int, MapValue]]:
        """MAP of the ranking cut after k items, by direction and k."""
        return {name: found.map_at for name, found in self.directions.items()}

    @property
    def precision_at(self) -> dict[str, dict[int, float]]:
        """Expected precision of the first n items, by direction and n."""
        return {name: found.precision_at for name, found in self.directions.items()}

    @property
    def p_radius(self) -> dict[str, float | None]:
        """Mean precision of a look-up within `radius`, by direction."""
        return {k: found.precision_within(self.radius) for k, found in self.directions.items()}

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Return the report that `save_report` wrote.

        Raises
        ------
        DataError
            If a file is missing, damaged or of another version.
        """
        folder = Path(folder)
        try:
            value = json.loads((folder / "report.json").read_text(encoding="utf-8"))
            check_format(folder / "report.json", value["format"], FORMAT, "evaluate again")
            with np.load(folder / "query_ap.npz", allow_pickle=False) as arrays:
                query_ap = {name: arrays[name] for name in value["directions"]}
            return cls._from_json(value, query_ap)
        except DataError:
            raise
        except FileNotFoundError as error:
            missing = Path(str(error.filename)).name
            raise DataError(f"{folder} has no {missing}; run `crossbit evaluate`") from None
        except Exception as error:
            raise DataError(
                f"the report in {folder} cannot be read ({type(error).__name__}: {error}); "
                "evaluate again"
            ) from error

    def to_json(self) -> dict[str, Any]:
        """Return everything but `query_ap` as JSON values."""
        value = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        value["directions"] = {k: _direction_json(part) for k, part in self.directions.items()}
        value["health"] = {view: dataclasses.asdict(part) for view, part in self.health.items()}
        value["mean_map"] = self.mean_map
        value["p_radius"] = self.p_radius
        return {"format": FORMAT, **value}

    @classmethod
    def _from_json(cls, value: Mapping[str, Any], query_ap: Mapping[str, np.ndarray]) -> Self:
        names = [item.name for item in dataclasses.fields(cls)]
        known = {name: value[name] for name in names}
        known["directions"] = {
            name: _direction(part, query_ap[name]) for name, part in value["directions"].items()
        }
        known["health"] = {view: CodeHealth(**part) for view, part in value["health"].items()}
        return cls(**known)


def _direction_json(found: Direction) -> dict[str, Any]:
    def curve(of: RadiusCurve | RankingCurve) -> dict[str, list[float]]:
        return {name: part.tolist() for name, part in vars(of).items()}

    return {
        "map": dataclasses.asdict(found.map),
        "map_at": {str(k): dataclasses.asdict(value) for k, value in found.map_at.items()},
        "random_map": found.random_map,
        "precision_at": {str(n): value for n, value in found.precision_at.items()},
        "ranking": curve(found.ranking),
        "lookup": None if found.lookup is None else curve(found.lookup),
    }


def _direction(value: Mapping[str, Any], query_ap: np.ndarray) -> Direction:
    lookup = value["lookup"]
    return Direction(
        map=MapValue(**value["map"]),
        map_at={int(k): MapValue(**part) for k, part in value["map_at"].items()},
        random_map=value["random_map"],
        precision_at={int(n): part for n, part in value["precision_at"].items()},
        ranking=RankingCurve(**_arrays(value["ranking"])),
        lookup=None if lookup is None else RadiusCurve(**_arrays(lookup)),
        query_ap=query_ap,
    )


def _arrays(value: Mapping[str, Any]) -> dict[str, np.ndarray]:
    return {name: np.array(part) for name, part in value.items()}
