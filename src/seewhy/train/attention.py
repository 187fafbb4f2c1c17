"""Training that listens: the class's map is drawn into the masks that people made of what matters.

Source: Rao et al. 2023, Studying How to Efficiently and Effectively Guide Models with Explanations, the energy loss; of
the map gradient × activation, which is their choice for networks that end in a mean over cells and a linear layer.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from seewhy.errors import UsageError
from seewhy.images import Folder
from seewhy.images.image import Image
from seewhy.models import Classifier, Grid, find_layer
from seewhy.train.data import Pictures, Stream, answers
from seewhy.train.loop import seed_of

TINY = 1e-6
AT_ONCE = 16


class AttentiveBatch(NamedTuple):
    """A batch with the masks `(n, 1, h, w)` in [0, 1] of its pictures, and which of them `(n,)` have one."""

    x: Tensor
    y: Tensor
    masks: Tensor
    known: Tensor


@dataclass(frozen=True, eq=False)
class Attention:
    """Where people look in some of the pictures: masks uint8 `(1, H, W)` by place, sized as the pictures are.

    `weight` is how much the energy of the map outside the masks counts beside the cross entropy.
    """

    masks: Mapping[int, Tensor]
    weight: float = 1.0

    @classmethod
    def of(cls, pictures: Pictures, masks: Path, weight: float = 1.0) -> Attention:
        """The masks of these pictures in the folder `masks`; empty where it has none of them.

        Raises:
            UsageError: no mask fits any picture of their folder.
        """
        named = Folder.open(pictures.folder.root, masks).named
        found: dict[int, Tensor] = {}
        for index, entry in enumerate(pictures.entries):
            if (drawn := named.get(entry.path)) is None or drawn.mask is None:
                continue
            area = pictures.folder.mask(drawn)
            if area is not None and area.any():
                painted = Image(np.repeat(area[..., None], 3, 2) * np.uint8(255), entry.path)
                canvas = torch.from_numpy(pictures.preprocessing.resized(painted))
                found[index] = canvas.permute(2, 0, 1)[:1].contiguous()
        return cls(found, weight)

    def batch(self, stream: Stream, step: int) -> AttentiveBatch:
        """The batch of a step; masks are changed as their pictures are."""
        batch, epoch = stream(step), step // stream.steps_per_epoch
        indices = batch.indices.tolist()
        seen = [self._seen(stream, index, epoch) for index in indices]
        masks = (torch.stack(seen).to(batch.x.device) > 127).float()  # of light that changes nothing passes 127
        known = torch.tensor([index in self.masks for index in indices], device=batch.x.device)
        return AttentiveBatch(batch.x, batch.y, masks, known & masks.flatten(1).any(1))

    def _seen(self, stream: Stream, index: int, epoch: int) -> Tensor:
        pictures, size = stream.pictures, stream.pictures.preprocessing.size
        mask = self.masks.get(index)
        if mask is None:
            return torch.zeros((1, *size), dtype=torch.uint8)
        if stream.augmentation is None:
            return view_of(mask, size)
        generator = torch.Generator().manual_seed(seed_of(stream.seed, "picture", epoch, index))
        return stream.augmentation(mask, pictures.preprocessing.size, generator)


def view_of(canvas: Tensor, size: tuple[int, int]) -> Tensor:
    """The middle of a canvas `(C, H, W)`, as `Pictures.view` cuts it."""
    top, left = (round((whole - part) / 2) for whole, part in zip(canvas.shape[1:], size, strict=True))
    return canvas[:, top : top + size[0], left : left + size[1]]


@contextmanager
def watching(module: nn.Module, layer: str) -> Generator[list[Tensor]]:
    """What a layer puts out meanwhile, in autograd's graph; as a leaf of it where nothing before it learns."""
    kept: list[Tensor] = []

    def keep(_part: nn.Module, _args: Any, output: Tensor) -> Tensor:
        output = output if output.requires_grad else output.detach().requires_grad_()
        kept.append(output)
        return output

    handle = find_layer(module, layer).register_forward_hook(keep)
    try:
        yield kept
    finally:
        handle.remove()


def energy(logits: Tensor, y: Tensor, activations: Tensor, grid: Grid, masks: Tensor) -> Tensor:
    """The share `(n,)` of each picture's evidence for its class `(n,)` that lies in its mask `(n, 1, h, w)`.

    Evidence is where gradient × activation, summed over channels, is above 0; a map without any counts as outside. The
    gradient is that of the log-odds: what speaks against all other classes speaks for this one, and would stay unseen
    in its own score.
    """
    own = torch.nn.functional.one_hot(y, logits.shape[1]).bool()
    others = logits.masked_fill(own, -torch.inf).logsumexp(1)
    (slopes,) = torch.autograd.grad((logits[own] - others).sum(), activations, create_graph=True)
    maps = (grid.fold(slopes) * grid.fold(activations)).sum(1, keepdim=True).clamp(min=0)
    inside = adaptive_avg_pool2d(masks, grid.size)
    return (maps * inside).sum((1, 2, 3)) / (maps.sum((1, 2, 3)) + TINY)


def attention_loss(shares: Tensor, known: Tensor) -> Tensor:
    """− log of the share inside, as the mean over the pictures that have a mask; 0 where none has."""
    return -(shares + TINY).log()[known].mean() if known.any() else shares.sum() * 0


def measured_energy(classifier: Classifier, pictures: Pictures, attention: Attention) -> float | None:
    """The mean share of the evidence for each picture's class that lies in its mask; None where none has one."""
    places, layer = [*attention.masks], classifier.default_layer
    grid, size = classifier.require_grid(layer), pictures.preprocessing.size
    shares: list[Tensor] = []
    for start in range(0, len(places), AT_ONCE):
        part = places[start : start + AT_ONCE]
        batch = pictures.batch(part, classifier.device)
        masks = torch.stack([view_of(attention.masks[index], size) for index in part]).to(batch.x.device)
        with watching(classifier.module, layer) as kept:
            logits = classifier.logits(batch.x)
        shares.append(energy(logits, batch.y, kept[-1], grid, (masks > 127).float()).detach())
    return float(torch.cat(shares).mean()) if shares else None


def check_attention(classifier: Classifier, attention: Attention, labelled: bool) -> None:
    """Raises `UsageError` where there is nothing to attend to, or nothing that can."""
    if labelled:
        raise UsageError("--attention is about the class of a picture; pictures here have several labels")
    if not attention.masks:
        raise UsageError("none of the pictures to learn from has a mask; name masks like the pictures")
    classifier.require_grid(classifier.default_layer)


class Compared(NamedTuple):
    """A number of the network that listened, and of its twin that did not."""

    listening: float | None
    plain: float | None


@dataclass(frozen=True)
class Listened:
    """What training with masks cost and changed: accuracy on unseen pictures, energy in masks, of `part`'s pictures."""

    part: str
    masks: int
    accuracy: Compared
    energy: Compared


def compared(
    listening: Classifier, plain: Classifier, opened: Mapping[str, Pictures], attention: Attention, masks: Path
) -> Listened:
    """Both networks on the last part that they did not learn from; where none of it has a mask, on what they did."""
    unseen = [part for part, pictures in opened.items() if part != "train" and len(pictures)][-1]
    try:
        seen = Attention.of(opened[unseen], masks)
    except UsageError:  # of a part of its own, none of whose pictures has a mask
        seen = Attention({})
    part, drawn = (unseen, seen) if seen.masks else ("train", attention)
    labels = opened[unseen].labels
    said = [answers(each.logits, opened[unseen], each.device).argmax(1).cpu() for each in (listening, plain)]
    right = [float((each == labels).float().mean()) for each in said]
    shares = [measured_energy(each, opened[part], drawn) for each in (listening, plain)]
    return Listened(part, len(attention.masks), Compared(*right), Compared(*shares))
