"""Words: what people typed about a network's clusters, as labels on a picture and summed up over many."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from seewhy.core.outcome import Outcome
from seewhy.core.progress import Progress, silent
from seewhy.errors import UsageError
from seewhy.images import find_images
from seewhy.models import Categories, Classifier
from seewhy.network.concepts import GlobalView, Seen, sum_up
from seewhy.network.labels import Said, phrases_of, scores_of, words_of
from seewhy.network.tcav import ConceptTest, tcav
from seewhy.network.view import NetworkView, Words, look
from seewhy.people.records import Answer
from seewhy.people.reliability import reliability
from seewhy.people.rounds import answers, gold_rounds, option_counts, round_weights
from seewhy.people.store import Store, is_there, open_store
from seewhy.verbs.comparing import open_each
from seewhy.words import DEFAULT_ENCODER, Grouping, Vocabulary, find_labels, group_by_distance, sentence_encoder

SAME = 0.1  # per cent of a layer, by which another machine may weigh a cluster otherwise


@dataclass(frozen=True)
class Lexicon:
    """What people, or simulated players, said about one classifier or all, and the labels made of it.

    `trust` says of each player how far to rely on them, in [0, 1]; `weights` by round what its cluster weighed.
    """

    answers: tuple[Answer, ...]
    vocabulary: Vocabulary
    trust: Mapping[str, float]
    weights: Mapping[int, float]
    simulated: bool

    def on(self, view: NetworkView) -> Said:
        """The words on the clusters of a view, by layer and cluster.

        What was said of a cluster that is another one now, because maps are grouped otherwise, is left out.
        """
        now = {(layer.name, each.index): each.weight for layer in view.layers for each in layer.clusters}
        about = self._about.get((view.image.sha256, view.target_label), ())
        same = [
            answer
            for answer in about
            if abs(now.get((answer.layer, answer.cluster), np.inf) - self.weights[answer.round]) < SAME
        ]
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
    group: Grouping = group_by_distance,
) -> Lexicon:
    """Clean, group and name what was said, of people or of simulated players, never of both together.

    Args:
        store: where the answers are.
        classifier: only what was said about it; without one about all. Its classes' other names are dropped from
            what was typed, as the classes are.
        simulated: what simulated players said.
        encoder: a name for `sentence_encoder`.
        group: how phrases are brought together.

    Raises:
        UsageError: the extra `words` is not installed.
    """
    given = answers(store, simulated=simulated, model=classifier.fingerprint if classifier else None)
    phrases = phrases_of(given)
    names = _other_names(classifier.categories, {phrase.about for phrase in phrases}) if classifier else {}
    encode = sentence_encoder(encoder) if phrases else None
    trust = {each.player: each.ability for each in reliability(given, gold_rounds(store), option_counts(store))}
    vocabulary = find_labels(phrases, names, encode=encode, group=group)
    return Lexicon(tuple(given), vocabulary, trust, round_weights(store), simulated)


def naming_of(classifier: Classifier) -> Callable[[NetworkView], tuple[Words, str]] | None:
    """Gives the words on a view of this classifier and where they come from; None while nobody said anything.

    Words of simulated players are taken where there are none of people, and told from them.
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
    games = sum(each.won + each.lost + each.resigned for each in found.values())
    if known.simulated:
        return f"simulated; no person said them. They come from {games} games of programs that play at random."
    return f"from {games} games that people played with this photo; a larger number fits better."


def global_view(
    classifier: Classifier,
    sources: Sequence[Path],
    classes: Sequence[int],
    known: Lexicon,
    progress: Progress = silent,
) -> tuple[GlobalView, list[Outcome]]:
    """Sum up what was said about those pictures that people saw as one of the classes; and the pictures that failed.

    Raises:
        UsageError: nobody said anything about any of them.
    """
    opened, failures = open_each(sources)
    asked = {(answer.image_hash, answer.true_class) for answer in known.answers}
    played = [
        (image, index)
        for image in opened.values()
        for index in classes
        if (image.sha256, classifier.categories[index]) in asked
    ]
    seen: list[Seen] = []
    for done, (image, index) in enumerate(played):
        progress(done, len(played), "pictures")
        view = look(classifier, image, index, checked=False)
        seen.append(Seen(view, known.on(view)))
    if not any(each.words for each in seen):
        who = "simulated players have said nothing" if known.simulated and known.answers else "nobody has said anything"
        names = ", ".join(classifier.categories[index] for index in classes)
        raise UsageError(
            f"{who} yet about these pictures seen as {names} by this model: "
            "`seewhy people rounds` makes rounds, the app lets people play them"
        )
    return sum_up(seen), failures


def concept_tests(
    classifier: Classifier,
    concepts: Sequence[Path],
    others: Path | None,
    found: GlobalView,
    seed: int = 0,
    progress: Progress = silent,
) -> list[tuple[str, ConceptTest]]:
    """TCAV of each folder of `concepts` against the pictures of `others`, at every layer of a global view.

    The class's pictures are those that the view was made of.

    Raises:
        UsageError: too few pictures.
    """
    if not concepts or others is None:
        return []
    pool = list(open_each(find_images([others]))[0].values())
    layers = [layer.layer for layer in found.layers]
    tests: list[tuple[str, ConceptTest]] = []
    for folder in concepts:
        shown = list(open_each(find_images([folder]))[0].values())
        results = tcav(classifier, shown, pool, found.asked, layers, seed=seed, progress=progress)
        tests += [(folder.name, each) for each in results]
    return tests


def _other_names(categories: Categories, classes: set[str]) -> dict[str, tuple[str, ...]]:
    return {
        name: categories.synonyms[index]
        for index, name in enumerate(categories.names)
        if name in classes and categories.synonyms
    }
