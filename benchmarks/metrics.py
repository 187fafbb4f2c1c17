"""ROAD against pytorch-grad-cam's, and what insertion and deletion of several maps take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from benchmarks._networks import DEFAULT, RESNET, classifier_of
from benchmarks._processes import answer, contestant, take_turns_apart
from benchmarks._timing import Timing, machine, write_section

from seewhy import Classifier, Explanation, Target, find_method, open_image
from seewhy.engines import Linear
from seewhy.engines.imputation import linear_imputation
from seewhy.metrics import Context, find_metric
from seewhy.models.shim import ready_torchvision

PHOTO = "sample:cat"
PERCENTILES = (20, 40, 60, 80)
PEERS_NOISE = 0.01 * 0.225  # pytorch-grad-cam adds its noise after normalising
METHODS = ("grad-cam", "layer-cam", "eigen-cam", "hires-cam", "grad-cam++")
OURS, PEER = "seewhy", "pytorch-grad-cam"
ROAD, IMPUTATION, AREAS = "ROAD, combined", "imputation of its 8 masks", "insertion + deletion, 5 maps"
NETWORKS = {ROAD: RESNET, IMPUTATION: RESNET, AREAS: DEFAULT}

ABOUT = f"""\
## Metrics

Median seconds, and how many times as long pytorch-grad-cam takes (median over rounds and its quartiles). Each
contestant is a process of its own.

- *{ROAD}*: of one map without ties of one photo ({PHOTO}), percentiles {", ".join(map(str, PERCENTILES))}.
  **Wanted: 4 times as fast**, values within 0.01.
- *{IMPUTATION}*: without the network. **Wanted: 5 times as fast.**
- *{AREAS}*: 28 steps each, all methods at once. **Wanted: 15 s at most.**
"""


def main(device: torch.device, budget: float) -> None:
    """Measure, and write the section `metrics` of the results; `budget` is in seconds a row."""
    rows = [_row(what, device, budget) for what in NETWORKS]
    head = "| what | network | seewhy | peer | peer ÷ seewhy | values |\n|---|---|--:|--:|--:|---|"
    write_section("metrics", "\n".join([ABOUT, machine(device), "", head, *rows]))


def _row(what: str, device: torch.device, budget: float) -> str:
    names = [name for each, name in CONTESTANTS if each == what]
    options = [str(device), str(torch.get_num_threads())]
    timing, found = take_turns_apart(
        {name: ["benchmarks.metrics", what, name, *options] for name in names}, budget, rounds=5
    )
    cells = [what, NETWORKS[what], _seconds(timing, OURS)]
    cells += [_seconds(timing, PEER), timing.ratio(PEER, OURS)] if PEER in names else ["–", "–"]
    return f"| {' | '.join([*cells, ' and '.join(f'{found[name][0]:.4f}' for name in names)])} |"


def _seconds(timing: Timing, name: str) -> str:
    return f"{timing.milliseconds(name) / 1000:.2f}"


# --- The contestants ----------------------------------------------------------------------------------------------


def _explained(classifier: Classifier, method: str) -> Explanation:
    """Grad-CAM and a little noise, so that no two pixels tie."""
    image = open_image(PHOTO)
    target = Target(classifier.predict(image, 1)[0].index)
    (found,) = find_method(method)(classifier, [image], [[target]], generator=torch.Generator())
    noise = np.random.default_rng(0).random(found.values.shape) * found.values.max() * 1e-3
    return replace(found, values=found.values + noise.astype(np.float32))


def _road_seewhy(classifier: Classifier) -> Callable[[int], float]:
    found = _explained(classifier, "grad-cam")
    metric = find_metric("road", percentiles=PERCENTILES, fill=Linear(noise=PEERS_NOISE))

    def run(seed: int) -> float:
        context = Context(classifier, found.image)  # a new one: nothing is remembered
        return metric(context, [found], generator=torch.Generator().manual_seed(seed))[0].value or 0.0

    return run


def _road_peer(classifier: Classifier) -> Callable[[int], float]:
    ready_torchvision()
    from pytorch_grad_cam.metrics.road import ROADCombined
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget

    found = _explained(classifier, "grad-cam")
    x = classifier.preprocess([found.image])
    metric, target = ROADCombined(percentiles=list(PERCENTILES)), ClassifierOutputSoftmaxTarget(found.target.index)
    return lambda _: float(metric(x, found.values[None].copy(), [target], classifier.module.eval())[0])


def _masks(classifier: Classifier) -> np.ndarray:
    """Bool `(8, h, w)`, true where kept: the most and the least relevant removed."""
    values = _explained(classifier, "grad-cam").values
    kept = [values < np.percentile(values, each) for each in PERCENTILES]
    return np.stack([*kept, *(values > np.percentile(values, 100 - each) for each in PERCENTILES)])


def _imputation_seewhy(classifier: Classifier) -> Callable[[int], float]:
    pixels = classifier.preprocessing.pixels([open_image(PHOTO)])[0].to(classifier.device)
    masks = torch.from_numpy(_masks(classifier)).to(classifier.device)
    return lambda _: float(linear_imputation(pixels, masks).mean())


def _imputation_peer(classifier: Classifier) -> Callable[[int], float]:
    ready_torchvision()
    from pytorch_grad_cam.metrics.road import NoisyLinearImputer

    pixels = classifier.preprocessing.pixels([open_image(PHOTO)])[0]
    masks = torch.from_numpy(_masks(classifier)).float()
    imputer = NoisyLinearImputer(noise=0.0)
    return lambda _: float(np.mean([float(imputer(pixels.clone(), mask).mean()) for mask in masks]))


def _areas(classifier: Classifier) -> Callable[[int], float]:
    found = [_explained(classifier, method) for method in METHODS]
    metric = find_metric("insertion-minus-deletion")

    def run(seed: int) -> float:
        scores = metric(Context(classifier, found[0].image), found, generator=torch.Generator().manual_seed(seed))
        return scores[0].value or 0.0

    return run


CONTESTANTS: dict[tuple[str, str], Callable[[Classifier], Callable[[int], float]]] = {
    (ROAD, OURS): _road_seewhy,
    (ROAD, PEER): _road_peer,
    (IMPUTATION, OURS): _imputation_seewhy,
    (IMPUTATION, PEER): _imputation_peer,
    (AREAS, OURS): _areas,
}


def _contestant() -> None:
    given = contestant("benchmarks.metrics", what=NETWORKS, name=str)
    classifier = classifier_of(NETWORKS[given.what], given.device)
    answer(CONTESTANTS[given.what, given.name](classifier), given.device)


if __name__ == "__main__":
    _contestant()
