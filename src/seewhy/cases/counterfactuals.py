"""What would have turned the decision: another picture, parts of it, or less of this one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from seewhy.cases.queries import Cases, Copy, Query
from seewhy.cases.twins import Cell, Twin, similarity_maps
from seewhy.core.progress import Progress, silent
from seewhy.engines import MaskedForward, find_fill
from seewhy.engines.network_regions import seen_regions
from seewhy.engines.tail import Tail, tail
from seewhy.errors import ExplainError, UsageError
from seewhy.models import Box, Grid, Prediction, Target, capture

if TYPE_CHECKING:
    from seewhy.images import Image
    from seewhy.models import Classifier

NEIGHBOURHOOD = 20  # nearest like cases, among which the semi-factual is looked for
ASKED_AGAIN = 10  # nearest unlike cases that the classifier is asked about once more
TRIED = 64  # pairs of a step that are put to the network, those of the largest first-order gain
BATCH = 16
REGIONS, FILL = "slic", "blur"


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
    cases: Cases,
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
    query = Query.of(cases, image)
    classifier = cases.embedder.classifier
    if classifier.head.meaning == "values":
        raise UsageError(f"{classifier.name} gives values, so there is no decision that could be turned")
    goal = _goal(classifier, query, target)
    progress(0, 3, "nearest cases")
    unlike = _unlike(query, ~query.alike if goal is None else cases.base.predicted == goal)
    like_rows = query.nearest(NEIGHBOURHOOD, query.alike)
    progress(1, 3, "parts to swap")
    swap = None
    if unlike and "layers" in classifier.offers:
        with suppress(ExplainError):  # no layer covers the picture
            swap = swap_cells(classifier, image, unlike.image, query.predicted, unlike.case.prediction.index)
    progress(2, 3, "parts to hide")
    removal = least_removal(classifier, image, generator=torch.Generator().manual_seed(seed))
    progress(3, 3, "done")
    return Counterfactuals(
        image=image,
        predictions=query.predictions,
        embedding=cases.embedder.name,
        target=None if goal is None else classifier.categories[goal],
        unlike=unlike,
        like=_twin(query, like_rows[0]) if like_rows else None,
        borderline=_borderline(query, like_rows, goal),
        swap=swap,
        removal=removal,
        left_out=query.copies,
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


def _unlike(query: Query, others: np.ndarray) -> Twin | None:
    """The nearest of `others` that the classifier, asked again, still gives the class that the base says."""
    cases = query.cases
    for row in query.nearest(ASKED_AGAIN, others):
        twin = _twin(query, row)
        if cases.embedder.classifier.predict(twin.image, 1)[0].index == cases.base.predicted[row]:
            return twin
    return None


def _twin(query: Query, row: int) -> Twin:
    image = query.cases.base.image(row)
    return Twin(query.case(row), image, similarity_maps(query.cases.embedder, query.image, [image])[0])


def _borderline(query: Query, rows: list[int], goal: int | None) -> Twin | None:
    """Of `rows` the one whose score lies least above the best of the others, or above that of `goal`."""
    if not rows:
        return None
    logits = np.array(query.cases.base.logits[rows])
    own = logits[:, query.predicted].copy()
    logits[:, query.predicted] = -np.inf
    margins = own - (logits.max(1) if goal is None else logits[:, goal])
    return _twin(query, rows[int(margins.argmin())])


# --- Parts of another picture ---------------------------------------------------------------------------------------


class Pair(NamedTuple):
    """A cell of the picture, and the cell of the other picture that takes its place."""

    own: Cell
    other: Cell


@dataclass(frozen=True)
class Swap:
    """Cells of `layer`, a grid of `height` × `width`, that change places in this order until `prediction` comes out.

    The grid covers the views, what the network saw of the two pictures.
    """

    own_view: Box
    other_view: Box
    layer: str
    height: int
    width: int
    pairs: tuple[Pair, ...]
    prediction: Prediction

    @property
    def area(self) -> float:
        """The share of the picture's cells that was replaced."""
        return len(self.pairs) / (self.height * self.width)


def swap_cells(classifier: Classifier, image: Image, other: Image, own: int, goal: int) -> Swap | None:
    """Replace cells of the default layer until class `own` of `image` becomes the class `goal` of `other`.

    None where no number of cells does that. The network itself, run again from the layer on, says what comes out.

    Raises:
        ExplainError: no layer of the network covers the picture.
    """
    layer = classifier.default_layer
    grid = classifier.require_grid(layer)
    with capture(classifier.module, [layer], gradients=False) as seen:
        classifier.logits(classifier.preprocess([other]))
    end = tail(classifier.module, layer, classifier.logits, classifier.preprocess([image]))
    pairs: list[Pair] = []
    for pair, logits in greedy_pairs(end, grid, grid.fold(seen[layer])[0], goal):
        pairs.append(pair)
        if int(logits.argmax()) == goal != own:
            mine, theirs = map(classifier.preprocessing.view, (image, other))
            prediction = classifier.ranked(classifier.head.probabilities(logits), 1)[0]
            return Swap(mine, theirs, layer, grid.height, grid.width, tuple(pairs), prediction)
    return None


def greedy_pairs(end: Tail, grid: Grid, other: Tensor, goal: int, tried: int = TRIED) -> Iterator[tuple[Pair, Tensor]]:
    """Pair after pair that raises the score of `goal` over all others most, and the logits `(K,)` after it.

    `other` `(C, h, w)` is what the layer puts out for the other picture. No cell is used twice.
    Source: Goyal 2019, alg. 1; of each step's h²w² pairs we ask the network about the `tried` of the largest gain to
    first order, which for a network that ends in global average pooling and a linear layer is the gain itself.
    """
    donor = other.flatten(1)
    current = end.activation.clone()
    free = torch.ones((grid.height * grid.width, donor.shape[1]), dtype=torch.bool, device=donor.device)
    for _ in range(len(free)):
        gains = _gains(end, grid, current, donor, goal).masked_fill(~free, -torch.inf).flatten()
        best = gains.topk(min(tried, int(free.sum()))).indices
        mine, others = best // donor.shape[1], best % donor.shape[1]
        candidates = torch.cat([current] * len(best))
        cells = grid.fold(candidates)  # a view in every layout
        cells[torch.arange(len(best)), :, mine // grid.width, mine % grid.width] = donor[:, others].mT
        logits = torch.cat([end(part) for part in candidates.split(BATCH)])
        chosen = int(_margin(logits, goal).argmax())
        own, theirs = int(mine[chosen]), int(others[chosen])
        current = candidates[chosen : chosen + 1]
        free[own], free[:, theirs] = False, False
        yield Pair(Cell(*divmod(own, grid.width)), Cell(*divmod(theirs, grid.width))), logits[chosen]


def _gains(end: Tail, grid: Grid, current: Tensor, donor: Tensor, goal: int) -> Tensor:
    """∂ margin / ∂ cell · (donor's cell − own cell), for all pairs `(own, theirs)`."""
    with torch.enable_grad():
        leaf = current.detach().clone().requires_grad_()
        margin = _margin(end(leaf, gradients=True), goal).sum()
        slope = grid.fold(torch.autograd.grad(margin, leaf)[0])[0].flatten(1)
    mine = grid.fold(current)[0].flatten(1)
    return slope.mT @ donor - (slope * mine).sum(0)[:, None]


def _margin(logits: Tensor, goal: int) -> Tensor:
    """How far the score of `goal` lies above the best of the others, `(N,)`."""
    rest = logits.clone()
    rest[:, goal] = -torch.inf
    return logits[:, goal] - rest.amax(1)


# --- Parts hidden ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Removal:
    """Regions `hidden` of `labels` int `(h, w)` over `view`: without them the classifier says `prediction`.

    `area` is their share of what the network saw, `fill` what they were replaced with.
    """

    labels: np.ndarray
    view: Box
    hidden: tuple[int, ...]
    area: float
    prediction: Prediction
    fill: str


def least_removal(
    classifier: Classifier,
    image: Image,
    *,
    regions: str | np.ndarray = REGIONS,
    fill: str = FILL,
    generator: torch.Generator,
    progress: Progress = silent,
) -> Removal | None:
    """Hide regions, the most important first, until the class changes; then show again what need not be hidden.

    None where the class stays with all of them hidden. A region's importance is how much the class's log-probability
    drops when it alone is hidden. What is found is a set of which no single region can be spared; a smaller one of
    other regions may exist. The last word is the classifier's own, not that of the engine's fast copy of it.
    """
    labels = seen_regions(classifier, classifier.preprocessing.pixels([image])[0], regions)
    engine = MaskedForward(
        classifier, image, fill, labels=labels, generator=generator, precision="float32", progress=progress
    )
    own = int(engine.logits.argmax())
    ask = _asker(classifier, image, labels, fill, generator)
    alone = ~torch.eye(engine.regions, dtype=torch.bool)
    order = classifier.head.log_probability(engine(alone), Target(own)).argsort(stable=True)  # the most important first
    shown = ~torch.tril(torch.ones((engine.regions, engine.regions), dtype=torch.bool))[:, order.argsort()]
    for coalition in shown[engine(shown).argmax(1) != own]:  # each hides one region more
        if (hidden := _pruned(engine, coalition, order, own)) and (prediction := ask(hidden)).index != own:
            area = float(np.isin(labels, hidden).mean())
            return Removal(labels, classifier.preprocessing.view(image), hidden, area, prediction, fill)
    return None


def _pruned(engine: MaskedForward, coalition: Tensor, order: Tensor, own: int) -> tuple[int, ...]:
    """The hidden regions of `coalition` less those that can be shown again, the least important tried first."""
    kept = coalition.clone()
    for region in order.flip(0).tolist():
        if not kept[region]:
            kept[region] = True
            if int(engine(kept[None])[0].argmax()) == own:
                kept[region] = False
    return tuple((~kept).nonzero().flatten().tolist())


def _asker(
    classifier: Classifier, image: Image, labels: np.ndarray, fill: str, generator: torch.Generator
) -> Callable[[tuple[int, ...]], Prediction]:
    """Asks the classifier itself for the likeliest class with regions hidden."""
    places = torch.from_numpy(labels.astype(np.int64)).to(classifier.device)
    pixels = classifier.preprocessing.pixels([image]).to(classifier.device)
    filler = find_fill(fill).prepare(pixels[0], places, generator)

    def ask(hidden: tuple[int, ...]) -> Prediction:
        kept = ~torch.isin(places, torch.tensor(hidden, device=places.device))[None]
        filled = filler(kept, torch.zeros(1, dtype=torch.int64, device=kept.device))
        x = classifier.preprocessing.normalize(torch.where(kept[:, None], pixels, filled))
        with torch.no_grad():
            return classifier.ranked(classifier.head.probabilities(classifier.logits(x.to(classifier.dtype))[0]), 1)[0]

    return ask
