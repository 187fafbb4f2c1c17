"""`hf-hub:org/name` networks of the Hugging Face hub: timm's, and image classifiers of transformers."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from torch import nn

from seewhy.errors import ModelError
from seewhy.models.categories import Categories
from seewhy.models.classifier import Classifier
from seewhy.models.from_timm import classifier_of
from seewhy.models.hubs import downloading, hub_or_cache
from seewhy.models.preprocessing import Preprocessing
from seewhy.models.shim import ready_torchvision

CONVNEXT_UNCROPPED = 384


def load(name: str, weights: Path | None = None) -> Classifier:
    """Whatever `config.json` of the repository, or of a local folder, says it is; no code of it is run."""
    full = f"hf-hub:{name}"
    if weights is not None:
        raise ModelError(f"{full}: --weights belongs to an architecture; use timm:… or torchvision:… with it")
    local = Path(name).is_dir()
    with downloading(full), nullcontext() if local else hub_or_cache():
        if is_timm(name):
            return classifier_of(timm_network(name), full)
        return from_transformers(name, full)


def names() -> list[str]:
    """A hub cannot be listed."""
    return []


def from_transformers(name: str, full: str) -> Classifier:
    """An image classifier of the transformers library, from a repository or a local folder."""
    ready_torchvision()
    try:
        from transformers import AutoImageProcessor, AutoModelForImageClassification
    except ImportError as error:
        raise ModelError(f"{full} needs the transformers library: pip install 'seewhy[hf]'") from error
    with downloading(full):
        module = AutoModelForImageClassification.from_pretrained(name, use_safetensors=True, trust_remote_code=False)
        processor = AutoImageProcessor.from_pretrained(name, trust_remote_code=False)
    labels = Categories(tuple(module.config.id2label[index] for index in range(module.config.num_labels)))
    return Classifier(module.eval(), preprocessing_of(processor.to_dict()), labels, full)


def is_timm(name: str) -> bool:
    """Whether a repository or a local folder holds a network of timm."""
    return "architecture" in json.loads(_config_file(name).read_text("utf-8"))


def timm_network(name: str, **options: Any) -> nn.Module:
    """A network of timm with its weights, from a repository or a local folder."""
    ready_torchvision()
    import timm

    where = "local-dir" if Path(name).is_dir() else "hf-hub"
    return timm.create_model(f"{where}:{name}", pretrained=True, **options)


def _config_file(name: str) -> Path:
    if Path(name).is_dir():
        return Path(name) / "config.json"
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(name, "config.json"))


def preprocessing_of(config: dict[str, Any]) -> Preprocessing:
    """What the image processor of a transformers network does."""
    size = config["size"]
    crop = config.get("crop_size") if config.get("do_center_crop") else None
    how = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}[int(config.get("resample", 2))]
    normalized = config.get("do_normalize", True)
    return Preprocessing(
        size=_height_width(crop or size),
        resize=_short_side(size, config.get("crop_pct"), cropped=crop is not None),
        interpolation=how,  # pyright: ignore[reportArgumentType]
        mean=tuple(config["image_mean"]) if normalized else (0.0, 0.0, 0.0),
        std=tuple(config["image_std"]) if normalized else (1.0, 1.0, 1.0),
    )


def _short_side(size: dict[str, int], share: float | None, *, cropped: bool) -> int | None:
    edge = size.get("shortest_edge")
    if edge and share:  # ConvNeXt's rule, which ResNet and others follow: large inputs are not cropped
        return int(edge / share) if edge < CONVNEXT_UNCROPPED else None
    return min(_height_width(size)) if edge or cropped else None


def _height_width(size: dict[str, int]) -> tuple[int, int]:
    edge = size.get("shortest_edge", 224)
    return size.get("height", edge), size.get("width", edge)
