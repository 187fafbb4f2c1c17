"""`seewhy.attribute` in a training loop against its engine alone."""

from __future__ import annotations

from collections.abc import Callable

import torch
from benchmarks._timing import machine, take_turns, write_section
from torch import Tensor, nn

import seewhy
from seewhy.methods import find_method
from seewhy.methods.cam import grad_cam
from seewhy.methods.task import enlarge
from seewhy.models import capture
from seewhy.models.shim import ready_torchvision
from seewhy.models.state import evaluating

ENGINE, DOOR, GUESSED = "engine alone", "attribute", "attribute, no target"
BATCH, SIDE, CLASSES = 32, 224, 1000

ABOUT = f"""\
## The tensor door

Median milliseconds for a batch of {BATCH} random inputs of {SIDE} × {SIDE} pixels, and how many times as long as
*{ENGINE}* (median over rounds and its quartiles). The network is in training mode, and its weights change before each
call, as an optimiser changes them.

- *{ENGINE}*: Grad-CAM by `capture`: one forward, the gradient at the last layer, the formula, the map enlarged.
- *{DOOR}*: `seewhy.attribute(network, x, labels)`, which finds the layer, keeps modes and random state, and checks what
  it was given. **Wanted: 1.10 at most.**
- *{GUESSED}*: the same without labels: the likeliest classes are read off the same forward.
"""


def main(device: torch.device, budget: float) -> None:
    """Measure, and write the section `attribute` of the results; `budget` is in seconds a row."""
    rows: list[str] = []
    for name, network in _networks(device).items():
        timing = take_turns(_contestants(network, device), device, budget=budget)
        cells = [f"{timing.milliseconds(each):.0f} · {timing.ratio(each, ENGINE)}" for each in (DOOR, GUESSED)]
        rows.append(f"| {name} | {timing.milliseconds(ENGINE):.0f} | {' | '.join(cells)} |")
    head = f"| network | {ENGINE} | {DOOR} | {GUESSED} |\n|---|--:|--:|--:|"
    write_section("attribute", "\n".join([ABOUT, machine(device), "", head, *rows]))


def _networks(device: torch.device) -> dict[str, nn.Module]:
    ready_torchvision()
    from torchvision.models import mobilenet_v3_small, resnet18

    torch.manual_seed(0)
    made = {"torchvision:resnet18": resnet18(), "torchvision:mobilenet_v3_small": mobilenet_v3_small()}
    return {name: network.train().to(device) for name, network in made.items()}


def _contestants(network: nn.Module, device: torch.device) -> dict[str, Callable[[], object]]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn((BATCH, 3, SIDE, SIDE), generator=generator).to(device)
    labels = torch.randint(CLASSES, (BATCH,), generator=generator).to(device)
    layer = seewhy.attribute(network, x[:1], 0).layers[0]

    def step() -> None:
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.mul_(1.0)

    def engine() -> Tensor:
        step()
        with capture(network, [layer]) as seen, evaluating(network):
            logits = network(x)
            gradients = seen.gradients(logits.gather(1, labels[:, None]).sum(), [layer])
            return enlarge(grad_cam(seen[layer], gradients[layer]).clamp(min=0), (SIDE, SIDE))

    def door() -> Tensor:
        step()
        return seewhy.attribute(network, x, labels).values

    def guessed() -> Tensor:
        step()
        return seewhy.attribute(network, x).values

    if not torch.allclose(engine(), door(), rtol=1e-3, atol=1e-6):
        raise SystemExit(f"{find_method('grad-cam').title} by the engine and by the door differ: nothing to compare")
    return {ENGINE: engine, DOOR: door, GUESSED: guessed}
