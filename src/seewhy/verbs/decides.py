"""What decides in one photo: the part with the most evidence is hidden, as are parts of its size elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from seewhy.core.progress import Progress, silent
from seewhy.core.text import percent
from seewhy.engines import MaskedForward
from seewhy.methods import Explanation, Method
from seewhy.models import Box, Classifier, Prediction

Places: TypeAlias = NDArray[np.int64]

SHARES = (1 / 16, 1 / 9, 1 / 4)  # of what the network sees, the smallest first
CONTROLS = 19  # with the part itself twenty: that it is the worst of them by chance has probability 0.05
OVERLAP = 0.5  # of a control with the part, at most
TRIALS = 400


@dataclass(frozen=True)
class Decision:
    """What became of the answer when one part of a photo was hidden.

    Attributes:
        share: of what the network sees, how much the part is.
        box: the part, in pixels of the photo.
        before: the likeliest class, and its probability.
        rival: the likeliest class without the part, and its probability there.
        after: the probability of the class of `before` without the part.
        worse: how many of the `controls` take as much of it away.
        controls: parts of that size elsewhere that were hidden, too.
        method: whose evidence chose the part.
    """

    share: float
    box: Box
    before: Prediction
    rival: Prediction
    after: float
    worse: int
    controls: int
    method: str

    @property
    def turns(self) -> bool:
        """Whether the model says something else without the part."""
        return self.rival.index != self.before.index

    @property
    def stands_out(self) -> bool:
        """Whether no control takes as much away, and there are enough of them to tell so at p = 0.05."""
        return self.worse == 0 and self.controls >= CONTROLS

    @property
    def sentence(self) -> str:
        """What decides, in a sentence."""
        name, part = self.before.name, f"the framed part, {percent(self.share)} of what the model sees"
        if not self.turns:
            start = f"No small part was found that decides alone: without {part}, the model still says {name}"
            return f"{start} ({percent(self.after)} instead of {self.before.told})."
        said = f"the model says {self.rival.name} ({self.rival.told}) instead of {name} ({self.before.told})"
        if self.stands_out:
            return f"{part[0].upper()}{part[1:]}, decides: without it {said}."
        others = f"{self.worse} of {self.controls} other parts of its size take as much away"
        why = f"yet {others}, so that no place decides" if self.worse else "it is too large to be held against others"
        return f"Without {part}, {said}; {why}."

    @property
    def test(self) -> str:
        """What the sentence was held against."""
        title = Method.registry[self.method].title
        start = (
            f"The part holds the most evidence of {title}; it was hidden under the photo's mean colour, as were "
            f"{self.controls} others of its size"
        )
        if not self.worse:
            return f"{start}: none of them takes as much of “{self.before.name}” away."
        return f"{start}: {self.worse} of them {'takes' if self.worse == 1 else 'take'} as much of it away."


def what_decides(
    classifier: Classifier, explanation: Explanation, *, seed: int = 0, progress: Progress = silent
) -> Decision | None:
    """Hide the part of a photo that holds the most evidence, and as much elsewhere.

    The smallest part is taken without which the model says something else, or else the largest one. It is chosen before
    the others are hidden, so that these are one test.

    Args:
        classifier: Whose answer it is.
        explanation: Of the likeliest class, by a method whose map hangs on the class.
        seed: Of where the others lie.
        progress: Told of the work done; may raise `Cancelled`.

    Returns:
        What became of the answer; None where nothing can be told: the map is empty, another class than the likeliest
        was asked about, the map does not hang on it, or one of several labels or a value is no decision.
    """
    before, target = explanation.predictions[0], explanation.target
    blind = Method.registry[explanation.method].class_blind
    plain = target.against is None and not target.also and target.index == before.index
    if blind or not plain or explanation.meaning not in {"classes", "binary"} or not (explanation.values > 0).any():
        return None
    generator = torch.Generator().manual_seed(seed)
    forward = MaskedForward(classifier, explanation.image, "region-mean", generator=generator, progress=progress)
    size = tuple(classifier.preprocessing.pixels([explanation.image]).shape[2:])
    evidence = interpolate(torch.from_numpy(explanation.values.clip(min=0))[None, None], size, mode="bilinear")
    parts = [_richest(evidence, share) for share in SHARES]
    hidden = classifier.head.probabilities(forward.maps(_masks(np.array(parts), size)))
    told = [classifier.ranked(row, 1)[0] for row in hidden]
    place = next((at for at, each in enumerate(told) if each.index != before.index), len(told) - 1)
    after, part = float(hidden[place, before.index]), parts[place]
    others = _elsewhere(part, size, generator)
    probabilities = classifier.head.probabilities(forward.maps(_masks(others, size)))[:, before.index]
    worse = int((probabilities <= after).sum())
    top, left, high, wide = part
    return Decision(
        high * wide / (size[0] * size[1]), _in_photo((left, top, left + wide, top + high), explanation.view, size),
        before, told[place], after, worse, len(others), explanation.method,
    )  # fmt: skip


def _richest(evidence: Tensor, share: float) -> tuple[int, int, int, int]:
    """Top, left, height and width of the box of this share that holds the most of a map `(1, 1, h, w)`."""
    high, wide = (max(1, round(length * share**0.5)) for length in evidence.shape[2:])
    sums = avg_pool2d(evidence, (high, wide), 1)[0, 0]
    top, left = divmod(int(sums.argmax()), sums.shape[1])
    return top, left, high, wide


def _masks(parts: Places, size: tuple[int, ...]) -> Tensor:
    """Bool `(n, h, w)`, false in each part."""
    found = torch.ones(len(parts), *size, dtype=torch.bool)
    for mask, (top, left, high, wide) in zip(found, parts.tolist(), strict=True):
        mask[top : top + high, left : left + wide] = False
    return found


def _elsewhere(part: tuple[int, int, int, int], size: tuple[int, ...], generator: torch.Generator) -> Places:
    """Different parts of the same size that share no more than half of themselves with it."""
    top, left, high, wide = part
    room = torch.tensor([size[0] - high + 1, size[1] - wide + 1])
    drawn = (torch.rand(TRIALS, 2, generator=generator) * room).long()
    shared = (high - (drawn[:, 0] - top).abs()).clamp(min=0) * (wide - (drawn[:, 1] - left).abs()).clamp(min=0)
    apart = list(dict.fromkeys(map(tuple, drawn[shared <= OVERLAP * high * wide].tolist())))[:CONTROLS]
    return np.array([(*place, high, wide) for place in apart], np.int64).reshape(-1, 4)


def _in_photo(box: tuple[int, ...], view: Box, size: tuple[int, ...]) -> Box:
    across, down = view.width / size[1], view.height / size[0]
    left, top, right, bottom = box
    return Box(view.left + left * across, view.top + top * down, view.left + right * across, view.top + bottom * down)
