"""Influence, checked: are changes foretold as retraining finds them, and are flipped labels found?

    python -m benchmarks._influence FOLDER [--pictures 200] [--asked 20] [--draws 10]
    python -m benchmarks._influence --fashion DATA

FOLDER has a sub-folder of pictures for each class; DATA is where Fashion-MNIST lies (`make data`). A head is trained on
so many pictures, and trained again without each of them; for pictures that are not among them, the change of the
log-odds of the class that the head gives is correlated with the one that was foretold. Then 5 % of the labels are
flipped, in each draw others: how many of them are in the tenth that is doubted most?
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image as Pillow
from scripts.fashion_mnist import CLASSES, read

import seewhy
from seewhy.cases.embedders import find_embedder
from seewhy.cases.influence import CaseHead, train_head
from seewhy.cases.linear_head import changes, foretold, log_odds
from seewhy.images import Folder
from seewhy.models import Classifier
from seewhy.verbs.cases import build_cases

FLIPPED, FIRST = 20, 10  # of so many one is flipped; of so many one is looked at


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--fashion", type=Path)
    parser.add_argument("--pictures", type=int, default=200, help="to learn from, at most")
    parser.add_argument("--asked", type=int, default=20, help="to ask about")
    parser.add_argument("--draws", type=int, default=10, help="of labels that are flipped")
    given = parser.parse_args()
    classifier = seewhy.load()
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        if given.fashion:
            write_fashion(root / "all", given.fashion, given.pictures + given.asked)
        source = root / "all" if given.fashion else given.folder
        learned, asked = divided(Folder.open(source), given.pictures, given.asked, root)
        trained = train_head(build_cases(learned, classifier, root / "cases").base, classifier.categories)
        vectors = queries(classifier, trained, asked)
    print(f"{len(trained.head.classes)} pictures of {len(trained.names)} classes, right {trained.accuracy:.1%}")
    tell("correlation of foretold and real change", correlations(trained, vectors))
    tell(f"flipped labels in the first {1 / FIRST:.0%}", found_again(trained, given.draws))


def divided(folder: Folder, pictures: int, asked: int, root: Path) -> tuple[Path, Folder]:
    """A folder of so many pictures to learn from, copied, and others to ask about; by class, in turn."""
    rows = np.random.default_rng(0).permutation(len(folder.entries)).tolist()
    ranked = {name: [row for row in rows if folder.entries[row].label == name] for name in folder.classes}
    turns = [mine[turn] for turn in range(len(rows)) for mine in ranked.values() if turn < len(mine)]
    apart, kept = turns[:asked], turns[asked : asked + pictures]
    for row in kept:
        entry = folder.entries[row]
        place = root / "learned" / (entry.label or "") / Path(entry.path).name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder.root / entry.path, place)
    entries = tuple(folder.entries[row] for row in apart)
    return root / "learned", Folder(folder.root, entries, folder.classes)


def queries(classifier: Classifier, trained: CaseHead, asked: Folder) -> list[np.ndarray]:
    """What the head is asked about."""
    embedder = find_embedder("penultimate", classifier)
    return [trained.vector(embedder([asked.image(entry)]).vectors[0].numpy()) for entry in asked.entries]


def correlations(trained: CaseHead, vectors: list[np.ndarray]) -> list[float]:
    """For each vector that of all foretold and real changes."""
    head = trained.head
    without = [head.without(row) for row in range(len(head.vectors))]
    found: list[float] = []
    for vector in vectors:
        scores = head.scores(vector)
        index = int(scores.argmax())
        real = [log_odds(each.scores(vector), index) - log_odds(scores, index) for each in without]
        found.append(float(np.corrcoef(changes(head, vector, index), real)[0, 1]))
    return found


def found_again(trained: CaseHead, draws: int) -> list[float]:
    """For each draw the share of flipped labels that is in the part that is doubted most."""
    vectors, truth, count = trained.head.vectors, trained.head.classes, len(trained.names)
    found: list[float] = []
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        flipped = rng.permutation(len(truth))[: len(truth) // FLIPPED]
        labels = truth.copy()
        labels[flipped] = (labels[flipped] + rng.integers(1, count, len(flipped))) % count
        own = foretold(vectors, labels, count, trained.head.penalty)[np.arange(len(labels)), labels]
        found.append(float(np.isin(flipped, np.argsort(own)[: len(labels) // FIRST]).mean()))
    return found


def write_fashion(folder: Path, data: Path, count: int) -> None:
    """So many pictures, of each class as many, in class folders."""
    pictures, labels = read(data, "train")
    each = -(-count // len(CLASSES))
    for number, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True)
        for place in np.flatnonzero(labels.numpy() == number)[:each].tolist():
            Pillow.fromarray(pictures[place].numpy()).save(folder / name / f"{place:05}.png")


def tell(what: str, values: list[float]) -> None:
    """Mean, spread and the worst."""
    spread = np.std(values, ddof=1)
    print(f"{what}: mean {np.mean(values):.3f}, standard deviation {spread:.3f}, worst {min(values):.3f}, "
          f"of {len(values)}")  # fmt: skip


if __name__ == "__main__":
    main()
