"""`timm:` architectures of timm, with its weights or one's own."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from seewhy.models.categories import Categories
from seewhy.models.classifier import Classifier
from seewhy.models.hubs import build_for, categories_for, check_known, downloading, hub_or_cache
from seewhy.models.preprocessing import Preprocessing
from seewhy.models.shim import ready_torchvision
from seewhy.models.weights import load_weights, read_weights


def load(name: str, weights: Path | None = None) -> Classifier:
    """A timm classifier `arch` or `arch.tag`: its published weights, or those of the file `weights`."""
    full = f"timm:{name}"
    if weights is not None:
        tensors = read_weights(weights)
        module, _ = build_for(tensors, partial(build, name))
        load_weights(module, tensors, weights.name)
        return classifier_of(module, full)
    ready_torchvision()
    import timm

    check_known(name, timm.list_models() + timm.list_pretrained(), "timm")
    with downloading(full), hub_or_cache():
        module = timm.create_model(name, pretrained=True)
    return classifier_of(module, full)


def names() -> list[str]:
    """Every architecture of timm that comes with weights, with their tags."""
    import timm

    return timm.list_pretrained()


def build(name: str, classes: int) -> nn.Module:
    """The bare architecture for `classes` classes, in evaluation mode."""
    ready_torchvision()
    import timm

    check_known(name.partition(".")[0], timm.list_models(), "timm")
    return timm.create_model(name, pretrained=False, num_classes=classes).eval()


def classifier_of(module: Any, name: str) -> Classifier:
    """Wrap a timm network with the preprocessing and class names that its configuration states."""
    from timm.data import resolve_model_data_config

    config = resolve_model_data_config(module)
    return Classifier(module.eval(), _preprocessing(config), _categories(module), name)


def _preprocessing(config: dict[str, Any]) -> Preprocessing:
    height, width = config["input_size"][-2:]
    whole = config.get("crop_mode") == "squash"
    share = min(config["crop_pct"], 1.0)  # a few networks want a margin of black; they get the picture's own
    return Preprocessing(
        size=(height, width),
        resize=None if whole else int(max(height, width) / share),
        interpolation=config["interpolation"],
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
    )


def _categories(module: Any) -> Categories:
    labels = getattr(module, "pretrained_cfg", {}).get("label_names")
    return Categories(tuple(labels)) if labels else categories_for(module.num_classes)
