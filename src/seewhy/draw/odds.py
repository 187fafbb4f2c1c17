"""Log-odds in words that people read: what hiding a part does to the odds of a class."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

Unit: TypeAlias = Literal["", "log-odds"]  # of weights; what has none is a number of the network's own

MOST = math.log(1e6)  # factors beyond it are not told


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
