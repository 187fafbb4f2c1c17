"""Methods that explain one decision, one file per family, and what they share."""

from seewhy.methods.evidence import RegionWeights, Rule
from seewhy.methods.explanation import Cost, Explanation
from seewhy.methods.registry import (
    Method,
    MethodInfo,
    find_method,
    list_methods,
    method_info,
    register,
    suitable_methods,
)

__all__ = [
    "Cost",
    "Explanation",
    "Method",
    "MethodInfo",
    "RegionWeights",
    "Rule",
    "find_method",
    "list_methods",
    "method_info",
    "register",
    "suitable_methods",
]
