"""Class activation maps that no class plays a part in: what stands out in a layer's maps."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from torch import Tensor

from seewhy.methods.cam import COARSE, EigenCAM, positive_extreme

DEVIATIONS = 2
BLIND = (
    "The class plays no part in it, so it is the same map for every class: it does not say why the network chose "
    "this one. "
)


def fem(activations: Tensor, gradients: Tensor) -> Tensor:  # noqa: ARG001 - one signature for all
    """Σ_k m_k · [A_k ≥ m_k + 2 s_k], m_k and s_k the mean and deviation of A_k over positions. Source: Fuad 2020."""
    means = activations.mean((2, 3), keepdim=True)
    spread = activations.std((2, 3), correction=0, keepdim=True)
    rare = (activations >= means + DEVIATIONS * spread) & (spread > 0)
    return (means * rare).sum(1)


def kernel_principal_map(activations: Tensor, gradients: Tensor) -> Tensor:  # noqa: ARG001
    """A `(N, C, h, w)` on the first kernel principal component over positions, `(N, h, w)`; the kernel is a sigmoid.

    Source: Karmani 2024, with the sign as in Eigen-CAM.
    """
    from sklearn.decomposition import KernelPCA

    rows = activations.flatten(2).transpose(1, 2).cpu().double()
    rows = rows - rows.mean(1, keepdim=True)
    projected = np.zeros(rows.shape[:2])
    for number, each in enumerate(rows.numpy()):
        with warnings.catch_warnings(action="ignore"):  # that a flat layer has no components
            found = KernelPCA(1, kernel="sigmoid", random_state=0).fit_transform(each)
        projected[number] = found[:, 0] if found.shape[1] else 0
    return positive_extreme(torch.from_numpy(projected)).view(len(rows), *activations.shape[2:]).to(activations)


class FEM(EigenCAM):
    """Where each map is two standard deviations above its mean, weighted by that mean."""

    name = "fem"
    title = "Feature-based explanation (FEM)"
    status = "approximate"
    class_blind = True
    paper = "Fuad et al. 2020"
    arxiv = None
    question = "Where does the network see something rare, whatever the class?"
    reading = "Bright areas are where many maps of the layer respond far more than elsewhere. " + BLIND + COARSE

    cam = staticmethod(fem)


class KPCACAM(EigenCAM):
    """The layer's first kernel principal component: Eigen-CAM for what lies on a curve."""

    name = "kpca-cam"
    title = "KPCA-CAM"
    status = "verified"
    class_blind = True
    paper = "Karmani et al. 2024"
    arxiv = "2410.00267"
    question = "What stands out in this picture to the network, on a curve rather than a line, whatever the class?"
    reading = "Bright areas are what the layer responds to most. " + BLIND + COARSE

    cam = staticmethod(kernel_principal_map)
