"""The word that a group of phrases goes by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

import numpy as np

from seewhy.words.embed import Encoder
from seewhy.words.lemmas import Word


def central_word(group: Mapping[str, int], candidates: Collection[Word], encode: Encoder) -> Word:
    """The candidate nearest to all phrases of a group, the alphabet's first of equals; a noun where there is one.

    `group` counts each phrase. Nearest is the largest sum of cosines, a phrase that was said twice counting twice.
    Source: Bianchi et al. 2024, the naming of their label analysis. Differs: there "thin legs" alone may be "thin".
    """
    nouns = [word for word in candidates if word.noun]
    ordered = sorted(nouns or candidates, key=lambda word: (word.text, word.lemma))
    cosines = encode([word.text for word in ordered]) @ encode(list(group)).T
    sums = cosines @ np.array(list(group.values()))
    return ordered[int(sums.round(6).argmax())]


def one_form(names: Iterable[Word], typed: Counter[str]) -> dict[str, str]:
    """For each base form among `names` the form that was typed most often, the shorter of equals: ear or ears."""
    forms: dict[str, list[str]] = {}
    for word in names:
        forms.setdefault(word.lemma, []).append(word.text)
    return {lemma: min(texts, key=lambda text: (-typed[text], len(text), text)) for lemma, texts in forms.items()}
