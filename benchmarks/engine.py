"""The masked-forward engine against loops that ask the network as it was loaded."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from benchmarks._networks import MODELS, classifier_of
from benchmarks._processes import answer, contestant, take_turns_apart
from benchmarks._timing import machine, write_section
from torch import Tensor

from seewhy import Classifier, open_image
from seewhy.engines import MaskedForward, segment
from seewhy.methods.regions import seen_pixels

PHOTO, COALITIONS, KEPT = "sample:coffee", 192, 0.7
OURS, BARE, LOOP_8, LOOP_32 = "engine", "its network, bare", "plain loop, 8", "plain loop, 32"

ABOUT = f"""\
## The masked-forward engine

Pictures a second: {COALITIONS} variations of one photo with regions replaced by their mean colours, other ones in every
round; medians over rounds, and ratios round by round with their quartiles. Each contestant is a process of its own,
with the allocator as it comes.

- *{OURS}*: coalitions to logits, with the batch size and the precision that it chose.
- *{BARE}*: the private copy of the network that the engine made, on inputs that are there already, in batches of
  the same size. **Wanted of the engine: 0.95 at least.**
- *{LOOP_8}*, *{LOOP_32}*: the same variations composed with `torch.where` and put to the network as it was loaded, in
  float32, in batches of so many. **Wanted of the engine: 2.5 and 4 times as fast, where it may use bfloat16.**
"""


def main(device: torch.device, budget: float) -> None:
    """Measure, and write the section `engine` of the results; `budget` is in seconds a row."""
    rows = [_row(model, device, budget) for model in MODELS]
    head = f"| network | precision | {' | '.join(CONTESTANTS)} |\n|---|--:|{'--:|' * len(CONTESTANTS)}"
    write_section("engine", "\n".join([ABOUT, machine(device), "", head, *rows]))


def _row(model: str, device: torch.device, budget: float) -> str:
    options = [model, str(device), str(torch.get_num_threads())]
    timing, found = take_turns_apart(
        {name: ["benchmarks.engine", name, *options] for name in CONTESTANTS}, budget, rounds=4
    )
    rate = {name: f"{1000 * COALITIONS / timing.milliseconds(name):.1f}" for name in CONTESTANTS}
    cells = [rate[OURS], *(f"{rate[name]} · {timing.ratio(name, OURS)}" for name in CONTESTANTS if name != OURS)]
    return f"| {model} | {found[OURS][0]:g} bits | {' | '.join(cells)} |"


# --- The contestants ----------------------------------------------------------------------------------------------


def _setting(classifier: Classifier) -> tuple[MaskedForward, np.ndarray]:
    image = open_image(PHOTO)
    labels = segment(seen_pixels(classifier.preprocessing.pixels([image])[0]), "quickshift")
    return MaskedForward(classifier, image, labels=labels, generator=torch.Generator().manual_seed(0)), labels


def _coalitions(regions: int, seed: int) -> Tensor:
    return torch.rand((COALITIONS, regions), generator=torch.Generator().manual_seed(1 + seed)) < KEPT


def _engine(classifier: Classifier) -> Callable[[int], float]:
    engine, _ = _setting(classifier)

    def run(seed: int) -> float:
        engine(_coalitions(engine.regions, seed))
        return engine.checks["precision_bits"]

    return run


def _bare(classifier: Classifier) -> Callable[[int], float]:
    engine, _ = _setting(classifier)
    engine(_coalitions(engine.regions, -1))
    network = engine.network
    inputs = torch.randn((network.size.size, 3, *engine.label_map.shape), device=classifier.device)
    inputs = inputs.to(network.dtype).contiguous(memory_format=torch.channels_last)

    def run(_: int) -> float:
        for start in range(0, COALITIONS, len(inputs)):
            network(inputs[: COALITIONS - start]).cpu()
        return 0.0

    return run


def _loop(batch: int) -> Callable[[Classifier], Callable[[int], float]]:
    def contestant(classifier: Classifier) -> Callable[[int], float]:
        image = open_image(PHOTO)
        x = classifier.preprocess([image])
        labels = (
            torch.from_numpy(segment(seen_pixels(classifier.preprocessing.pixels([image])[0]), "quickshift"))
            .to(x.device)
            .long()
        )
        regions = int(labels.max()) + 1
        means = torch.stack([x[0][:, labels == region].mean(1) for region in range(regions)], 1)
        fill = means[:, labels]

        def run(seed: int) -> float:
            with torch.inference_mode():
                for part in _coalitions(regions, seed).to(x.device).split(batch):
                    classifier.logits(torch.where(part[:, labels][:, None], x, fill)).cpu()
            return 0.0

        return run

    return contestant


CONTESTANTS = {OURS: _engine, BARE: _bare, LOOP_8: _loop(8), LOOP_32: _loop(32)}


def _contestant() -> None:
    given = contestant("benchmarks.engine", name=CONTESTANTS, model=MODELS)
    answer(CONTESTANTS[given.name](classifier_of(given.model, given.device)), given.device)


if __name__ == "__main__":
    _contestant()
