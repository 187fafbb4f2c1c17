"""Methods that explain one decision, one file per family, and what they share.

>>> from seewhy import methods
>>> methods.GradCAM(layers=("layer4",)).name
'grad-cam'
"""

from seewhy.methods.anchors import Anchors, LimeAnchors
from seewhy.methods.attention import AttentionRelevance, AttentionRollout, LeGrad
from seewhy.methods.attribute import Attribution, attribute
from seewhy.methods.bcos import BcosMap
from seewhy.methods.bilrp import BiLRP
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
    SegEigenCAM,
    ShapleyCAM,
    XGradCAM,
)
from seewhy.methods.check import check_method
from seewhy.methods.contrastive import CLRP
from seewhy.methods.controls import CentredGaussian, Control, EmptyMap, PositionPrior, RandomMap, SobelEdges, mean_map
from seewhy.methods.evidence import RegionWeights, Rule, SecondLook
from seewhy.methods.explanation import Cost, Explanation
from seewhy.methods.factors import DeepFeatureFactorization
from seewhy.methods.full_grad import FullGrad
from seewhy.methods.gradients import (
    Gradient,
    GuidedBackpropagation,
    GuidedGradCAM,
    InputXGradient,
    PixelMethod,
    SmoothGrad,
    VarGrad,
)
from seewhy.methods.integrated_gradients import IDGI, ExpectedGradients, IntegratedGradients
from seewhy.methods.interactions import ShapleyInteractions
from seewhy.methods.learned import Learned
from seewhy.methods.lime import Lime, LimeClassic
from seewhy.methods.masks import RISE, MaskMethod, Occlusion
from seewhy.methods.method import (
    Method,
    find_method,
    lacking,
    list_methods,
    method_info,
    suitable_methods,
)
from seewhy.methods.other_paths import BlurIG, GuidedIG
from seewhy.methods.regions import RegionMethod
from seewhy.methods.relevance import LRP, AttnLRP, DeepLift, DeepShap
from seewhy.methods.score_cam import SISE, AblationCAM, AdaSISE, ClusterCAM, ScoreCAM
from seewhy.methods.sensitivity import HSICAttribution, SobolAttribution
from seewhy.methods.several_layers import LayerCAMFusion, RefineCAM
from seewhy.methods.shap import KernelSHAP, PartitionSHAP, PermutationSHAP
from seewhy.methods.similarity import FAM
from seewhy.methods.smooth_cam import ISCAM, SSCAM, SmoothGradCAMPlusPlus
from seewhy.methods.task import Found, Task
from seewhy.methods.unsupervised_cam import FEM, KPCACAM
from seewhy.methods.xrai import XRAI

__all__ = [
    "CAM",
    "CLRP",
    "FAM",
    "FEM",
    "IDGI",
    "ISCAM",
    "KPCACAM",
    "LRP",
    "RISE",
    "SISE",
    "SSCAM",
    "XRAI",
    "AblationCAM",
    "AdaSISE",
    "Anchors",
    "AttentionRelevance",
    "AttentionRollout",
    "AttnLRP",
    "Attribution",
    "BcosMap",
    "BiLRP",
    "BlurIG",
    "CentredGaussian",
    "ClusterCAM",
    "Control",
    "Cost",
    "DeepFeatureFactorization",
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
    "FullGrad",
    "GradCAM",
    "GradCAMPlusPlus",
    "Gradient",
    "GuidedBackpropagation",
    "GuidedGradCAM",
    "GuidedIG",
    "HSICAttribution",
    "HiResCAM",
    "InputXGradient",
    "IntegratedGradients",
    "KernelSHAP",
    "LayerCAM",
    "LayerCAMFusion",
    "LeGrad",
    "Learned",
    "Lime",
    "LimeAnchors",
    "LimeClassic",
    "MaskMethod",
    "Method",
    "Occlusion",
    "PartitionSHAP",
    "PermutationSHAP",
    "PixelMethod",
    "PositionPrior",
    "RandomMap",
    "RefineCAM",
    "RegionMethod",
    "RegionWeights",
    "Rule",
    "ScoreCAM",
    "SecondLook",
    "SegEigenCAM",
    "ShapleyCAM",
    "ShapleyInteractions",
    "SmoothGrad",
    "SmoothGradCAMPlusPlus",
    "SobelEdges",
    "SobolAttribution",
    "Task",
    "VarGrad",
    "XGradCAM",
    "attribute",
    "check_method",
    "find_method",
    "lacking",
    "list_methods",
    "mean_map",
    "method_info",
    "suitable_methods",
]
