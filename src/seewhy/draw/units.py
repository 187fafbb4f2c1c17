"""Numbers in people's units: what a part does to the odds of a class, what it adds to a score or a probability."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, TypeAlias

# Of weights. A score is a class's logit, a value a number of the network's own; what has no unit is told in per cent
# of the strongest.
Unit: TypeAlias = Literal["", "log-odds", "score", "probability", "value"]

MOST = math.log(1e6)  # factors beyond it are not told
MINUS = "\N{MINUS SIGN}"


def told_weights(values: Sequence[float], margins: Sequence[float | None], unit: Unit) -> list[str]:
    """Each with its sign, unit and margin, all to the same decimal place; of log-odds what hiding does to the odds.

    >>> told_weights([0.1234, -0.05], [0.001, None], "probability")
    ['+12.3 ± 0.1 points', '−5.0 points']
    >>> told_weights([2.0, -1.0], [None, None], "")
    ['+100%', '−50%']
    """
    if unit == "log-odds":
        return [
            odds_words(value) + (f" ({odds_between(value, margin)})" if margin else "")
            for value, margin in zip(values, margins, strict=True)
        ]
    scale = _scale(max(map(abs, values), default=0.0), unit)
    largest = max((max(abs(value), margin or 0.0) for value, margin in zip(values, margins, strict=True)), default=0.0)
    form = _form(scale * largest) if unit else ".0f"
    return [
        _with_unit(
            f"{_plus(value)}{scale * abs(value):{form}}" + (f" ± {scale * margin:{form}}" if margin else ""), unit
        )
        for value, margin in zip(values, margins, strict=True)
    ]


def told_amount(value: float, unit: Unit) -> str:
    """One number with its sign and unit; see `told_weights`.

    >>> told_amount(2.591, "score"), told_amount(-0.7, "log-odds")
    ('score +2.59', 'odds × 2.0')
    """
    return told_weights([value], [None], unit)[0]


def told_size(value: float, unit: Unit) -> str:
    """How large, with its unit and without a sign; log-odds as the factor of the odds.

    >>> told_size(-0.123, "probability"), told_size(-2.59, "score")
    ('12.3 points', '2.59')
    """
    if unit == "log-odds":
        return f"a factor of {factor(value)}"
    size = abs(value) * _scale(abs(value), unit)
    return f"{size:{_form(size)}}" + {"probability": " points", "": "%"}.get(unit, "")


def odds_words(fall: float) -> str:
    """What becomes of odds whose logarithm falls by so much.

    >>> odds_words(0.7), odds_words(-0.7)
    ('odds ÷ 2.0', 'odds × 2.0')
    """
    return f"odds {_sign(fall)} {factor(fall)}"


def odds_between(fall: float, margin: float) -> str:
    """The ends of the interval, each with its sign only where they have different ones.

    >>> odds_between(0.7, 0.1), odds_between(0.1, 0.2)
    ('1.8 to 2.2', '× 1.1 to ÷ 1.3')
    """
    one_sided = abs(fall) > margin
    ends = sorted((fall - margin, fall + margin), key=abs if one_sided else None)
    return " to ".join(factor(each) if one_sided else f"{_sign(each)} {factor(each)}" for each in ends)


def factor(log: float) -> str:
    """By how much odds differ whose logarithms differ by so much, in two digits, or more where it is large.

    >>> factor(0.05), factor(-3.0), factor(20.0)
    ('1.05', '20', 'over 1,000,000')
    """
    size = math.exp(min(abs(log), MOST))
    more = "over " if abs(log) > MOST else ""
    return f"{more}{size:,.0f}" if size >= 10 else f"{size:.1f}" if size >= 1.1 else f"{size:.2f}"


def _sign(fall: float) -> str:
    return "\N{DIVISION SIGN}" if fall >= 0 else "\N{MULTIPLICATION SIGN}"


def _scale(largest: float, unit: Unit) -> float:
    """What to multiply by: per cent of the strongest, or percentage points."""
    if unit == "":
        return 100 / (largest or 1)
    return 100.0 if unit == "probability" else 1.0


def _form(largest: float) -> str:
    """How to write numbers of which this is the largest, in three digits."""
    digits = 2 - round(math.log10(largest)) if largest else 0
    return f".{max(digits, 0)}f" if -5 < digits < 6 else ".1e"


def _plus(value: float) -> str:
    return "+" if value > 0 else MINUS if value < 0 else ""


def _with_unit(number: str, unit: Unit) -> str:
    if unit == "probability":
        return f"{number} points"
    return f"{unit} {number}" if unit else f"{number}%"
