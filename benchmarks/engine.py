"""The masked-forward engine against loops that ask the network as it was loaded."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from benchmarks._networks import MODELS, classifier_of
from benchmarks._processes import answer, contestant, take_turns_apart
from benchmarks._timing import machine, write_section
from torch import Tensor

from seewhy import Classifier, open_image
from seewhy.engines import MaskedForward, segment
from seewhy.engines.backends import answering_copy
from seewhy.engines.inference import Inference, Precision, inference_copy
from seewhy.methods.regions import seen_pixels

PHOTO, COALITIONS, KEPT = "sample:coffee", 96, 0.7
OURS, BARE, LIMIT = "engine", "its network, bare", "the chip's limit"
LOOP_8, LOOP_32 = "plain loop, 8", "plain loop, 32"
PRECISIONS = ("float32", "bfloat16")
LIMIT_BATCHES = (8, 16, 32)

ABOUT = f"""\
## The masked-forward engine

Pictures a second: {COALITIONS} variations of one photo with regions replaced by their mean colours, other ones in every
round; medians over rounds, and how many times as long as the engine it takes, round by round, with quartiles. Each
contestant is a process of its own, with the allocator as it comes; the first three have the environment that the
command line makes for itself. Half precision is asked for here; where `auto` takes it, and where not, is the engine's
to decide.

- *{OURS}*: coalitions to logits, compiled where that repays, with the batch size that it chose.
- *{BARE}*: what the engine asks, on inputs that are there already, in batches of the same size. **Wanted of the
  engine: 0.95 at least.**
- *{LIMIT}*: the fastest that this network was seen at in this precision: PyTorch's copy or OpenVINO's, in batches of
  {", ".join(map(str, LIMIT_BATCHES))}.
- *{LOOP_8}*, *{LOOP_32}*: the same variations composed with `torch.where` and put to the network as it was loaded, in
  float32, in batches of so many. **Wanted of the engine: 5 and 9 times as fast on the default model, 5 and 7.5 on
  ResNet-50.**
"""


def main(device: torch.device, budget: float) -> None:
    """Measure, and write the section `engine` of the results; `budget` is in seconds a row."""
    rows = [_row(model, precision, device, budget) for model in MODELS for precision in PRECISIONS]
    head = f"| network | precision | back end | {' | '.join(CONTESTANTS)} |\n|---|---|---|{'--:|' * len(CONTESTANTS)}"
    write_section("engine", "\n".join([ABOUT, machine(device), "", head, *rows]))


def _row(model: str, precision: str, device: torch.device, budget: float) -> str:
    options = [model, precision, str(device), str(torch.get_num_threads())]
    commands = {name: ["benchmarks.engine", name, *options] for name in CONTESTANTS}
    timing, found = take_turns_apart(commands, budget, rounds=4, ours=(OURS, BARE, LIMIT))
    rate = {name: f"{1000 * COALITIONS / timing.milliseconds(name):.0f}" for name in CONTESTANTS}
    cells = [rate[OURS], *(f"{rate[name]} · {timing.ratio(name, OURS)}" for name in CONTESTANTS if name != OURS)]
    row = f"| {model} | {precision} | {found[OURS][0]} | {' | '.join(cells)} |"
    print(row, flush=True)
    return row


# --- The contestants ----------------------------------------------------------------------------------------------


def _setting(classifier: Classifier, precision: Precision) -> MaskedForward:
    image = open_image(PHOTO)
    labels = segment(seen_pixels(classifier.preprocessing.pixels([image])[0]), "quickshift")
    generator = torch.Generator().manual_seed(0)
    engine = MaskedForward(classifier, image, labels=labels, generator=generator, precision=precision)
    engine.expected = 1000  # as many as LIME may ask
    return engine


def _coalitions(regions: int, seed: int) -> Tensor:
    return torch.rand((COALITIONS, regions), generator=torch.Generator().manual_seed(1 + seed)) < KEPT


def _engine(classifier: Classifier, precision: Precision) -> Callable[[int], str]:
    engine = _setting(classifier, precision)

    def run(seed: int) -> str:
        engine(_coalitions(engine.regions, seed))
        engine.expected = engine.forwards + 1000
        return engine.network.backend

    return run


def _bare(classifier: Classifier, precision: Precision) -> Callable[[int], str]:
    engine = _setting(classifier, precision)
    engine(_coalitions(engine.regions, -1))
    return _asked(classifier, engine.network, engine.network.size.size)


def _limit(classifier: Classifier, precision: Precision) -> Callable[[int], str]:
    plain = inference_copy(classifier, precision)
    copies = (plain, answering_copy(classifier, plain, 1000))
    runs = [_asked(classifier, copy, batch) for copy in copies for batch in LIMIT_BATCHES]
    return min(runs, key=_seconds)


def _seconds(run: Callable[[int], str]) -> float:
    run(0)
    start = time.perf_counter()
    run(0)
    return time.perf_counter() - start


def _asked(classifier: Classifier, network: Inference, batch: int) -> Callable[[int], str]:
    """A network that answers the same noise again and again."""
    inputs = torch.randn((batch, 3, *classifier.preprocessing.size), device=classifier.device)
    inputs = inputs.to(network.dtype).contiguous(memory_format=network.layout)

    def run(_: int) -> str:
        for start in range(0, COALITIONS, batch):
            network(inputs[: COALITIONS - start]).cpu()
        return network.backend

    return run


def _loop(batch: int) -> Callable[[Classifier, Precision], Callable[[int], str]]:
    def contestant(classifier: Classifier, _: Precision) -> Callable[[int], str]:
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

        def run(seed: int) -> str:
            with torch.inference_mode():
                for part in _coalitions(regions, seed).to(x.device).split(batch):
                    classifier.logits(torch.where(part[:, labels][:, None], x, fill)).cpu()
            return "PyTorch"

        return run

    return contestant


CONTESTANTS = {OURS: _engine, BARE: _bare, LIMIT: _limit, LOOP_8: _loop(8), LOOP_32: _loop(32)}


def _contestant() -> None:
    given = contestant("benchmarks.engine", name=CONTESTANTS, model=MODELS, precision=PRECISIONS)
    classifier = classifier_of(given.model, given.device)
    answer(CONTESTANTS[given.name](classifier, given.precision), given.device)


if __name__ == "__main__":
    _contestant()
