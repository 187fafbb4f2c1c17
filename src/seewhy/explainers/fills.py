"""Provisional: being replaced."""

from __future__ import annotations

from typing import Any

import torch

Fill = Any
Filler = Any


class _F:
    alternatives = 1

    def __init__(self, p):
        self.p = p

    def __call__(self, masks, which):
        return self.p


class _RM:
    def prepare(self, pixels, labels, generator):
        if labels is None:
            return _F(pixels.mean((1, 2), keepdim=True).expand_as(pixels)[None])
        d = int(labels.max()) + 1
        n = torch.bincount(labels.flatten(), minlength=d)
        out = torch.stack([torch.zeros(d).index_add(0, labels.flatten(), c.flatten()) / n for c in pixels])
        return _F(out[:, labels][None])


def find_fill(name):
    return _RM()
