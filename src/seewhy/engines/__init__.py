"""The engines that methods and metrics ask: masked forward passes, and backward rules for non-linear operations."""

from seewhy.engines.answers import Answers
from seewhy.engines.baselines import FILLS, Blur, Constant, Fill, Images, Linear, Noise, RegionMean, find_fill
from seewhy.engines.cuts import Cuts, MeansOfCuts, fill_of_cuts, in_groups
from seewhy.engines.deep_lift import References
from seewhy.engines.differentiable import Differentiable, FromLayer
from seewhy.engines.forward import MaskedForward
from seewhy.engines.regions import SEGMENTERS, segment, segmenter
from seewhy.engines.rules import Call, Rule, RuleSet, applying, frozen, surrogate, with_slope

__all__ = [
    "FILLS",
    "SEGMENTERS",
    "Answers",
    "Blur",
    "Call",
    "Constant",
    "Cuts",
    "Differentiable",
    "Fill",
    "FromLayer",
    "Images",
    "Linear",
    "MaskedForward",
    "MeansOfCuts",
    "Noise",
    "References",
    "RegionMean",
    "Rule",
    "RuleSet",
    "applying",
    "fill_of_cuts",
    "find_fill",
    "frozen",
    "in_groups",
    "segment",
    "segmenter",
    "surrogate",
    "with_slope",
]
