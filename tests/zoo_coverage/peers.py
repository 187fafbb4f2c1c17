"""What other libraries make of 17 networks of the zoo: the same weights, picture and target, judged in the same way.

    python -m zoo_coverage.peers RESULTS.jsonl [--zennit PYTHON]

zennit is asked in an environment of its own, whose interpreter `--zennit` names; without it its column says so.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from zoo_coverage.cells import COMPLETE, explained, hooked, near, notes, right, spatial, values
from zoo_coverage.running import ZOO, preload, run_zoo
from zoo_coverage.specimens import Specimen, scores_of

STEPS = 50  # of integrated gradients: captum's own number
SHAPE = 0.02  # how far a map in [0, 1] may be from the true one
STABILIZERS = 0.05  # how far relevance may be from LRP-0, since each library keeps its divisions from 0 in its own way
UNJUDGED = "runs"
WORKER = Path(__file__).with_name("zennit_worker.py")
COMPARED = (
    "torchvision:alexnet",
    "torchvision:vgg11_bn",
    "torchvision:resnet18",
    "torchvision:resnet50",
    "torchvision:densenet121",
    "torchvision:googlenet",
    "torchvision:mobilenet_v2",
    "torchvision:mobilenet_v3_small",
    "torchvision:efficientnet_b0",
    "torchvision:convnext_tiny",
    "torchvision:swin_t",
    "torchvision:vit_b_16",
    "timm:vit_tiny_patch16_224",
    "timm:mixer_s32_224",
    "timm:regnety_002",
    "timm:levit_128s",
    "transformers:ViT",
)


class Plain(nn.Module):
    """A copy of the plain network that gives a tensor of scores, which is all that the others take."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = deepcopy(network).requires_grad_()  # as users have it

    def forward(self, x: Tensor) -> Tensor:
        return scores_of(self.network(x))

    def layer(self, specimen: Specimen) -> nn.Module:
        """Where an expert looks."""
        return self.network.get_submodule(specimen.network.layer.split()[-1])


def complete(found: float, change: float) -> str:
    """The gap, which is small where a method that claims to add up does."""
    gap = abs(found - change) / abs(change)
    right(gap <= COMPLETE, f"gap {gap:.1%}")
    return f"gap {gap:.0e}"


def seewhy_deep_lift(specimen: Specimen) -> str:
    return complete(float(values(explained(specimen, "deep-lift")).sum()), specimen.change)


def captum_deep_lift(specimen: Specimen) -> str:
    from captum.attr import DeepLift

    found = DeepLift(Plain(specimen.plain)).attribute(specimen.x.clone(), specimen.black, target=specimen.target)
    return complete(float(found.sum()), specimen.change)


def shap_deep(specimen: Specimen) -> str:
    import shap

    explainer = shap.DeepExplainer(Plain(specimen.plain), specimen.black)
    found = np.asarray(explainer.shap_values(specimen.x.clone(), check_additivity=False))
    return complete(float(found[..., specimen.target].sum()), specimen.change)


def seewhy_integrated(specimen: Specimen) -> str:
    found = explained(specimen, "integrated-gradients")
    gap = abs(float(values(found).sum()) - specimen.change) / abs(specimen.change)
    steps = int(found.checks["steps"])
    # Judged as the others are: where it does not get there it says so, which is a "wrong" that tells.
    right(gap <= COMPLETE, f"gap {gap:.1%} at {steps} steps{', said' if notes(found) else ''}")
    return f"gap {gap:.1%} at {steps} steps"


def captum_integrated(specimen: Specimen) -> str:
    from captum.attr import IntegratedGradients

    method = IntegratedGradients(Plain(specimen.plain))
    found = method.attribute(
        specimen.x.clone(), specimen.black, target=specimen.target, n_steps=STEPS, internal_batch_size=8
    )
    return complete(float(found.sum()), specimen.change)


def coarse_map(specimen: Specimen) -> Tensor:
    """Grad-CAM at the expert's layer, signed, `(1, 1, h, w)`."""
    activations, gradients = hooked(specimen, specimen.network.layer.split()[-1])
    return (gradients.mean((2, 3), keepdim=True) * activations).sum(1, keepdim=True)


def true_map(specimen: Specimen) -> Tensor:
    """The same as large as the picture, `(h, w)`."""
    return _enlarged(coarse_map(specimen), specimen)


def seewhy_grad_cam(specimen: Specimen) -> str:
    found = explained(specimen, "grad-cam", signed=True, layer=specimen.network.layer.split()[-1])
    return f"{near(values(found), true_map(specimen), 'map', 1e-3):.0e} off"


def captum_grad_cam(specimen: Specimen) -> str:
    from captum.attr import LayerGradCam

    network = Plain(specimen.plain)
    found: Any = LayerGradCam(network, network.layer(specimen)).attribute(specimen.x.clone(), specimen.target)
    right(found.dim() == 4, f"no map: shape {tuple(found.shape)}")
    return f"{near(_enlarged(found.detach(), specimen), true_map(specimen), 'map', 1e-3):.0e} off"


def pytorch_grad_cam(specimen: Specimen) -> str:
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    network = Plain(specimen.plain)
    with GradCAM(network, [network.layer(specimen)], reshape_transform=spatial) as method:
        found = method(specimen.x.clone(), [ClassifierOutputTarget(specimen.target)])[0]
    true = _enlarged(coarse_map(specimen).clamp(min=0), specimen)
    scaled = (true - true.min()) / (true.max() - true.min()).clamp(min=1e-12)
    return f"{near(torch.from_numpy(found).double(), scaled, 'map', SHAPE):.0e} off"


def seewhy_lrp(specimen: Specimen) -> str:
    return _relevance(specimen, values(explained(specimen, "lrp", rules="epsilon")))


def zennit_lrp(specimen: Specimen, python: Path) -> str:
    with tempfile.TemporaryDirectory() as folder:
        given, got = Path(folder, "given.pt"), Path(folder, "got.pt")
        torch.save({"network": specimen.plain, "x": specimen.x, "target": specimen.target}, given)
        command = [str(python), str(WORKER), str(given), str(got)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode:
            raise RuntimeError(run.stderr.strip().splitlines()[-1])
        found = torch.load(got, weights_only=True)
    return _relevance(specimen, found.sum(1)[0].double())


def _relevance(specimen: Specimen, found: Tensor) -> str:
    """LRP-0 is input × gradient in a network of ReLUs; elsewhere there is nothing as simple to judge it by."""
    right(bool(found.isfinite().all()), "not finite")
    if not specimen.network.relu:
        return UNJUDGED
    plain = (specimen.x * specimen.slope).sum(1)[0].double()
    apart = float((found - plain).abs().max() / plain.abs().max())
    right(apart <= STABILIZERS, f"{apart:.1%} off")
    return f"{apart:.0e} off"


def _enlarged(coarse: Tensor, specimen: Specimen) -> Tensor:
    return interpolate(coarse.double(), specimen.x.shape[2:], mode="bilinear", align_corners=False)[0, 0]


PEERS: Mapping[str, Callable[[Specimen], str]] = {
    "DeepLIFT: seewhy": seewhy_deep_lift,
    "captum": captum_deep_lift,
    "shap": shap_deep,
    "IG: seewhy": seewhy_integrated,
    "captum IG": captum_integrated,
    "Grad-CAM: seewhy": seewhy_grad_cam,
    "captum LayerGradCam": captum_grad_cam,
    "pytorch-grad-cam": pytorch_grad_cam,
    "LRP-0: seewhy": seewhy_lrp,
}


def main() -> None:
    """Run seewhy and the others on `COMPARED`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("results", type=Path)
    parser.add_argument("--zennit", type=Path)
    asked = parser.parse_args()
    preload()
    cells = dict(PEERS)
    if asked.zennit:
        cells["zennit"] = partial(zennit_lrp, python=asked.zennit)
    networks = [network for network in ZOO if network.full in COMPARED]
    for result in run_zoo(asked.results, networks, cells):
        print(f"{result.network} | {result.cell} | {result.outcome} | {result.detail}")


if __name__ == "__main__":
    main()
