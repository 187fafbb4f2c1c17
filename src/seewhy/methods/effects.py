"""What hiding regions does, in sentences and in people's units: odds, scores, probabilities, values."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from seewhy.core.text import plain_number
from seewhy.draw import factor, told_size
from seewhy.methods.evidence import RegionWeights, decides, ranking, sure, together
from seewhy.models.head import Meaning, told

NONE_DECIDES = "no single part decides"
SHARED = ", as this method shares it out"
SCORE = " Against a class whose score stays the same, that makes it {times} times {less} likely."


def effect_sentences(
    regions: RegionWeights,
    about: str,
    number: float | None,
    meaning: Meaning,
    checks: Mapping[str, float],
    *,
    one: bool = True,
) -> tuple[str, ...]:
    """What the weights of regions say of a target `about` which the network gives this `number`, where known.

    What was measured with one region hidden alone, or with everything hidden, is told where the method asked for it.
    Of `one` class alone, among others, a change of its score says how much less likely it gets.
    """
    likely = one and meaning == "classes"
    found = _strongest(regions, about, likely=likely) if decides(regions) else _undecided(regions, about, checks)
    return tuple(filter(None, [found, _together(regions, about), _alone(regions, about, number, meaning)]))


def _strongest(regions: RegionWeights, about: str, *, likely: bool) -> str:
    """Of the strongest region, where it is no chance."""
    ranked = ranking(regions, most=1)
    if not regions.unit or not any(sure(regions)[region] for region in ranked):
        return ""
    (weight,) = ranked.values()
    falls, times = weight.value > 0, factor(weight.value)
    name, size, what = weight.name, told_size(weight.value, regions.unit), _number_of(regions, about)
    less, more = ("smaller", "larger") if falls else ("larger", "smaller")
    if not regions.company:  # it was shared out, nothing was hidden
        if regions.unit == "log-odds":
            return f"Region {name} makes the odds of “{about}” {times} times {more}{SHARED}."
        return f"Region {name} {f'adds {size} to' if falls else f'takes {size} from'} {what}{SHARED}."
    company = _on_average(regions)
    if regions.unit == "log-odds":
        return f"Hiding region {name} makes the odds of “{about}” {times} times {less}{company}."
    hiding = f"Hiding region {name} {'lowers' if falls else 'raises'} {what} by {size}{company}."
    return hiding + SCORE.format(times=times, less="less" if falls else "more") * (likely and regions.unit == "score")


def _on_average(regions: RegionWeights) -> str:
    return f", on average over {regions.company}" if regions.company else ""


def _number_of(regions: RegionWeights, about: str) -> str:
    """What is shared out among the regions."""
    return f"“{about}”" if regions.unit == "value" else f"the {regions.unit} of “{about}”"


def _together(regions: RegionWeights, about: str) -> str:
    """What the strongest pair does beyond what each of the two does, where that is no chance."""
    pairs = together(regions, most=1)
    if not pairs:
        return ""
    (pair,) = pairs
    names = " and ".join(pair.name.split(" + "))
    means = "they need each other" if pair.value > 0 else "they say some of the same"
    size = told_size(pair.value, regions.unit)
    if regions.unit == "log-odds":
        more = f"make the odds of “{about}” {factor(pair.value)} times {'larger' if pair.value > 0 else 'smaller'} than"
    else:
        more = f"add {size} {'more' if pair.value > 0 else 'less'} to {_number_of(regions, about)} than"
    return f"Together, regions {names} {more} each for itself would: {means}."


def _undecided(regions: RegionWeights, about: str, checks: Mapping[str, float]) -> str:
    """What any one region does, and beside it what all do together."""
    largest, everything = float(np.abs(regions.weights).max(initial=0.0)), checks.get("change", 0.0)
    odds, average = regions.unit == "log-odds", _on_average(regions)
    if odds:
        each = f"changes the odds of “{about}” by a factor of {factor(largest)} at most"
        whole = f"makes them {factor(everything)} times {'smaller' if everything > 0 else 'larger'}"
        little = f"changes them by a factor of {factor(everything)}"
    else:
        each = f"changes “{about}” by {plain_number(largest)} at most"
        whole = f"{'lowers' if everything > 0 else 'raises'} it by {plain_number(abs(everything))}"
        little = f"changes it by {plain_number(abs(everything))}"
    start = f"{NONE_DECIDES.capitalize()}: hiding any one region {each}{average}."
    if abs(everything) > regions.least:
        return f"{start} Hiding everything {whole}."
    return f"{start} Hiding everything {little}: little of the answer hangs on what hiding takes away."


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
