"""Evaluate: how good a classifier is on a folder of pictures, and what its mistakes have in common."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from seewhy.cases import About, Penultimate, Twins, build, find_twins
from seewhy.core.files import write_csv, write_json
from seewhy.core.progress import Progress, silent
from seewhy.errors import ExplainError, SeewhyError, UsageError
from seewhy.images import Image
from seewhy.images.folder import Folder
from seewhy.models import Categories, Classifier
from seewhy.study.judged import Judged, Mistake
from seewhy.train.card import trained_pictures
from seewhy.train.data import Pictures, open_pictures
from seewhy.train.evaluate import Evaluation
from seewhy.train.finetune import predict
from seewhy.train.parts import judged_part
from seewhy.verbs.explain import DEFAULT_METHOD, Request, explain_each

TWINS = 3
WNID = re.compile(r"n\d{8}")
COLUMNS = ("picture", "class", "predicted", "right", "confidence", "probability_of_class")


def evaluate(
    folder: str | Path,
    classifier: Classifier,
    model: str,
    *,
    classes: Sequence[str] = (),
    method: str = DEFAULT_METHOD,
    shown: int = 12,
    seed: int = 0,
    progress: Progress = silent,
) -> Judged:
    """Hold what the classifier says against the class folders of `folder`.

    A folder is a class by its name, a synonym, or a WordNet id. Of a folder with parts, such as train/ and test/, the
    test pictures count, or else those for validation. Pictures that the classifier was trained on do not count.

    Args:
        folder: a sub-folder of pictures for each class, or parts that hold these.
        classifier: whose answers to judge.
        model: the name that opened it; `file:` models know what they have learned from.
        classes: leave the folders of all others out.
        method: how mistakes are explained.
        shown: so many mistakes are explained, the most confident first.
        seed: of the explanations.
        progress: told of pictures; raise `Cancelled` in it to stop.

    Raises:
        UsageError: no class folder is a class of the classifier, or it has learned from all pictures.
    """
    request = Request.of(classifier, [method], seed=seed)
    whole = judged_part(Path(folder), classes)
    known, unknown = _known(whole, classifier.categories)
    seen = trained_pictures(Path(model.removeprefix("file:"))) if model.startswith("file:") else frozenset()
    fresh = tuple(entry for entry in known.entries if whole.hashes[entry.path] not in seen)
    if not fresh:
        raise UsageError(f"{model} has learned from every picture of {folder}, so its accuracy there says nothing")
    pictures, bad = open_pictures(replace(known, entries=fresh), known.classes, classifier.preprocessing, progress)
    indices = [_class_index(classifier.categories, name) for name in pictures.classes]
    if not len(pictures):
        raise UsageError(f"no picture of {folder} can be opened; {bad[0][1]}")
    found = Evaluation.of(
        classifier.categories.names,
        [indices[label] for label in pictures.labels.tolist()],
        predict(classifier, pictures, progress).double().softmax(1),
    )
    wrong = sorted((~found.right).nonzero()[0].tolist(), key=lambda index: -found.confidence[index])
    learned = tuple(entry for entry in known.entries if whole.hashes[entry.path] in seen)
    right = tuple(entry for entry, good in zip(pictures.entries, found.right, strict=True) if good)
    like = replace(known, entries=tuple(sorted((*learned, *right))))
    mistakes = _explained(classifier, pictures, wrong[:shown], like, request, progress)
    failures = [*bad, *unknown]
    return Judged(model, classifier, pictures, found, mistakes, max(0, len(wrong) - shown), len(learned), failures)


def save_evaluation(found: Judged, out: Path) -> None:
    """Write `evaluation.json`, and `predictions.csv`, which no spreadsheet takes for formulas."""
    about = {"model": found.model, "fingerprint": found.classifier.fingerprint, "left_out_as_learned": found.learned}
    write_json(out / "evaluation.json", {**about, **found.evaluation.to_dict()})
    write_csv(out / "predictions.csv", COLUMNS, _rows(found))


def _rows(found: Judged) -> Iterator[tuple[str, ...]]:
    names, evaluation = found.evaluation.names, found.evaluation
    for number, entry in enumerate(found.pictures.entries):
        true, said = int(evaluation.truth[number]), int(evaluation.predicted[number])
        yield (
            entry.path,
            names[true],
            names[said],
            "yes" if true == said else "no",
            f"{evaluation.confidence[number]:.6f}",
            f"{evaluation.probabilities[number, true]:.6f}",
        )


def _known(folder: Folder, categories: Categories) -> tuple[Folder, list[tuple[str, SeewhyError]]]:
    """The pictures whose class the classifier has, and what is wrong with the others."""
    failures: list[tuple[str, SeewhyError]] = []
    for name in folder.classes:
        try:
            _class_index(categories, name)
        except UsageError as error:
            failures += [(entry.path, error) for entry in folder.entries if entry.label == name]
    strange = {path for path, _ in failures}
    kept = tuple(entry for entry in folder.entries if entry.path not in strange)
    if not kept:
        shown = ", ".join(list(categories)[:5]) + (" …" if len(categories) > 5 else "")
        raise UsageError(f"no class folder of {folder.root} is a class of this model, which knows {shown}")
    return replace(folder, entries=kept, classes=tuple(sorted({entry.label or "" for entry in kept}))), failures


def _class_index(categories: Categories, name: str) -> int:
    """The class that a folder means: by its very name, by one that people would write, or by a WordNet id before it."""
    if name in categories.names:
        return categories.names.index(name)
    wnid = WNID.match(name)
    return categories.find(wnid.group() if wnid else name.replace("_", " "))


def _explained(
    classifier: Classifier, pictures: Pictures, wrong: Sequence[int], like: Folder, request: Request, progress: Progress
) -> list[Mistake]:
    paths = [pictures.folder.root / pictures.entries[index].path for index in wrong]
    outcomes = list(explain_each(classifier, paths, request, progress))
    images = [pictures.image(index) for index in wrong]
    twins = _twins(classifier, images, like, progress)
    return [
        Mistake(pictures.entries[index].path, index, next(iter(outcome.value or ()), None), each)
        for index, outcome, each in zip(wrong, outcomes, twins, strict=True)
    ]


def _twins(classifier: Classifier, images: Sequence[Image], like: Folder, progress: Progress) -> Sequence[Twins | None]:
    """Which of the pictures `like` each of these resembles most; none where the network has no embedding."""
    nobody = [None] * len(images)
    if not (images and like.entries):
        return nobody
    embedder = Penultimate(classifier)
    with TemporaryDirectory() as cases:
        try:
            base = build(like, embedder, Path(cases), About.of(like.root, embedder), progress).base
            return [find_twins(base, embedder, image, TWINS) for image in images]
        except (ExplainError, UsageError):  # no linear head, no grid, or nothing but copies of them
            return nobody
