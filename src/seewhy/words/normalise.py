"""What people type, brought to one form: composed characters, lower case, words and single spaces, no class name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

KEPT = "LMN"  # letters, the marks on them, numbers
APOSTROPHES = re.compile("[\u2018\u2019\u02bc\uff07`\u00b4]")
LOOSE = re.compile(r"(?<!\w)'|'(?!\w)")


def normalise(text: str) -> str:
    """The words of `text` in lower case with single spaces; an apostrophe stays inside a word.

    Unicode NFKC first, so that what looks alike is alike. Punctuation, symbols and control characters (NUL) part
    words; invisible marks (joiners, directions of writing) vanish.
    """
    plain = APOSTROPHES.sub("'", unicodedata.normalize("NFKC", text)).lower()
    return " ".join(LOOSE.sub(" ", "".join(map(_kept, plain))).split())


def without_names(text: str, names: Iterable[str]) -> str:
    """Normalised `text` without the class's names, in the plural and the possessive too; it may come out empty."""
    for name in sorted(filter(None, map(normalise, names)), key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(name)}(?:e?s)?(?:'s|')?(?!\w)", " ", text)
    return " ".join(LOOSE.sub(" ", text).split())


def class_words(names: Iterable[str]) -> frozenset[str]:
    """Every single word of these names, normalised."""
    return frozenset(word for name in names for word in normalise(name).split())


def _kept(character: str) -> str:
    category = unicodedata.category(character)
    if category[0] in KEPT or character == "'":
        return character
    return "" if category == "Cf" else " "
