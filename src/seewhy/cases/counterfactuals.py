"""What would have turned the decision: another picture, parts of it, or less of this one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from seewhy.cases.likeness import likenesses
from seewhy.cases.queries import Copy, Query, case_of, copies, nearest
from seewhy.cases.removal import Removal, least_removal
from seewhy.cases.swaps import Swap, swap_cells
from seewhy.cases.twins import Twin
from seewhy.core.progress import Progress, silent
from seewhy.errors import ExplainError, UsageError

if TYPE_CHECKING:
    from seewhy.cases.base import CaseBase
    from seewhy.cases.embedders import Embedder
    from seewhy.images import Image
    from seewhy.models import Classifier, Prediction

NEIGHBOURHOOD = 20  # nearest like cases, among which the semi-factual is looked for
ASKED_AGAIN = 10  # nearest unlike cases that the classifier is asked about once more


@dataclass(frozen=True, eq=False)
class Counterfactuals:
    """What would have turned the decision about one picture, each part None where there is none.

    `unlike` is the nearest case that the classifier gives another class, or the class that was asked about, and `like`
    the nearest of the same class. `borderline` is the semi-factual: of the nearest cases of the same class the one
    that came nearest to being another. `swap` replaces parts of the picture with parts of `unlike`, `removal` hides
    parts of it. Whatever stands here as turning the decision, the classifier was asked and gave another class.
    """

    image: Image
    predictions: tuple[Prediction, ...]
    embedding: str
    target: str | None
    unlike: Twin | None
    like: Twin | None
    borderline: Twin | None
    swap: Swap | None
    removal: Removal | None
    left_out: tuple[Copy, ...]


def find_counterfactuals(
    base: CaseBase,
    embedder: Embedder,
    image: Image,
    target: str | int | None = None,
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> Counterfactuals:
    """Look for what turns the decision about `image`, to the class `target` where one is given.

    Raises:
        UsageError: `target` is the class that `image` has already, or a contrast of two; or a picture of the base was
            changed since it was built.
        BadImage: a picture of the base is gone.
    """
    query = Query.of(embedder, image)
    classifier = embedder.classifier
    goal = _goal(classifier, query, target)
    left_out = copies(base, query)
    same = base.predicted == query.predicted
    progress(0, 3, "nearest cases")
    unlike = _unlike(base, embedder, query, left_out, ~same if goal is None else base.predicted == goal)
    like_rows = nearest(base, query, NEIGHBOURHOOD, left_out, same)
    like = _twin(base, embedder, query, like_rows[0]) if like_rows else None
    progress(1, 3, "parts to swap")
    swap = _swap(classifier, query, unlike) if unlike else None
    progress(2, 3, "parts to hide")
    removal = least_removal(classifier, image, generator=torch.Generator().manual_seed(seed))
    progress(3, 3, "done")
    return Counterfactuals(
        image=image,
        predictions=query.predictions,
        embedding=embedder.name,
        target=None if goal is None else classifier.categories[goal],
        unlike=unlike,
        like=like,
        borderline=_borderline(base, embedder, query, like_rows, goal),
        swap=swap,
        removal=removal,
        left_out=tuple(Copy(case_of(base, embedder, query, row), why) for row, why in sorted(left_out.items())),
    )


def _goal(classifier: Classifier, query: Query, target: str | int | None) -> int | None:
    if target is None:
        return None
    asked = classifier.target(target)
    if asked.against is not None:
        raise UsageError("a counterfactual is about one class: what would have to change for it; give its name alone")
    if asked.index == query.predicted:
        name = classifier.categories[asked.index]
        raise UsageError(f"{query.image.name} is predicted as {name} already; name another class")
    return asked.index


def _unlike(
    base: CaseBase, embedder: Embedder, query: Query, left_out: dict[int, str], others: np.ndarray
) -> Twin | None:
    """The nearest of `others` that the classifier, asked again, still gives the class that the base says."""
    for row in nearest(base, query, ASKED_AGAIN, left_out, others):
        twin = _twin(base, embedder, query, row)
        if embedder.classifier.predict(twin.image, 1)[0].index == base.predicted[row]:
            return twin
    return None


def _twin(base: CaseBase, embedder: Embedder, query: Query, row: int) -> Twin:
    image = base.image(row)
    return Twin(case_of(base, embedder, query, row), image, likenesses(embedder, query.image, [image])[0])


def _borderline(base: CaseBase, embedder: Embedder, query: Query, rows: list[int], goal: int | None) -> Twin | None:
    """Of `rows` the one whose score lies least above the best of the others, or above that of `goal`."""
    if not rows:
        return None
    logits = np.array(base.logits[rows])
    own = logits[:, query.predicted].copy()
    logits[:, query.predicted] = -np.inf
    margins = own - (logits.max(1) if goal is None else logits[:, goal])
    return _twin(base, embedder, query, rows[int(margins.argmin())])


def _swap(classifier: Classifier, query: Query, unlike: Twin) -> Swap | None:
    if "layers" not in classifier.offers:
        return None
    try:
        return swap_cells(classifier, query.image, unlike.image, query.predicted, unlike.case.prediction.index)
    except ExplainError:  # no layer covers the picture
        return None
