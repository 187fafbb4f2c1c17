"""What a classifier says of pictures; and on a folder, how good that is and what its mistakes have in common."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import numpy as np

from seewhy.cases import About, Cases, Penultimate, Twins, build, find_twins
from seewhy.core.files import write_csv, write_whole
from seewhy.core.folders import write_manifest
from seewhy.core.outcome import Outcome
from seewhy.core.progress import Progress, silent
from seewhy.errors import ExplainError, UsageError
from seewhy.images import Image
from seewhy.images.folder import Folder
from seewhy.methods.method import DEFAULT_METHOD, made_methods
from seewhy.models import Categories, Classifier, load
from seewhy.report.evaluate import EvaluationReport, Mistake, evaluate_charts, evaluate_page
from seewhy.report.page import save_page
from seewhy.train.data import Pictures, open_pictures
from seewhy.train.evaluate import Evaluation
from seewhy.train.finetune import judged, predict
from seewhy.train.label_evaluation import LabelEvaluation
from seewhy.train.parts import judged_part, trained_rows
from seewhy.verbs.explain import Request, explain_each, with_targets
from seewhy.verbs.result import Result

TWINS = 3
Regions: TypeAlias = str | np.ndarray | Image
NUMBERS = {
    "classes": "probabilities of classes that exclude one another",
    "binary": "the probabilities of two classes",
    "labels": "a probability of each label by itself",
}
WNID = re.compile(r"n\d{8}")


class EvaluateResult(EvaluationReport, Result):
    """How good a classifier is on the pictures of a folder."""

    def to_dict(self) -> dict[str, Any]:
        """The figures, and whose they are."""
        about = {"model": self.model, "fingerprint": self.classifier.fingerprint, "left_out_as_learned": self.learned}
        return {**about, **self.evaluation.to_dict()}

    def rows(self) -> list[dict[str, Any]]:
        """One row for each picture: its class, what the classifier says, and how sure it is.

        Of labels those that are true, those that are found, and the probability of each.
        """
        found, names = self.evaluation, self.evaluation.names
        if isinstance(found, LabelEvaluation):
            return [
                {
                    "picture": entry.path,
                    "labels": ";".join(name for name, holds in zip(names, true, strict=True) if holds),
                    "found": ";".join(name for name, holds in zip(names, said, strict=True) if holds),
                    "right": "yes" if (true == said).all() else "no",
                    **{f"probability of {name}": float(p) for name, p in zip(names, likely, strict=True)},
                }
                for entry, true, said, likely in zip(
                    self.pictures.entries, found.truth, found.said, found.probabilities, strict=True
                )
            ]
        truth, said = found.truth.tolist(), found.predicted.tolist()
        return [
            {
                "picture": entry.path,
                "class": names[truth[number]],
                "predicted": names[said[number]],
                "right": "yes" if truth[number] == said[number] else "no",
                "confidence": float(found.confidence[number]),
                "probability_of_class": float(found.probabilities[number, truth[number]]),
            }
            for number, entry in enumerate(self.pictures.entries)
        ]

    def page(self) -> str:
        """The report: the figures, and the mistakes with their reasons."""
        return evaluate_page(self)

    def write(self, folder: Path) -> None:
        """Write `evaluation.json`, `predictions.csv`, the charts and the report."""
        rows = self.rows()
        write_csv(folder / "predictions.csv", list(rows[0]), [list(row.values()) for row in rows])
        for name, chart in evaluate_charts(self.evaluation).items():
            write_whole(folder / f"{name}.svg", chart.encode())
        save_page(folder, self.page())
        write_manifest(folder, self.to_dict(), "evaluation.json")


def evaluate(
    classifier: Classifier | str,
    folder: str | Path,
    *,
    model: str | None = None,
    classes: Sequence[str] = (),
    labels: str | Path | None = None,
    method: str = DEFAULT_METHOD,
    regions: Regions | None = None,
    shown: int = 12,
    seed: int = 0,
    progress: Progress = silent,
) -> EvaluateResult:
    """Hold what a classifier says against the class folders of `folder`.

    A folder is a class by its name, a synonym, or a WordNet id. Of a folder with parts, such as train/ and test/, the
    test pictures count, or else those for validation. Pictures that the classifier was trained on do not count.

    Args:
        classifier: Whose answers to judge, or the name of a model as `seewhy.load` takes it.
        folder: A sub-folder of pictures for each class, or parts that hold these.
        model: The name that opened the classifier; `file:` models know what they have learned from.
        classes: Leave the folders of all others out.
        labels: A CSV file that names the labels of each picture, as `seewhy.train` takes it, for a network of labels.
        method: How mistakes are explained.
        regions: Of a method over regions: a segmenter, also with its size, as `slic:80`, or `network`.
        shown: So many mistakes are explained, the most confident first.
        seed: Of the explanations.
        progress: Told of pictures; raise `Cancelled` in it to stop.

    Returns:
        The figures with 95 % intervals, and the mistakes; `save(folder)` writes a report.

    Raises:
        UsageError: No class folder is a class of the classifier, or it has learned from all pictures.

    Example:
        >>> result = seewhy.evaluate("file:my-model", "photos/")  # doctest: +SKIP
        >>> result.evaluation.accuracy.value  # doctest: +SKIP
        0.93
    """
    model = model or (classifier if isinstance(classifier, str) else classifier.name)
    whole = pictures_to_judge(folder, classes, labels, method, regions)  # before the model is loaded
    if isinstance(classifier, str):
        classifier = load(classifier)
    request = Request.of(classifier, [method], seed=seed, **_settings(regions))
    if classifier.head.meaning == "values":
        raise UsageError(f"{model} gives values, which neither class folders nor labels can be held against")
    if (labels is None) is (classifier.head.meaning == "labels"):
        cure = "give labels, a CSV (--labels)" if labels is None else "give class folders instead of a CSV of labels"
        raise UsageError(f"{model} gives {NUMBERS[classifier.head.meaning]}; to judge it {cure}")
    known, indices, unknown = (
        (_in_order(whole, classifier.categories), {}, []) if labels else _known(whole, classifier.categories)
    )
    seen = {row["sha256"] for row in trained_rows(model)}
    fresh = tuple(entry for entry in known.entries if whole.hashes[entry.path] not in seen)
    if not fresh:
        raise UsageError(f"{model} has learned from every picture of {folder}, so its accuracy there says nothing")
    pictures, bad = open_pictures(replace(known, entries=fresh), known.classes, classifier.preprocessing, progress)
    if not len(pictures):
        raise UsageError(f"no picture of {folder} can be opened; {bad[0].error}")
    scores = predict(classifier, pictures, progress)
    learned = tuple(entry for entry in known.entries if whole.hashes[entry.path] in seen)
    failures = [*bad, *unknown]
    judgement = judged(classifier, pictures, scores) if labels else None
    if isinstance(judgement, LabelEvaluation):
        mistakes = _wrong_labels(classifier, pictures, judgement, request)
        left = max(0, len(mistakes) - shown)
        several = [explain_it() for explain_it in mistakes[:shown]]
        return EvaluateResult(model, classifier, pictures, judgement, several, left, len(learned), failures)
    found = Evaluation.of(
        classifier.categories.names,
        [indices[entry.label] for entry in pictures.entries],
        classifier.head.probabilities(scores.double()),
    )
    wrong = sorted((~found.right).nonzero()[0].tolist(), key=lambda index: -found.confidence[index])
    right = tuple(entry for entry, good in zip(pictures.entries, found.right, strict=True) if good)
    like = replace(known, entries=tuple(sorted((*learned, *right))))
    return EvaluateResult(
        model,
        classifier,
        pictures,
        found,
        mistakes=_mistakes(classifier, pictures, wrong[:shown], like, request, progress),
        unshown=max(0, len(wrong) - shown),
        learned=len(learned),
        failures=failures,
    )


def pictures_to_judge(
    folder: str | Path,
    classes: Sequence[str] = (),
    labels: str | Path | None = None,
    method: str = DEFAULT_METHOD,
    regions: Regions | None = None,
) -> Folder:
    """The pictures; refuses all that cannot be evaluated, whatever the classifier.

    Raises:
        UsageError: there are no such pictures, or a setting cannot work.
        UnknownName: there is no such method or segmenter; the nearest are named.
    """
    made_methods([method], _settings(regions))
    return judged_part(Path(folder), classes, Path(labels) if labels else None)


def _settings(regions: Regions | None) -> dict[str, Any]:
    return {} if regions is None else {"regions": regions}


def _known(folder: Folder, categories: Categories) -> tuple[Folder, dict[str | None, int], list[Outcome[Any]]]:
    """The pictures whose class the classifier has, its index by name, and what is wrong with the others."""
    failures: list[Outcome[Any]] = []
    indices: dict[str | None, int] = {}
    for name in folder.classes:
        try:
            indices[name] = _class_index(categories, name)
        except UsageError as error:
            failures += [Outcome(entry.path, error=error) for entry in folder.entries if entry.label == name]
    kept = tuple(entry for entry in folder.entries if entry.label in indices)
    if not kept:
        shown = ", ".join(list(categories)[:5]) + (" …" if len(categories) > 5 else "")
        raise UsageError(f"no class folder of {folder.root} is a class of this model, which knows {shown}")
    return (
        replace(folder, entries=kept, classes=tuple(sorted({entry.label or "" for entry in kept}))),
        indices,
        failures,
    )


def _in_order(folder: Folder, categories: Categories) -> Folder:
    """The same pictures with their labels in the network's order; labels that it lacks are refused."""
    if unknown := [name for name in folder.classes if name not in categories.names]:
        raise UsageError(f"the model has no label {', '.join(unknown)}; it has {', '.join(categories)}")
    if missing := [name for name in categories if name not in folder.classes]:
        raise UsageError(
            f"the table says nothing of {', '.join(missing)}, which the model knows; add a column for each"
        )
    return replace(folder, classes=categories.names)


def _wrong_labels(
    classifier: Classifier, pictures: Pictures, found: LabelEvaluation, request: Request
) -> list[Callable[[], Mistake]]:
    """What explains each wrong answer about a label, the surest first: what speaks for the label in the picture."""
    away = np.where(found.said != found.truth, np.abs(found.probabilities - found.thresholds), -1)
    order = [divmod(int(place), away.shape[1]) for place in np.argsort(-away, axis=None, kind="stable")]

    def explained(index: int, label: int) -> Mistake:
        entry, about = pictures.entries[index], with_targets(request, classifier, [label])
        (outcome,) = explain_each(classifier, [pictures.folder.root / entry.path], about)
        return Mistake(entry.path, index, next(iter(outcome.value or ()), None), None, label)

    return [partial(explained, index, label) for index, label in order if away[index, label] >= 0]


def _class_index(categories: Categories, name: str) -> int:
    """The class that a folder means: by its very name, by one that people would write, or by a WordNet id before it."""
    if name in categories.names:
        return categories.names.index(name)
    wnid = WNID.match(name)
    return categories.find(wnid.group() if wnid else name.replace("_", " "))


def _mistakes(
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
    if images and like.entries:
        embedder = Penultimate(classifier)
        # It fails where there is no linear head, no grid, or nothing but copies of them.
        with TemporaryDirectory() as cases, suppress(ExplainError, UsageError):
            base = build(like, embedder, Path(cases), About.of(like.root, embedder), progress).base
            return [find_twins(Cases(base, embedder), image, TWINS) for image in images]
    return [None] * len(images)
