"""On one GPU: every method against the CPU, the engine against bare half precision, and whole commands.

Without a GPU it says so and writes nothing. It ends in under eight minutes: what there was no time for is named.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from benchmarks._networks import DEFAULT, MODELS, classifier_of
from benchmarks._timing import machine, take_turns, write_section
from torch import nn

import seewhy
from seewhy import Classifier, Image, Preprocessing, open_image
from seewhy.engines import MaskedForward, segment
from seewhy.methods import Explanation, find_method
from seewhy.methods.method import Seen, suitable_methods
from seewhy.methods.regions import seen_pixels

PHOTO, SEED = "sample:coffee", 0
MINUTES = 7.0  # of the eight, so that the row that is on its way can end
PARITY, RATES, TIMES = 0.5, 0.75, 1.0  # share of them after which nothing of this part is begun
COALITIONS, KEPT = 2048, 0.7
FEWER = {"samples": 400, "masks": 200, "steps": 20, "precision": "float32"}  # of methods that have such a parameter
AGREES = 0.99  # correlation from which on two maps are called the same
ENGINE, BARE, EAGER, COMPILED = "engine", "its network, bare", "PyTorch", "torch.compile"

ABOUT = """\
## On a GPU

Every method gives the same map on the GPU as on the CPU, from the same seed, in float32: correlation of the two, and
how far they lie apart as a share of the CPU's (root mean squares). Then pictures a second of the masked-forward engine
beside its own network, which a CUDA graph runs, beside the same copy as PyTorch runs it, and as `torch.compile` makes
it with `reduce-overhead`, which is timed after it was compiled; all in the precision that the engine chose. Then
seconds of whole calls, the network being loaded.
"""


@dataclass
class Clock:
    """How much of the time is gone."""

    seconds: float
    begun: float

    def left(self, share: float) -> bool:
        """Whether what has to begin before this share of the time is gone may begin."""
        return time.monotonic() < self.begun + share * self.seconds


def main(device: torch.device, budget: float) -> None:
    """Measure, and write the section `gpu` of the results; `budget` is in seconds a row, of which few are used."""
    if not torch.cuda.is_available():
        print("gpu: skipped, since PyTorch sees no GPU here")
        return
    device = device if device.type == "cuda" else torch.device("cuda")
    clock = Clock(60 * MINUTES, time.monotonic())
    image, cpu = open_image(PHOTO), torch.device("cpu")
    pairs = {
        "small": (small(cpu), small(device)),
        DEFAULT: (classifier_of(DEFAULT, cpu), classifier_of(DEFAULT, device)),
    }
    lines = [ABOUT, machine(device), "", "| network | method | correlation | apart |", "|---|---|--:|--:|"]
    for name, (reference, other) in pairs.items():
        lines += [f"| {name} | {row}" for row in parity(reference, other, image, lambda: clock.left(PARITY))]
    lines += ["", f"| network | computed | {ENGINE} | {BARE} | {EAGER} | {COMPILED} |", "|---|---|--:|--:|--:|--:|"]
    networks = {name: classifier_of(name, device) for name in MODELS}
    for name, classifier in networks.items():
        if clock.left(RATES):
            lines.append(f"| {name} | {rates(classifier, image, device, min(budget, 15), compiled=True)}")
    lines += ["", "| network | call | seconds |", "|---|---|--:|"]
    for name, classifier in networks.items():
        lines += [f"| {name} | {row}" for row in times(classifier, image, lambda: clock.left(TIMES))]
    write_section("gpu", "\n".join(lines))


def small(device: torch.device) -> Classifier:
    """A network of a few layers with random weights, the same on every device."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        network = nn.Sequential(
            nn.Conv2d(3, 16, 3, stride=2, padding=1),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(32, 10),
        )
    return Classifier.from_module(network.eval().to(device), Preprocessing((64, 64)))


# --- Parity -------------------------------------------------------------------------------------------------------


def parity(reference: Classifier, other: Classifier, image: Image, may_begin: Callable[[], bool]) -> Iterator[str]:
    """A row for each method: how alike two copies of one network on two devices are explained."""
    for method in suitable_methods(reference):
        if not may_begin():
            yield f"{method.name} | no time left | |"
            continue
        made = find_method(method.name, **{key: value for key, value in FEWER.items() if key in method.parameters})
        target = Seen(reference, image).target
        one, two = (Seen(each, image, target).explained(made, SEED) for each in (reference, other))
        correlation, apart = agreement(one, two)
        yield f"{method.name} | {correlation:.4f}{' **differs**' * (correlation < AGREES)} | {apart:.1e} |"


def agreement(one: Explanation, two: Explanation) -> tuple[float, float]:
    """Correlation of two maps, and how far the second lies from the first as a share of it; flat ones agree or not."""
    first, second = one.values.ravel().astype(float), two.values.ravel().astype(float)
    size = float(np.linalg.norm(first))
    apart = float(np.linalg.norm(second - first)) / size if size else float(np.linalg.norm(second))
    if not (np.ptp(first) and np.ptp(second)):
        return float(np.allclose(first, second)), apart
    return float(np.corrcoef(first, second)[0, 1]), apart


# --- Throughput ---------------------------------------------------------------------------------------------------


def rates(classifier: Classifier, image: Image, device: torch.device, budget: float, *, compiled: bool) -> str:
    """Bits and back end, and pictures a second of the engine, its network, and its copy in PyTorch, compiled or not."""
    labels = segment(seen_pixels(classifier.preprocessing.pixels([image])[0]), "quickshift")
    engine = MaskedForward(classifier, image, labels=labels, generator=torch.Generator().manual_seed(SEED))
    engine.expected = COALITIONS
    generator = torch.Generator().manual_seed(SEED)

    def ask() -> None:
        engine(torch.rand((COALITIONS, engine.regions), generator=generator) < KEPT)

    ask()
    network = engine.network
    inputs = torch.randn((network.size.size, 3, *labels.shape), device=device, dtype=network.dtype)
    inputs = inputs.contiguous(memory_format=torch.channels_last)
    copy = replace(network, compiled=None)
    bare = {ENGINE: ask, BARE: repeated(network, inputs), EAGER: repeated(copy, inputs)}
    if compiled:
        bare[COMPILED] = repeated(torch.compile(network.module, mode="reduce-overhead"), inputs)
    timing = take_turns(bare, device, budget=budget)
    cells = [f"{1000 * COALITIONS / timing.milliseconds(name):.0f} · {timing.ratio(name, ENGINE)}" for name in bare]
    return f"{engine.checks['precision_bits']:g} bits, {network.backend} | {' | '.join(cells)} |"


def repeated(network: Callable[[torch.Tensor], torch.Tensor], inputs: torch.Tensor) -> Callable[[], None]:
    """Asks the same inputs until as many were asked as the engine is."""

    def run() -> None:
        with torch.inference_mode():
            for start in range(0, COALITIONS, len(inputs)):
                network(inputs[: COALITIONS - start])

    return run


# --- Whole calls --------------------------------------------------------------------------------------------------


def times(classifier: Classifier, image: Image, may_begin: Callable[[], bool]) -> Iterator[str]:
    """A row for each call: the seconds it takes, the second time."""
    for name, call in calls(classifier, image).items():
        if not may_begin():
            yield f"{name} | no time left |"
            continue
        call()
        start = time.perf_counter()
        call()
        yield f"{name} | {time.perf_counter() - start:.2f} |"


def calls(classifier: Classifier, image: Image) -> dict[str, Callable[[], object]]:
    """What is timed."""

    def explain(methods: Sequence[str]) -> Callable[[], object]:
        return lambda: seewhy.explain(classifier, image, list(methods), seed=SEED)

    methods = ("grad-cam", "lime", "kernel-shap", "rise", "occlusion", "anchors")
    return {
        "predict": lambda: classifier.predict(image),
        **{f"explain, {name}": explain([name]) for name in methods},
        f"explain, {len(methods)} methods": explain(methods),
        "compare": lambda: seewhy.compare(classifier, [image]),
    }
