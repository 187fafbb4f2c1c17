"""Explaining by example: the training pictures most like one, and those that would have turned the decision."""

from seewhy.cases.base import CaseBase
from seewhy.cases.building import Built, build
from seewhy.cases.counterfactuals import Counterfactuals, find_counterfactuals
from seewhy.cases.embedders import Cole, Embedder, Encoded, Penultimate, find_embedder
from seewhy.cases.manifest import About
from seewhy.cases.queries import Cases, open_cases
from seewhy.cases.twins import Twin, Twins, find_twins

__all__ = [
    "About",
    "Built",
    "CaseBase",
    "Cases",
    "Cole",
    "Counterfactuals",
    "Embedder",
    "Encoded",
    "Penultimate",
    "Twin",
    "Twins",
    "build",
    "find_counterfactuals",
    "find_embedder",
    "find_twins",
    "open_cases",
]
