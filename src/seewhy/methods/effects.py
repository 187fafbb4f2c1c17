"""What hiding regions does, in sentences and in people's units: odds, probabilities, values."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from seewhy.core.text import plain_number
from seewhy.draw import factor
from seewhy.methods.evidence import RegionWeights, decides, ranking, sure
from seewhy.models.head import Meaning, told

NONE_DECIDES = "no single part decides"


def effect_sentences(
    regions: RegionWeights, about: str, number: float | None, meaning: Meaning, checks: Mapping[str, float]
) -> tuple[str, ...]:
    """What the weights of a linear model say of a target `about` which the network gives this `number`, where known.

    What was measured with one region hidden alone, or with everything hidden, is told where the method asked for it.
    """
    found = _strongest(regions, about, checks) if decides(regions) else _undecided(regions, about, checks)
    return tuple(filter(None, [found, _alone(regions, about, number, meaning)]))


def _strongest(regions: RegionWeights, about: str, checks: Mapping[str, float]) -> str:
    """Of the strongest region, where it is no chance."""
    region, weight = next(iter(ranking(regions).items()))
    if regions.unit != "log-odds" or not sure(regions)[region]:
        return ""
    times = f"{factor(weight.value)} times {'smaller' if weight.value > 0 else 'larger'}"
    kept = f", on average over variations that keep {checks['keep']:.0%} of the regions" if "keep" in checks else ""
    return f"Hiding region {weight.name} makes the odds of “{about}” {times}{kept}."


def _undecided(regions: RegionWeights, about: str, checks: Mapping[str, float]) -> str:
    largest = float(np.abs(regions.weights).max(initial=0.0))
    everything = abs(checks.get("change", 0.0))
    if regions.unit == "log-odds":
        each = f"hiding any one region changes the odds of “{about}” by a factor of {factor(largest)} at most"
        whole = f"by {factor(everything)}"
    else:
        each = f"hiding any one region changes “{about}” by {plain_number(largest)} at most"
        whole = f"by {plain_number(everything)}"
    return f"{NONE_DECIDES.capitalize()}: {each}, hiding everything {whole}."


def _alone(regions: RegionWeights, about: str, number: float | None, meaning: Meaning) -> str:
    """What the network was seen to say with nothing but one region hidden."""
    if regions.alone is None or (meaning != "values" and regions.unit != "log-odds"):
        return ""
    seen = [
        f"{told(known, meaning)} ({weight.name})"
        for region, weight in ranking(regions).items()
        if (known := regions.alone[region]) is not None
    ]
    whole = "" if number is None else f"The whole picture gives “{about}” {told(number, meaning)}. "
    return f"{whole}With only one region hidden it gives {', '.join(seen)}." if seen else ""
