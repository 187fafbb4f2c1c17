"""IDSDS as published: do maps rank the parts of a photo as a network does that was taught to cope with missing parts?

    python studies/idsds/study.py PHOTOS [--model MODEL]... [--weights FILE]... --out FOLDER

Half of PHOTOS teaches: each photo loses some of its 4 × 4 patches, and the network is to answer as it did before to the
whole photo, so that no labels are asked for. The other half is explained by the network before and after. Writes both
studies with their reports for each model, and `results.md` with a table beside the published one. Run it again to go on
where it was interrupted.

Source: Hesse 2024 (arXiv 2407.11910); published figures: You 2026 (arXiv 2608.12935), means over ResNet-50, VGG-16 and
ViT-B/16 of some 7,000 ImageNet photos each. There the networks were taught with ImageNet's labels on all of it.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from seewhy import find_method, load, open_image
from seewhy.core.progress import Progress, progress_bar
from seewhy.images import find_images
from seewhy.methods import Method
from seewhy.metrics.patches import IDSDS, grid
from seewhy.models import Classifier
from seewhy.models.load import architecture_of
from seewhy.models.state import evaluating
from seewhy.study.scores import means_of
from seewhy.study.statistics import rank_agreement
from seewhy.train.finetune import save_classifier
from seewhy.verbs.study import study

MODELS = ("torchvision:resnet50", "bundled:efficientnet-lite0")
PUBLISHED = {
    "input-x-gradient": 0.098,
    "smooth-grad": -0.015,
    "expected-gradients": 0.236,
    "integrated-gradients": 0.242,
    "deep-lift": 0.341,
    "rise": 0.179,
    "kernel-shap": 0.447,
}
SIGNIFICANT = 0.02  # a published difference; their standard errors are 0.004
OTHERS = ("gradient", "guided-backprop", "lrp", "grad-cam", "layer-cam", "shapley-cam", "eigen-cam", "partition-shap")
CONTROLS = ("control:random", "control:gaussian")
RATE, BATCH = 1e-3, 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--model", action="append", help="default: ResNet-50 and the bundled model; can be repeated")
    parser.add_argument("--weights", action="append", type=Path, help="a local file for each model, in order")
    parser.add_argument("--steps", type=int, default=100, help=f"of teaching, {BATCH} photos each")
    parser.add_argument("--limit", type=int, default=40, help="explain so many photos, spread over their half")
    parser.add_argument("--variations", type=int, default=512, help="of methods that hide parts")
    parser.add_argument("--workers", type=int, help="how much is done at once; default: one for each processor")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    models: list[str] = given.model or [*MODELS]
    weights: list[Path | None] = given.weights or [None] * len(models)
    if len(weights) != len(models):
        raise SystemExit("give weights for each model, or for none")
    lines = [line for pair in zip(models, weights, strict=True) for line in compared(*pair, given)]
    (given.out / "results.md").write_text("\n".join(lines), "utf-8")
    print(given.out / "results.md")


def compared(model: str, weights: Path | None, given: argparse.Namespace) -> list[str]:
    """The table of one model: published, and here before and after it was taught."""
    out = given.out / re.sub(r"[^\w.-]+", "-", model)
    taught = out / "taught"
    paths = find_images([given.photos])
    explained = linked(paths[1::2], given.out / "explained")
    with progress_bar() as progress:
        if not (taught / "card.json").is_file():
            classifier = load(model, weights)
            architecture = architecture_of(model, classifier)
            about = {"steps": given.steps, "rate": RATE, "batch": BATCH, "patches": IDSDS.cells**2}
            teach(classifier, paths[::2], given.steps, progress)
            save_classifier(taught, classifier, architecture, about)
        asked = [(model, weights, out / "before"), (f"file:{taught}", None, out / "after")]
        before, after = (scores(*each, explained, given, progress) for each in asked)
    rows = sorted(after, key=lambda name: -after[name][0])
    told = [[name, f"{PUBLISHED[name]:.3f}" if name in PUBLISHED else "–", *(f"{each[name][0]:.3f} ({each[name][1]})"
             for each in (before, after))] for name in rows]  # fmt: skip
    return [
        f"## {model}: {given.limit} photos, taught by {len(paths[::2])}\n",
        "| method | published | before | after |",
        "|---|--:|--:|--:|",
        *(f"| {' | '.join(row)} |" for row in told),
        "",
        (
            f"In brackets the number of photos. {agreeing(after)} Kendall's tau with the published order: "
            f"{tau(before):.2f} before, {tau(after):.2f} after.\n"
        ),
    ]


def linked(paths: Sequence[Path], folder: Path) -> Path:
    """A folder of links to these photos."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in paths:
        link = folder / path.name
        if not link.exists():
            link.symlink_to(path.resolve())
    return folder


def teach(classifier: Classifier, paths: Sequence[Path], steps: int, progress: Progress) -> None:
    """Have the classifier answer photos without some of their patches as it answers the whole ones, in place."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.cat([classifier.preprocessing.pixels([open_image(path)]) for path in paths])
    whole = classifier.preprocessing.normalize(pixels)
    with evaluating(classifier.module), torch.no_grad():
        answers = torch.cat([classifier.logits(part).argmax(1) for part in whole.split(BATCH)])
    patches = torch.from_numpy(grid(classifier.preprocessing.size, IDSDS.cells)).float()
    optimiser = torch.optim.SGD(classifier.module.parameters(), RATE, momentum=0.9)
    for step in range(steps):
        progress(step, steps, "teaching")
        chosen = torch.randperm(len(whole), generator=generator)[:BATCH]
        x = without_some(whole[chosen], patches, generator)
        with evaluating(classifier.module):  # BatchNorm keeps its statistics: there are few photos
            loss = cross_entropy(classifier.logits(x), answers[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def without_some(x: Tensor, patches: Tensor, generator: torch.Generator) -> Tensor:
    """Inputs `(n, C, h, w)` of which each lacks a random share of `patches` `(m, h, w)`: 0 is the mean colour."""
    shares = torch.rand((len(x), 1), generator=generator)
    hidden = (torch.rand((len(x), len(patches)), generator=generator) < shares).float()
    return x * (1 - torch.einsum("nm,mhw->nhw", hidden, patches))[:, None]


def scores(
    model: str, weights: Path | None, out: Path, photos: Path, given: argparse.Namespace, progress: Progress
) -> dict[str, tuple[float, int]]:
    """By method its mean and of how many photos."""
    found = study(
        photos,
        [model],
        methods(given.variations),
        ["idsds"],
        out,
        limit=given.limit,
        weights={model: weights} if weights else None,
        workers=given.workers,
        progress=progress,
    )
    found.save(out)
    (each,) = found.scores
    return {name: (mean.value, mean.pictures) for name, mean in means_of(each, IDSDS.name).items()}


def methods(variations: int) -> list[str | Method]:
    """Those of the published table with its settings, and others."""
    asked: list[str | Method] = [
        "input-x-gradient",
        find_method("smooth-grad", samples=16),
        find_method("expected-gradients", samples=32),
        find_method("integrated-gradients", background="mean"),
        "deep-lift",
        find_method("rise", masks=variations),
        find_method("kernel-shap", samples=variations, regions="grid:4"),
    ]
    return [*asked, *OTHERS, *CONTROLS]


def tau(found: dict[str, tuple[float, int]]) -> float:
    """Kendall's tau of the methods that were published."""
    known = [name for name in PUBLISHED if name in found]
    table = [[PUBLISHED[name] for name in known], [found[name][0] for name in known]]
    return float(rank_agreement(table, [True, True])[0, 1])


def agreeing(found: dict[str, tuple[float, int]]) -> str:
    """Of how many pairs whose published difference is significant the order is the same."""
    known = [name for name in PUBLISHED if name in found]
    pairs = [(one, other) for one in known for other in known if PUBLISHED[one] - PUBLISHED[other] > SIGNIFICANT]
    alike = sum(found[one][0] > found[other][0] for one, other in pairs)
    return f"Of {len(pairs)} pairs that differ significantly as published, {alike} have the same order after."


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
