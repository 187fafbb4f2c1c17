"""What a network uses in a class or a group: labels of many pictures summed up by layer; and groups of classes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from typing_extensions import TypedDict

from seewhy.core.names import nearest
from seewhy.core.reading import read_json, sound
from seewhy.errors import UnknownName
from seewhy.images import Image
from seewhy.models import Categories, Target
from seewhy.network.labels import Said, United, unite
from seewhy.network.view import NetworkView

Groups = Mapping[str, tuple[str, ...]]  # names or WordNet ids of classes by the group's name, in lower case

SHAPE = "write a JSON object of names and lists of classes, or of synsets"
MOST_LINKS = 4_000_000  # of words with what is above them; WordNet has some millions

TOP, EXAMPLES = 5, 3
SIGNIFICANT = 0.05  # p below which a trend is shown
FEWEST = 3  # layers through which a line says anything


@dataclass(frozen=True, eq=False)
class Seen:
    """One picture's view, and the words on its clusters."""

    view: NetworkView
    words: Said


@dataclass(frozen=True, eq=False)
class Example:
    """One picture's clusters in which people saw a concept, and how well its label fits there."""

    view: NetworkView
    layer: str
    united: United
    score: float


@dataclass(frozen=True, eq=False)
class Concept:
    """A label in one layer: its scores summed over pictures, the mean weight of its clusters, the best examples.

    `pictures` counts those in which it was a best label.
    """

    name: str
    score: float
    weight: float
    pictures: int
    examples: tuple[Example, ...]


@dataclass(frozen=True, eq=False)
class LayerConcepts:
    """The strongest concepts of one layer, best first; `pictures` counts those with words in it."""

    layer: str
    concepts: tuple[Concept, ...]
    pictures: int


@dataclass(frozen=True)
class Trend:
    """How a label's mean score moves with depth: one number for each layer, and the slope per layer.

    `p` is how often a curve without a trend would rise or fall as steadily.
    """

    name: str
    curve: tuple[float, ...]
    slope: float
    p: float


@dataclass(frozen=True, eq=False)
class GlobalView:
    """The concepts of a class or group, layer by layer, and every label's trend, the latest first.

    `asked` has each picture with words, and the class that it was looked at for.
    """

    layers: tuple[LayerConcepts, ...]
    trends: tuple[Trend, ...]
    asked: tuple[tuple[Image, Target], ...]
    simulated: bool

    @property
    def pictures(self) -> int:
        """How many have words."""
        return len(self.asked)

    def late(self, top: int = TOP) -> tuple[Trend, ...]:
        """The labels that grow significantly with depth, the steepest first."""
        return tuple(trend for trend in self.trends if trend.slope > 0 and trend.p < SIGNIFICANT)[:top]

    def early(self, top: int = TOP) -> tuple[Trend, ...]:
        """The labels that fade significantly with depth, the steepest first."""
        return tuple(trend for trend in self.trends[::-1] if trend.slope < 0 and trend.p < SIGNIFICANT)[:top]


def sum_up(seen: Sequence[Seen]) -> GlobalView:
    """The global explanation of pictures of one class, all looked at in the same layers.

    In each layer the scores of best labels are summed by label over all pictures, five labels are kept, and each is
    shown by the three pictures where it fits best. A label's trend is the slope of its mean score over the layers,
    by least squares. Source: Bianchi et al. 2024, global explanations; we add a test of significance.
    """
    names = list(dict.fromkeys(layer.name for each in seen for layer in each.view.layers))
    scores: defaultdict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for each in seen:
        for (layer, _), said in each.words.items():
            for label in said.labels:
                scores[label.name][layer].append(label.score)
    trends = [_trend(name, by_layer, names) for name, by_layer in scores.items()]
    return GlobalView(
        tuple(_layer(name, seen) for name in names),
        tuple(sorted(trends, key=lambda trend: (-trend.slope, trend.name))),
        tuple((each.view.image, each.view.target) for each in seen if each.words),
        any(words.simulated for each in seen for words in each.words.values()),
    )


class _Synset(TypedDict):
    """Words of one meaning, and what is more general."""

    words: list[str]
    hypernyms: list[str]


class _Tree(TypedDict):
    """WordNet, or a part of it."""

    synsets: dict[str, _Synset]


def read_groups(path: Path) -> Groups:
    """The groups of a JSON file: `{"cats": ["tabby", "Persian cat"]}`, or a tree of WordNet.

    A tree has `synsets`: by id their `words` and the ids of their `hypernyms`. A word then names every synset below
    the synsets that have it.

    Raises:
        BadFile: the file cannot be read, or is neither.
    """
    found = read_json(path, dict[str, Any], SHAPE)
    if "synsets" in found:
        with sound(path, SHAPE):
            return _tree(read_json(path, _Tree, SHAPE)["synsets"])
    return {name.casefold(): tuple(members) for name, members in read_json(path, dict[str, list[str]], SHAPE).items()}


def find_classes(names: Iterable[str], categories: Categories, groups: Groups | None = None) -> tuple[int, ...]:
    """The indices of the classes and groups of these names; a class comes before a group of the same name.

    Raises:
        UnknownName: nothing has this name, or none of its members is a class.
        AmbiguousClass: several classes have it.
    """
    return tuple(dict.fromkeys(index for name in names for index in _classes(name, categories, groups or {})))


def _layer(name: str, seen: Iterable[Seen]) -> LayerConcepts:
    pictures = 0
    found: defaultdict[str, list[Example]] = defaultdict(list)
    for each in seen:
        united = unite(each.view.layer(name), each.words)
        pictures += bool(united)
        for group in united:
            scores = {label.name: label.score for label in group.words.labels}
            for label in group.words.best:
                found[label].append(Example(each.view, name, group, scores[label]))
    concepts = [_concept(label, examples) for label, examples in found.items()]
    best = sorted(concepts, key=lambda concept: (-concept.score, concept.name))[:TOP]
    return LayerConcepts(name, tuple(best), pictures)


def _concept(name: str, examples: Sequence[Example]) -> Concept:
    by_picture: dict[str, Example] = {}
    for each in sorted(examples, key=lambda example: -example.score):
        by_picture.setdefault(each.view.image.sha256, each)
    return Concept(
        name,
        sum(each.score for each in examples),
        float(np.mean([each.united.weight for each in examples])),
        len(by_picture),
        tuple(by_picture.values())[:EXAMPLES],
    )


def _trend(name: str, by_layer: Mapping[str, Sequence[float]], layers: Sequence[str]) -> Trend:
    curve = [float(np.mean(by_layer[layer])) if by_layer.get(layer) else 0.0 for layer in layers]
    if len(curve) < FEWEST or len(set(curve)) == 1:  # too short, or level
        return Trend(name, tuple(curve), curve[-1] - curve[0], 1.0)
    from scipy.stats import linregress

    line: Any = linregress(np.arange(len(curve)), curve)  # its stubs know no fields
    return Trend(name, tuple(curve), float(line.slope), float(line.pvalue))


def _classes(name: str, categories: Categories, groups: Groups) -> list[int]:
    members = groups.get(name.casefold())
    try:
        return [categories.find(name)]
    except UnknownName as error:
        if members is None:
            near = nearest(name, groups, cutoff=0.6)
            raise UnknownName(f"{error}; groups: {', '.join(near)}" if near else str(error)) from None
    known: list[int] = []
    for member in members:
        with suppress(UnknownName):
            known.append(categories.find(member))
    if not known:
        raise UnknownName(f"no class of the classifier is in the group '{name}'")
    return known


def _tree(synsets: Mapping[str, _Synset]) -> Groups:
    """Each word of a synset with all synsets below it, and itself, as far as the file has them."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    left = MOST_LINKS
    for synset in synsets:
        above, ahead = set[str](), [synset]
        while ahead:
            here = ahead.pop()
            if here not in above and here in synsets:
                above.add(here)
                ahead += synsets[here]["hypernyms"]
        words = [word for each in above for word in synsets[each]["words"]]
        left -= len(above) + len(words)
        if left < 0:
            raise ValueError("words have too many words above them")
        for word in words:
            found[word.replace("_", " ").casefold()].append(synset)
    return {word: tuple(members) for word, members in found.items()}
