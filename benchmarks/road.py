"""ROAD asked less: what another draw of its noise changes, and whether chance is told with half of the questions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from benchmarks._networks import MODELS, classifier_of
from benchmarks._photos import about, photos
from benchmarks._timing import machine, quartiles, write_section

from seewhy import Classifier, explain, open_image
from seewhy.methods import list_methods
from seewhy.methods.controls import RandomMap
from seewhy.metrics import Context, Map, Metric, find_metric
from seewhy.metrics.context import in_cells
from seewhy.study.score import CELLS, RANDOM_MAPS
from seewhy.study.statistics import stands_out

METHODS = ("grad-cam", "layer-cam", "eigen-cam", "lrp", "gradient", "input-x-gradient")
CONTROLS = tuple(each.name for each in list_methods("control") if each.name != RandomMap.name and not each.required)
PHOTOS, DRAWS = 20, 3

ABOUT = f"""\
## ROAD, asked less

By `compare` a photo's maps are scored by ROAD once, and held against {RANDOM_MAPS} random maps: half of them drawn, the
others these upside down, which score the opposite, and all of them at every second percentile. Here, over {{photos}}
and {len(METHODS)} methods, that is set beside the whole: {DRAWS} draws of noise and of the order of equal pixels, and
{RANDOM_MAPS} maps drawn one by one and asked at every percentile.

- *another draw*: the standard deviation of a map's score over draws: median over maps, quartiles, and the worst;
  *apart*: that of the scores of a photo's methods, median over photos.
- *upside down*: the largest difference of a random map's score to the opposite of its mirror's.
- *better than chance*: of how many maps of methods, and of {len(CONTROLS)} controls of each photo; *whole*, *as asked*,
  and *both*.
- *masks*: of a photo with all of these, whole and as asked.
"""
HEAD = """\
| network | another draw | apart | upside down | methods better than chance | controls | masks |
|---|--:|--:|--:|--:|--:|--:|"""


def main(device: torch.device, budget: float) -> None:  # noqa: ARG001
    """Measure, and write the section `road` of the results, however long it takes."""
    chosen = photos(PHOTOS)
    rows = [_row(model, classifier_of(model, device), chosen) for model in MODELS]
    write_section("road", "\n".join([ABOUT.format(photos=about(chosen)), machine(device), "", HEAD, *rows]))


class Found(NamedTuple):
    """Of one photo."""

    draws: np.ndarray  # scores (draws, methods)
    mirrored: float
    whole: list[bool]  # of methods and controls: better than chance
    asked: list[bool]


def _row(model: str, classifier: Classifier, chosen: Sequence[str]) -> str:
    road = find_metric("road")
    found = [_found(classifier, photo, seed) for seed, photo in enumerate(chosen)]
    moved = np.concatenate([each.draws.std(0, ddof=1) for each in found])
    low, middle, high = quartiles(moved.tolist())
    cells = [
        model,
        f"{middle:.4f} ({low:.4f}–{high:.4f}; {moved.max():.4f})",
        f"{np.median([each.draws.mean(0).std(ddof=1) for each in found]):.3f}",
        f"{max(each.mirrored for each in found):.4f}",
        *(_called(found, part) for part in (slice(len(METHODS)), slice(len(METHODS), None))),
        f"{_masks(DRAWS, RANDOM_MAPS, road)}, {_masks(1, RANDOM_MAPS // 2, road.for_chance())}",
    ]
    return f"| {' | '.join(cells)} |"


def _called(found: Sequence[Found], part: slice) -> str:
    whole, asked = (np.array([getattr(each, name)[part] for each in found]) for name in ("whole", "asked"))
    return f"{whole.sum()}, {asked.sum()}, {(whole & asked).sum()} of {whole.size}"


def _masks(draws: int, random: int, chance: Metric) -> int:
    ways = 2 * len(find_metric("road").percentiles)
    return draws * ways * (len(METHODS) + len(CONTROLS)) + random * 2 * len(chance.percentiles)


def _found(classifier: Classifier, photo: str, seed: int) -> Found:
    image = open_image(photo)
    explained = [explain(classifier, image, method=each, seed=seed) for each in (*METHODS, *CONTROLS)]
    target, size = explained[0].target, classifier.preprocessing.size
    drawn = RandomMap().draws(RANDOM_MAPS, size, torch.Generator().manual_seed(seed + 1)).numpy()
    half = drawn[: RANDOM_MAPS // 2]
    maps, random, mirror = (
        [Map(each, target) for each in in_cells(np.stack(values), CELLS).astype(np.float32)]
        for values in ([each.values for each in explained], drawn, 1 - half[:1])
    )
    context, road = Context(classifier, image), find_metric("road")
    coarse = road.for_chance()

    def scores(metric: Metric, asked: Sequence[Map], number: int = 0) -> np.ndarray:
        found = metric(context, asked, generator=torch.Generator().manual_seed(seed + number))
        return np.array([each.value for each in found])

    draws = np.stack([scores(road, maps, number) for number in range(DRAWS)])
    chance, less = scores(road, random), scores(coarse, random[: len(half)])
    both, own = np.concatenate([less, -less]), scores(coarse, maps)
    return Found(
        draws[:, : len(METHODS)],
        float(abs(scores(coarse, mirror)[0] + less[0])),
        [stands_out([each, *chance]) for each in draws[0]],
        [stands_out([each, *both]) for each in own],
    )
