"""The backbones study again: Grad-CAM, SHAP and LIME for several networks, scored by confidence, ROAD and IoU.

    python studies/backbones/study.py PHOTOS [--model MODEL]... [--weights FILE]... [--masked FOLDER] --out FOLDER

PHOTOS are scored for faithfulness. FOLDER of `--masked` holds `images` and `masks`, which are scored for localisation.
Writes a study with its report for each model, and `results.md` with the tables of all. Run it again to go on where it
was interrupted.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from seewhy import find_method, load
from seewhy.commands.console import progress_bar
from seewhy.errors import ModelError
from seewhy.report.study_tables import grids, markdown
from seewhy.study.scores import ModelScores, mean_rank, means_of
from seewhy.study.summary import StudyResult
from seewhy.verbs.study import study

BACKBONES = ("torchvision:vgg16", "torchvision:resnet50", "torchvision:densenet121")
CONTROLS = ("control:random", "control:gaussian")
FAITHFULNESS = (
    *("increase-in-confidence-hard", "average-drop-hard"),
    *("increase-in-confidence-hard-removed", "average-drop-hard-removed"),
    *("road-lerf", "road-morf", "road"),
)
LOCALISATION = ("iou-top-area", "iou-otsu", "pointing-game", "energy-in-mask")


@dataclass(frozen=True)
class Backbone:
    """A model, its file of weights, and how many pictures of each folder it gets."""

    model: str
    weights: Path | None
    photos: int | None
    masked: int | None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--model", action="append", help="default: the three backbones; can be repeated")
    parser.add_argument(
        "--weights", action="append", type=Path, help="a local file; one for each model, in their order"
    )
    parser.add_argument("--masked", type=Path, help="a folder with images and masks")
    parser.add_argument("--limit", action="append", type=int, help="so many photos, spread over them; for each model")
    parser.add_argument("--limit-masked", action="append", type=int, help="the same of the pictures with masks")
    parser.add_argument("--gradients", type=int, default=200, help="gradients of SHAP's expected gradients, at most")
    parser.add_argument("--variations", type=int, default=1000, help="variations of LIME, at most")
    parser.add_argument("--workers", type=int, help="how much is done at once; default: one for each processor")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    backbones = [each for each in _backbones(given) if _loads(each)]
    if not backbones:
        raise SystemExit("none of the models can be loaded")
    parts = ["faithfulness", *(["localisation"] if given.masked else [])]
    results = {part: [_study(given, each, part) for each in backbones] for part in parts}
    sections = [line for part, found in results.items() for line in _section(part, found)]
    (given.out / "results.md").write_text("\n".join(sections), "utf-8")
    print(given.out / "results.md")


def _backbones(given: argparse.Namespace) -> list[Backbone]:
    models = given.model or BACKBONES
    columns = [each or [None] * len(models) for each in (given.weights, given.limit, given.limit_masked)]
    if any(len(each) != len(models) for each in columns):
        raise SystemExit("give weights and limits for each model, or for none")
    return [Backbone(*row) for row in zip(models, *columns, strict=True)]


def _loads(backbone: Backbone) -> bool:
    """Whether the model is at hand; if not, say so and do without it."""
    try:
        load(backbone.model, backbone.weights)
    except ModelError as error:
        print(f"left out: {backbone.model}: {error}", file=sys.stderr)
        return False
    return True


def _study(given: argparse.Namespace, backbone: Backbone, part: str) -> StudyResult:
    masked = part == "localisation"
    out = given.out / re.sub(r"[^\w.-]+", "-", backbone.model) / part
    methods = (
        "grad-cam",
        find_method("expected-gradients", samples=given.gradients),
        find_method("lime", samples=given.variations),
        *CONTROLS,
    )
    with progress_bar() as progress:
        result = study(
            given.masked / "images" if masked else given.photos,
            [backbone.model],
            methods,
            LOCALISATION if masked else FAITHFULNESS,
            out,
            masks=given.masked / "masks" if masked else None,
            weights={backbone.model: backbone.weights} if backbone.weights else None,
            limit=backbone.masked if masked else backbone.photos,
            workers=given.workers,
            progress=progress,
        )
    result.save(out)
    return result


def _section(part: str, results: Sequence[StudyResult]) -> Iterator[str]:
    """The tables of every model, and those of the photos that all of them share."""
    scores = [each for result in results for each in result.scores]
    shared = set.intersection(*(set(result.plan.images) for result in results))
    yield f"# {part.capitalize()}\n"
    for result, each in zip(results, scores, strict=True):
        failed = f"; {len(result.failures)} explanations failed" if result.failures else ""
        yield f"## {each.model}, {len(result.plan.images)} photos{failed}\n"
        yield from _tables([each])
    if len(results) > 1:
        yield f"## All models, the {len(shared)} photos they share\n"
        yield from _tables([_only(each, shared) for each in scores])


def _only(scores: ModelScores, photos: set[str]) -> ModelScores:
    values = {
        key: {photo: value for photo, value in each.items() if photo in photos} for key, each in scores.values.items()
    }
    return replace(scores, values=values)


def _tables(scores: Sequence[ModelScores]) -> Iterator[str]:
    means = {
        (each.model, metric.name, method): mean
        for each in scores
        for metric in each.metrics
        for method, mean in means_of(each, metric.name).items()
    }
    yield markdown(grids(scores, means))
    for each in scores:
        if ranks := mean_rank(each):
            yield f"Mean ranks, {each.model}: {', '.join(f'{name} {rank:.2f}' for name, rank in ranks.items())}.\n"


if __name__ == "__main__":
    main()
