"""The registry: names, suggestions, other packages' methods, missing extras."""

from __future__ import annotations

import re
from importlib.metadata import EntryPoint

import pytest

from crossbit import methods
from crossbit.errors import ConfigError, MissingDependencyError
from crossbit.methods.base import Citation, Hasher


def test_names_are_sorted_and_each_gives_its_class() -> None:
    names = methods.names()
    assert names == sorted(names)
    assert {"dcmh", "dis", "displus", "schgan"} <= set(names)
    for name in names:
        cls = methods.get(name)
        assert issubclass(cls, Hasher)
        assert cls.name == name
        assert cls.summary
        assert isinstance(cls.citation, Citation | None)
        assert cls.requires <= {"labels", "pairs", "one space", "pictures"}


def test_a_citation_reads_as_a_reference() -> None:
    assert str(methods.get("schgan").citation) == (
        "J. Zhang, Y. Peng, M. Yuan. SCH-GAN: Semi-supervised Cross-modal Hashing by Generative "
        "Adversarial Network. IEEE Transactions on Cybernetics, 2018."
    )


def test_an_unknown_method_suggests_the_nearest_or_lists_all() -> None:
    with pytest.raises(ConfigError, match="no method 'schgna'; did you mean 'schgan'"):
        methods.get("schgna")
    with pytest.raises(ConfigError, match=re.escape(", ".join(methods.names()))):
        methods.get("zzz")


def point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, "crossbit.methods")


def test_other_packages_add_methods_and_cannot_replace_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = [point("fake", "fake_method:Fake"), point("dis", "fake_method:Fake")]
    asked = []
    monkeypatch.setattr(methods, "entry_points", lambda group: asked.append(group) or found)
    assert "fake" in methods.names()
    assert methods.get("fake").__name__ == "Fake"
    assert methods.get("dis").__name__ == "Dis"
    assert set(asked) == {"crossbit.methods"}
    with pytest.raises(ConfigError, match="did you mean 'fake'"):
        methods.get("fakee")


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(methods.BUILT_IN, "needy", "fake_deep_method:Deep")
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(MissingDependencyError, match=r"needy needs torch; .*'crossbit\[torch\]'"):
        methods.get("needy")


def test_a_bug_in_another_package_is_not_disguised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(methods.BUILT_IN, "broken", "no_such_module_at_all:Method")
    with pytest.raises(ModuleNotFoundError, match="no_such_module_at_all"):
        methods.get("broken")


def test_classes_are_imported_by_name() -> None:
    from crossbit.methods import CVH, SCHGAN

    assert methods.get("schgan") is SCHGAN
    assert methods.get("cvh") is CVH
    assert {"SCHGAN", "UGACH", "DSHGAN"} <= set(dir(methods))
    with pytest.raises(AttributeError):
        methods.SCHGAN2  # noqa: B018
