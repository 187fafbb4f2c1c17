"""Slips of the keyboard, mended with care: one letter, towards words that others typed or that are English."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Any

from seewhy.words.extra import needs_extra

if TYPE_CHECKING:
    from symspellpy import SymSpell

# Letters; in a shorter word one letter makes another word too easily. What others typed is likelier meant.
SHORTEST, SHORTEST_HEARD = 5, 4


@dataclass(frozen=True, eq=False)
class Speller:
    """Corrects single words against a dictionary, the nearest words that others typed first."""

    dictionary: SymSpell
    heard: SymSpell

    def __call__(self, word: str) -> str:
        """`word` itself where it is known or short, else the known word one slip away, if there is one.

        A slip is a letter too many, missing or wrong, or two changed round.
        """
        if not word.isalpha() or word in self.heard.words or word in self.dictionary.words:
            return word
        near = _nearest(self.heard, word) if len(word) >= SHORTEST_HEARD else None
        return near or (_nearest(self.dictionary, word) if len(word) >= SHORTEST else None) or word


def spell(typed: Iterable[str] = (), accepted: Iterable[str] = ()) -> Speller:
    """A speller of English that prefers `typed` words where they are English, and `accepted` words in any case.

    `accepted` are the class's own words and labels of before: they are never corrected.

    Raises:
        UsageError: the extra `words` is not installed.
    """
    dictionary, heard, welcome = _dictionary(), _empty(), set(accepted)
    for word in typed:
        if word in dictionary.words or word in welcome:
            heard.create_dictionary_entry(word, 1)  # counts how often
    for word in welcome:
        heard.create_dictionary_entry(word, 1)
    return Speller(dictionary, heard)


def _nearest(known: SymSpell, word: str) -> str | None:
    from symspellpy import Verbosity

    found: list[Any] = known.lookup(word, Verbosity.TOP, max_edit_distance=1)
    return found[0].term if found else None


@cache
def _dictionary() -> SymSpell:
    known = _empty()
    with as_file(files("symspellpy") / "frequency_dictionary_en_82_765.txt") as path:
        known.load_dictionary(str(path), term_index=0, count_index=1)
    return known


def _empty() -> SymSpell:
    with needs_extra():
        from symspellpy import SymSpell

    return SymSpell(max_dictionary_edit_distance=1)
