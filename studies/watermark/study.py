"""Do explanations show what turned the answer? Letters laid over photos make a real network say "carton".

    python studies/watermark/study.py PHOTOS LETTERS.png --out FOLDER [--model MODEL]... [--weights FILE]...

PHOTOS is a folder, LETTERS a picture with alpha. Writes the study with its report and chart for each model, and
`results.md` with the tables. Run it again to go on where it was interrupted. With `--recommended N` it also asks
`compare`, which knows of no letters, about N photos that turned, and says how often what it recommends is among the
best three by the truth.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch

from seewhy import find_method, load, open_image
from seewhy.core.progress import progress_bar
from seewhy.engines.inference import Precision
from seewhy.methods import Method
from seewhy.models import Target
from seewhy.report.study_tables import markdown
from seewhy.report.truth import truth_chart, truth_grids, truth_words
from seewhy.study.overlay import Overlay, turn_of
from seewhy.study.truth import EVIDENCE
from seewhy.verbs.compare import score_each, scoring_for
from seewhy.verbs.truth import OverlayStudy, overlay_study

MODELS = ("torchvision:resnet50", "bundled:efficientnet-lite0")
CAMS = (
    *("grad-cam", "hires-cam", "xgrad-cam", "element-wise-cam", "layer-cam", "shapley-cam", "full-grad"),
    *("eigen-cam", "eigen-grad-cam", "kpca-cam", "fem"),
)
GRADIENTS = ("gradient", "input-x-gradient", "guided-backprop", "guided-grad-cam", "deep-lift", "lrp")
CONTROLS = ("control:random", "control:gaussian", "control:sobel")
METRICS = ("road", "insertion-minus-deletion", "infidelity")
BEST = 3


def sampled(share: float, precision: Precision) -> dict[str, Method]:
    """The methods that ask the network many times, with a share of their usual variations, at most.

    Those that hide parts ask in this precision.
    """
    return {
        "integrated-gradients": find_method("integrated-gradients", most_steps=max(round(256 * share), 16)),
        "smooth-grad": find_method("smooth-grad", samples=max(round(25 * share), 4)),
        "occlusion": find_method("occlusion", size=0.25, stride=0.125, precision=precision),
        "rise": find_method("rise", masks=round(1000 * share), precision=precision),
        "lime": find_method("lime", samples=round(1000 * share), precision=precision),
        "partition-shap": find_method("partition-shap", samples=round(500 * share), precision=precision),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("letters", type=Path)
    parser.add_argument("--model", action="append", help="default: ResNet-50 and the bundled model; can be repeated")
    parser.add_argument("--weights", action="append", type=Path, help="a local file for each model, in order")
    parser.add_argument("--methods", help="joined by commas; default: 23 and three controls")
    parser.add_argument("--control", help="the control class; default: another one for each photo")
    parser.add_argument("--limit", type=int, help="take so many photos, spread over the folder")
    parser.add_argument(
        "--variations", type=float, default=0.2, help="share of the usual ones of methods that ask often"
    )
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32", help="of those that hide")
    parser.add_argument("--recommended", type=int, default=0, help="ask compare about so many photos that turned")
    parser.add_argument("--workers", type=int, help="how much is done at once; default: one for each processor")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    models: list[str] = given.model or [*MODELS]
    weights: dict[str, Path] = dict(zip(models, given.weights, strict=True)) if given.weights else {}
    lines: list[str] = []
    for model in models:
        found = _study(given, model, weights)
        for chart in filter(None, map(truth_chart, found.truths)):
            on_white = chart.replace("<svg", '<svg style="background: #fff"', 1)
            (given.out / f"{_plain(model)}.svg").write_text(on_white, "utf-8")
        lines += [f"{' '.join(map(truth_words, found.truths))}\n", markdown(truth_grids(found.truths))]
        if given.recommended:
            lines += [*recommended(found, model, weights, given)]
    (given.out / "results.md").write_text("\n".join(lines), "utf-8")
    print(given.out / "results.md")


def methods_of(given: argparse.Namespace) -> list[str | Method]:
    """The methods that are asked for, with the settings of this study."""
    often = sampled(given.variations, given.precision)
    named = given.methods.split(",") if given.methods else [*CAMS, *GRADIENTS, *often, *CONTROLS]
    return [often.get(name, name) for name in named]


def _plain(model: str) -> str:
    """Its name as files have them."""
    return re.sub(r"[^\w.-]+", "-", model)


def _study(given: argparse.Namespace, model: str, weights: Mapping[str, Path]) -> OverlayStudy:
    out = given.out / _plain(model)
    with progress_bar() as progress:
        found = overlay_study(
            given.photos,
            given.letters,
            [model],
            methods_of(given),
            out,
            control=given.control,
            weights={model: weights[model]} if model in weights else None,
            limit=given.limit,
            workers=given.workers,
            progress=progress,
        )
    found.save(out)
    return found


def recommended(
    found: OverlayStudy, model: str, weights: Mapping[str, Path], given: argparse.Namespace
) -> Iterator[str]:
    """How often the first of the methods that `compare` recommends for a photo is among the best by the truth."""
    (truth,) = found.truths
    rivals = [each.method for each in truth.rows if not each.method.startswith("control:")]
    best = rivals[:BEST]
    table = found.table.filter(found.table["metric"] == EVIDENCE, found.table["turned_to"] == truth.turned_to)
    photos = table.filter(table["value"].is_not_null())["image"].unique(maintain_order=True).to_list()
    step = max(len(photos) // given.recommended, 1)
    classifier, overlay = load(model, weights.get(model)), Overlay.open(given.letters)
    chosen = [each for each in methods_of(given) if (each if isinstance(each, str) else each.name) in rivals]
    hits, alike, total = 0, 0, 0
    for name in photos[::step][: given.recommended]:
        turn = turn_of(classifier, open_image(given.photos / name), overlay)
        asked = scoring_for(classifier, chosen, METRICS, target=Target(turn.after)).for_pictures(1)
        judged = score_each(classifier, [turn.laid], asked).judged
        total += 1
        hits += bool(judged.recommended) and judged.recommended[0] in best
        alike += bool({*judged.recommended} & {*best})
        print(f"{name}: {', '.join(judged.recommended) or 'none'}", flush=True)
    yield f"The best {BEST} by the truth are {', '.join(best)}. Of {total} photos the first method that compare"
    yield f"recommends is among them on {hits}, and any of those it recommends on {alike}.\n"


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
