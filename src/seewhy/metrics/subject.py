"""What metrics are asked about, and what they answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from seewhy.core.progress import Progress
from seewhy.engines import Fill, find_fill
from seewhy.errors import NonFinite, UsageError
from seewhy.images import Image
from seewhy.methods import Explanation, Method
from seewhy.metrics.hiding import Hider
from seewhy.models import Classifier


@dataclass(frozen=True, eq=False)
class Score:
    """One number about one explanation, with the curve it was read off where there is one.

    Where the number has no meaning, `value` is None and `reason` says why, in words.
    """

    value: float | None
    curve: np.ndarray | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        if self.value is not None and not np.isfinite(self.value):
            raise NonFinite(f"a metric gave {self.value}; say why there is no value instead")

    @classmethod
    def undefined(cls, reason: str) -> Score:
        """There is no such number, for this reason."""
        return cls(None, reason=reason)


@dataclass(frozen=True, eq=False)
class Subject:
    """One picture as one classifier sees it, with what some metrics need besides the explanations.

    Args:
        classifier: whose decision was explained.
        image: the picture.
        mask: where people see the object, bool `(h, w)` over what the network saw.
        methods: what made each explanation, for metrics that explain again.
    """

    classifier: Classifier
    image: Image
    mask: np.ndarray | None = None
    methods: Mapping[Explanation, Method] = field(default_factory=dict)

    def __post_init__(self) -> None:
        size = self.classifier.preprocessing.size
        if self.mask is not None and (self.mask.dtype != np.bool_ or self.mask.shape != size):
            raise UsageError(f"a mask is bool {size}, what the network sees, not {self.mask.dtype} {self.mask.shape}")

    @cached_property
    def pixels(self) -> Tensor:
        """What the network saw, `(3, h, w)` in [0, 1] on the CPU."""
        return self.classifier.preprocessing.pixels([self.image])[0]

    def framed(self, pixels: Tensor) -> Image:
        """A picture of which the classifier sees exactly `pixels` `(3, h, w)` in [0, 1], rounded to 8 bits."""
        levels = (pixels.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
        preprocessing = self.classifier.preprocessing
        if preprocessing.resize is None:
            return Image(levels, self.image.name)
        canvas = np.zeros((preprocessing.resize, preprocessing.resize, 3), np.uint8)
        left, top, right, bottom = map(int, preprocessing.view(Image(canvas, self.image.name)))
        canvas[top:bottom, left:right] = levels
        return Image(canvas, self.image.name)

    def shown(self, mask: np.ndarray, fill: str | Fill, generator: torch.Generator) -> Image:
        """What the network saw where `mask` float `(h, w)` is 1, and the fill where it is 0, framed."""
        weights = torch.from_numpy(mask)[None]
        filler = find_fill(fill).prepare(self.pixels, None, generator)
        hidden = filler(weights, torch.zeros(1, dtype=torch.int64))[0]
        return self.framed(hidden + weights * (self.pixels - hidden))

    def hider(self, fill: str | Fill, generator: torch.Generator, progress: Progress) -> Hider:
        """What asks the network about the picture with parts hidden by `fill`; made once for each seed."""
        seed = generator.initial_seed()
        for known, drawn, hider in self._hiders:
            if (known, drawn) == (fill, seed):
                hider.engine.progress = progress
                return hider
        hider = Hider(self.classifier, self.image, fill, seed, progress)
        self._hiders.append((fill, seed, hider))
        return hider

    @cached_property
    def _hiders(self) -> list[tuple[str | Fill, int, Hider]]:
        return []
