"""Benchmarks: their tables and commands, and pages written from results are up to date."""

from __future__ import annotations

from itertools import product
from typing import Any

import bench_values
import numpy as np
import pytest

from benchmarks import (
    forms,
    paper,
    pins,
    readme,
    reference,
    semisupervised,
    tables,
    trials,
    tune,
    tune_all,
    tune_unsupervised,
    wikipedia,
)
from benchmarks.__main__ import BENCHMARKS, find, main
from benchmarks.speed import round_time
from crossbit import methods
from crossbit.errors import ConfigError, DataError
from crossbit.files import write_json, write_text
from crossbit.methods.deep.contrast import BALANCE
from crossbit.methods.deep.target_codes import DRAWS

pytestmark = pytest.mark.usefixtures("installed_fake")


@pytest.mark.parametrize("search", [tune.SEARCH, tune_unsupervised.SEARCH])
def test_trials_are_as_many_for_every_method_and_start_with_the_defaults(search) -> None:
    for method, space in search.spaces.items():
        found = search.trials(method)
        assert len(found) == trials.TRIALS
        assert found[0] == {}
        assert len({str(settings) for settings in found}) == trials.TRIALS
        assert space.keys() <= search.start[method].keys()
        for settings in found:
            methods.get(method)(**search.start[method] | settings)
            assert all(value in space[name] for name, value in settings.items())


@pytest.mark.parametrize("module", [tune, tune_unsupervised])
def test_the_defaults_are_those_of_the_best_trial(module) -> None:
    name = module.__name__.rpartition(".")[2]
    published = tables.read(name)
    if published is None:
        pytest.skip(f"{name} was not run yet")
    for method, start in module.SEARCH.start.items():
        finals = [
            row
            for row in published["trials"]
            if row["method"] == method and row["second"] is not None
        ]
        best = max(finals, key=lambda row: row["first"] + row["second"])
        assert len(finals) > trials.FINALISTS - 1
        settings = start | best["settings"]
        assert settings.pop("balance", BALANCE) == BALANCE  # a constant since
        assert settings.items() <= methods.get(method)(bits=64).settings.items()


def test_the_codes_of_known_rows_are_those_of_the_best_trial() -> None:
    published = tables.read("tune_all")
    assert published is not None
    means = {}
    for trial in tune_all.TRIALS:
        fits = [row for row in published["fits"] if trial.items() <= row.items()]
        tried = {(row["method"], row["bits"], row["split"]) for row in fits}
        whole = product(tune_all.METHODS, tune_all.BITS, tune_all.SPLITS)
        assert len(fits) == len(tried)
        assert tried == set(whole)  # as many trials for every method
        figures = [row[name] for row in fits for name in tune_all.DIRECTIONS]
        means[trial["draws"], trial["pull"]] = np.mean(figures)
    best = max(means, key=means.__getitem__)
    for method in tune_all.METHODS:
        assert best == (DRAWS, methods.get(method)(bits=64).settings["labelled_class_weight"])


def test_results_are_written_by_whole_runs_only(finished_grid, tmp_path, capsys) -> None:
    _, _, reports, _ = finished_grid
    value = tables.result("shapes", reports, [("one", "other")])

    def render(found: tables.Json) -> str:
        return tables.comparison(found).markdown() + tables.footer(found)

    tables.publish(value, render, whole=False, folder=tmp_path)
    assert not list(tmp_path.iterdir())
    assert "were not written" in capsys.readouterr().out
    tables.publish(value, render, whole=True, folder=tmp_path)
    kept = tables.read("shapes", tmp_path)
    assert kept == value | {"code_hashes": pins.code_hashes(value)}
    text = (tmp_path / "shapes.md").read_text()
    assert render(kept) == text
    assert f"{np.mean([r.mean_map for r in reports[::2]]):.3f}" in text
    assert "one - other" in text
    assert reports[0].split["hash"][:12] in text
    first = kept["runs"][0]
    assert first["split"]["hash"] == reports[0].split["hash"]
    assert (first["bits"], first["seed"], first["dataset"]) == (16, 0, "shapes")
    assert [entry["settings"]["epochs"] for entry in kept["settings"]] == [3, 1]


def fake_result(value: float) -> tables.Json:
    """A result of three runs on Wikipedia, SCH-GAN with `value` everywhere."""
    means = {"SCH-GAN": value, "Dis+": 0.3, "Dis": 0.2}
    summaries = [
        {
            "dataset": "wikipedia",
            "label": label,
            "bits": bits,
            "direction": direction,
            "mean": figure,
            "std": 0.01,
            "seeds": 3,
        }
        for label, figure in means.items()
        for bits in reference.BITS
        for direction in ("image->text", "text->image", "mean")
    ]
    paired = {"mean": 0.1, "low": 0.05, "high": 0.15, "p": 0.01, "pairs": 3, "level": 0.95}
    paired |= {"bootstrap_low": 0.06, "bootstrap_high": 0.14}
    difference = {
        "dataset": "wikipedia",
        "bits": 16,
        "direction": "mean",
        "label": "SCH-GAN",
        "against": "Dis+",
        "over": "seeds",
        "paired": paired,
    }
    return tables.head("wikipedia") | {
        "map": "all",
        "coding": ["single"],
        "summaries": summaries,
        "differences": [difference],
        "runs": [],
        "settings": [],
    }


def test_the_wikipedia_table_marks_what_schgan_beats() -> None:
    rows = [line.split(" | ") for line in wikipedia.render(fake_result(0.3585)).splitlines()]
    train = next(row for row in rows if row[0] == "| SePH_km" and row[1].startswith("learnt"))
    assert train[2:6] == ["0.345 ✓", "0.359 ✗", "0.371 ✗", "0.378 ✗"]
    own = next(row for row in rows if row[0] == "| **SCH-GAN**")
    assert own[2] == "**0.358 ± 0.010**"
    assert next(row for row in rows if row[0] == "| Dis+")[2] == "0.300 ± 0.010 ✓"


def test_the_readme_block_is_made_from_the_results(tmp_path) -> None:
    empty = f"before\n{readme.BEGIN}\nold\n{readme.END}\nafter\n"
    assert readme.filled(empty, tmp_path) == f"before\n{readme.BEGIN}\n{readme.END}\nafter\n"
    write_json(tmp_path / "wikipedia.json", fake_result(0.4))
    write_json(tmp_path / "semisupervised.json", fake_result(0.4))
    timed = {"hidden": 4096, "seconds": 50.2, "original_seconds": 3010.0, "ratio": 60.0}
    write_json(tmp_path / "round_time.json", {"rounds": [timed], "threads": 2})
    started = {"crossbit --help": 0.08, "import crossbit": 0.02}
    write_json(tmp_path / "startup.json", {"median": started})
    text = readme.filled(empty, tmp_path)
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    assert "| **SCH-GAN** | 0.400 / 0.400 |" in text
    assert "0.371 / 0.751" in text
    assert "50 s with 4,096 hidden units" in text
    assert "(60 times as long), on 2 threads" in text
    assert "`crossbit --help` takes 0.08 s" in text
    assert "| wikipedia | 0.200 | 0.300 | – | 0.400 | +0.100 [+0.050, +0.150] | – | – |" in text
    assert readme.filled(text, tmp_path) == text
    with pytest.raises(DataError, match="once each"):
        readme.filled("no marks", tmp_path)


def test_the_table_of_every_method_is_made_from_the_paper_grid(tmp_path) -> None:
    rows = [
        bench_values.row("cvh", [0.1, 0.2]),
        bench_values.row("seph", [0.3, 0.3]),
        bench_values.row("seph", [0.5, 0.5], "fused"),
        bench_values.row("itq_cca", [0.25, 0.25]),
        bench_values.row("pdh", [0.2]),
    ]
    value = bench_values.value(rows, methods=["dcmh"]) | {"benchmark": "paper"}
    tables.publish(value, paper.render, whole=True, folder=tmp_path)
    assert (tmp_path / "paper.md").read_text() == paper.render(value)
    text = readme.filled(f"{readme.BEGIN}\n{readme.END}\n", tmp_path)
    assert "| Unsupervised | CVH | single | 0.150 / 0.150 (0.144 / 0.187) |" in text
    assert "| Supervised | seph | fused | 0.500 / 0.500 (0.533 / 0.792) |" in text
    assert "| What users pick today | itq_cca | single | 0.250 / 0.250 |" in text
    few = f", 1 of {len(value['seeds'])} seeds |"
    assert f"| Unsupervised | pdh | single | 0.200 / 0.200 (0.494 / 0.838){few}" in text
    assert "dcmh" not in text


def test_the_forms_are_methods_with_settings_that_exist() -> None:
    for form in semisupervised.FORMS.values():
        experiment = semisupervised.experiment("glyphs", "/elsewhere", form, seed=3)
        assert (
            experiment.settings["bits"],
            experiment.settings["seed"],
            experiment.split_seed,
        ) == (64, 3, 3)
        assert (experiment.root, experiment.labelled) == (None, 0.1)
    assert {label for pair in semisupervised.PAIRS for label in pair} <= set(semisupervised.FORMS)


def test_a_form_can_be_an_experiment(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(forms, "ROOT", tmp_path)
    write_text(
        tmp_path / "experiments" / "wide.toml",
        '[data]\nname = "glyphs"\n[method]\nname = "fake"\nepochs = 7\nbits = 8\nseed = 9\n',
    )
    experiment = semisupervised.experiment("wikipedia", None, "wide.toml", seed=1)
    assert (experiment.method, experiment.data, experiment.settings["epochs"]) == (
        "fake",
        "wikipedia",
        7,
    )
    assert (experiment.settings["bits"], experiment.settings["seed"]) == (64, 1)
    write_text(tmp_path / "experiments" / "bare.toml", "[method]\nepochs = 7\n")
    with pytest.raises(ConfigError, match=r"bare\.toml names no method"):
        semisupervised.experiment("wikipedia", None, "bare.toml", seed=1)


def test_a_timed_round_is_as_long_as_the_original(monkeypatch) -> None:
    """The triplets and queries that the table claims are those that the game played."""
    from crossbit.training.game import Game

    played = {"generator_step": 0, "discriminator_step": 0}

    def counted(name: str) -> None:
        real = getattr(Game, name)

        def step(game: Game, *arguments: Any) -> Any:
            played[name] += 1
            assert game.config.query_batch == 16  # queries in each direction
            assert game.config.samples == 2
            return real(game, *arguments)

        monkeypatch.setattr(Game, name, step)

    for name in played:
        counted(name)
    sizes = round_time.Sizes(pairs=100, queries=20, image=12, text=8, pool=20)
    row = round_time.measure(16, sizes, batch=16, repeats=2)
    rounds, asked = 3, 2 * 16  # both directions of a pair
    assert row["generator_queries"] == asked * played["generator_step"] / rounds
    assert row["discriminator_triplets"] == 2 * asked * played["discriminator_step"] / rounds
    assert 400 <= row["generator_queries"] < 400 + asked
    assert 800 <= row["discriminator_triplets"] < 800 + 2 * asked
    assert len(row["all_seconds"]) == 2
    assert min(row["all_seconds"]) <= row["seconds"] <= max(row["all_seconds"])


def test_pages_written_from_results_are_up_to_date() -> None:
    text = readme.README.read_text(encoding="utf-8")
    assert readme.filled(text, tables.RESULTS) == text, "run `python -m benchmarks readme`"
    for path in tables.RESULTS.glob("*.json"):
        value = tables.read(path.stem)
        page = tables.page(value, find(path.stem).render)
        assert page == path.with_suffix(".md").read_text(encoding="utf-8"), path.name


def test_a_published_figure_is_of_todays_code_or_pinned_with_a_reason() -> None:
    for path in tables.RESULTS.glob("*.json"):
        value = tables.read(path.stem)
        assert value is not None
        changed = pins.stale(value)
        assert bool(changed) == (path.stem in pins.pins()), (
            f"{path.name}: the code of {', '.join(changed) or 'no method'} has changed since; run "
            "it again, or pin it in results/pins.toml"
        )
        if changed:
            assert pins.pins()[path.stem] in path.with_suffix(".md").read_text(encoding="utf-8")


def test_a_result_of_todays_code_needs_no_pin_and_of_other_code_does() -> None:
    value: dict[str, Any] = {"benchmark": "x", "settings": [{"method": "cvh", "settings": {}}]}
    assert pins.stale(value) == ["cvh"]
    assert pins.stale(value | {"code_hashes": pins.code_hashes(value)}) == []
    assert pins.stale(value | {"code_hashes": {"cvh": "another"}}) == ["cvh"]


def test_the_list_names_every_benchmark(capsys) -> None:
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert all(line in shown for line in BENCHMARKS.values())
    for name in BENCHMARKS:
        assert callable(find(name).run)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["wikipdia"], "did you mean 'wikipedia'"),
        (["semisupervised", "--datasets", "glyph"], "did you mean 'glyphs'"),
        (["wikipedia", "--methods", "Dis", "--root", "/nowhere"], "published at"),
        (["wikipedia", "--methods", "Dis", "--jobs", "0"], "jobs must be at least 1"),
    ],
)
def test_mistakes_end_in_one_sentence(arguments, words, capsys, monkeypatch) -> None:
    monkeypatch.delenv("CROSSBIT_DATA", raising=False)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
