"""What is said of an anchor: enough, not whether necessary; for which way of hiding; and how it fares under another."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, floor

from seewhy.engines import Blur, Constant, Fill, Images, Linear, Noise, RegionMean
from seewhy.methods.anchor_search import Anchor
from seewhy.methods.evidence import SLACK, SecondLook
from seewhy.models import Categories, Target
from seewhy.models.head import Meaning

FUZZ = 1e-9
PERCENT = "\N{NO-BREAK SPACE}%"
HIDDEN: tuple[tuple[type, str], ...] = (
    (RegionMean, "painted in their mean colour"),
    (Blur, "replaced with their blurred selves"),
    (Noise, "replaced with noise"),
    (Images, "replaced with parts of other photos"),
    (Linear, "filled from what surrounds them"),
)


def hidden_words(fill: Fill) -> str:
    """How hidden regions look."""
    if isinstance(fill, Constant):
        plain = isinstance(fill.colour, str) and fill.colour != "mean"
        return f"painted {fill.colour}" if plain else "painted in one colour for all"
    return next((words for kind, words in HIDDEN if isinstance(fill, kind)), f"replaced by {type(fill).__name__}")


@dataclass(frozen=True, kw_only=True)
class Wording:
    """What all sentences about one picture have in common: the class, how regions are hidden, how sure bounds are.

    `kept` is whether the class stays with only the rule's regions in sight, `rival` what comes closest to it there.
    """

    target: Target
    categories: Categories
    hidden: str
    delta: float
    threshold: float
    regions: int
    area: float
    rival: str
    kept: bool

    def rule_found(self, anchor: Anchor) -> str:
        """For a rule that holds."""
        says, often = self._says, self._how_often(anchor)
        if len(anchor.regions) == self.regions:
            return f"Only if all of the picture stays is it sure that {says}: no smaller part was found to be enough."
        if not anchor.regions:
            return f"No region has to stay: {says} {often}, and with all hidden at once as well. {self._case('each')}"
        one = len(anchor.regions) == 1
        start = f"{self._these(anchor)} {'is' if one else 'are'} enough, which is not to say necessary"
        stay = "it stays" if one else "they stay"
        return f"{start}: while {stay}, {says} {often}. {self._case('each other')} {self._of_the_rest()}"

    def best_found(self, anchor: Anchor) -> str:
        """For the best of rules none of which holds."""
        often = self._how_often(anchor)
        failed = f"No rule was found under which {self._says} in {_percent(self.threshold)} of cases"
        if not anchor.regions:
            return f"{failed}. With no rule at all it does so {often}. {self._case('each')}"
        these = self._these(anchor)
        best = f"The best one found keeps {these[0].lower()}{these[1:]}: it does so {often}"
        return f"{failed}. {best}. {self._case('each other')}"

    def second_look(self, second: SecondLook, *, fragile: bool) -> str:
        """How the rule fares where hidden regions show something else."""
        low, high = second.low, second.high
        least = self.threshold - SLACK
        if fragile:
            verdict = f"fragile, as a rule promises {_percent(least)}"
        elif low > least:
            verdict = f"the rule holds here too ({_percent(least)} or more)"
        else:
            verdict = f"too close to {_percent(least)} to tell"
        often = f"{_range(low, high)} of cases ({second.variations:,} tried, {_percent(1 - self.delta)} sure)"
        return f"With hidden regions {second.hidden} it does so in {often}: {verdict}."

    @property
    def _says(self) -> str:
        own = f"“{replace(self.target, against=None).label(self.categories)}”"
        if self.target.against is None:
            return f"the model says {own}"
        return f"the model prefers {own} to “{self.categories[self.target.against]}”"

    def _these(self, anchor: Anchor) -> str:
        count = len(anchor.regions)
        these = "This region" if count == 1 else f"These {count} regions"
        return f"{these} ({_percent(self.area, 0)} of the picture)"

    def _case(self, which: str) -> str:
        return f"A case hides {which} region by the toss of a coin; hidden ones are {self.hidden}."

    def _of_the_rest(self) -> str:
        return f"With all of them hidden {'it still does' if self.kept else f'“{self.rival}” is ahead'}."

    def _how_often(self, anchor: Anchor) -> str:
        if anchor.asked == anchor.population:
            share = "all" if anchor.kept == anchor.asked else f"{anchor.kept:,} of the"
            return f"in {share} {anchor.asked:,} cases there are"
        return (
            f"in {_range(anchor.low, anchor.high)} of cases ({anchor.asked:,} tried, {_percent(1 - self.delta)} sure)"
        )


def nothing_to_keep(
    margin: float, rival: int, target: Target, categories: Categories, meaning: Meaning = "classes"
) -> str:
    """For a class that the model does not put before its `rival`: it leads by a `margin` of 0 or less."""
    own, other = f"“{replace(target, against=None).label(categories)}”", f"“{categories[rival]}”"
    if target.against is None and meaning == "labels":
        return (
            f"Not the model's answer: it does not find {other} here, which is no likelier than its threshold. There is "
            "nothing to keep, so no rule was sought."
        )
    if margin == 0:
        return f"On this picture {own} and {other} score exactly the same: there is no decision for a rule to keep."
    start = "Not the model's answer: "
    if target.against is None:
        return f"{start}it says {other} here, not {own}. There is nothing to keep, so no rule was sought."
    return f"{start}here it prefers {other} to {own}. There is nothing to keep; ask about {other} rather than {own}."


def _percent(share: float, digits: int = 2) -> str:
    return f"{round(100 * share, digits):g}{PERCENT}"


def _range(low: float, high: float) -> str:
    """Rounded outwards, so that no more is promised than the bounds."""
    least, most = floor(100 * low + FUZZ), ceil(100 * high - FUZZ)
    return f"{least}{PERCENT}" if least == most else f"{least} to {most}{PERCENT}"
