"""Request: which data, methods, lengths and seeds a grid is asked for, and the trials of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crossbit import datasets, methods
from crossbit.bench import published
from crossbit.errors import ConfigError, DataError, MissingDependencyError, suggest
from crossbit.runs.config import ExperimentConfig, read_toml
from crossbit.runs.trial import Trial, dataset_info

__all__ = ["PAPER", "Request", "Skipped"]

PAPER = Path(__file__).with_name("paper.toml")
AXES = ("data", "methods", "bits", "seeds")
GRID = ("name", *AXES, "skip_missing")
SPLIT = ("recipe", "queries", "labelled", "validation", "query_seed")
SECTIONS = ("grid", "split", "settings", "tuning")


@dataclass(frozen=True)
class Skipped:
    """A dataset or method that a grid was asked for and runs without."""

    what: str
    why: str


@dataclass(frozen=True)
class Request:
    """What a grid is asked for.

    Attributes
    ----------
    name : str
        Of the grid: its results go to runs/bench/NAME.
    data, methods, bits, seeds
        The grid is their product. A seed draws labels and validation rows, and trains.
    split : dict
        What `make_split` is called with: for all data, and in a dictionary by a dataset's name
        for that one.
    settings : dict
        Settings by method, where they are not its defaults.
    tuning : dict
        By method, the file that records how such settings were tuned on validation.
    root : str, optional
        Folder of the datasets' files; else CROSSBIT_DATA.
    skip_missing : bool
        Leave out published data and methods that are not there, rather than refuse to start.
    """

    name: str
    data: tuple[str, ...]
    methods: tuple[str, ...]
    bits: tuple[int, ...] = published.BITS
    seeds: tuple[int, ...] = (0, 1, 2)
    split: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    tuning: Mapping[str, str] = field(default_factory=dict)
    root: str | None = None
    skip_missing: bool = False

    @classmethod
    def read(cls, path: Path | None, **flags: Any) -> Request:
        """Return what a TOML file asks for, with the flags that are not None put over it.

        Raises
        ------
        ConfigError
            If the file names something that there is not, or data or methods are missing.
        """
        value = {} if path is None else read_toml(path)
        _check_names(value, SECTIONS, "section [{}]")
        grid = _table(value, "grid")
        _check_names(grid, GRID, "entry {} in [grid]")
        found = {key: flags.get(key) or grid.get(key) for key in AXES}
        for key, example in ("data", "--data wikipedia"), ("methods", "--method cvh"):
            if not found[key]:
                raise ConfigError(f"nothing to run: name {key}, for example `{example}`")
        for key, given in found.items():
            if given is not None and not isinstance(given, list):
                raise ConfigError(f"{key} in [grid] must be a list, got {given!r}")
        split = _split(_table(value, "split"), {*(found["data"] or ()), *grid.get("data", ())})
        if flags.get("labelled") is not None:  # for all data
            for entry in (split, *(entry for entry in split.values() if isinstance(entry, dict))):
                entry["labelled"] = flags["labelled"]
        name = grid.get("name") or (path.stem if path else "-".join(_short(found)))
        request = cls(
            name=str(name),
            split=split,
            settings=_tables(value, "settings"),
            tuning={key: str(text) for key, text in _table(value, "tuning").items()},
            root=flags.get("root"),
            skip_missing=bool(grid.get("skip_missing", False)),
            **{key: tuple(dict.fromkeys(v)) for key, v in found.items() if v},
        )
        for method, record in request.tuning.items():
            if not (path is not None and (path.parent / record).exists()):
                raise ConfigError(
                    f"[tuning] says that {record} records how {method} was tuned, but there is no "
                    "such file beside the configuration"
                )
        return request

    def trials(self) -> tuple[list[Trial], list[Skipped]]:
        """Return the trials and what is left out; seeds are outermost, so that a part is paired.

        Raises
        ------
        CrossbitError
            For unknown data, methods and settings, and for data that are not there (unless they
            may be left out).
        """
        for seed in self.seeds:
            if not isinstance(seed, int) or seed < 0:
                raise ConfigError(f"seeds must be whole numbers from 0 upwards, got {seed!r}")
        names = [Path(data).stem for data in self.data]
        for name in names:
            if names.count(name) > 1:
                raise ConfigError(f"two data are called {name}, so no table can tell them apart")
        for method in (*self.methods, *self.settings, *self.tuning):
            self._check_method(method)
        skipped: list[Skipped] = []
        there = {data: dims for data in self.data if (dims := self._dims(data, skipped))}
        chosen = [method for method in self.methods if self._is_there(method, skipped)]
        able: list[tuple[str, str]] = []
        for data, dims in there.items():
            for method in chosen:
                if "one space" in methods.get(method).requires and len(set(dims.values())) > 1:
                    why = "its views are not vectors of one space, which the method needs"
                    skipped.append(Skipped(f"{method} on {Path(data).stem}", why))
                else:
                    able.append((data, method))
        trials = [
            Trial(published.title_of(method), self.experiment(data, method, bits, seed))
            for seed in self.seeds
            for bits in self.bits
            for data, method in able
        ]
        return trials, skipped

    def experiment(self, data: str, method: str, bits: int, seed: int) -> ExperimentConfig:
        """Return the plan of one trial."""
        settings = {**self.settings.get(method, {}), "bits": bits, "seed": seed}
        base = self._base(data, seed)
        return dataclasses.replace(base, method=method, settings=settings).resolved()

    def _base(self, data: str, seed: int) -> ExperimentConfig:
        """Return what the plans of all methods share."""
        common = {k: v for k, v in self.split.items() if not isinstance(v, dict)}
        split = {**common, **self.split.get(data, {})}
        return ExperimentConfig(data, self._root(data), split_seed=seed, **split)

    def _root(self, data: str) -> str | None:
        return self.root if datasets.reads_files(data) else None

    def _check_method(self, method: str) -> None:
        known = {*methods.names(), *(published.known_methods() if self.skip_missing else ())}
        if method not in known:
            raise ConfigError(f"there is no method {method!r}{suggest(method, known)}")

    def _is_there(self, method: str, skipped: list[Skipped]) -> bool:
        try:
            methods.get(method)
        except (ConfigError, MissingDependencyError) as error:
            if not self.skip_missing:
                raise
            known = method in methods.names()
            skipped.append(Skipped(method, str(error) if known else "not in this version"))
            return False
        return True

    def _dims(self, data: str, skipped: list[Skipped]) -> dict[str, int]:
        """Return the width of each view; nothing for published data that are not there.

        A split that cannot be made is found now.
        """
        try:
            dims = dataset_info(data, self._root(data))[1]
        except (ConfigError, DataError) as error:
            if not self.skip_missing or data not in published.DATASETS:
                raise
            known = data in datasets.names()
            skipped.append(Skipped(data, str(error) if known else "not in this version"))
            return {}
        experiment = self._base(data, self.seeds[0])
        experiment.split(experiment.corpus())
        return dims


def _split(split: dict[str, Any], data: set[str]) -> dict[str, Any]:
    """Return the section [split], all its names checked."""
    known = {*data, *datasets.names(), *published.DATASETS}
    for key, entry in split.items():
        if isinstance(entry, dict):
            _check_names([key], known, "data of the section [split.{}]")
            _check_names(entry, SPLIT, f"entry {{}} in [split.{key}]")
        else:
            _check_names([key], SPLIT, "entry {} in [split]")
    return split


def _short(found: Mapping[str, Any]) -> list[str]:
    return [*(Path(name).stem for name in found["data"]), *found["methods"]][:6]


def _table(value: Mapping[str, Any], section: str) -> dict[str, Any]:
    found = value.get(section, {})
    if not isinstance(found, dict):
        raise ConfigError(f"[{section}] must be a section of entries, got {found!r}")
    return found


def _tables(value: Mapping[str, Any], section: str) -> dict[str, dict[str, Any]]:
    return {name: _table(_table(value, section), name) for name in _table(value, section)}


def _check_names(names: Iterable[str], known: Iterable[str], what: str) -> None:
    for name in names:
        if name not in known:
            raise ConfigError(f"there is no {what.format(name)}{suggest(name, known)}")
