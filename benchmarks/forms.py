"""Forms: a method with its settings, written out or read from experiments/, by what tables say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks import ROOT
from crossbit import methods
from crossbit.errors import ConfigError, MissingDependencyError, suggest
from crossbit.runs.config import read_toml

__all__ = ["Form", "able", "among", "method_of"]

# (method, settings), or a file of experiments/ whose [method] section holds both.
# Bits and seed are set by the benchmark, whatever a file says.
Form = tuple[str, dict[str, Any]] | str


def method_of(form: Form) -> tuple[str, dict[str, Any]]:
    """Return method and settings of a form."""
    if not isinstance(form, str):
        return form
    section = dict(read_toml(ROOT / "experiments" / form).get("method", {}))
    if "name" not in section:
        raise ConfigError(f"experiments/{form} names no method; add name = ... under [method]")
    return str(section.pop("name")), section


def able(forms: Mapping[str, Form]) -> tuple[dict[str, Form], list[dict[str, str]]]:
    """Return the forms that this version can run, and of the others what and why."""
    there, left_out = {}, []
    for label, form in forms.items():
        why = _why_not(form)
        if why:
            left_out.append({"what": label, "why": why})
        else:
            there[label] = form
    return there, left_out


def among(given: Sequence[str] | None, choices: Sequence[str], what: str) -> list[str]:
    """Return what was given, all of it if nothing was; each must be one of the choices."""
    for name in given or ():
        if name not in choices:
            raise ConfigError(f"there is no {what} {name!r} here{suggest(name, choices)}")
    return list(given or choices)


def _why_not(form: Form) -> str:
    if isinstance(form, str) and not (ROOT / "experiments" / form).exists():
        return f"there is no experiments/{form}"
    name = method_of(form)[0]
    if name not in methods.names():
        return f"there is no method {name!r} in this version"
    try:
        methods.get(name)
    except MissingDependencyError as error:
        return str(error)
    return ""
