"""Tiny networks with the habits of real ones, good and bad, for the tests of every room.

Each takes `(N, 3, 32, 32)` and scores `CLASSES` classes. `network("residual")` comes seeded and in evaluation mode,
`classifier("residual")` wraps it. `SOUND` are networks that any method must cope with; of `TRICKY` each has an outcome
of its own, said in its docstring.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seewhy.images import Image
from seewhy.models import Classifier, Head, Preprocessing

SIZE = (32, 32)
CLASSES = 4
WIDTH = 8


class GapLinear(nn.Module):
    """Convolution, ReLU, global average, linear: CAM in closed form; its weights are the same on every machine."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, WIDTH, 3, stride=4, padding=1)
        self.relu = nn.ReLU()
        self.head = nn.Linear(WIDTH, CLASSES)
        with torch.no_grad():
            for number, tensor in enumerate(self.parameters()):
                tensor.copy_(torch.arange(tensor.numel()).add(number).mul(1.7).sin().mul(0.5).view_as(tensor))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.relu(self.conv(x)).mean((2, 3)))


class Residual(nn.Module):
    """One in-place ReLU that runs three times, BatchNorm, and a residual `+=`."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, WIDTH, 3, stride=2, padding=1)
        self.first = nn.Conv2d(WIDTH, WIDTH, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(WIDTH)
        self.second = nn.Conv2d(WIDTH, WIDTH, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(WIDTH, CLASSES)
        self.norm.running_mean.uniform_(-0.5, 0.5)
        self.norm.running_var.uniform_(0.5, 1.5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.stem(x))
        y = self.relu(self.norm(self.first(x)))
        y = self.second(y)
        y += x
        return self.head(self.relu(y).mean((2, 3)))


class Reused(nn.Module):
    """One block that runs three times."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, WIDTH, 3, stride=4, padding=1)
        self.block = nn.Sequential(nn.Conv2d(WIDTH, WIDTH, 3, padding=1), nn.Tanh())
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for _ in range(3):
            x = self.block(x)
        return self.head(x.mean((2, 3)))


class Functional(nn.Module):
    """Activations and pools are function calls, one in place with its result thrown away; the head is flat."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, WIDTH, 5, padding=2)
        self.conv2 = nn.Conv2d(WIDTH, WIDTH, 3, padding=1)
        self.head = nn.Linear(WIDTH * 16, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.gelu(self.conv1(x)), 4)
        x = self.conv2(x)
        F.relu_(x)
        return self.head(F.avg_pool2d(x, 2).flatten(1))


class Branches(nn.Module):
    """Two branches side by side and one skip, joined by concatenation."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, WIDTH, 3, stride=4, padding=1), nn.ReLU(inplace=True))
        self.narrow = nn.Sequential(nn.Conv2d(WIDTH, 4, 1), nn.ReLU(inplace=True))
        self.wide = nn.Sequential(nn.Conv2d(WIDTH, 4, 3, padding=1), nn.Sigmoid())
        self.head = nn.Linear(WIDTH + 8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.head(torch.cat([self.narrow(x), self.wide(x), x], 1).mean((2, 3)))


class Chunked(nn.Module):
    """Half of the channels, a view, is added to in place."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, WIDTH, 3, stride=4, padding=1)
        self.conv = nn.Conv2d(WIDTH // 2, WIDTH // 2, 3, padding=1)
        self.head = nn.Linear(WIDTH // 2, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        half = self.stem(x)[:, : WIDTH // 2]
        half += self.conv(half.relu())
        return self.head(half.mean((2, 3)))


class Overlapping(nn.Module):
    """Max pools whose windows overlap."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, WIDTH, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2, padding=1),
            nn.Conv2d(WIDTH, WIDTH, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
        )
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).mean((2, 3)))


class Attention(nn.Module):
    """Self-attention of one head."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        weights = (q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(-1)
        return self.proj(weights @ v)


class Block(nn.Module):
    """A transformer block with its norms first."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class TinyViT(nn.Module):
    """A vision transformer with a class token, which alone is read."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 8, stride=8)
        self.token = nn.Parameter(torch.randn(1, 1, width))
        self.positions = nn.Parameter(torch.randn(1, 17, width) / 5)
        self.blocks = nn.Sequential(Block(width), Block(width))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.positions
        return self.head(self.norm(self.blocks(x))[:, 0])


class ChannelsLast(nn.Module):
    """Works on `(N, h, w, C)` as Swin does."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, WIDTH, 8, stride=8)
        self.mix = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH), nn.GELU())
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).permute(0, 2, 3, 1)
        return self.head((x + self.mix(x)).mean((1, 2)))


class Wrapped(nn.Module):
    """A sound network whose answer comes wrapped."""

    def __init__(self, wrap: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.body = Residual()
        self.wrap = wrap

    def forward(self, x: Tensor) -> Any:
        return self.wrap(self.body(x))


class Output(OrderedDict[str, Tensor]):
    """An answer as the transformers library gives it: an ordered dict with attributes."""

    def __init__(self, logits: Tensor, hidden_states: Tensor) -> None:
        super().__init__(hidden_states=hidden_states, logits=logits)
        self.logits = logits


class Pair(NamedTuple):
    """An answer with a name for each part."""

    logits: Tensor
    auxiliary: Tensor


class Stochastic(nn.Module):
    """Drops out in evaluation mode too: its answer must not hang on, nor disturb, the global random state."""

    def __init__(self) -> None:
        super().__init__()
        self.body = Residual()

    def forward(self, x: Tensor) -> Tensor:
        return self.body(F.dropout(x, 0.3, training=True))


class MutatesInput(nn.Module):
    """Normalises its input in place: whoever calls it must keep a copy."""

    def __init__(self) -> None:
        super().__init__()
        self.body = GapLinear()

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x.mul_(0.5).add_(0.1))


class RaisesAt(nn.Module):
    """Raises `error` in the middle of its `call`-th forward, the first being 1."""

    def __init__(self, call: int = 1, error: type[BaseException] = RuntimeError) -> None:
        super().__init__()
        self.body = Residual()
        self.call, self.error, self.calls = call, error, 0
        self.body.second.register_forward_pre_hook(self._count)

    def _count(self, *_: Any) -> None:
        self.calls += 1
        if self.calls == self.call:
            raise self.error("the zoo's network was told to fail here")

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class Spoilt(nn.Module):
    """A sound network whose scores `spoil` turns into something else."""

    def __init__(self, spoil: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.body = Residual()
        self.spoil = spoil

    def forward(self, x: Tensor) -> Tensor:
        return self.spoil(self.body(x))


class Dazzled(nn.Module):
    """Answers a white picture with NaN."""

    def __init__(self) -> None:
        super().__init__()
        self.body = GapLinear()

    def forward(self, x: Tensor) -> Tensor:
        dazzling = (x > 2).flatten(1).all(1, keepdim=True)
        return self.body(x).masked_fill(dazzling, torch.nan)


class Segmenter(nn.Module):
    """Scores every pixel: no classifier, so it is refused."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, CLASSES, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class Unrecorded(nn.Module):
    """Runs under `no_grad`: there are scores, but no gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.body = Residual()

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class Perceptron(nn.Module):
    """Flattens at once: no layer has a grid."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(3 * 32 * 32, WIDTH)
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.hidden(x.flatten(1)).relu())


def training() -> nn.Module:
    """BatchNorm and dropout left in training mode, as after `model.train()`: it comes back in it, unmoved."""
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(3, WIDTH, 3, stride=4, padding=1),
            norm=nn.BatchNorm2d(WIDTH),
            relu=nn.ReLU(inplace=True),
            drop=nn.Dropout(0.5),
            pool=nn.AdaptiveAvgPool2d(1),
            flat=nn.Flatten(),
            head=nn.Linear(WIDTH, CLASSES),
        )
    ).train()


def frozen() -> nn.Module:
    """All parameters with `requires_grad=False`: gradients at layers are to be had all the same."""
    return Residual().requires_grad_(False)


SOUND: dict[str, Callable[[], nn.Module]] = {
    "gap-linear": GapLinear,
    "residual": Residual,
    "reused": Reused,
    "functional": Functional,
    "branches": Branches,
    "chunked": Chunked,
    "overlapping": Overlapping,
    "tiny-vit": TinyViT,
    "channels-last": ChannelsLast,
    "tuple": lambda: Wrapped(lambda logits: (logits, logits.square())),
    "named-tuple": lambda: Wrapped(lambda logits: Pair(logits, logits.square())),
    "dict": lambda: Wrapped(lambda logits: {"features": logits.square(), "logits": logits}),
    "object": lambda: Wrapped(lambda logits: Output(logits, logits.square())),
    "frozen": frozen,
    "training": training,
}
TRICKY: dict[str, Callable[[], nn.Module]] = {
    "nan": lambda: Spoilt(lambda logits: logits * torch.nan),
    "inf": lambda: Spoilt(lambda logits: logits.exp().mul(1e38).mul(1e38)),
    "constant": lambda: Spoilt(lambda logits: logits * 0 + torch.arange(CLASSES)),
    "zero-gradient": lambda: Spoilt(lambda logits: (50 * logits).round()),
    "wrong-rank": lambda: Spoilt(lambda logits: logits[:, 0]),
    "segmentation": Segmenter,
    "stochastic": Stochastic,
    "mutates-input": MutatesInput,
    "raises": RaisesAt,
    "unrecorded": Unrecorded,
    "no-grid": Perceptron,
}


def network(name: str, seed: int = 0) -> nn.Module:
    """The network called `name`, its weights drawn from `seed`, in evaluation mode unless it is about training."""
    make = {**SOUND, **TRICKY}[name]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = make()
    return module if name == "training" else module.eval()


def classifier(name: str, seed: int = 0) -> Classifier:
    """The same as a classifier for 32 × 32 inputs; what is unsound is not tried out before it is asked."""
    made = Classifier(network(name, seed), Preprocessing(size=SIZE), name=name)
    return made.checked() if name in SOUND else made


@cache
def _facts(name: str) -> dict[str, Any]:
    known = classifier(name)
    return {fact: getattr(known, fact) for fact in ("_probed", "categories", "layers", "default_layers")}


def familiar(name: str) -> Classifier:
    """A network as a classifier that knows what it would find out about itself on first use, which takes time."""
    made = Classifier(network(name), Preprocessing(size=SIZE), name=name)
    vars(made).update(_facts(name))
    return made


def head(name: str) -> Head:
    """What a sound network's numbers mean, where it is not tried out."""
    return Head(output=0) if name == "tuple" else Head()


def inputs(count: int = 2, seed: int = 0) -> Tensor:
    """Random network inputs `(count, 3, 32, 32)`."""
    return torch.randn((count, 3, *SIZE), generator=torch.Generator().manual_seed(seed))


def photos(count: int = 2, height: int = 40, width: int = 48, seed: int = 0) -> list[Image]:
    """Random pictures."""
    pixels = np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), np.uint8)
    return [Image(each, f"photo {index}") for index, each in enumerate(pixels)]
