"""What is tried on each network, and what is right: figures are recomputed with the plain network, from outside.

A cell takes a `Specimen` and says in a few words what it found, or raises: `Wrong` where the answer is not what it
should be, whatever seewhy raises where it refuses.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torch.utils.hooks import RemovableHandle

import seewhy
from seewhy.cases.embedders import find_embedder
from seewhy.engines.baselines import Images
from seewhy.errors import UsageError
from seewhy.models import Classifier
from seewhy.network.layers import MOST
from seewhy.verbs import explain_network
from zoo_coverage.specimens import Specimen, normal, picture, pixels_of, scores_of, trace, twice

CLOSE = 1e-4  # relative, of what float32 computes in another order
COMPLETE = 0.01  # of the change of the score
DIFFERENT = 1e-3
SAME = 1e-2  # what rounding, and an ε of 1e-9 in a divisor, change in networks that make much of little
BACKGROUNDS = ("coffee", "rocket")
INSIDES = {"attn", "attention", "self", "mlp"}  # parts of a block that no one would show for a stage
SAMPLES = 120  # variations that LIME may ask for


class Wrong(Exception):
    """An answer that is not what it should be."""


def right(holds: bool, what: str) -> None:
    """Raise `Wrong` unless something holds."""
    if not holds:
        raise Wrong(what)


def off(found: Tensor, true: Tensor) -> float:
    """The largest difference, relative to the largest true value."""
    right(found.shape == true.shape, f"shape {tuple(found.shape)}, right {tuple(true.shape)}")
    right(bool(found.isfinite().all()), "not finite")
    return float((found - true).abs().max() / true.abs().max().clamp(min=1e-12))


def near(found: Tensor, true: Tensor, what: str, within: float = CLOSE) -> float:
    """Raise `Wrong` unless two tensors are equal but for rounding; says how far apart they are."""
    apart = off(found, true)
    right(apart <= within, f"{what} {apart:.1e} off")
    return apart


def explained(specimen: Specimen, method: str, **settings: Any) -> seewhy.Explanation:
    """The explanation of the specimen's picture and target, whose scores are told as the plain network gives them."""
    found = seewhy.explain(specimen.classifier, specimen.image, method, specimen.target, **settings)
    with torch.no_grad():
        true = specimen.scores(specimen.x)[0].softmax(0)
    for each in found.predictions:
        apart = abs(each.probability - float(true[each.index]))
        right(apart < 1e-3, f"told {each.probability:.4f} of class {each.index}, right {float(true[each.index]):.4f}")
    return found


def values(found: seewhy.Explanation) -> Tensor:
    """A map as float64, which says something."""
    right(bool(found.values.any()), "a map of zeros")
    return torch.from_numpy(found.values.copy()).double()


def predicts(specimen: Specimen) -> str:
    """The likeliest classes, as a plain softmax of the plain scores has them."""
    with torch.no_grad():
        best = specimen.scores(specimen.x)[0].softmax(0).sort(descending=True)
    found = specimen.classifier.predict(specimen.image, top=3)
    near(torch.tensor([each.probability for each in found]), best.values[:3], "probabilities")
    right([each.index for each in found] == best.indices[:3].tolist(), "another order of classes")
    return f"{found[0].probability:.2f}"


def default_layer(specimen: Specimen) -> str:
    """The layer at which an expert would look, or one that hands on the very same map."""
    expected = specimen.network.layer.split()
    found = specimen.classifier.default_layer
    branches = found.split(" + ")
    maps = outputs(specimen.plain, specimen.x, [*expected, *branches])
    for branch in branches:
        same = [name for name in expected if maps[name].numel() == maps[branch].numel()]
        right(any(torch.equal(maps[name].flatten(), maps[branch].flatten()) for name in same),
              f"'{found}', right '{' or '.join(expected)}'")  # fmt: skip
    return found


def grad_cam(specimen: Specimen) -> str:
    """Grad-CAM, literally: a hook, autograd, the mean gradient of each map."""
    found = explained(specimen, "grad-cam", signed=True)
    true = torch.zeros_like(specimen.x[:, 0]).double()
    for layer in str(found.layer).split(" + "):
        activations, gradients = hooked(specimen, layer)
        coarse = (gradients.mean((2, 3), keepdim=True) * activations).sum(1, keepdim=True).double()
        true += interpolate(coarse, specimen.x.shape[2:], mode="bilinear", align_corners=False)[:, 0]
    apart = near(values(found), true[0], f"at '{found.layer}'", 1e-3)
    return f"{apart:.0e} off at {found.layer}"


def lime(specimen: Specimen) -> str:
    """LIME answers with regions, weights and R²."""
    found = explained(specimen, "lime", samples=SAMPLES)
    values(found)
    regions, fit = len(np.unique(found.regions.labels)), found.checks["r2"]
    right(math.isfinite(fit) and fit <= 1 + 1e-6, f"R² {fit}")
    right(regions > 3 or bool(notes(found)), f"{regions} regions, and no note")
    return f"R² {fit:.2f}, {regions} regions"


def integrated_gradients(specimen: Specimen) -> str:
    """The gap that is told is the gap there is, relative to the change of the score."""
    found = explained(specimen, "integrated-gradients", steps=8, most_steps=16)
    gap = abs(float(values(found).sum()) - specimen.change) / abs(specimen.change)
    told = found.checks["completeness_gap"]
    right(abs(told - gap) <= 0.02 * gap + COMPLETE / 2, f"says {told:.4f} of the change is missing, it is {gap:.4f}")
    right(gap <= COMPLETE or bool(notes(found)), f"{gap:.0%} of the change is missing, and no note")
    return f"gap {gap:.1%}"


def deep_shap(specimen: Specimen) -> str:
    """The map adds up to the change of the score from the mean of the backgrounds."""
    others = [picture(name, specimen.network.size) for name in BACKGROUNDS]
    found = explained(specimen, "deep-shap", background=Images(others))
    with torch.no_grad():
        whole, rest = (
            specimen.scores(specimen.x),
            specimen.scores(normal(torch.cat([pixels_of(each) for each in others]))),
        )
    change = float((whole[0] - rest.mean(0))[specimen.target])
    gap = abs(float(values(found).sum()) - change) / abs(change)
    right(
        gap <= COMPLETE, f"{gap:.2%} of the change is missing: sum {float(found.values.sum()):.4g}, right {change:.4g}"
    )
    told = found.checks["completeness_gap"]
    right(abs(told - gap) <= COMPLETE, f"says {told:.4f} is missing, it is {gap:.4f}")
    return f"gap {gap:.0e}"


def lrp(specimen: Specimen) -> str:
    """The default rules keep what they say; LRP-0 is input × gradient where all is ReLU, and another map elsewhere."""
    kept = kept_as_told(specimen, explained(specimen, "lrp"))
    if specimen.network.relu:
        found, plain = without_rounding(specimen)
        apart = float((found - plain).norm() / plain.norm())
        right(apart <= SAME, f"LRP-ε of a ReLU network is {apart:.1e} off input × gradient")
    else:
        plain = (specimen.x * specimen.slope).sum(1)[0].double()
        apart = off(values(explained(specimen, "lrp", rules="epsilon")), plain)
        right(apart > DIFFERENT or not curved(specimen), "the plain gradient under the name of LRP")
    return f"{kept:.2f} kept"


def attn_lrp(specimen: Specimen) -> str:
    """AttnLRP keeps what it says, and is not the plain gradient: its γ acts in every layer."""
    found = explained(specimen, "attn-lrp")
    kept = kept_as_told(specimen, found)
    plain = (specimen.x * specimen.slope).sum(1)[0].double()
    right(off(values(found), plain) > DIFFERENT, "the plain gradient under the name of AttnLRP")
    return f"{kept:.2f} kept"


def network_explain(specimen: Specimen) -> str:
    """Several stages in the order they run, each with a grid, and the last of them where the decision is read."""
    found = explain_network(specimen.classifier, specimen.image, specimen.target)
    layers = [each.name for each in found.view.layers]
    right("<svg" in found.svg, "no drawing")
    right(len(layers) >= specimen.network.stages, f"only {', '.join(layers)}")
    for layer in found.view.layers:
        right(all(np.isfinite(each.map).all() for each in layer.clusters), f"{layer.name} holds NaN")
    inside = [name for name in layers if INSIDES & set(name.split(".")) and not is_residual(specimen, name)]
    right(not inside, f"shows the inside of a block: {', '.join(inside)}")
    runs = {layer.name: place for place, layer in enumerate(specimen.classifier.layers)}
    places = [runs[name] for name in layers]
    right(places == sorted(places), "not in the order they run")
    last = specimen.network.layer.split()[-1]
    right(places[-1] >= runs[last] - 0.25 * len(runs), f"ends at '{layers[-1]}', long before '{last}'")
    right(len(layers) == MOST or places[0] <= 0.75 * runs[last], f"starts at '{layers[0]}', shortly before '{last}'")
    return f"{len(layers)} stages, {layers[-1]} last"


def embedding(specimen: Specimen) -> str:
    """All that goes into the scores: it moves with them, and where it says that they are linear in it, they are."""
    classifier = specimen.classifier
    other = normal(pixels_of(picture(BACKGROUNDS[0], specimen.network.size)))
    with torch.no_grad():
        both = torch.cat([specimen.x, other])
        found, told = classifier.embed_and_score(both)
        true = specimen.scores(both)
    near(told, true, "scores", DIFFERENT)
    right(
        bool(found.isfinite().all()) and float((found[0] - found[1]).abs().max()) > 0, "does not move with the picture"
    )
    missing = past(specimen, found[0])
    right(missing < 1e-3, f"{missing:.0%} of what moves the scores leads past it")
    try:
        weight = find_embedder("cole", classifier).weight
    except UsageError:
        return f"{found.shape[1]} numbers"
    near((found[0] - found[1]) @ weight.detach().mT, true[0] - true[1], "W (h − h')", 1e-2)
    return f"{found.shape[1]} numbers, linear"


def no_trace(specimen: Specimen) -> str:
    """After all the others the network and the process are as they were."""
    after = trace(specimen.module)
    changed = [what for what in specimen.before if specimen.before[what] != after[what]]
    right(not changed, ", ".join(changed))
    return ""


CELLS: dict[str, Callable[[Specimen], str]] = {
    "predicts": predicts,
    "default layer": default_layer,
    "Grad-CAM": grad_cam,
    "LIME": lime,
    "IG": integrated_gradients,
    "DeepSHAP": deep_shap,
    "LRP": lrp,
    "AttnLRP": attn_lrp,
    "network": network_explain,
    "embedding": embedding,
    "no trace": no_trace,
}


def notes(found: Any) -> tuple[str, ...]:
    """What an explanation says of itself in sentences."""
    return tuple(getattr(found, "notes", ()))


def kept_as_told(specimen: Specimen, found: seewhy.Explanation) -> float:
    """The share of the score that a relevance map carries, which has to be the one that it tells."""
    with torch.no_grad():
        score = float(specimen.scores(specimen.x)[0, specimen.target])
    kept = float(values(found).sum()) / score
    told = found.checks["relevance_kept"]
    right(abs(told - kept) <= 1e-3 * max(1, abs(kept)), f"says {told:.3f} of the score arrived, it is {kept:.3f}")
    return kept


def without_rounding(specimen: Specimen) -> tuple[Tensor, Tensor]:
    """LRP-0 and input × gradient in float64: in float32 a unit at its kink may fall on either side."""
    exact = deepcopy(specimen.plain).double()
    classifier = Classifier.from_module(exact, specimen.classifier.preprocessing)
    found = values(seewhy.explain(classifier, specimen.image, "lrp", specimen.target, rules="epsilon"))
    x = twice(specimen.x.double()).requires_grad_()
    (slope,) = torch.autograd.grad(scores_of(exact(x))[0, specimen.target], x)
    return found, (x * slope).detach().sum(1)[0]


def outputs(module: nn.Module, x: Tensor, names: list[str]) -> dict[str, Tensor]:
    """What layers put out in one forward."""
    found: dict[str, Tensor] = {}

    def note(name: str, _module: nn.Module, _args: Any, output: Any) -> None:
        found[name] = first_tensor(output).clone()

    with (
        hooks(module.get_submodule(name).register_forward_hook(partial(note, name)) for name in names),
        torch.no_grad(),
    ):
        module(x.clone())
    return found


def first_tensor(value: Any) -> Tensor:
    """The tensor, or the first of several."""
    while not isinstance(value, Tensor):
        value = next(iter(value.values())) if hasattr(value, "values") else value[0]
    return value


def hooked(specimen: Specimen, layer: str) -> tuple[Tensor, Tensor]:
    """A layer's maps and the target's gradient with respect to them, `(1, C, h, w)`."""
    held: list[Tensor] = []

    def keep(_module: nn.Module, _args: Any, output: Any) -> Any:
        leaf = first_tensor(output).detach().clone().requires_grad_()
        held.append(leaf)
        return replaced(output, leaf.clone())

    with hooks([specimen.plain.get_submodule(layer).register_forward_hook(keep)]):
        score = specimen.scores(twice(specimen.x))[0, specimen.target]
    (gradient,) = torch.autograd.grad(score, held[-1])
    return spatial(held[-1].detach()[:1]), spatial(gradient[:1])


def replaced(output: Any, tensor: Tensor) -> Any:
    """What a layer put out, with another first tensor."""
    if isinstance(output, Tensor):
        return tensor
    if isinstance(output, tuple | list):
        return type(output)([replaced(output[0], tensor), *output[1:]])
    key = next(iter(output))
    return type(output)(**{**output, key: tensor})


def spatial(tensor: Tensor) -> Tensor:
    """Maps `(1, C, h, w)` of a square picture, from channels last, or from tokens that some others precede."""
    if tensor.dim() == 3:
        side = math.isqrt(tensor.shape[1])
        return tensor[:, tensor.shape[1] - side**2 :].transpose(1, 2).unflatten(2, (side, side))
    return tensor if tensor.shape[2] == tensor.shape[3] else tensor.permute(0, 3, 1, 2)


def curved(specimen: Specimen) -> bool:
    """Whether the score is no piecewise linear function near the picture: the gradient turns along itself."""
    x = specimen.x.clone().requires_grad_()
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        (slope,) = torch.autograd.grad(specimen.scores(x)[0, specimen.target], x, create_graph=True)
        if not slope.requires_grad:
            return False
        (turn,) = torch.autograd.grad((slope * slope.detach()).sum(), x, allow_unused=True)
    return turn is not None and float(turn.norm()) > 1e-3 * float(slope.norm() ** 2) / float(specimen.x.norm())


def is_residual(specimen: Specimen, layer: str) -> bool:
    """Whether a layer holds its own shortcut, so that it is a block, whatever it is called."""
    return "Residual" in type(specimen.plain.get_submodule(layer)).__name__


def past(specimen: Specimen, embedding: Tensor) -> float:
    """The share of the scores' slope that does not lead through the layers whose input is in the embedding `(D,)`."""
    taken: dict[str, Tensor] = {}

    def note(name: str, _module: nn.Module, args: tuple[Tensor, ...]) -> None:
        taken[name] = pooled(args[0]) if len(args[0]) == 1 else args[0].flatten()

    layers = {name: part for name, part in specimen.plain.named_modules() if isinstance(part, nn.Linear | nn.Conv2d)}
    with hooks((part.register_forward_pre_hook(partial(note, name)) for name, part in layers.items())), torch.no_grad():
        specimen.scores(specimen.x)
    heads = [layers[name] for name, vector in taken.items() if holds(embedding, vector)]
    right(bool(heads), "no layer takes what is embedded")
    x = specimen.x.clone().requires_grad_()
    weights = torch.linspace(-1, 1, specimen.scores(specimen.x).shape[1])
    (whole,) = torch.autograd.grad(specimen.scores(x)[0] @ weights, x)
    with hooks(head.register_forward_pre_hook(lambda _, args: (args[0].detach(), *args[1:])) for head in heads):
        score = specimen.scores(x)[0] @ weights
    if not score.requires_grad:
        return 0.0
    (rest,) = torch.autograd.grad(score, x, allow_unused=True)
    return 0.0 if rest is None else float(rest.norm() / whole.norm())


def pooled(tensor: Tensor) -> Tensor:
    """What a layer takes for one picture `(1, …)` as one vector: maps and tokens are averaged."""
    tensor = tensor[0].detach()
    if tensor.dim() == 3:
        return tensor.mean((1, 2))
    return tensor.mean(0) if tensor.dim() == 2 else tensor


def holds(vector: Tensor, part: Tensor) -> bool:
    """Whether a part lies in a vector, as a whole."""
    if not 0 < len(part) <= len(vector):
        return False
    windows = vector.unfold(0, len(part), 1)
    return bool(((windows - part).abs().amax(1) <= SAME * part.abs().max()).any())


@contextmanager
def hooks(handles: Iterable[RemovableHandle]) -> Generator[None]:
    """Hooks that are gone afterwards."""
    held = list(handles)
    try:
        yield
    finally:
        for each in held:
            each.remove()
