"""From what many people typed to the labels they meant."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from seewhy.words.text import (
    Encoder,
    Grouping,
    Word,
    analyse,
    class_words,
    normalise,
    offence,
    sentence_encoder,
    spell,
    without_names,
)

LONGEST = 80  # characters; what is longer is no label
OFFENSIVE, TOO_LONG, EMPTY = "offensive", "too long", "nothing but the class, filler words or signs"


@dataclass(frozen=True)
class Phrase:
    """What somebody typed: on the way to guessing the class `about`, in a language by its BCP 47 tag."""

    text: str
    about: str
    language: str = "en"


@dataclass(frozen=True)
class Label:
    """One meaning: its name, the class it was said of, and the phrases as typed, each with its count, most first.

    The name of a label in another language than English ends in the language: `ruota (it)`.
    """

    name: str
    about: str
    language: str
    phrases: tuple[tuple[str, int], ...]

    @property
    def count(self) -> int:
        """How often it was said."""
        return sum(count for _, count in self.phrases)


@dataclass(frozen=True)
class Vocabulary:
    """All labels, class by class, the most frequent first; and how many phrases were dropped, by reason."""

    labels: tuple[Label, ...]
    dropped: Mapping[str, int]

    def name_of(self, phrase: Phrase) -> str | None:
        """The name of the label that a phrase stands for; None for one that was dropped."""
        return self._names.get(phrase)

    @cached_property
    def said(self) -> Counter[str]:
        """How often each label was said, of whatever class."""
        found: Counter[str] = Counter()
        for label in self.labels:
            found[label.name] += label.count
        return found

    @cached_property
    def _names(self) -> dict[Phrase, str]:
        return {
            Phrase(text, label.about, label.language): label.name for label in self.labels for text, _ in label.phrases
        }


def find_labels(
    phrases: Iterable[Phrase],
    names: Mapping[str, Sequence[str]] | None = None,
    *,
    encode: Encoder | None = None,
    group: Grouping | None = None,
) -> Vocabulary:
    """Clean, correct and name what people typed, class by class.

    Args:
        phrases: what was typed, each time it was.
        names: other names of each class, which are dropped from its phrases as the class itself is.
        encode: phrases to unit vectors, for `group`; without it `sentence_encoder()`.
        group: vectors to groups of one meaning. Without it only forms of the same words are one label, so that no
            label says what nobody typed for it: by meaning, parts of one animal are near.

    Languages other than English are kept apart: nothing in them is corrected, judged or grouped by meaning.
    Source: Bianchi et al. 2024, label analysis. Differs: spelling is corrected, offensive words are dropped, phrases
    are kept whole, and nothing is translated.

    Raises:
        UsageError: the extra `words` is not installed.
    """
    heard: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for phrase in phrases:
        heard[phrase.about, phrase.language][phrase.text] += 1
    own = {about: (about, *(names or {}).get(about, ())) for about, _ in heard}
    english = {
        (about, language): _understand(_short(texts), own[about], encode, group)
        for (about, language), texts in heard.items()
        if is_english(language)
    }
    # A phrase has one form in all classes, the one typed most.
    central = [word for each in english.values() for word in each.words.values()]
    forms = one_form(central, sum((each.typed for each in english.values()), Counter()))
    labels: list[Label] = []
    dropped: Counter[str] = Counter()
    for (about, language), texts in sorted(heard.items()):
        offensive: frozenset[str] = frozenset()
        if understood := english.get((about, language)):
            found = {text: forms[word.lemma] for text, word in understood.words.items()}
            offensive = understood.offensive
        else:
            cleaned = {text: without_names(normalise(text), own[about]) for text in _short(texts)}
            found = {text: f"{phrase} ({language})" for text, phrase in cleaned.items() if phrase}
        labels += _labels(about, language, found, texts)
        for text in texts.keys() - found.keys():
            reason = TOO_LONG if len(text) > LONGEST else OFFENSIVE if text in offensive else EMPTY
            dropped[reason] += texts[text]
    return Vocabulary(tuple(labels), dict(dropped))


def is_english(language: str) -> bool:
    """Whether a BCP 47 tag means English, of any country.

    >>> is_english("en-GB"), is_english("it")
    (True, False)
    """
    return language.lower().partition("-")[0] == "en"


def _short(texts: Counter[str]) -> Counter[str]:
    return Counter({text: count for text, count in texts.items() if len(text) <= LONGEST})


def _labels(about: str, language: str, found: Mapping[str, str], texts: Mapping[str, int]) -> list[Label]:
    members: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
    for text, name in found.items():
        members[name].append((text, texts[text]))
    labels = [
        Label(name, about, language, tuple(sorted(said, key=lambda pair: (-pair[1], pair[0]))))
        for name, said in members.items()
    ]
    return sorted(labels, key=lambda label: (-label.count, label.name))


@dataclass(frozen=True)
class _Understood:
    """The phrase that each text as typed comes down to; how often each form of it was typed; what is offensive.

    A text without meaning is in neither `words` nor `offensive`.
    """

    words: Mapping[str, Word]
    typed: Counter[str]
    offensive: frozenset[str]


def _understand(
    texts: Counter[str], names: Sequence[str], encode: Encoder | None, group: Grouping | None
) -> _Understood:
    """What was meant by texts about one class; `names` are the class's own."""
    own = class_words(names)
    judge = offence(own)
    offensive = frozenset(text for text in texts if judge(text) or judge(normalise(text)))
    decent = Counter({text: count for text, count in texts.items() if text not in offensive})
    # Slips are mended first, and then the class is taken out, which may have been misspelt.
    split = {text: normalise(text).split() for text in decent}
    correct = spell((word for text in decent.elements() for word in split[text]), own)
    mended = {text: without_names(" ".join(map(correct, words)), names) for text, words in split.items()}
    phrases = {text: _phrase(words) for text, words in _words(mended, own).items()}
    typed: Counter[str] = Counter()
    for text, phrase in phrases.items():
        typed[phrase.text] += texts[text]
    if group is not None:
        phrases = _central(phrases, decent, encode or sentence_encoder(), group)
    return _Understood(phrases, typed, offensive)


def _phrase(words: Sequence[Word]) -> Word:
    """Words as one, known by their base forms."""
    text, lemma = (" ".join(each) for each in zip(*((word.text, word.lemma) for word in words), strict=True))
    return Word(text, lemma, filler=False, noun=any(word.noun for word in words))


def _words(phrases: Mapping[str, str], own: frozenset[str]) -> dict[str, list[Word]]:
    """The words with meaning of each phrase that has one; those of the class's name only where it has no other."""
    found = zip(phrases, analyse(list(phrases.values())), strict=True)
    meant = {text: [word for word in words if not word.filler] for text, words in found}
    telling = {text: [word for word in words if not {word.text, word.lemma} & own] for text, words in meant.items()}
    return {text: telling[text] or words for text, words in meant.items() if words}


def _central(
    phrases: Mapping[str, Word], texts: Mapping[str, int], encode: Encoder, group: Grouping
) -> dict[str, Word]:
    """The phrase that the group of each text goes by; texts are grouped by the base forms of their words."""
    counts: Counter[str] = Counter()
    for text, phrase in phrases.items():
        counts[phrase.lemma] += texts[text]
    groups: defaultdict[int, list[str]] = defaultdict(list)
    for key, number in zip(counts, group(encode(list(counts))), strict=True):
        groups[int(number)].append(key)
    central: dict[str, Word] = {}
    for members in groups.values():
        candidates = {phrase for phrase in phrases.values() if phrase.lemma in members}
        name = central_word({key: counts[key] for key in members}, candidates, encode)
        central.update(dict.fromkeys(members, name))
    return {text: central[phrase.lemma] for text, phrase in phrases.items()}


def central_word(group: Mapping[str, int], candidates: Collection[Word], encode: Encoder) -> Word:
    """The candidate nearest to all phrases of a group, the alphabet's first of equals; a noun where there is one.

    `group` counts each phrase. Nearest is the largest sum of cosines, a phrase that was said twice counting twice.
    Source: Bianchi et al. 2024, the naming of their label analysis. Differs: there it is one word of a phrase.
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
