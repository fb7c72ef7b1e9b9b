"""Groups of Unicode characters: scripts, blocks of symbols, and categories across both."""

from __future__ import annotations

import unicodedata

__all__ = ["CATEGORIES", "GROUPS", "category_of", "group_of"]

# A letter's official name starts with its script.
SCRIPTS = {
    "ARABIC": "arabic",
    "ARABIC-INDIC": "arabic",
    "ARMENIAN": "armenian",
    "CANADIAN": "canadian syllabics",
    "CYRILLIC": "cyrillic",
    "GEORGIAN": "georgian",
    "GREEK": "greek",
    "HEBREW": "hebrew",
    "LAO": "lao",
    "LATIN": "latin",
    "LISU": "lisu",
    "NKO": "nko",
    "OGHAM": "ogham",
    "TIFINAGH": "tifinagh",
}
# First and last code point of the blocks that hold symbols, after Unicode's Blocks.txt.
BLOCKS = (
    (0x02B0, 0x02FF, "modifiers"),
    (0x0600, 0x06FF, "arabic"),
    (0x1D2C, 0x1D6A, "modifiers"),
    (0x2100, 0x214F, "letterlike"),
    (0x2190, 0x21FF, "arrows"),
    (0x2200, 0x22FF, "mathematical operators"),
    (0x2300, 0x23FF, "technical"),
    (0x2500, 0x259F, "boxes"),
    (0x25A0, 0x25FF, "geometric shapes"),
    (0x2600, 0x26FF, "miscellaneous symbols"),
    (0x2700, 0x27BF, "dingbats"),
    (0x27C0, 0x27EF, "mathematical operators"),
    (0x27F0, 0x27FF, "arrows"),
    (0x2800, 0x28FF, "braille"),
    (0x2900, 0x297F, "arrows"),
    (0x2980, 0x2AFF, "mathematical operators"),
    (0x2B00, 0x2B11, "arrows"),
    (0x2B12, 0x2BFF, "geometric shapes"),
    (0x4DC0, 0x4DFF, "hexagrams"),
    (0xA700, 0xA71F, "modifiers"),
    (0x10300, 0x1032F, "old italic"),
    (0x1D300, 0x1D35F, "hexagrams"),
    (0x1D400, 0x1D7FF, "mathematical letters"),
    (0x1EE00, 0x1EEFF, "mathematical letters"),
    (0x1F030, 0x1F0FF, "games"),
    (0x1F600, 0x1F64F, "emoticons"),
)
# "Other letter" and "other symbol" are left out: Unicode's rest has nothing in common.
KINDS = {
    "Lu": "upper case",
    "Lt": "upper case",
    "Ll": "lower case",
    "Lm": "modifiers and accents",
    "Sk": "modifiers and accents",
    "Nd": "numbers",
    "Nl": "numbers",
    "No": "numbers",
    "Pc": "punctuation",
    "Pd": "punctuation",
    "Pe": "punctuation",
    "Pf": "punctuation",
    "Pi": "punctuation",
    "Po": "punctuation",
    "Ps": "punctuation",
    "Sc": "currency",
    "Sm": "mathematical symbols",
}

GROUPS: tuple[str, ...] = (
    *sorted({*SCRIPTS.values(), *(group for _, _, group in BLOCKS)}),
    "other",
)
CATEGORIES: tuple[str, ...] = tuple(sorted(set(KINDS.values())))


def group_of(point: int, name: str) -> str:
    """Return the script or block of a code point, one of `GROUPS`."""
    script = SCRIPTS.get(name.split()[0])
    if script is not None:
        return script
    return next((group for first, last, group in BLOCKS if first <= point <= last), "other")


def category_of(point: int) -> str | None:
    """Return the general category across scripts, one of `CATEGORIES`, or None."""
    return KINDS.get(unicodedata.category(chr(point)))
