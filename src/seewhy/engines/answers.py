"""Answers of networks about pictures with parts hidden, kept for as long as one command asks.

What methods, metrics, classes and seeds ask alike is asked once. An answer hangs on the network, the precision it
computes in, the picture, what hides its parts, and what is hidden: those are its key.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import torch
from torch import Tensor

from seewhy.engines.baselines import Filler

ROOM = 128 << 20  # bytes: 33,000 answers of 1,000 classes


class Answers:
    """Logits by question. Where `room` bytes do not hold them, the oldest are forgotten, and asked for again."""

    def __init__(self, room: int = ROOM) -> None:
        self._room, self._held = room, 0
        self._rows: dict[Hashable, Tensor] = {}  # the oldest first
        self._subjects: dict[Hashable, int] = {}

    def subject(self, *what: Hashable) -> int:
        """A number that stands for all this in keys, since it is shorter."""
        return self._subjects.setdefault(what, len(self._subjects))

    def get(self, key: Hashable) -> Tensor | None:
        """The logits `(K,)`; None where they are not known."""
        return self._rows.get(key)

    def keep(self, key: Hashable, logits: Tensor) -> None:
        """Keep the logits `(K,)` of a question that was not known."""
        self._rows[key] = logits
        self._held += logits.nbytes
        while self._held > self._room:
            self._held -= self._rows.pop(next(iter(self._rows))).nbytes


def content(value: Any) -> Hashable:
    """What is equal for tensors of the same numbers, and for fillers that hold the same; else the value itself.

    Numbers are told apart by 64 bits: that two of 33,000 different masks count as one is as likely as 1 in 10¹⁰.
    """
    if isinstance(value, Tensor):
        plain = value.detach().cpu().contiguous()
        return plain.dtype, plain.shape, hash(plain.flatten().view(torch.uint8).numpy().tobytes())
    if isinstance(value, Filler):
        return type(value), *(content(each) for each in vars(value).values())
    try:
        hash(value)
    except TypeError:  # it may change, so nothing is like it
        return object()
    return value
