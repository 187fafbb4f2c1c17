"""The masked-forward engine: parts of a picture, what stands in for them, and what the model says without them."""

from seewhy.masking.fills import FILLS, Blur, Constant, Fill, Images, Linear, Noise, RegionMean, find_fill
from seewhy.masking.forward import MaskedForward
from seewhy.masking.regions import SEGMENTERS, segment

__all__ = [
    "FILLS",
    "SEGMENTERS",
    "Blur",
    "Constant",
    "Fill",
    "Images",
    "Linear",
    "MaskedForward",
    "Noise",
    "RegionMean",
    "find_fill",
    "segment",
]
