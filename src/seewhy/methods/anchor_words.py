"""What a rule says, in a sentence for people who never heard of anchors."""

from __future__ import annotations

from math import ceil, floor

from seewhy.methods.anchor_search import Anchor
from seewhy.models import Categories, Target

FUZZ = 1e-9
PERCENT = "\N{NO-BREAK SPACE}%"


def rule_found(anchor: Anchor, regions: int, target: Target, categories: Categories, delta: float) -> str:
    """For a rule that holds, in a picture of so many `regions`."""
    says, often = _says(target, categories), _how_often(anchor, delta)
    if not anchor.regions:
        return f"No region has to stay: whichever are hidden, {says} {often}."
    if len(anchor.regions) == regions:
        return f"Only if all of the picture stays is it sure that {says}: no smaller part was found to be enough."
    return f"If {_these(anchor)} and others are hidden at random, {says} {often}."


def best_found(anchor: Anchor, threshold: float, target: Target, categories: Categories, delta: float) -> str:
    """For the best of rules none of which holds."""
    often = _how_often(anchor, delta)
    failed = f"No rule was found under which {_says(target, categories)} in {100 * threshold:g}{PERCENT} of cases"
    if not anchor.regions:
        return f"{failed}. With no rule at all, and regions hidden at random, it does so {often}."
    return f"{failed}. The best one found: if {_these(anchor)} and others are hidden at random, it does so {often}."


def nothing_to_keep(margin: float, rival: int, target: Target, categories: Categories) -> str:
    """For a class that the model does not put before its `rival`: it leads by a `margin` of 0 or less."""
    own, other = f"“{categories[target.index]}”", f"“{categories[rival]}”"
    if margin == 0:
        return f"On this picture {own} and {other} score exactly the same: there is no decision for a rule to keep."
    if target.against is None:
        return f"The model says {other} here, not {own}, so there is nothing to keep; ask about {other}."
    return f"Here the model prefers {other} to {own}, so there is nothing to keep; ask about {other} rather than {own}."


def _says(target: Target, categories: Categories) -> str:
    if target.against is None:
        return f"the model says “{categories[target.index]}”"
    return f"the model prefers “{categories[target.index]}” to “{categories[target.against]}”"


def _these(anchor: Anchor) -> str:
    count = len(anchor.regions)
    return "this region stays" if count == 1 else f"these {count} regions stay"


def _how_often(anchor: Anchor, delta: float) -> str:
    if anchor.asked == anchor.population:
        share = "all" if anchor.kept == anchor.asked else f"{anchor.kept:,} of the"
        return f"in {share} {anchor.asked:,} cases there are"
    low, high = floor(100 * anchor.low + FUZZ), ceil(100 * anchor.high - FUZZ)
    percents = f"{low}" if low == high else f"{low} to {high}"
    return f"in {percents}{PERCENT} of cases ({anchor.asked:,} tried, {100 * (1 - delta):g}{PERCENT} sure)"
