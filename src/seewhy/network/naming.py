"""Words for the concepts of a book: what people say of its crops, and what a model proposes for people to judge.

Each line of `names.jsonl` is what one player said once; lines are only added, so that many may play at a time. Words go
with the vectors that they were said of: of another book in the folder they are nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from typing_extensions import TypedDict

from seewhy.core.files import write_json
from seewhy.core.reading import parse_json, read_json, read_whole
from seewhy.errors import UnknownName, UsageError
from seewhy.images import Image
from seewhy.models import Classifier
from seewhy.network.book import ConceptBook, Proposal, Word
from seewhy.people.names import checked_words, taken_for
from seewhy.people.naming import AGREED, Said, agreed, next_thing

NAMES, PROPOSALS = "names.jsonl", "proposals.json"
CURE = "remove it, and name the concepts again"
PROPOSED = 3  # words for a concept
BATCH = 16
MOST = 1 << 26  # bytes of what players said


@dataclass(frozen=True)
class Saying:
    """What a player says of a concept: a word, nothing (they passed), or that a proposed word is wrong.

    `book` is the SHA-256 of the vectors that it was said of.
    """

    concept: str
    player: str
    text: str
    book: str
    refused: bool = False


class _Proposals(TypedDict):
    book: str
    model: str
    words: dict[str, list[tuple[str, float]]]


def say(folder: Path, saying: Saying) -> None:
    """Add what a player said.

    Raises:
        UsageError: there is no player, or the word is too long or holds what nobody can see.
    """
    if not saying.player.strip() or (saying.refused and not saying.text.strip()):
        raise UsageError("a name is a word, and somebody who says it: WORD --player NAME")
    words = checked_words([saying.text]) if saying.text.strip() else ("",)
    line = json.dumps({**asdict(saying), "text": words[0]}, ensure_ascii=True) + "\n"
    handle = os.open(folder / NAMES, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(handle, line.encode())  # one call, which others' lines do not get into
    finally:
        os.close(handle)


def sayings(folder: Path, book: str) -> list[Saying]:
    """What players said of a book's concepts; of what one called a concept the last word.

    Raises:
        BadFile: the file is damaged.
    """
    if not (folder / NAMES).exists():
        return []
    last: dict[tuple[str, str, str], Saying] = {}
    people: dict[str, str] = {}
    for line in read_whole(folder / NAMES, CURE, MOST).splitlines():
        each = parse_json(line, Saying, folder / NAMES, CURE)
        if each.player not in people:
            people[each.player] = known_as(people.values(), each.player)
        each = replace(each, player=people[each.player])
        last[each.concept, each.player, each.text.casefold() if each.refused else ""] = each
    return [each for each in last.values() if each.book == book]


def known_as(people: Iterable[str], player: str) -> str:
    """The name among `people` that a player has: names that look alike are one, so that nobody agrees with themselves.

    Raises:
        UsageError: it is no name.
    """
    name = player.strip()
    if not name:
        raise UsageError("whose turn is it? Give a name: --player NAME")
    return taken_for(name, people) or name


def words_of(said: Sequence[Saying]) -> dict[str, Word]:
    """The words on which two people or more agree, forms of one word as one; see `people.naming.agreed`."""
    found = agreed(_labelled(said))
    return {key: Word(each.label, each.people, each.asked) for key, each in found.items()}


@dataclass(frozen=True)
class Fate:
    """What has become of a player's word for a concept: how many give it, and whether it stands."""

    concept: str
    text: str
    people: int
    stands: bool


def fates(said: Sequence[Saying], player: str) -> list[Fate]:
    """What has become of each word that a player gave, in the order in which they came; who passed gave none."""
    labelled = _labelled(said)
    standing = agreed(labelled)
    givers: dict[tuple[str, str | None], set[str]] = {}
    for each in labelled:
        givers.setdefault((each.thing, each.label), set()).add(each.player)
    names = [each for each in said if not each.refused]
    return [
        Fate(
            each.concept,
            each.text,
            len(givers[each.concept, one.label]) if one.label else 0,
            each.concept in standing and standing[each.concept].label == one.label,
        )
        for each, one in zip(names, labelled, strict=True)
        if each.player == player and each.text
    ]


def next_concept(book: ConceptBook, said: Sequence[Saying], player: str) -> str | None:
    """The concept whose crops a player is to see next; None when they have seen all."""
    keys = [each.key for layer in book.layers for each in layer.concepts]
    given = [Said(each.concept, each.player, None) for each in said if not each.refused]
    return next_thing(keys, given, player)


def propose(book: ConceptBook, namer: Classifier, top: int = PROPOSED) -> dict[str, list[tuple[str, float]]]:
    """For each concept the words that a classifier of words, such as CLIP with texts, finds likeliest in its crops.

    The score is the mean over crops of the probability.

    Raises:
        UsageError: the classifier gives values.
    """
    if namer.head.meaning == "values":
        raise UsageError(f"{namer.name} gives values, not words; take a model that compares pictures with texts")
    found: dict[str, list[tuple[str, float]]] = {}
    for layer in book.layers:
        for concept in layer.concepts:
            crops = [Image(each.pixels, each.photo) for each in concept.examples]
            if crops:
                size = namer.at_once(BATCH)
                parts = [namer.probabilities(crops[start : start + size]) for start in range(0, len(crops), size)]
                mean = torch.cat(parts).double().mean(0)
                best = mean.topk(min(top, len(mean)))
                found[concept.key] = [
                    (namer.categories[index], score)
                    for index, score in zip(best.indices.tolist(), best.values.tolist(), strict=True)
                ]
    return found


def write_proposals(folder: Path, book: str, model: str, words: Mapping[str, list[tuple[str, float]]]) -> None:
    """Keep what a model proposes beside the book; what another proposed before is gone."""
    write_json(folder / PROPOSALS, {"book": book, "model": model, "words": dict(words)})


def proposals(folder: Path, book: str, said: Sequence[Saying]) -> dict[str, Proposal]:
    """What is proposed for each concept, without what two people refused."""
    if not (folder / PROPOSALS).exists():
        return {}
    told = read_json(folder / PROPOSALS, _Proposals, "remove it, and let words be proposed again")
    if told["book"] != book:
        return {}
    refused: dict[tuple[str, str], set[str]] = {}
    for each in said:
        if each.refused:
            refused.setdefault((each.concept, each.text.casefold()), set()).add(each.player)
    found: dict[str, Proposal] = {}
    for key, words in told["words"].items():
        left = tuple(word for word, _ in words if len(refused.get((key, word.casefold()), ())) < AGREED)
        if left:
            found[key] = Proposal(left, told["model"])
    return found


def check_concept(book: ConceptBook, key: str) -> None:
    """Refuse a key that the book has not.

    Raises:
        UnknownName: it has no such concept.
    """
    keys = [each.key for layer in book.layers for each in layer.concepts]
    if key not in keys:
        raise UnknownName(f"the book has no concept '{key}'; it has {', '.join(keys) or 'none'}")


def _labelled(said: Sequence[Saying]) -> list[Said]:
    names = [each for each in said if not each.refused]
    if not any(each.text for each in names):
        return [Said(each.concept, each.player, None) for each in names]
    from seewhy.words import Phrase, find_labels

    vocabulary = find_labels(Phrase(each.text, "") for each in names if each.text)
    return [
        Said(each.concept, each.player, vocabulary.name_of(Phrase(each.text, "")) if each.text else None)
        for each in names
    ]
