"""Anything that scores pictures, as a classifier: a function, a remote service, an ONNX file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from seewhy.errors import ModelError
from seewhy.models.categories import Categories
from seewhy.models.classifier import Classifier
from seewhy.models.preprocessing import Preprocessing

Scorer = Callable[[np.ndarray], Any]


def black_box(
    score: Scorer,
    *,
    size: tuple[int, int] = (224, 224),
    gives: Literal["probabilities", "logits"] = "probabilities",
    categories: Sequence[str] | None = None,
    name: str = "a black box",
) -> Classifier:
    """A classifier that offers nothing but scores.

    Args:
        score: called with pictures, uint8 `(N, h, w, 3)`; answers with `(N, K)`, an array or what becomes one.
        size: (height, width) of the pictures it wants; each is scaled to it whole.
        gives: what the numbers are; probabilities are explained through their logarithm.
        categories: class names in the order of the scores.
        name: what reports call it.
    """
    plain = Preprocessing(size, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    names = Categories(tuple(categories)) if categories is not None else None
    return Classifier(_BlackBox(score, gives), plain, names, name, frozenset({"scores"}))


class _BlackBox(nn.Module):
    def __init__(self, score: Scorer, gives: str) -> None:
        super().__init__()
        self.score = score
        self.gives = gives

    def forward(self, x: Tensor) -> Tensor:
        """Logits `(N, K)` of pictures `(N, 3, h, w)` in [0, 1]."""
        # A probe may hold any numbers; a black box sees nothing but pictures.
        pictures = x.detach().float().clamp(0, 1).mul(255).round().byte().permute(0, 2, 3, 1)
        answer = self.score(np.ascontiguousarray(pictures.cpu().numpy()))
        scores = torch.as_tensor(np.asarray(answer), dtype=torch.float32, device=x.device)
        if self.gives == "logits":
            return scores
        if bool(((scores < 0) | (scores > 1)).any()):
            raise ModelError("the black box gave numbers outside 0 to 1 as probabilities; say gives='logits'")
        return scores.clamp(min=torch.finfo(torch.float32).tiny).log()
