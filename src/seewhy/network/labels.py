"""What people call the clusters of a picture: scored labels, and clusters united where people saw the same in them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from seewhy.network.view import Cluster, LayerView, Words
from seewhy.people.records import Answer
from seewhy.words import Phrase, Vocabulary

LAST_STAGE = 5
SIMULATED = " (simulated)"
NEAR = 0.5  # of the best score; what few said is in the records, not on the picture
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


def label_score(count: float, mean_stage: float, *, right: bool) -> float:
    """How well a label fits: often given, seen early, and a quarter where no guess behind it was right.

    Source: Bianchi et al. 2024, s = count · (1 − 0.1 · mean stage).
    """
    return count * (1 - PER_STAGE * mean_stage) * (1 if right else ALL_WRONG)


def phrases_of(answers: Iterable[Answer]) -> list[Phrase]:
    """What was typed, each with the class that its player had guessed."""
    return [
        Phrase(text, answer.guess, answer.language)
        for answer in answers
        if answer.guess is not None
        for text in answer.labels
    ]


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
    scoring = _Scoring(vocabulary, trust or {})
    return {cluster: scoring.words(played) for cluster, played in games.items()}


def scores_of(words: Said) -> Words:
    """Labels and scores alone, as a picture of the view takes them: those that come near the best.

    What no person said is marked so on every label: pictures travel without the page that explains them.
    """
    return {
        cluster: tuple(
            (f"{label.name}{SIMULATED if said.simulated else ''}", label.score)
            for label in said.labels
            if label.score >= NEAR * said.labels[0].score
        )
        for cluster, said in words.items()
    }


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
    united = [_united(layer.name, members, words) for _, members in groups]
    return tuple(sorted(united, key=lambda each: (-abs(each.weight), each.clusters)))


def unite_all(layer: LayerView, words: Said) -> United | None:
    """All clusters of the layer with words as one; None where no cluster has any."""
    played = [cluster for cluster in layer.clusters if (layer.name, cluster.index) in words]
    return _united(layer.name, played, words) if played else None


@dataclass(frozen=True)
class _Scoring:
    vocabulary: Vocabulary
    trust: Mapping[str, float]

    def words(self, answers: Sequence[Answer]) -> ClusterWords:
        behind: defaultdict[str, list[Answer]] = defaultdict(list)
        for answer in answers:
            for name in self._names(answer):
                behind[name].append(answer)
        said = self.vocabulary.said
        scored = (self._scored(name, given) for name, given in behind.items())
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

    def _names(self, answer: Answer) -> set[str]:
        """The labels of one answer; to say the same twice is to say it once."""
        found = {self.vocabulary.name_of(phrase) for phrase in phrases_of([answer])}
        return {name for name in found if name is not None}

    def _scored(self, name: str, behind: Sequence[Answer]) -> ScoredLabel:
        stage, right = float(np.mean([answer.stage for answer in behind])), any(answer.won for answer in behind)
        weight = sum(self.trust.get(answer.player, 1.0) for answer in behind)
        return ScoredLabel(name, label_score(weight, stage, right=right), len(behind), stage, right)


def _ranked(labels: Iterable[ScoredLabel]) -> tuple[ScoredLabel, ...]:
    return tuple(sorted(labels, key=lambda label: (-label.score, label.name)))


def _united(layer: str, clusters: Sequence[Cluster], words: Said) -> United:
    said = [words[layer, cluster.index] for cluster in clusters]
    weights = np.array([cluster.weight for cluster in clusters])
    shares = np.abs(weights) / np.abs(weights).sum()
    games = np.array([each.won + each.lost + each.resigned for each in said])
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
            float(np.average([each.mean_stage for each in said], weights=games)),
            any(each.simulated for each in said),
        ),
    )


def _together(said: Sequence[ClusterWords], shares: np.ndarray) -> tuple[ScoredLabel, ...]:
    """Scores of united clusters: the mean by weight, a label that a cluster lacks counting 0 there."""
    found: defaultdict[str, list[tuple[float, ScoredLabel]]] = defaultdict(list)
    for share, each in zip(shares, said, strict=True):
        for label in each.labels:
            found[label.name].append((float(share), label))
    return _ranked(
        ScoredLabel(
            name,
            sum(share * label.score for share, label in labels),
            sum(label.count for _, label in labels),
            float(np.average([label.mean_stage for _, label in labels], weights=[label.count for _, label in labels])),
            any(label.right for _, label in labels),
        )
        for name, labels in found.items()
    )
