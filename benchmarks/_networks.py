"""The networks that benchmarks ask: the default one, and ResNet-50 with real weights where they are at hand."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import torch

from seewhy import Classifier, Preprocessing, load
from seewhy.models.shim import ready_torchvision

__all__ = ["DATA", "DEFAULT", "MODELS", "RESNET", "card_of", "classifier_of"]

DEFAULT, RESNET = "bundled:efficientnet-lite0", "torchvision:resnet50"
MODELS = (DEFAULT, RESNET)
DATA = Path(os.environ.get("SEEWHY_TEST_DATA") or Path(__file__).parents[2] / "shared" / "data")
WEIGHTS = DATA / "weights" / "resnet50_v1_imagenet_fp16.safetensors"
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
    with tempfile.TemporaryDirectory() as folder:
        named = card_of(model, Path(folder))
        return load(named[0], weights=named[1], device=str(device)) if named else _untrained(device)


def card_of(model: str, folder: Path) -> tuple[str, ...]:
    """What `load` and `--model`, `--weights` take for one of `MODELS`; a card is written into `folder` for it.

    Empty where there are no real weights.
    """
    if model == DEFAULT:
        return (model,)
    if not WEIGHTS.exists():
        return ()
    (folder / "card.json").write_text(json.dumps(CARD), "utf-8")
    return f"file:{folder}", str(WEIGHTS)


def _untrained(device: torch.device) -> Classifier:
    ready_torchvision()
    from torchvision.models import resnet50

    torch.manual_seed(0)
    return Classifier.from_module(resnet50().eval().to(device), Preprocessing())
