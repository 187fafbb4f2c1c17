"""What half precision does to answers and to a sampled estimate, of a whole network or of a part of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from benchmarks._mixed import BATCH, COPIES, copies
from benchmarks._networks import MODELS, classifier_of
from benchmarks._photos import about, photos
from benchmarks._timing import machine, take_turns, write_section
from torch import Tensor

from seewhy import Classifier, Target, open_image
from seewhy.engines import Cuts, MaskedForward, fill_of_cuts, find_fill, in_groups
from seewhy.engines.forward import ROUNDING, TRIAL_CELLS, TRIALS
from seewhy.engines.inference import Inference
from seewhy.methods.lime import TRIALS as TRIAL
from seewhy.methods.lime import Lime, Variations, evidence, in_how_many, log_odds, moving_share
from seewhy.methods.regions import cut, seen_pixels
from seewhy.methods.surrogate import fit, infer

PHOTOS, ESTIMATED, CLASSES = 10, 2, 5
REGIONS, SAMPLES, KEPT = "slic:24", 600, 0.8
EXACT, HALF = "float32", "bfloat16"
ASKED = 1000  # variations of LIME
CORRECTED = {"as it is": 0, "corrected by an eighth": 8, "corrected by a quarter": 4}

ABOUT = f"""\
## Half precision

The network as OpenVINO computes it: in one precision, or in bfloat16 but for a part in float32, which is the first or
the last convolutions, or the depthwise ones.

- *times as fast* as float32: the median over rounds of batches of {BATCH}, and quartiles.
- *gap*: by how much rounding changes the log-probabilities, as a share of how much hiding parts changes them, over
  {{photos}}: median, worst, and on how many it *passes*: {ROUNDING:g} at most.
- *bias²* and *variance*: what rounding adds to the weights of a linear model of {REGIONS}, from {SAMPLES} variations of
  which each hides a fifth, as shares of the variance that sampling has anyway: what does not average out, and what
  does; worst of {CLASSES} classes of {ESTIMATED} photos. **Wanted of both together: 0.05 at most, 1.3 times as fast.**

And LIME as it is by default, of each photo's likeliest class, with {ASKED:,} variations in float32, and the same in
bfloat16: how far that moves the weights, squared, as a share of the variance that is told of them. *corrected* asks the
first eighth or quarter of the variations in float32, too, fits the same model to what rounding did to them, and adds
that. **Wanted: 0.05 at most.**
"""
LIME_HEAD = "| network | LIME in bfloat16 | moved: median, worst | on how many 0.05 at most |\n|---|---|--:|--:|"
HEAD = "| network | copy | times as fast | gap | passes | bias² | variance |\n|---|---|--:|--:|--:|--:|--:|"


def main(device: torch.device, budget: float) -> None:
    """Measure, and write the section `rounding` of the results; `budget` is in seconds a network."""
    chosen = photos(PHOTOS)
    found = [_rows(model, classifier_of(model, device), chosen, budget) for model in MODELS]
    rows, lime = ([row for each in part for row in each] for part in zip(*found, strict=True))
    told = [ABOUT.format(photos=about(chosen)), machine(device), "", HEAD, *rows, "", LIME_HEAD, *lime]
    write_section("rounding", "\n".join(told))


def _rows(model: str, classifier: Classifier, chosen: Sequence[str], budget: float) -> tuple[list[str], list[str]]:
    """Of the first table and of the second."""
    made = copies(classifier)
    x = torch.randn((BATCH, *classifier.probe().shape[1:]), generator=torch.Generator().manual_seed(0))
    timing = take_turns({name: lambda copy=copy: copy(x) for name, copy in made.items()}, x.device, budget=budget)
    gaps = [_gaps(classifier, photo, made) for photo in chosen]
    worst = [_worst(classifier, photo, made) for photo in chosen[:ESTIMATED]]
    rows: list[str] = []
    for name in COPIES:
        own = [each[name] for each in gaps]
        passed = sum(each <= ROUNDING for each in own)
        cells = [model, name, timing.ratio(EXACT, name), f"{np.median(own):.3f}, {max(own):.3f}", f"{passed}"]
        rows.append(
            f"| {' | '.join([*cells, *(f'{max(each):.3f}' for each in zip(*(w[name] for w in worst), strict=True))])} |"
        )
    moved = np.array([_moved(classifier, photo, made) for photo in chosen])
    lime = [
        f"| {model} | {how} | {np.median(own):.3f}, {own.max():.3f} | {sum(own <= ROUNDING)} of {len(own)} |"
        for how, own in zip(CORRECTED, moved.T, strict=True)
    ]
    print("\n".join([*rows, *lime]), flush=True)
    return rows, lime


def _moved(classifier: Classifier, photo: str, made: Mapping[str, Inference]) -> list[float]:
    """What bfloat16 does to LIME's weights, over their variance, for each of `CORRECTED`."""
    image = open_image(photo)
    seen = seen_pixels(classifier.preprocessing.pixels([image])[0])
    cuts = Cuts.around(cut(seen, Lime.regions), seen)
    generator = torch.Generator().manual_seed(0)
    trial, drawn = cuts.draw(TRIAL, torch.Generator().manual_seed(0)), cuts.draw(ASKED // 2, generator)
    fill = fill_of_cuts(find_fill(Lime.fill), torch.cat([cuts.own, trial, drawn]))
    engine = MaskedForward(classifier, image, fill, labels=cuts.pieces, generator=generator, precision=EXACT)
    groups, alone = in_how_many(moving_share(engine, trial), cuts.count)
    drawn = drawn[: ASKED // groups]
    which = 1 + TRIAL + torch.arange(len(drawn)).repeat_interleave(groups)
    asked = Variations(in_groups(drawn, groups, generator) ^ alone, which, groups)
    score, falls = log_odds(engine, Target(int(classifier.head.likeliest(engine.logits)))), {}
    for name in (EXACT, HALF):
        engine.network = made[name]
        hidden, falls[name] = evidence(score, asked)
    prior, wrong = cuts.prior(), falls[EXACT] - falls[HALF]
    exact, half = (infer(hidden, falls[name], prior).sums(cuts.members) for name in (EXACT, HALF))
    variance, found = exact.errors.square().mean(), list[float]()
    for part in CORRECTED.values():
        rows = len(wrong) // part if part else 0
        added = infer(hidden[:rows], wrong[:rows], prior).sums(cuts.members).weights if rows else 0.0
        found.append(float((half.weights + added - exact.weights).square().mean() / variance))
    return found


def _gaps(classifier: Classifier, photo: str, made: Mapping[str, Inference]) -> dict[str, float]:
    """Of each copy on a photo: what rounding changes, over what hiding parts changes."""
    labels = cut(seen_pixels(classifier.preprocessing.pixels([open_image(photo)])[0]), f"grid:{TRIAL_CELLS}")
    some = torch.rand((TRIALS, TRIAL_CELLS**2), generator=torch.Generator().manual_seed(0)) < 1 / 2
    found = _log_probabilities(classifier, photo, labels, some, made)
    signal = found[EXACT].std(0).square().mean().sqrt()
    return {name: float((each - found[EXACT])[1:].square().mean().sqrt() / signal) for name, each in found.items()}


def _worst(classifier: Classifier, photo: str, made: Mapping[str, Inference]) -> dict[str, tuple[float, float]]:
    """Of each copy on a photo the bias² and variance that it adds, the worst over classes."""
    labels = cut(seen_pixels(classifier.preprocessing.pixels([open_image(photo)])[0]), REGIONS)
    some = torch.rand((SAMPLES, int(labels.max()) + 1), generator=torch.Generator().manual_seed(0)) < KEPT
    found = {name: each[1:] for name, each in _log_probabilities(classifier, photo, labels, some, made).items()}
    exact = found[EXACT]
    by_class = {
        name: [shares(some, *pair) for pair in zip(exact.T, (each - exact).T, strict=True)]
        for name, each in found.items()
    }
    return {name: (max(bias for bias, _ in each), max(own for _, own in each)) for name, each in by_class.items()}


def _log_probabilities(
    classifier: Classifier, photo: str, labels: np.ndarray, coalitions: Tensor, made: Mapping[str, Inference]
) -> dict[str, Tensor]:
    """By each copy float64 `(1 + n, CLASSES)` of the likeliest classes, for the whole picture and each coalition."""
    generator = torch.Generator().manual_seed(0)
    engine = MaskedForward(classifier, open_image(photo), labels=labels, generator=generator, precision=EXACT)
    likeliest = classifier.head.likeliest(engine.logits, CLASSES)
    asked = torch.cat([torch.ones_like(coalitions[:1]), coalitions])
    found: dict[str, Tensor] = {}
    for name, copy in made.items():
        engine.network = copy
        found[name] = classifier.head.log_probabilities(engine(asked))[:, likeliest].double()
    return found


def shares(coalitions: Tensor, scores: Tensor, rounded: Tensor) -> tuple[float, float]:
    """Squared bias and variance that rounding adds to a linear model's weights, as shares of their variance."""
    hidden = (~coalitions).double()
    own, wrong = fit(hidden, scores), fit(hidden, rounded)
    sampling = own.errors.square().mean()
    bias = (wrong.weights.square() - wrong.errors.square()).mean().clamp(min=0)
    return float(bias / sampling), float(wrong.errors.square().mean() / sampling)
