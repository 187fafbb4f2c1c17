"""Grad-CAM against one forward and one backward to the layer, written by hand, and against pytorch-grad-cam."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from benchmarks._timing import Timing, machine, take_turns, write_section
from torch import Tensor, nn

from seewhy import Classifier, Image, Preprocessing, Target, find_method, load
from seewhy.models import capture
from seewhy.models.shim import ready_torchvision

HAND, ENGINE, METHOD, PEER = "by hand", "seewhy, engine", "seewhy, method", "pytorch-grad-cam"
BATCHES = (1, 32)
CLASS = 281

ABOUT = f"""\
## Grad-CAM

Median milliseconds a batch, and how many times as long as *{HAND}* (median over rounds and its quartiles).

- *{HAND}*: the network cut in two; forward to the layer without autograd, on to the logits with it, gradient at the
  layer. The least that Grad-CAM can cost.
- *{ENGINE}*: the same through `capture`, on the whole network. **Wanted: 1.10 at most.**
- *{METHOD}*: all of `find_method("grad-cam")`, from pictures to explanations: besides, it scales and normalises
  pictures, enlarges the maps, and notes predictions and fingerprints.
- *{PEER}*: from normalised tensors to enlarged maps.
"""


@dataclass(frozen=True)
class Subject:
    """A classifier, cut by hand after the layer that is explained."""

    classifier: Classifier
    layer: str
    trunk: nn.Module
    head: nn.Module


def main(device: torch.device, budget: float) -> None:
    """Measure, and write the section `cam` of the results; `budget` is in seconds a row."""
    rows = [
        _row(subject, batch, take_turns(_contestants(subject, batch), device, budget=budget))
        for subject in (_default_model(device), _resnet50(device))
        for batch in BATCHES
    ]
    names = [HAND, ENGINE, METHOD, PEER]
    head = f"| network | batch | {' | '.join(names)} |\n|---|--:|{'--:|' * len(names)}"
    write_section("cam", "\n".join([ABOUT, machine(device), "", head, *rows]))


def _row(subject: Subject, batch: int, timing: Timing) -> str:
    others = [f"{timing.milliseconds(name):.1f} · {timing.ratio(name, HAND)}" for name in (ENGINE, METHOD, PEER)]
    cells = [subject.classifier.name, str(batch), f"{timing.milliseconds(HAND):.1f}", *others]
    return f"| {' | '.join(cells)} |"


def _contestants(subject: Subject, batch: int) -> dict[str, Callable[[], object]]:
    classifier, layer = subject.classifier, subject.layer
    images = _pictures(batch, classifier.preprocessing.resize or classifier.preprocessing.size[0])
    x, targets = classifier.preprocess(images), [[Target(CLASS)]] * batch
    method, generator = find_method("grad-cam", layers=(layer,)), torch.Generator()
    peer = _peer(subject)

    def by_hand() -> Tensor:
        with torch.no_grad():
            features = subject.trunk(x)
        logits = subject.head(features.requires_grad_())
        return torch.autograd.grad(logits[:, CLASS].sum(), features)[0]

    def engine() -> Tensor:
        with capture(classifier.module, [layer]) as seen:
            return seen.gradients(classifier.logits(x)[:, CLASS].sum(), [layer])[layer]

    if not torch.allclose(by_hand(), engine(), rtol=1e-3, atol=1e-6):
        raise SystemExit("by hand and by the engine the gradients differ: nothing to compare")
    return {
        HAND: by_hand,
        ENGINE: engine,
        METHOD: lambda: method(classifier, images, targets, generator=generator),
        PEER: lambda: peer(x),
    }


def _peer(subject: Subject) -> Callable[[Tensor], np.ndarray]:
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    network: Any = subject.classifier.module

    def explain(x: Tensor) -> np.ndarray:
        targets: list[Any] = [ClassifierOutputTarget(CLASS)] * len(x)
        with GradCAM(network, [network.get_submodule(subject.layer)]) as cam:  # its hooks are not to slow the others
            return cam(x, targets)

    return explain


def _pictures(count: int, side: int) -> list[Image]:
    pixels = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), np.uint8)
    return [Image(each, f"noise {index}") for index, each in enumerate(pixels)]


def _default_model(device: torch.device) -> Subject:
    classifier = load(device=str(device))
    parts = dict(classifier.module.named_children())
    trunk = nn.Sequential(parts["stem"], parts["blocks"], parts["head"])
    return Subject(classifier, "head", trunk, nn.Sequential(parts["pool"], parts["classifier"]))


def _resnet50(device: torch.device) -> Subject:
    ready_torchvision()
    from torchvision.models import resnet50

    torch.manual_seed(0)
    network = resnet50().eval().to(device)
    classifier = Classifier.from_module(network, Preprocessing(), name="torchvision:resnet50")
    *trunk, pool, linear = network.children()
    return Subject(classifier, "layer4", nn.Sequential(*trunk), nn.Sequential(pool, nn.Flatten(), linear))
