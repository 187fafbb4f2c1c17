"""Phrases of English about one class: corrected, grouped by meaning, each group brought to one of its words."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from seewhy.words.embed import Encoder
from seewhy.words.grouping import Grouping
from seewhy.words.lemmas import Word, analyse
from seewhy.words.naming import central_word
from seewhy.words.normalise import class_words, normalise, without_names
from seewhy.words.offensive import offence
from seewhy.words.spelling import spell


@dataclass(frozen=True)
class Understood:
    """The word that each text as typed comes down to; how often each form of a word was typed; what is offensive.

    A text without meaning is in neither `words` nor `offensive`.
    """

    words: Mapping[str, Word]
    typed: Counter[str]
    offensive: frozenset[str]


def understand(texts: Counter[str], names: Sequence[str], encode: Encoder, group: Grouping) -> Understood:
    """What was meant by texts about one class; `names` are the class's own."""
    own = class_words(names)
    judge = offence(own)
    offensive = frozenset(text for text in texts if judge(text) or judge(normalise(text)))
    decent = Counter({text: count for text, count in texts.items() if text not in offensive})
    words = _words(_corrected(decent, names, own), own)
    typed: Counter[str] = Counter()
    for text, found in words.items():
        for word in found:
            typed[word.text] += texts[text]
    return Understood(_central(words, decent, encode, group), typed, offensive)


def _corrected(texts: Counter[str], names: Sequence[str], own: Iterable[str]) -> dict[str, str]:
    """Without slips, and then without the class, which may have been misspelt."""
    typed = {text: normalise(text).split() for text in texts}
    correct = spell((word for text in texts.elements() for word in typed[text]), own)
    return {text: without_names(" ".join(map(correct, words)), names) for text, words in typed.items()}


def _words(phrases: Mapping[str, str], own: frozenset[str]) -> dict[str, list[Word]]:
    """The words with meaning of each phrase that has one; those of the class's name only where it has no other."""
    found = zip(phrases, analyse(list(phrases.values())), strict=True)
    meant = {text: [word for word in words if not word.filler] for text, words in found}
    telling = {text: [word for word in words if not {word.text, word.lemma} & own] for text, words in meant.items()}
    return {text: telling[text] or words for text, words in meant.items() if words}


def _central(
    words: Mapping[str, Sequence[Word]], texts: Mapping[str, int], encode: Encoder, group: Grouping
) -> dict[str, Word]:
    """The word that the group of each text goes by; texts are grouped by the base forms of their words."""
    keys = {text: " ".join(word.lemma for word in found) for text, found in words.items()}
    counts: Counter[str] = Counter()
    candidates: defaultdict[str, set[Word]] = defaultdict(set)
    for text, key in keys.items():
        counts[key] += texts[text]
        candidates[key].update(words[text])
    groups: defaultdict[int, list[str]] = defaultdict(list)
    for key, number in zip(counts, group(encode(list(counts))), strict=True):
        groups[int(number)].append(key)
    central: dict[str, Word] = {}
    for members in groups.values():
        shared = {word for key in members for word in candidates[key]}
        word = central_word({key: counts[key] for key in members}, shared, encode)
        central.update(dict.fromkeys(members, word))
    return {text: central[key] for text, key in keys.items()}
