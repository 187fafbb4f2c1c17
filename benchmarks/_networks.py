"""The networks that benchmarks ask: the default one, and ResNet-50 with real weights where they are at hand."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import torch

from seewhy import Classifier, Preprocessing, load
from seewhy.models.shim import ready_torchvision

__all__ = ["DEFAULT", "MODELS", "RESNET", "classifier_of"]

DEFAULT, RESNET = "bundled:efficientnet-lite0", "torchvision:resnet50"
MODELS = (DEFAULT, RESNET)
CARD = {
    "schema": 1,
    "architecture": "torchvision:resnet50",
    "options": {"stride_in": "conv1", "bn_eps": 1.001e-5},
    "preprocessing": {"size": [224, 224], "resize": 256},
    "categories": "imagenet-1k",
}


def classifier_of(model: str, device: torch.device) -> Classifier:
    """One of `MODELS`; without real weights ResNet-50 gets random ones, which take as long."""
    if model == DEFAULT:
        return load(model, device=str(device))
    data = Path(os.environ.get("SEEWHY_TEST_DATA") or Path(__file__).parents[2] / "shared" / "data")
    weights = data / "weights" / "resnet50_v1_imagenet_fp16.safetensors"
    return _trained(weights, device) if weights.exists() else _untrained(device)


def _trained(weights: Path, device: torch.device) -> Classifier:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "card.json").write_text(json.dumps(CARD), "utf-8")
        return load(f"file:{folder}", weights=weights, device=str(device))


def _untrained(device: torch.device) -> Classifier:
    ready_torchvision()
    from torchvision.models import resnet50

    torch.manual_seed(0)
    return Classifier.from_module(resnet50().eval().to(device), Preprocessing())
