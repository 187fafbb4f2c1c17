"""`check_method`: the public conformance test, for those who write methods of their own."""

from __future__ import annotations

import random
import re
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from seewhy.core.progress import Progress, silent
from seewhy.errors import Cancelled, ExplainError, UsageError
from seewhy.images import Image
from seewhy.methods.attribute import attribute
from seewhy.methods.explanation import Explanation
from seewhy.methods.method import Method, build_method
from seewhy.models import Classifier, Preprocessing, Target

SIDE, CLASSES, WIDTH = 24, 4, 8
NEEDS = ("attention", "gradients", "layers", "scores")
NAME = re.compile(r"[a-z0-9]+([:-][a-z0-9]+)*\+*")
ROUNDING = 1e-5  # of the largest value


def check_method(method: type[Method] | Method, **settings: Any) -> None:
    """Try a method on a small network, and refuse it if it breaks a promise that every method makes.

    It has to declare itself; to give one finite map for each picture, target and layer, in this order; to give each
    the map that it would get alone; to repeat itself under the same seed, whatever the global random state; to leave
    network and process as they were; to tell its progress and let `Cancelled` pass; and to say the same of tensors.

    Args:
        method: a subclass of `Method`, or an object of it.
        settings: parameters for a class, such as those that it cannot do without, or that make it quick.

    Raises:
        ExplainError: the first promise that it breaks.
        UsageError: this is no method.

    >>> import seewhy
    >>> seewhy.check_method(seewhy.methods.GradCAM)
    """
    given: Any = method
    if not isinstance(given, Method) and not (isinstance(given, type) and issubclass(given, Method)):
        raise UsageError(f"a method is a subclass of seewhy.methods.Method or an object of it, not {given!r}")
    made = method if isinstance(method, Method) else build_method(method, settings)
    module = _settled(_Transformer() if "attention" in made.needs else _convolutions())
    trial = _Trial(made, Classifier.from_module(module, Preprocessing((SIDE, SIDE)), name="a small network"))
    for promise in (_declares, _answers, _keeps_order, _is_alone, _repeats, _can_be_stopped, _takes_tensors):
        promise(trial)


class _Trial:
    """A method, a network, and three pictures."""

    def __init__(self, method: Method, classifier: Classifier) -> None:
        self.method, self.classifier = method, classifier
        pixels = np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE, 3), np.uint8)
        self.images = [Image(each, f"picture {number}") for number, each in enumerate(pixels)]

    def explain(
        self, targets: Sequence[Sequence[Target]], images: Sequence[Image] = (), seed: int = 0, tell: Progress = silent
    ) -> list[Explanation]:
        """The method's answers, from a network and a process that have to be as before."""
        shown = list(images or self.images[: len(targets)])
        with _unchanged(self):
            return self.method(
                self.classifier, shown, targets, generator=torch.Generator().manual_seed(seed), progress=tell
            )

    def maps(self, *given: Any, **options: Any) -> list[np.ndarray]:
        """The maps `(L, h, w)` of every picture and target, of L layers."""
        found = self.explain(*given, **options)
        depth = max(len({each.layer for each in found}), 1)
        return [np.stack([each.values for each in found[at : at + depth]]) for at in range(0, len(found), depth)]

    def require(self, holds: bool, promise: str) -> None:
        """Refuse the method unless the promise holds."""
        if not holds:
            raise ExplainError(f"{self.method.name or type(self.method).__name__} breaks a promise: {promise}")


def _declares(trial: _Trial) -> None:
    method = type(trial.method)
    needs = frozenset(method.needs)
    trial.require(bool(NAME.fullmatch(method.name)), "its name is lower case, words joined by hyphens")
    trial.require(not (method.__doc__ or "").startswith(f"{method.__name__}("), "it has a docstring")
    trial.require(bool(needs) and needs <= {*NEEDS}, f"needs is of {', '.join(NEEDS)}")
    trial.require(method.question in {"", method.question.rstrip("?") + "?"}, "its question ends with a question mark")


def _answers(trial: _Trial) -> None:
    found, *_ = trial.explain([[Target(1)]])
    method = trial.method
    trial.require(found.values.shape == (SIDE, SIDE), f"a map is ({SIDE}, {SIDE}) here, not {found.values.shape}")
    trial.require(found.signed or bool((found.values >= 0).all()), "only a signed method gives negative values")
    trial.require(found.cost.forwards >= 1, "it counts its forwards; task.spend counts what no engine does")
    trial.require(set(found.parameters) == set(method.parameters), "its parameters are told")


def _keeps_order(trial: _Trial) -> None:
    targets = [[Target(0), Target(3)], [Target(2, against=0)], [Target(1)]]
    found = trial.explain(targets)
    layers = list(dict.fromkeys(each.layer for each in found))
    wanted = [
        (image.name, target, layer)
        for image, asked in zip(trial.images, targets, strict=True)
        for target, layer in product(asked, layers)
    ]
    got = [(each.image.name, each.target, each.layer) for each in found]
    trial.require(got == wanted, "one answer for each picture, target and layer, in this order")


def _is_alone(trial: _Trial) -> None:
    targets = [[Target(0)], [Target(1)], [Target(2)]]
    (alone,) = trial.maps(targets[2:], trial.images[2:])
    trial.require(_equal(trial.maps(targets)[2], alone), "each picture gets the map that it would get alone")
    both = trial.maps([[Target(3), Target(2)]], trial.images[2:])
    trial.require(_equal(both[1], alone), "each target gets the map that it would get alone")


def _repeats(trial: _Trial) -> None:
    maps: list[bytes] = []
    states = torch.get_rng_state(), random.getstate()
    for disturbance in (1, 2):
        torch.manual_seed(disturbance)
        random.seed(disturbance)
        maps.append(trial.maps([[Target(1)]], seed=5)[0].tobytes())
    torch.set_rng_state(states[0])
    random.setstate(states[1])
    trial.require(maps[0] == maps[1], "the same seed gives the same map; draw from task.generator alone")


def _can_be_stopped(trial: _Trial) -> None:
    def stop(done: int, total: int | None, message: str) -> None:
        raise Cancelled(f"stopped at {done} of {total} {message}")

    try:
        trial.explain([[Target(1)]], tell=stop)
    except Cancelled:
        return
    trial.require(False, "Cancelled, raised by task.progress, goes through it")


def _takes_tensors(trial: _Trial) -> None:
    (maps,) = trial.maps([[Target(1)]])
    x = trial.classifier.preprocess(trial.images[:1])
    with _unchanged(trial):
        values = attribute(trial.classifier, x, 1, trial.method).values.numpy()
    same = _equal(values.reshape(maps.shape), maps, 1e-3)
    trial.require(same, "it says the same of tensors as of pictures")


def _equal(one: np.ndarray, other: np.ndarray, rounding: float = ROUNDING) -> bool:
    return bool(np.abs(one - other).max() <= rounding * max(np.abs(other).max(), 1e-12))


@contextmanager
def _unchanged(trial: _Trial) -> Generator[None]:
    """Refuse a method that leaves network or process in another state."""
    before = _state(trial.classifier.module)
    yield
    after = _state(trial.classifier.module)
    changed = ", ".join(what for what in before if before[what] != after[what])
    trial.require(not changed, f"it leaves network and process as they were; it changed {changed}")


def _state(module: nn.Module) -> dict[str, Any]:
    parts, tensors = dict(module.named_modules()), {**module.state_dict(), **dict(module.named_parameters())}
    return {
        "training modes": {name: part.training for name, part in parts.items()},
        "hooks": {
            name: [key for key, value in vars(part).items() if "hooks" in key and value] for name, part in parts.items()
        },
        "requires_grad": {name: tensor.requires_grad for name, tensor in tensors.items()},
        "gradients": {name: tensor.grad is None for name, tensor in tensors.items()},
        "weights": {name: tensor.detach().flatten().tolist() for name, tensor in tensors.items()},
        "random numbers": (torch.get_rng_state().tolist(), random.getstate()),
        "grad mode": torch.is_grad_enabled(),
    }


def _convolutions() -> nn.Module:
    """Two convolutions, a norm and a head."""
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, WIDTH, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(WIDTH, CLASSES),
    )


class _Transformer(nn.Module):
    """Patches that attend to each other, and a head on their mean."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, WIDTH, 6, stride=6)
        self.norm = nn.LayerNorm(WIDTH)  # what it gives are tokens that keep the grid of the patches
        self.attention = nn.MultiheadAttention(WIDTH, 2, batch_first=True)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        tokens = self.norm(x)
        return self.head(self.drop(x + self.attention(tokens, tokens, tokens, need_weights=False)[0]).mean(1))


def _settled(network: nn.Module) -> nn.Module:
    """The network with weights that are always the same, in training mode."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / 2)
    return network.train()
