"""Tables: what is bold, what a mark means, and that no language is broken by what they say."""

from __future__ import annotations

import re

import numpy as np
import pytest
from bench_values import row, value
from scipy import stats

from crossbit.bench.publish import markdown_page, sheets
from crossbit.bench.render import Entry, Line, Sheet, html, latex, markdown
from crossbit.bench.tables import duel_sheet, map_sheet

CLOSE = [0.300, 0.310, 0.305]
BETTER = [0.330, 0.341, 0.334]
NOISY = [0.250, 0.420, 0.330]


def line(sheet: Sheet, name: str, codes: str = "single") -> tuple[Entry, ...]:
    """Return the figures of a row."""
    found = [
        item.entries
        for item in sheet.lines
        if item.entries[0].text == name and codes in [e.text for e in item.entries[:2]]
    ]
    assert len(found) == 1
    return found[0][sheet.words :]


def test_the_best_of_a_block_is_bold_and_marked_if_the_lead_is_sure() -> None:
    assert stats.ttest_rel(BETTER, CLOSE).pvalue < 0.05
    sheet = map_sheet(
        value([row("cvh", CLOSE), row("cmfh", BETTER), row("seph", NOISY)]), "wikipedia"
    )
    best = line(sheet, "cmfh")[0]
    assert best == Entry("0.335", f"± {np.std(BETTER, ddof=1):.3f}", True, "*")
    assert not line(sheet, "CVH")[0].bold
    assert not line(sheet, "seph")[0].bold, "alone in its block it is best of nothing"
    assert stats.ttest_rel(NOISY, CLOSE).pvalue > 0.05
    sheet = map_sheet(value([row("cvh", CLOSE), row("cmfh", NOISY)]), "wikipedia")
    assert (line(sheet, "cmfh")[0].bold, line(sheet, "cmfh")[0].mark) == (True, "")


def test_equal_means_are_both_bold_and_one_seed_is_never_sure() -> None:
    sheet = map_sheet(value([row("cvh", [0.3]), row("cmfh", [0.3001])]), "wikipedia")
    for name in "CVH", "cmfh":
        assert line(sheet, name)[0] == Entry("0.300", "", True, "")


def test_codings_are_rows_of_their_own_and_never_compete() -> None:
    rows = [
        row("cvh", BETTER),
        row("cmfh", CLOSE),
        row("cmfh", [0.9, 0.9, 0.91], "fused"),
        row("cmfh", [0.95, 0.95, 0.96], "train"),
    ]
    sheet = map_sheet(value(rows), "wikipedia")
    assert line(sheet, "CVH")[0].bold
    assert not line(sheet, "cmfh", "fused")[0].bold
    assert not line(sheet, "cmfh", "train codes")[0].bold


def test_what_is_not_compressed_is_for_reference() -> None:
    rows = [row("itq", CLOSE), row("itq_cca", BETTER), row("cca", [0.9, 0.91, 0.92])]
    sheet = map_sheet(value(rows), "wikipedia")
    assert not line(sheet, "cca")[0].bold
    assert line(sheet, "itq_cca")[0].mark == "*"


def test_a_row_that_broke_a_rule_is_marked_with_a_footnote_and_wins_nothing() -> None:
    rows = [row("cvh", CLOSE), row("cmfh", BETTER, breaks=["split", "settings"]), row("ccq", NOISY)]
    sheet = map_sheet(value(rows), "wikipedia")
    assert not line(sheet, "cmfh")[0].bold
    assert line(sheet, "ccq")[0].bold
    name = next(i.entries[0] for i in sheet.lines if i.entries[0].text == "cmfh")
    assert name.mark == "bd"
    notes = dict(sheet.notes)
    assert "another split" in notes["b"]
    assert "no tuning" in notes["d"]
    assert set(notes) == {"†", "b", "d"}


def test_published_figures_stand_below_ours_and_beside_nothing() -> None:
    sheet = map_sheet(value([row("cvh", CLOSE)], methods=["dcmh", "itq"]), "wikipedia")
    texts = [[entry.text for entry in item.entries] for item in sheet.lines]
    at = next(k for k, entries in enumerate(texts) if entries[0] == "CVH")
    assert texts[at + 1] == ["published", "", "", "0.144", "0.187", ""]
    assert sheet.lines[at + 1].kind == "published"
    at = next(k for k, entries in enumerate(texts) if entries[0] == "dcmh")
    assert texts[at] == ["dcmh", "–", "–", "–", "–", "–"]
    assert texts[at + 1][3:5] == ["0.507", "0.788"]
    assert texts[-1][0] == "itq", "asked for, and not finished"
    assert "VGG19" in dict(sheet.notes)["†"]
    assert "not comparable" in dict(sheet.notes)["†"]
    assert [item.entries[0].text for item in sheet.lines if item.kind == "block"] == [
        "Unsupervised",
        "Deep",
        "What users pick today",
    ]


def test_a_method_that_was_left_out_has_a_line_only_if_the_paper_has_figures() -> None:
    skipped = [{"what": w, "why": "no"} for w in ("dcmh", "itq", "sign on wikipedia", "lsh on x")]
    methods = ["dcmh", "itq", "sign", "lsh"]
    sheet = map_sheet(value([row("cvh", CLOSE)], methods=methods, skipped=skipped), "wikipedia")
    names = [item.entries[0].text for item in sheet.lines if item.kind == "ours"]
    assert names == ["CVH", "dcmh", "lsh"]


def test_data_that_are_not_there_show_the_published_figures_alone() -> None:
    found = value([], methods=["cvh", "schgan"], data=["nuswide", "own"], datasets={}, map="")
    (sheet,) = sheets(found)
    assert sheet.title == "Table II: NUS-WIDE"
    assert "Not measured here" in sheet.caption
    assert [e.text for e in sheet.lines[1].entries] == ["CVH", "–", "–", "–", "–", "–"]
    assert [e.text for e in sheet.lines[2].entries][3:5] == ["0.410", "0.419"]


def test_other_rankings_and_lacking_seeds_are_named() -> None:
    found = value([row("ccq", [0.3, 0.4]), row("cvh", CLOSE)])
    found["methods"]["ccq"]["ranking"] = "lookup distance"
    text = markdown(map_sheet(found, "wikipedia"))
    assert "ccq (2 of 3 seeds) | single, lookup distance |" in text
    assert "SCM_orth" not in text


def test_table_4_pairs_the_seeds() -> None:
    rows = [row("dis", CLOSE), row("displus", BETTER), row("schgan", [v + 0.1 for v in CLOSE])]
    found = value(rows)
    assert "Dis" not in [i.entries[0].text for i in map_sheet(found, "wikipedia").lines]
    assert len(sheets(found)) == 2
    sheet = duel_sheet(found, "wikipedia")
    entries = {item.entries[0].text: item.entries for item in sheet.lines}
    assert entries["SCH-GAN − Dis"][1] == Entry("+0.100", "[+0.100, +0.100]", True)
    low, high = stats.ttest_rel(rows[2]["map"]["image->text"], BETTER).confidence_interval(0.95)
    assert entries["SCH-GAN − Dis+"][1].beside == f"[{low:+.3f}, {high:+.3f}]"
    assert [i.entries[1].text for i in sheet.lines if i.kind == "published"] == ["0.510", "0.551"]
    rows[0]["breaks"] = ["split"]
    entries = {i.entries[0].text: i.entries for i in duel_sheet(found, "wikipedia").lines}
    assert entries["SCH-GAN − Dis"][1].text == "–", "different splits are no pair"


STRANGE = Sheet(
    name="strange",
    title="50 % of A_B & C",
    caption="x < y → {z} $ # ~ ^ \\",
    groups=[("", 1), ("a → b", 1)],
    columns=["a_b", "16"],
    lines=[
        Line("block", (Entry("R&D_1"),)),
        Line("ours", (Entry("<b>*x*|y"), Entry("0.5", "± 0.1", True, "*"))),
        Line("published", (Entry("published", mark="†"), Entry("–"))),
    ],
    words=1,
    notes=[("†", "from 100 %")],
)


@pytest.mark.parametrize(
    "sheet", [STRANGE, map_sheet(value([row("scm_orth", CLOSE)]), "wikipedia")]
)
def test_latex_is_balanced_and_escaped(sheet: Sheet) -> None:
    text = latex(sheet)
    bare = re.sub(r"\\[\\&%$#_{}]", "", text)
    depth = 0
    for character in bare:
        depth += (character == "{") - (character == "}")
        assert depth >= 0
    assert depth == 0
    begun = re.findall(r"\\(begin|end)\{(\w+\*?)\}", text)
    assert begun == [
        ("begin", "table*"),
        ("begin", "tabular"),
        ("end", "tabular"),
        ("end", "table*"),
    ]
    assert bare.count("$") % 2 == 0
    assert "#" not in bare
    assert all(character.isascii() for character in text.replace("“", ""))
    assert not re.search(r"(?<!\\)_", text.replace(rf"\label{{tab:{sheet.name}}}", ""))
    rows = re.findall(r"^(?!.*multicolumn)(.*&.*) \\\\$", text, re.MULTILINE)
    assert len(rows) == 1 + sum(item.kind != "block" for item in sheet.lines)
    assert all(len(re.findall(r"(?<!\\)&", item)) == len(sheet.columns) - 1 for item in rows)
    assert r" \textsuperscript{$\dagger$}~" in text
    assert text.index(r"\toprule") < text.index(r"\midrule") < text.index(r"\bottomrule")


def test_markdown_and_html_escape_what_they_are_given() -> None:
    text = markdown(STRANGE)
    assert r"| \<b>\*x\*\|y | **0.5**<sup>\*</sup> ± 0.1 |" in text
    assert r"| *published*<sup>†</sup> | *–* |" in text
    page = html(STRANGE)
    assert "&lt;b&gt;*x*|y" in page
    assert '<td class="best">0.5<sup>*</sup><small>± 0.1</small></td>' in page
    assert "R&amp;D_1" in page


def test_the_page_names_what_is_left_out_and_unfinished() -> None:
    found = value([row("cvh", CLOSE)], unfinished=["CVH, wikipedia, 64 bits, seed 9"])
    page = markdown_page(found)
    assert page.startswith("# Benchmark x, unfinished\n")
    assert "- Not finished: 1 trials, the first: CVH, wikipedia, 64 bits, seed 9" in page
    assert "- Left out: nuswide: not in this version" in page
    assert "in training, so the codes that a method learnt from labels carry them" in page
    assert "2,173 pairs to learn and to choose from, 2,173 of them labelled; 693 queries" in page
