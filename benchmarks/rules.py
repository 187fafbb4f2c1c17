"""What the backward rules cost: DeepLIFT's and LRP's forward and backward against the plain ones."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import torch
from benchmarks._networks import MODELS, classifier_of
from benchmarks._timing import machine, take_turns, write_section
from torch import Tensor

from seewhy.engines import References, RuleSet, applying, frozen
from seewhy.engines.batches import keep_large_blocks
from seewhy.engines.inference import exact_copy
from seewhy.engines.rule_sets import composite, epsilon, flat, gamma, z_plus
from seewhy.models import Classifier

PAIRS = 4
RULES: dict[str, RuleSet | None] = {  # DeepLIFT's follow from the references
    "plain": None,
    "DeepLIFT": None,
    "LRP ε-z⁺": composite("LRP ε-z⁺", z_plus, epsilon(1e-6)),
    "LRP ε-z⁺ flat": composite("LRP ε-z⁺ flat", z_plus, epsilon(1e-6), flat),
    "LRP ε-γ": composite("LRP ε-γ", gamma(0.25), epsilon(1e-6)),
}

ABOUT = f"""\
## The backward-rule engine

Median milliseconds for {PAIRS} pictures and {PAIRS} references, and how many times as long as with plain gradients
(median over rounds and its quartiles); *forward* on the left, *backward* on the right. The network is the private copy,
its BatchNorm folded. **Wanted of DeepLIFT's backward: 1.60 at most; of LRP's forward 2.50, of its backward 2.00.**
"""


def main(device: torch.device, budget: float) -> None:
    """Measure, and write the section `rules` of the results; `budget` is in seconds a row."""
    keep_large_blocks()
    rows = [row for model in MODELS for row in _rows(model, device, budget)]
    head = "| network | rules | forward | ÷ plain | backward | ÷ plain |\n|---|---|--:|--:|--:|--:|"
    write_section("rules", "\n".join([ABOUT, machine(device), "", head, *rows]))


def _rows(model: str, device: torch.device, budget: float) -> list[str]:
    classifier = classifier_of(model, device)
    x = torch.randn((2 * PAIRS, 3, 224, 224), generator=torch.Generator().manual_seed(0)).to(device)
    x = x.contiguous(memory_format=torch.channels_last)
    forwards = {name: _forward(classifier, x, rules) for name, rules in RULES.items()}
    forwards["DeepLIFT"] = _compared(classifier, x)
    forward = take_turns(forwards, device, budget=budget)
    backward = take_turns({name: _backward(run) for name, run in forwards.items()}, device, budget=budget)
    return [
        f"| {model} | {name} | {forward.milliseconds(name):.0f} | {forward.ratio(name, 'plain')} "
        f"| {backward.milliseconds(name):.0f} | {backward.ratio(name, 'plain')} |"
        for name in RULES
    ]


def _forward(classifier: Classifier, x: Tensor, rules: RuleSet | None) -> Callable[[], tuple[Tensor, Tensor]]:
    module = exact_copy(classifier).module

    def run() -> tuple[Tensor, Tensor]:
        leaf = x.clone().requires_grad_()
        with frozen(module), applying(rules) if rules else nullcontext():
            return leaf, module(leaf.clone())[:PAIRS, 1].sum()

    return run


def _compared(classifier: Classifier, x: Tensor) -> Callable[[], tuple[Tensor, Tensor]]:
    module = exact_copy(classifier).module

    def under(points: Tensor, rules: RuleSet) -> Tensor:
        with frozen(module), applying(rules):
            return module(points.clone())

    def run() -> tuple[Tensor, Tensor]:
        pictures, others = (each.clone().requires_grad_() for each in x.chunk(2))
        before = References.of(lambda rules: under(others, rules))
        return pictures, under(pictures, before.comparing)[:, 1].sum()

    return run


def _backward(forward: Callable[[], tuple[Tensor, Tensor]]) -> Callable[[], Tensor]:
    leaf, score = forward()
    return lambda: torch.autograd.grad(score, leaf, retain_graph=True)[0]
