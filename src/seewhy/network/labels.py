"""What people call the clusters of a picture: scored labels, and clusters united where people saw the same in them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np

from seewhy.models import Classifier
from seewhy.network.view import Cluster, LayerView, NetworkView, Words
from seewhy.people.agreement import reliability
from seewhy.people.records import Answer
from seewhy.people.rounds import answers
from seewhy.people.store import Store, is_there, open_store
from seewhy.words import DEFAULT_ENCODER, Grouping, Phrase, Vocabulary, find_labels, sentence_encoder

LAST_STAGE = 5
SIMULATED = " (simulated)"
AGREED = 2  # people who give a label before it stands on a picture
NEAR = 0.5  # of the best score; what few said is in the records, not on the picture
SAME = 0.1  # per cent of a layer, by which another machine may weigh a cluster otherwise
PER_STAGE, ALL_WRONG = 0.1, 0.25  # what a label loses by each stage, and what is left where nobody guessed right


@dataclass(frozen=True)
class ScoredLabel:
    """A label of one cluster: how many answers gave it, at which stage on average, and whether any guessed right."""

    name: str
    score: float
    count: int
    mean_stage: float
    right: bool


@dataclass(frozen=True)
class ClusterWords:
    """What came of the games about a cluster: its labels, best first, and how the games ended.

    `mean_stage` is from 0 to 5 and counts who resigned as having seen all. `simulated`: no person said this.
    """

    labels: tuple[ScoredLabel, ...]
    won: int
    lost: int
    resigned: int
    mean_stage: float
    simulated: bool

    @property
    def games(self) -> int:
        """How many there were."""
        return self.won + self.lost + self.resigned

    @property
    def best(self) -> tuple[str, ...]:
        """The labels with the highest score, several where they are equal."""
        return tuple(each.name for each in self.labels if np.isclose(each.score, self.labels[0].score))


Said: TypeAlias = Mapping[tuple[str, int], ClusterWords]  # by layer and cluster


@dataclass(frozen=True, eq=False)
class United:
    """Clusters of one layer in which people saw the same: their indices, summed weight, maps and mean map `(h, w)`."""

    clusters: tuple[int, ...]
    weight: float
    maps: tuple[int, ...]
    map: np.ndarray
    words: ClusterWords


@dataclass(frozen=True)
class Lexicon:
    """What people, or simulated players, said about one classifier or all, and the labels made of it.

    `trust` says of each player how far to rely on them, in [0, 1].
    """

    answers: tuple[Answer, ...]
    vocabulary: Vocabulary
    trust: Mapping[str, float]
    simulated: bool

    def on(self, view: NetworkView) -> Said:
        """The words on the clusters of a view, by layer and cluster.

        What was said of a cluster that is another one now, because maps are grouped otherwise, is left out.
        """
        now = {(layer.name, each.index): each.weight for layer in view.layers for each in layer.clusters}
        about = self._about.get((view.image.sha256, view.target_label), ())
        same = (each for each in about if abs(now.get((each.layer, each.cluster), np.inf) - each.weight) < SAME)
        return words_of(same, self.vocabulary, self.trust)

    @cached_property
    def _about(self) -> Mapping[tuple[str, str], Sequence[Answer]]:
        """Answers by picture and class."""
        found: defaultdict[tuple[str, str], list[Answer]] = defaultdict(list)
        for answer in self.answers:
            found[answer.image_hash, answer.true_class].append(answer)
        return found


def lexicon(
    store: Store,
    classifier: Classifier | None = None,
    *,
    simulated: bool = False,
    encoder: str = DEFAULT_ENCODER,
    group: Grouping | None = None,
) -> Lexicon:
    """Clean and name what was said, of people or of simulated players, never of both together.

    Args:
        store: where the answers are.
        classifier: only what was said about it; without one about all. Its classes' other names are dropped from
            what was typed, as the classes are.
        simulated: what simulated players said.
        encoder: a name for `sentence_encoder`, where phrases are grouped.
        group: how phrases are brought together by meaning; without it a label is what was typed, but for its form.

    Raises:
        UsageError: the extra `words` is not installed.
    """
    given = answers(store, simulated=simulated, model=classifier.fingerprint if classifier else None)
    phrases = phrases_of(given)
    names: dict[str, tuple[str, ...]] = {}
    if classifier and classifier.categories.synonyms:
        classes = {phrase.about for phrase in phrases}
        known = zip(classifier.categories.names, classifier.categories.synonyms, strict=True)
        names = {name: others for name, others in known if name in classes}
    encode = sentence_encoder(encoder) if phrases and group else None
    trust = {each.player: each.ability for each in reliability(given)}
    vocabulary = find_labels(phrases, names, encode=encode, group=group)
    return Lexicon(tuple(given), vocabulary, trust, simulated)


def naming_of(classifier: Classifier) -> Callable[[NetworkView], tuple[Words, str]] | None:
    """Gives the words on a view of this classifier and where they come from; None while nobody said anything.

    Words of simulated players are taken where there are none of people, and marked as such.
    """
    if not is_there():
        return None
    with open_store() as store:
        said = [answers(store, simulated=kind, model=classifier.fingerprint) for kind in (False, True)]
        if not any(said):
            return None
        known = lexicon(store, classifier, simulated=not said[0])

    def name(view: NetworkView) -> tuple[Words, str]:
        found = known.on(view)
        return scores_of(found), about_words(known, found) if found else ""

    return name


def about_words(known: Lexicon, found: Said) -> str:
    """Who gave the words on a view, in a sentence."""
    games = sum(each.games for each in found.values())
    if known.simulated:
        return f"simulated; no person said them. They come from {games} games of programs that play at random."
    return f"from {games} games that people played with this photo; a larger number fits better."


def label_score(count: float, mean_stage: float, *, right: bool) -> float:
    """How well a label fits: often given, seen early, and a quarter where no guess behind it was right.

    Source: Bianchi et al. 2024, s = count · (1 − 0.1 · mean stage).
    """
    return count * (1 - PER_STAGE * mean_stage) * (1 if right else ALL_WRONG)


def phrases_of(answers: Iterable[Answer]) -> list[Phrase]:
    """What was typed, each with the class that its player had guessed."""
    guessed = [(answer, answer.guess) for answer in answers if answer.guess is not None]
    return [Phrase(text, guess, answer.language) for answer, guess in guessed for text in answer.labels]


def words_of(
    answers: Iterable[Answer], vocabulary: Vocabulary, trust: Mapping[str, float] | None = None
) -> dict[tuple[str, int], ClusterWords]:
    """The words on each cluster of one picture that somebody played, from all answers about the picture.

    With `trust`, in [0, 1] by player, an answer counts in a score as much as its player is trusted; the paper has no
    such thing, and without it three players of whom one means harm end in a tie. Of equal labels the one that is said
    more often anywhere comes first.
    """
    games: defaultdict[tuple[str, int], list[Answer]] = defaultdict(list)
    for answer in answers:
        games[answer.layer, answer.cluster].append(answer)
    return {cluster: _words(played, vocabulary, trust or {}) for cluster, played in games.items()}


def scores_of(words: Said) -> Words:
    """Labels and scores alone, as a picture of the view takes them: those that come near the best.

    What one player alone said is left out. What no person said is marked so on every label: pictures travel without
    the page that explains them.
    """
    agreed = {cluster: [each for each in said.labels if each.count >= AGREED] for cluster, said in words.items()}
    return {
        cluster: tuple(
            (f"{label.name}{SIMULATED if words[cluster].simulated else ''}", label.score)
            for label in labels
            if label.score >= NEAR * labels[0].score
        )
        for cluster, labels in agreed.items()
    }


@dataclass(frozen=True)
class Fate:
    """What a player's phrase on a group has become: its label, or None; how many gave it; whether it is on the card."""

    answer: Answer
    text: str
    label: str | None
    people: int

    @property
    def stands(self) -> bool:
        """Whether two people or more gave the label, so that it may stand on pictures."""
        return self.label is not None and self.people >= AGREED


def fates(known: Lexicon, player: str) -> list[Fate]:
    """What has become of each phrase that a player typed, in the order in which they came.

    A phrase that was dropped, as nothing but the class or as no word, has no label.
    """
    givers: defaultdict[tuple[str, str, str, int, str], set[str]] = defaultdict(set)
    mine: list[tuple[Answer, str, str | None]] = []
    for answer in known.answers:
        for phrase in phrases_of([answer]):
            label = known.vocabulary.name_of(phrase)
            if label is not None:
                givers[(*_group(answer), label)].add(answer.player)
            if answer.player == player:
                mine.append((answer, phrase.text, label))
    return [
        Fate(answer, text, label, len(givers[(*_group(answer), label)]) if label is not None else 0)
        for answer, text, label in mine
    ]


def _group(answer: Answer) -> tuple[str, str, str, int]:
    return answer.image_hash, answer.true_class, answer.layer, answer.cluster


def unite(layer: LayerView, words: Said) -> tuple[United, ...]:
    """The layer's clusters with words, those that share a best label as one, heaviest first.

    Sharing is passed on: A and B, B and C unite all three. Source: Bianchi et al. 2024, label merging.
    """
    played = [cluster for cluster in layer.clusters if (layer.name, cluster.index) in words]
    groups: list[tuple[set[str], list[Cluster]]] = []
    for cluster in played:
        names, members = set(words[layer.name, cluster.index].best), [cluster]
        for group in [group for group in groups if group[0] & names]:
            groups.remove(group)
            names |= group[0]
            members = [*group[1], *members]
        groups.append((names, members))
    united = (_united(layer.name, members, words) for _, members in groups)
    return tuple(sorted(united, key=lambda each: (-abs(each.weight), each.clusters)))


def _words(answers: Sequence[Answer], vocabulary: Vocabulary, trust: Mapping[str, float]) -> ClusterWords:
    """What came of all answers about one cluster."""
    behind: defaultdict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        # A set: to say the same twice is to say it once.
        for name in {vocabulary.name_of(phrase) for phrase in phrases_of([answer])}:
            if name is not None:
                behind[name].append(answer)
    scored: list[ScoredLabel] = []
    for name, given in behind.items():
        stage, right = float(np.mean([answer.stage for answer in given])), any(answer.won for answer in given)
        weight = sum(trust.get(answer.player, 1.0) for answer in given)
        scored.append(ScoredLabel(name, label_score(weight, stage, right=right), len(given), stage, right))
    said = vocabulary.said
    resigned = sum(answer.guess is None for answer in answers)
    won = sum(answer.won for answer in answers)
    return ClusterWords(
        tuple(sorted(scored, key=lambda label: (-round(label.score, 9), -said[label.name], label.name))),
        won,
        len(answers) - won - resigned,
        resigned,
        float(np.mean([LAST_STAGE if answer.guess is None else answer.stage for answer in answers])),
        any(answer.simulated for answer in answers),
    )


def _united(layer: str, clusters: Sequence[Cluster], words: Said) -> United:
    said = [words[layer, cluster.index] for cluster in clusters]
    weights = np.array([cluster.weight for cluster in clusters])
    shares = np.abs(weights) / np.abs(weights).sum()
    return United(
        tuple(cluster.index for cluster in clusters),
        float(weights.sum()),
        tuple(channel for cluster in clusters for channel in cluster.maps),
        np.tensordot(shares, np.stack([cluster.map for cluster in clusters]), 1).astype(np.float32),
        ClusterWords(
            _together(said, shares),
            sum(each.won for each in said),
            sum(each.lost for each in said),
            sum(each.resigned for each in said),
            float(np.average([each.mean_stage for each in said], weights=[each.games for each in said])),
            any(each.simulated for each in said),
        ),
    )


def _together(said: Sequence[ClusterWords], shares: np.ndarray) -> tuple[ScoredLabel, ...]:
    """Scores of united clusters: the mean by weight, a label that a cluster lacks counting 0 there."""
    found: defaultdict[str, list[tuple[float, ScoredLabel]]] = defaultdict(list)
    for share, each in zip(shares, said, strict=True):
        for label in each.labels:
            found[label.name].append((float(share), label))
    together = (
        ScoredLabel(
            name,
            sum(share * label.score for share, label in labels),
            sum(label.count for _, label in labels),
            float(np.average([label.mean_stage for _, label in labels], weights=[label.count for _, label in labels])),
            any(label.right for _, label in labels),
        )
        for name, labels in found.items()
    )
    return tuple(sorted(together, key=lambda label: (-label.score, label.name)))
