"""ExperimentConfig: all that decides a fit, from a TOML file and the flags that override it."""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossbit import datasets
from crossbit.errors import ConfigError, suggest

if TYPE_CHECKING:
    from crossbit.corpus import Corpus
    from crossbit.methods.base import Hasher
    from crossbit.splits import Split

__all__ = ["ExperimentConfig", "merge", "read_toml"]

SECTIONS = {
    "data": ("name", "root", "options"),
    "split": ("recipe", "seed", "queries", "labelled", "validation", "query_seed"),
    "method": ("name",),  # and the method's own fields
}


@dataclass(frozen=True)
class ExperimentConfig:
    """One fit: two equal configurations give equal weights.

    Attributes
    ----------
    data, root, options
        What `crossbit.datasets.load` is called with.
    recipe, split_seed, queries, labelled, validation, query_seed
        What `crossbit.make_split` is called with; recipe None means the dataset's own, if there
        is one of its name, else "random".
    method, settings
        The method's name and its fields, as given.
    """

    data: str
    root: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    recipe: str | None = None
    split_seed: int = 0
    queries: int | float | None = None
    labelled: int | float | None = None
    validation: int | float | None = None
    query_seed: int | None = None
    method: str = "schgan"
    settings: dict[str, Any] = field(default_factory=dict)

    def resolved(self) -> ExperimentConfig:
        """Return the same with every setting of the method spelt out, and paths made absolute.

        A configuration that is resumed later, elsewhere or by a newer version then means the same.
        """
        data = Path(self.data)
        known = not data.exists() or self.data in datasets.names()
        return dataclasses.replace(
            self,
            data=self.data if known else str(data.resolve()),
            root=None if self.root is None else str(Path(self.root).resolve()),
            settings=self.hasher().settings,
        )

    def hasher(self) -> Hasher:
        """Return the method with its settings, all checked, not fitted."""
        from crossbit import methods
        from crossbit.methods.settings import coerce

        cls = methods.get(self.method)
        return cls(**coerce(cls, self.settings))

    def corpus(self) -> Corpus:
        """Load the data."""
        return datasets.load(self.data, self.root, **self.options)

    def split(self, corpus: Corpus) -> Split:
        """Divide the data."""
        from crossbit.splits import make_split, recipes

        own = corpus.name if corpus.name in recipes() else "random"
        return make_split(
            corpus,
            self.recipe or own,
            self.split_seed,
            queries=self.queries,
            labelled=self.labelled,
            validation=self.validation,
            query_seed=self.query_seed,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the configuration as the three sections of a TOML file."""
        value = dataclasses.asdict(self)
        return {
            "data": {"name": value["data"], "root": value["root"], "options": value["options"]},
            "split": {
                "recipe": value["recipe"],
                "seed": value["split_seed"],
                "queries": value["queries"],
                "labelled": value["labelled"],
                "validation": value["validation"],
                "query_seed": value["query_seed"],
            },
            "method": {"name": value["method"], **value["settings"]},
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> ExperimentConfig:
        """Return the configuration that `to_json` wrote, or that a TOML file holds."""
        for section, entries in value.items():
            if section not in SECTIONS or not isinstance(entries, dict):
                raise ConfigError(f"there is no section [{section}]{suggest(section, SECTIONS)}")
            for name in entries:
                if section != "method" and name not in SECTIONS[section]:
                    hint = suggest(name, SECTIONS[section])
                    raise ConfigError(f"[{section}] has no entry {name!r}{hint}")
        data, split, method = (dict(value.get(section, {})) for section in SECTIONS)
        if "name" not in data:
            raise ConfigError(
                "nothing to fit on: name a dataset, a folder or a table, for example "
                "`crossbit fit glyphs`, or give name under [data] in the TOML file"
            )
        return cls(
            data=str(data["name"]),
            root=data.get("root"),
            options=dict(data.get("options", {})),
            recipe=split.get("recipe"),
            split_seed=split.get("seed", 0),
            queries=split.get("queries"),
            labelled=split.get("labelled"),
            validation=split.get("validation"),
            query_seed=split.get("query_seed"),
            method=str(method.pop("name", cls.method)),
            settings=method,
        )


def read_toml(path: Path) -> dict[str, Any]:
    """Return the sections of an experiment's TOML file."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"there is no configuration file {path}; check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from None


def merge(base: dict[str, Any], flags: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return `base` with the flags that were given (not None) put over it, section by section."""
    merged = {section: dict(entries) for section, entries in base.items() if entries is not None}
    for section, entries in flags.items():
        given = {name: value for name, value in entries.items() if value is not None}
        merged[section] = {**merged.get(section, {}), **given}
    return merged
