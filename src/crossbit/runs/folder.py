"""The folder of one run: what a fit writes and the other commands read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossbit.errors import ConfigError, ModelError
from crossbit.files import check_format, write_json
from crossbit.runs.config import ExperimentConfig

if TYPE_CHECKING:
    from crossbit.corpus import Corpus
    from crossbit.methods.base import Hasher
    from crossbit.splits import Split

__all__ = ["CHECKPOINT", "FINISHED", "TRAINING", "RunFolder", "check_target", "config_of"]

FORMAT = 2  # 1 had other names of settings
TRAINING, FINISHED = "training", "finished"
CHECKPOINT = "checkpoint"  # what training keeps in the folder until it is done


@dataclass
class RunFolder:
    """A run: run.json (what was fitted on what), split.json, the model, history, checkpoint."""

    path: Path
    root: Path | None = None  # where the data are, if not where the record says
    data: Corpus | None = None  # the data themselves, where they are loaded already

    @property
    def record(self) -> dict[str, Any] | None:
        """Contents of run.json, or None where no run was begun."""
        file = self.path / "run.json"
        try:
            value = json.loads(file.read_text(encoding="utf-8"))
            version = value["format"]
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(
                f"{file} is damaged ({error}); restore it, or fit again with --overwrite"
            ) from None
        check_format(file, version, FORMAT, "fit again", ModelError)
        return value

    def write(self, experiment: ExperimentConfig, state: str, **facts: Any) -> None:
        """Write run.json."""
        value = {"format": FORMAT, "state": state, **experiment.to_json(), **facts}
        write_json(self.path / "run.json", value)

    @property
    def resumable(self) -> bool:
        """Whether training left a checkpoint to go on from."""
        return (self.path / CHECKPOINT).exists()

    def finished(self) -> dict[str, Any]:
        """Return the record of a finished run.

        Raises
        ------
        ModelError
            If there is no run, or it is not finished; says what to do.
        """
        record = self.record
        if record is None:
            why = "holds no run" if self.path.is_dir() else "does not exist"
            raise ModelError(
                f"{self.path} {why}; make one with `crossbit fit ... --out {self.path}`"
            )
        if record["state"] != FINISHED:
            raise ModelError(
                f"the run in {self.path} is not finished; go on with "
                f"`crossbit fit --resume --out {self.path}`"
            )
        return record

    @cached_property
    def hasher(self) -> Hasher:
        """The fitted model."""
        from crossbit import methods

        self.finished()
        return methods.load(self.path)

    @cached_property
    def corpus(self) -> Corpus:
        """The data the run was fitted on."""
        record = self.finished()
        if self.data is not None:
            return self.data
        if self.root is not None:
            record["data"]["root"] = str(self.root)
        return config_of(record).corpus()

    @cached_property
    def split(self) -> Split:
        """The split of the run, checked against the data as they are now."""
        from crossbit.splits import Split

        return Split.load(self.path / "split.json", self.corpus)


def config_of(record: dict[str, Any]) -> ExperimentConfig:
    """Return the configuration inside a record."""
    return ExperimentConfig.from_json(
        {section: record[section] for section in ("data", "split", "method")}
    )


def check_target(
    run: RunFolder, experiment: ExperimentConfig, *, resume: bool, overwrite: bool
) -> bool:
    """Return whether there is something left to fit in this folder.

    Raises
    ------
    ConfigError
        If the folder holds something that would be lost, or another run than the one to resume.
    """
    record = run.record
    if record is None:
        # These alone: a fit that was killed before it wrote run.json, or a trial that begins.
        if run.path.is_dir():
            own = {"split.json", "trial.json", "log.txt", "lock"}
            foreign = any(file.name not in own for file in run.path.iterdir())
        else:
            foreign = run.path.exists()
        if foreign:
            raise ConfigError(
                f"{run.path} exists and holds no run of crossbit; choose another --out"
            )
        return True
    if overwrite:
        return True
    if not resume:
        if record["state"] == FINISHED:
            raise ConfigError(
                f"{run.path} holds a finished run; choose another --out, or replace it with "
                "--overwrite"
            )
        raise ConfigError(
            f"{run.path} holds a run that was stopped; go on with --resume, or begin again with "
            "--overwrite"
        )
    changed = differences(config_of(record).to_json(), experiment.to_json())
    if changed:
        raise ConfigError(
            f"{run.path} was begun with other settings ({'; '.join(changed)}); resume with the "
            "same ones, or choose another --out"
        )
    return bool(record["state"] != FINISHED)


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return "method.bits was 64, now 32" for every entry that differs."""
    found = []
    for section in before:
        for name in {**before[section], **now[section]}:
            old, new = before[section].get(name), now[section].get(name)
            if old != new:
                found.append(f"{section}.{name} was {old!r}, now {new!r}")
    return found
