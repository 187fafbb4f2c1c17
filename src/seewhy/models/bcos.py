"""`bcos:` classifiers: networks whose every layer is linear once its input is known, so that their maps are exact.

Source: Böhle et al. 2022, B-cos Networks: Alignment is All We Need for Interpretability, with B = 2. A layer gives
|cos(x, w)| · ŵᵀx: it can only be large where its input points along its weights. Of two such units the greater counts
(MaxOut), scores have a scale of their own, there are no biases and no ReLU, and colours enter beside their complements,
as there. Unlike there the networks are small, for folders of a few thousand pictures, and layers are brought to one
scale by their second moment.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import override

from seewhy.errors import UnknownName
from seewhy.models.categories import Categories
from seewhy.models.checkpoints import load_weights, read_weights
from seewhy.models.classifier import Classifier
from seewhy.models.preprocessing import Preprocessing
from seewhy.models.sources import Source

TINY = 1e-6
MOMENTUM = 0.1
SIZES = {"small": 64}  # the side of what each sees
CHANNELS = (32, 64, 128, 128)
STRIDES = (2, 2, 2, 1)
UNITS = 2  # of which the greater counts
SCALE = 8.0  # of scores: means over a grid are small, and their softmax would learn slowly
UNTRAINED = 2  # classes of a network that nobody has trained


class Complements(nn.Module):
    """Colours in [0, 1] beside what each lacks to 1: dark and bright count alike."""

    def forward(self, x: Tensor) -> Tensor:
        """`(N, C, h, w)` to `(N, 2 C, h, w)`."""
        return torch.cat([x, 1 - x], 1)


class BcosConv2d(nn.Module):
    """|cos(x, w)| · ŵᵀx of the greater of two units at every place, brought to one scale.

    `fixed` lets no gradient go through the scales.
    """

    moments: Tensor

    def __init__(self, before: int, after: int, size: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(UNITS * after, before, size, size))
        nn.init.kaiming_normal_(self.weight)
        self.stride, self.padding, self.fixed = stride, size // 2, False
        self.register_buffer("moments", torch.ones(after))

    def forward(self, x: Tensor) -> Tensor:
        """Maps of inputs `(N, C, h, w)`."""
        unit = self.weight / (self.weight.flatten(1).norm(dim=1)[:, None, None, None] + TINY)
        linear = F.conv2d(x, unit, stride=self.stride, padding=self.padding).unflatten(1, (-1, UNITS)).amax(2)
        ones = torch.ones_like(self.weight[:1])
        length = (F.conv2d(x.square(), ones, stride=self.stride, padding=self.padding) + TINY).sqrt()
        scale = linear.abs() / length
        out = linear * (scale.detach() if self.fixed else scale)
        if self.training:
            # In the graph, as in BatchNorm: held fixed, a step that only makes a channel larger looks like gain.
            seen = out.square().mean((0, 2, 3))
            with torch.no_grad():
                self.moments.lerp_(seen, MOMENTUM)
            return out / (seen[:, None, None] + TINY).sqrt()
        return out / (self.moments[:, None, None] + TINY).sqrt()


class BcosNetwork(nn.Module):
    """Some B-cos convolutions, the mean over their grid, and a linear layer without bias."""

    def __init__(self, classes: int, channels: int = 3, strides: tuple[int, ...] = STRIDES) -> None:
        super().__init__()
        self.encode = Complements()
        widths = (2 * channels, *CHANNELS[: len(strides)])
        layers = zip(pairwise(widths), strides, strict=True)
        self.features = nn.Sequential(*(BcosConv2d(*each, stride=step) for each, step in layers))
        self.head = nn.Linear(widths[-1], classes, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Scores `(N, K)` of colours in [0, 1]."""
        return SCALE * self.head(self.features(self.encode(x)).mean((2, 3)))


@contextmanager
def fixed_scales(module: nn.Module) -> Generator[None]:
    """Within it a gradient is the matrix by which the network multiplies what it sees."""
    layers = [part for part in module.modules() if isinstance(part, BcosConv2d)]
    for layer in layers:
        layer.fixed = True
    try:
        yield
    finally:
        for layer in layers:
            layer.fixed = False


class Bcos(Source):
    """Small B-cos networks to train on one's own pictures: `seewhy train --recipe bcos`."""

    prefix, form = "bcos", "bcos:small"

    @override
    def load(self, name: str, weights: Path | None = None) -> Classifier:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            module = self.build(name, UNTRAINED)
        if weights is not None:
            load_weights(module, read_weights(weights), str(weights))
        side = SIZES[name]
        preprocessing = Preprocessing((side, side), mean=(0.0,) * 3, std=(1.0,) * 3)
        notes = () if weights else ("Nobody has trained this network: its weights are random.",)
        return Classifier(module, preprocessing, Categories.numbered(UNTRAINED), f"bcos:{name}", given_notes=notes)

    @override
    def build(self, name: str, classes: int, **options: Any) -> nn.Module:
        if name not in SIZES:
            raise UnknownName(f"there is no B-cos network '{name}'; there is {', '.join(SIZES)}")
        return BcosNetwork(classes).eval()

    @override
    def names(self) -> list[str]:
        return [*SIZES]
