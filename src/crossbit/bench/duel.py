"""Table IV: Dis against SCH-GAN, and the strong network without a game beside them."""

from __future__ import annotations

from crossbit.bench import published
from crossbit.bench.results import Json
from crossbit.bench.sheet import MISSING, Entry, Line, Sheet
from crossbit.bench.standing import CHAMPION, RIVALS, columns_of, paired, row_of
from crossbit.bench.tables import (
    figure_entry,
    groups_of,
    label_of,
    name_entry,
    published_lines,
    published_note,
    rule_notes,
)
from crossbit.metrics import Paired

__all__ = ["duel_sheet"]


def duel_sheet(value: Json, dataset: str) -> Sheet:
    """Return Dis, Dis+ and SCH-GAN with their paired differences: Table IV."""
    columns = columns_of(value, dataset)
    lines = []
    for method in (*RIVALS, CHAMPION):
        if method in value["methods"]:
            found = [row_of(value, dataset, method, "view", bits) for _, bits in columns]
            figures = [figure_entry(r, d) for r, (d, _) in zip(found, columns, strict=True)]
            lines.append(Line("ours", (name_entry(value, dataset, method, "view"), *figures)))
            lines += published_lines(dataset, method, columns, 1)
    lines.append(Line("block", (Entry("Paired differences, with 95 % intervals"),)))
    for rival in (r for r in RIVALS if r in value["methods"]):
        entries = []
        for direction, bits in columns:
            pair = paired(
                row_of(value, dataset, CHAMPION, "view", bits),
                row_of(value, dataset, rival, "view", bits),
                direction,
            )
            entries.append(MISSING if pair is None else _entry(pair))
        name = f"{label_of(value, CHAMPION)} − {label_of(value, rival)}"
        lines.append(Line("ours", (Entry(name), *entries)))
    title = published.DATASETS.get(dataset, dataset)
    return Sheet(
        name=f"duel-{dataset}",
        title=f"Table IV: Dis against SCH-GAN, {title}",
        caption="MAP, mean ± standard deviation over seeds; database codes per view. Dis is the "
        "discriminator of SCH-GAN trained by itself, Dis+ a strong network without a game. "
        "Differences are paired over seeds, with Student's t interval; in bold where it excludes "
        "zero.",
        groups=[("", 1), *groups_of(columns)],
        columns=["method", *(str(bits) for _, bits in columns)],
        lines=lines,
        words=1,
        notes=[*published_note(dataset), *rule_notes(value, dataset)],
    )


def _entry(pair: Paired) -> Entry:
    interval = f"[{pair.low:+.3f}, {pair.high:+.3f}]"
    return Entry(f"{pair.mean:+.3f}", interval, bold=pair.low > 0 or pair.high < 0)
