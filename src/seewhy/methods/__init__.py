"""Methods that explain one decision, one file per family, and what they share.

>>> from seewhy import methods
>>> methods.GradCAM(layers=("layer4",)).name
'grad-cam'
"""

from seewhy.methods.anchors import Anchors, LimeAnchors
from seewhy.methods.attribute import Attribution, attribute
from seewhy.methods.cam import (
    CAM,
    EigenCAM,
    EigenGradCAM,
    ElementWiseCAM,
    FinerCAM,
    GradCAM,
    GradCAMPlusPlus,
    HiResCAM,
    LayerCAM,
    ShapleyCAM,
    XGradCAM,
)
from seewhy.methods.check import check_method
from seewhy.methods.controls import CentredGaussian, Control, EmptyMap, RandomMap, SobelEdges
from seewhy.methods.evidence import RegionWeights, Rule, SecondLook
from seewhy.methods.explanation import Cost, Explanation
from seewhy.methods.gradients import (
    Gradient,
    GuidedBackpropagation,
    GuidedGradCAM,
    InputXGradient,
    PixelMethod,
    SmoothGrad,
)
from seewhy.methods.integrated_gradients import ExpectedGradients, IntegratedGradients
from seewhy.methods.lime import Lime, LimeClassic
from seewhy.methods.masks import RISE, MaskMethod, Occlusion
from seewhy.methods.method import (
    Method,
    find_method,
    list_methods,
    method_info,
    suitable_methods,
)
from seewhy.methods.regions import RegionMethod
from seewhy.methods.relevance import LRP, AttnLRP, DeepLift, DeepShap
from seewhy.methods.score_cam import SISE, AblationCAM, AdaSISE, ClusterCAM, ScoreCAM
from seewhy.methods.shap import KernelSHAP, PartitionSHAP, PermutationSHAP
from seewhy.methods.similarity import FAM
from seewhy.methods.task import Found, Task

__all__ = [
    "CAM",
    "FAM",
    "LRP",
    "RISE",
    "SISE",
    "AblationCAM",
    "AdaSISE",
    "Anchors",
    "AttnLRP",
    "Attribution",
    "CentredGaussian",
    "ClusterCAM",
    "Control",
    "Cost",
    "DeepLift",
    "DeepShap",
    "EigenCAM",
    "EigenGradCAM",
    "ElementWiseCAM",
    "EmptyMap",
    "ExpectedGradients",
    "Explanation",
    "FinerCAM",
    "Found",
    "GradCAM",
    "GradCAMPlusPlus",
    "Gradient",
    "GuidedBackpropagation",
    "GuidedGradCAM",
    "HiResCAM",
    "InputXGradient",
    "IntegratedGradients",
    "KernelSHAP",
    "LayerCAM",
    "Lime",
    "LimeAnchors",
    "LimeClassic",
    "MaskMethod",
    "Method",
    "Occlusion",
    "PartitionSHAP",
    "PermutationSHAP",
    "PixelMethod",
    "RandomMap",
    "RegionMethod",
    "RegionWeights",
    "Rule",
    "ScoreCAM",
    "SecondLook",
    "ShapleyCAM",
    "SmoothGrad",
    "SobelEdges",
    "Task",
    "XGradCAM",
    "attribute",
    "check_method",
    "find_method",
    "list_methods",
    "method_info",
    "suitable_methods",
]
