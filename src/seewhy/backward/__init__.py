"""The engine of backward rules: the same network, with another derivative for its non-linear operations."""

from seewhy.backward.deeplift_rules import DEEPLIFT
from seewhy.backward.differentiable import Differentiable, FromLayer
from seewhy.backward.rules import Call, Rule, RuleSet, applying, frozen, surrogate, with_slope

__all__ = [
    "DEEPLIFT",
    "Call",
    "Differentiable",
    "FromLayer",
    "Rule",
    "RuleSet",
    "applying",
    "frozen",
    "surrogate",
    "with_slope",
]
