"""Pixels in order of relevance, and masks made of that order: the asked number of pixels, whatever the ties."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import torch

End = Literal["highest", "lowest"]


class Hiding(NamedTuple):
    """Hide this many pixels from one end of the order."""

    end: End
    pixels: int

    @classmethod
    def share(cls, end: End, share: float, total: int) -> Hiding:
        """Hide this share of so many pixels."""
        return cls(end, round(share * total))


NOTHING = Hiding("highest", 0)


def draw_ties(size: tuple[int, int], seed: int) -> np.ndarray:
    """Random order `(h, w)` in which equal pixels stand: a permutation, the same for every map."""
    order = torch.randperm(size[0] * size[1], generator=torch.Generator().manual_seed(seed))
    return order.view(size).numpy()


def pixel_ranks(values: np.ndarray, ties: np.ndarray) -> np.ndarray:
    """Rank of each pixel, int32 `(h, w)`: 0 for the least relevant, equal ones in the order of `ties`."""
    order = np.lexsort((ties.ravel(), values.ravel()))
    ranks = np.empty(values.size, np.int32)
    ranks[order] = np.arange(values.size, dtype=np.int32)
    return ranks.reshape(values.shape)


def keep_of(ranks: np.ndarray, asked: Hiding) -> np.ndarray:
    """Bool `(h, w)`, true where a pixel stays visible."""
    if asked.end == "highest":
        return ranks < ranks.size - asked.pixels
    return ranks >= asked.pixels


def top_area(values: np.ndarray, share: float, ties: np.ndarray) -> np.ndarray:
    """Bool `(h, w)`: the most relevant `share` of all pixels, exactly."""
    return ~keep_of(pixel_ranks(values, ties), Hiding.share("highest", share, values.size))


def evidence(values: np.ndarray) -> np.ndarray:
    """What speaks for the class: negative values are 0."""
    return values.clip(min=0)


def soft_mask(values: np.ndarray) -> np.ndarray:
    """The evidence for the class stretched to [0, 1]; a flat map shows everything, an empty one nothing."""
    positive = evidence(values)
    low, high = positive.min(), positive.max()
    return (positive - low) / (high - low) if low < high else np.where(positive > 0, 1, positive)
