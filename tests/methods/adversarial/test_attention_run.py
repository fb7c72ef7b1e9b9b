"""Masks that tell nothing apart: the sentence, and where it stands."""

from __future__ import annotations

import json

from crossbit.methods.adversarial.hashgan.game import AttentionRun, collapse


def test_shares_near_none_and_all_are_warned_of() -> None:
    assert collapse({"across": 0.999, "attended_image": 0.4}) is None
    assert "image masks have collapsed: they leave out nothing" in str(
        collapse({"attended_image": 0.995})
    )
    assert "text masks have collapsed: they leave out all but a few places" in str(
        collapse({"attended_image": 0.5, "attended_text": 0.004})
    )


def test_the_warning_of_a_round_is_written_and_told_beside_others(tmp_path) -> None:
    told = []
    run = AttentionRun(folder=tmp_path, report=told.append)
    run.log(
        [
            {"loss": {"attended_image": 0.999}, "warning": None},
            {"loss": {"attended_image": 0.999}, "warning": "another"},
            {"loss": {"attended_image": 0.5}, "warning": None},
        ]
    )
    lines = (tmp_path / "history.jsonl").read_text().splitlines()
    first, second, third = (json.loads(line)["warning"] for line in lines)
    assert "image masks have collapsed" in first
    assert (second, third, told[0]["warning"]) == ("another", None, None)
