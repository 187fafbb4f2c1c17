"""Interpretable Network Visualizations again: ten groups of classes, layer by layer, in (simulated) players' words.

    python studies/network/study.py PHOTOS --tree TREE.json --out FOLDER [--model MODEL] [--photos 10]

PHOTOS are named `<WordNet id>_<name>.jpg`; TREE.json has WordNet's `synsets` with `words` and `hypernyms`. Writes a
report for each group, one of network views, one of Grad-CAM, LIME and SHAP beside them, and `results.md`.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seewhy import Classifier, Image, load
from seewhy.core.progress import Progress
from seewhy.images import find_images, open_image
from seewhy.metrics.context import cell_means, spearman
from seewhy.models import Target
from seewhy.network import NetworkPicture, default_layers
from seewhy.network.concepts import Groups, find_classes, read_groups
from seewhy.network.labels import Lexicon, lexicon, words_of
from seewhy.network.tcav import FEWEST_OF_CLASS, ConceptTest, tcav
from seewhy.people.simulate import CONCEPTS, concepts_of_rounds, simulate
from seewhy.people.store import Store, open_store
from seewhy.report import write_network_report
from seewhy.verbs.explain import Explained, Request, explain_each
from seewhy.verbs.explanations import write_explanations
from seewhy.verbs.network import GlobalResult, NetworkRequest, explain_network_each, global_view
from seewhy.verbs.people import make_rounds

GROUPS = (
    "terrier",
    "primate",
    "aquatic bird",
    "reptile",
    "insect",
    "motor vehicle",
    "furniture",
    "musical instrument",
    "garment",
    "produce",
)
METHODS = ("grad-cam", "lime", "partition-shap")
SAMPLES = 300  # of LIME and SHAP
CELLS = 14
MOST_SHOWING = 10  # photos of a concept
POOL = 80  # photos of anything else
FELT = 0.05


@dataclass(frozen=True)
class Group:
    """Photos of related classes; `kin` are further ones, which show what they have in common."""

    name: str
    photos: list[Path]
    kin: list[Path]


def main() -> None:
    given = _arguments()
    classifier, tree = load(given.model), read_groups(given.tree)
    groups = _groups(given, tree)
    given.out.mkdir(parents=True, exist_ok=True)
    with (given.out / "results.md").open("w", encoding="utf-8") as results:
        for line in _results(classifier, groups, tree, given):
            print(line, file=results, flush=True)
    print(given.out / "results.md")


def _results(classifier: Classifier, groups: Sequence[Group], tree: Groups, given: argparse.Namespace) -> Iterator[str]:
    yield f"# {classifier.name}, {sum(len(each.photos) for each in groups)} photos\n"
    with open_store(f"sqlite:///{(given.out / 'people.sqlite').resolve()}") as store:
        photos = [path for group in groups for path in group.photos]
        make_rounds(classifier, photos, store, simulated=True, progress=_tell("rounds"))
        simulate(store, players=20), _tell("answers")
        known = lexicon(store, classifier, simulated=True)
        yield from _about_words(store, known)
        yield from _global_views(classifier, groups, known, tree, given.out)
    yield from _concepts(classifier, groups, find_images([given.images]))
    yield from _beside(classifier, [group.photos[0] for group in groups][: given.beside], given.out)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path)
    parser.add_argument("--tree", type=Path, required=True)
    parser.add_argument(
        "--photos", type=int, default=10, help="of each group; TCAV takes ten, the paper has five of each class"
    )
    parser.add_argument("--group", action="append", help="of the tree; default: ten; can be repeated")
    parser.add_argument("--beside", type=int, default=len(GROUPS), help="so many groups by other methods, too")
    parser.add_argument("--model", default="bundled:efficientnet-lite0")
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


def _groups(given: argparse.Namespace, tree: Groups) -> list[Group]:
    """Every other photo of a group, and the rest as its kin."""
    by_id = {path.name.partition("_")[0]: path for path in find_images([given.images])}
    found: list[Group] = []
    for name in given.group or GROUPS:
        members = [by_id[each] for each in sorted(set(tree[name])) if each in by_id]
        photos = members[::2][: given.photos]
        found.append(Group(name, photos, [path for path in members if path not in photos]))
    return found


def _about_words(store: Store, known: Lexicon) -> Iterator[str]:
    """How the games of simulated players ended, and whether the words that they knew come out first."""
    answers = known.answers
    resigned, won = sum(each.guess is None for each in answers), sum(each.won for each in answers)
    concepts, right = concepts_of_rounds(store), 0
    rounds = {each.round for each in answers}
    for number in rounds:
        played = [each for each in answers if each.round == number]
        (words,) = words_of(played, known.vocabulary, known.trust).values()
        right += bool(words.labels) and words.labels[0].name in CONCEPTS[concepts[number]]
    dropped = ", ".join(f"{count:,} {reason}" for reason, count in known.vocabulary.dropped.items())
    yield "## Words (simulated players: 70 % honest, 20 % careless, 10 % hostile)\n"
    yield f"- {len(rounds):,} clusters, {len(answers):,} answers: {won:,} right, {resigned:,} resigned"
    yield f"- {len(known.vocabulary.labels):,} labels of {len({each.name for each in known.vocabulary.labels}):,} names"
    yield f"- dropped: {dropped}"
    yield f"- the label that honest players knew is first for {right / len(rounds):.1%} of the clusters\n"


def _global_views(
    classifier: Classifier, groups: Sequence[Group], known: Lexicon, tree: Groups, out: Path
) -> Iterator[str]:
    yield "## Layers\n"
    yield "| group | photos | called one of the group | groups of maps in a layer | layers without any |"
    yield "|---|--:|--:|--:|--:|"
    for group in groups:
        classes = find_classes([group.name], classifier.categories, tree)
        view, failures = global_view(classifier, group.photos, classes, known, _tell(group.name))
        GlobalResult(group.name, view, classifier.name, failures).save(out / group.name.replace(" ", "-"))
        hashes = {image.sha256 for image, _ in view.asked}
        clusters = {(each.image_hash, each.layer, each.cluster) for each in known.answers if each.image_hash in hashes}
        layers = Counter((image, layer) for image, layer, _ in clusters)
        empty = len(view.layers) * view.pictures - len(layers)
        mean = len(clusters) / len(layers)
        yield f"| {group.name} | {len(group.photos)} | {view.pictures} | {mean:.1f} | {empty} |"
    yield ""


def _concepts(classifier: Classifier, groups: Sequence[Group], photos: Sequence[Path]) -> Iterator[str]:
    """TCAV with concepts that real photos show: kin of the group, and of another group, against photos of neither."""
    layer = default_layers(classifier)[-1]
    ours = {path for group in groups for path in (*group.photos, *group.kin)}
    others = [path for path in photos if path not in ours]
    pool = [open_image(path) for path in others[:: max(len(others) // POOL, 1)]]
    yield f"## TCAV at {layer}: do photos of other classes of the group raise the class? Do those of another group?\n"
    yield "| group | TCAV | slope (by chance) | p | told apart | another | TCAV | slope | p |"
    yield "|---|--:|--:|--:|--:|---|--:|--:|--:|"
    for group, other in zip(groups, [*groups[1:], groups[0]], strict=True):
        if len(group.photos) < FEWEST_OF_CLASS:
            yield f"| {group.name} | {len(group.photos)} photos are too few | | | | | | | |"
            continue
        own, strange = (_test(classifier, each.kin, group.photos, pool, layer) for each in (group, other))
        low, high = own.interval
        yield (
            f"| {group.name} | {own.score:.2f} | {own.slope:.2f} ({low:.2f} to {high:.2f}) | {own.p:.3f} | "
            f"{own.accuracy:.0%} | {other.name} | {strange.score:.2f} | {strange.slope:.2f} | {strange.p:.3f} |"
        )
    yield ""


def _test(
    classifier: Classifier, concept: Sequence[Path], photos: Sequence[Path], pool: Sequence[Image], layer: str
) -> ConceptTest:
    shown = [open_image(path) for path in concept[:MOST_SHOWING]]
    asked = [(image, Target(classifier.predict(image, 1)[0].index)) for image in map(open_image, photos)]
    (found,) = tcav(classifier, shown, pool, asked, [layer])
    return found


def _beside(classifier: Classifier, photos: Sequence[Path], out: Path) -> Iterator[str]:
    """The view of one photo of each group, and Grad-CAM, LIME and SHAP of the same."""
    pictures = [each.value for each in explain_network_each(classifier, photos, NetworkRequest()) if each.value]
    write_network_report(out / "views", [(each, None) for each in pictures])
    request = Request.of(classifier, METHODS, samples=SAMPLES)
    outcomes = list(explain_each(classifier, photos, request))
    write_explanations(outcomes, out / "methods")
    yield "## Beside other methods, one photo of each group\n"
    yield "| | network view | " + " | ".join(METHODS) + " |"
    yield "|---|" + "--:|" * (len(METHODS) + 1)
    yield from _costs(pictures, outcomes)
    shown = {picture.view.image.name: _last_map(picture) for picture in pictures}
    agreeing = [
        [spearman(shown[each.image.name], cell_means(each.values, CELLS)) for each in outcome.value or ()]
        for outcome in outcomes
    ]
    mean = np.mean(agreeing, axis=0)
    yield "| rank correlation with the view's last layer, mean | 1 | " + " | ".join(f"{v:.2f}" for v in mean) + " |"
    yield ""
    yield from _felt(pictures)


def _costs(pictures: Sequence[NetworkPicture], outcomes: Sequence[Explained]) -> Iterator[str]:
    forwards = [np.mean([each.view.cost.forwards for each in pictures])]
    backwards = [np.mean([each.view.cost.backwards for each in pictures])]
    for place in range(len(METHODS)):
        costs = [outcome.value[place].cost for outcome in outcomes if outcome.value]
        forwards.append(np.mean([cost.forwards for cost in costs]))
        backwards.append(np.mean([cost.backwards for cost in costs]))
    yield "| forwards, mean | " + " | ".join(f"{value:,.0f}" for value in forwards) + " |"
    yield "| backwards, mean | " + " | ".join(f"{value:,.0f}" for value in backwards) + " |"


def _last_map(picture: NetworkPicture) -> np.ndarray:
    """The clusters of the last layer that has any as one map, by weight."""
    last = [layer for layer in picture.view.layers if layer.clusters][-1]
    merged = sum(each.weight * each.map for each in last.clusters)
    return cell_means(np.kron(merged, np.ones((CELLS, CELLS))), CELLS)


def _felt(pictures: Sequence[NetworkPicture]) -> Iterator[str]:
    """Whether heavy groups of maps are those whose loss is felt."""
    yield "## Weight, and what is lost without a group of maps\n"
    yield "| layer, first to last | groups | felt: the class loses a twentieth or more | rank correlation with weight |"
    yield "|---|--:|--:|--:|"
    for name in [layer.name for layer in pictures[0].view.layers]:
        rows = [
            (each.weight, 1 - each.effect.without / picture.view.probability)
            for picture in pictures
            for each in picture.view.layer(name).clusters
            if each.effect
        ]
        weights, losses = np.array(rows).T
        yield f"| {name} | {len(rows)} | {(losses >= FELT).mean():.0%} | {spearman(weights, losses):.2f} |"


def _tell(what: str) -> Progress:
    def tell(done: int, total: int | None, message: str) -> None:
        if done % 50 == 0:
            print(f"{what}: {done} of {total} {message}", file=sys.stderr, flush=True)

    return tell


if __name__ == "__main__":
    main()
