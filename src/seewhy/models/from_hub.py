"""`hf-hub:org/name` networks of the Hugging Face hub: timm's, and image classifiers of transformers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from seewhy.errors import ModelError
from seewhy.models.categories import Categories
from seewhy.models.classifier import Classifier
from seewhy.models.from_timm import classifier_of
from seewhy.models.hubs import downloading
from seewhy.models.preprocessing import Preprocessing
from seewhy.models.shim import ready_torchvision

__all__ = ["from_transformers", "load", "names"]


def load(name: str, weights: Path | None = None) -> Classifier:
    """Whatever `config.json` of the repository says it is; only safetensors weights are read."""
    full = f"hf-hub:{name}"
    if weights is not None:
        raise ModelError(f"{full}: --weights belongs to an architecture; use timm:… or torchvision:… with it")
    with downloading(full):
        config = json.loads(_config_file(name).read_text("utf-8"))
    ready_torchvision()
    if "architecture" in config:
        import timm

        with downloading(full):
            return classifier_of(timm.create_model(full, pretrained=True), full)
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
        module = AutoModelForImageClassification.from_pretrained(name, use_safetensors=True)
        processor = AutoImageProcessor.from_pretrained(name)
    labels = Categories(tuple(module.config.id2label[index] for index in range(module.config.num_labels)))
    return Classifier(module.eval(), _preprocessing(processor.to_dict()), labels, full)


def _config_file(name: str) -> Path:
    if Path(name).is_dir():
        return Path(name) / "config.json"
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(name, "config.json"))


def _preprocessing(config: dict[str, Any]) -> Preprocessing:
    size = config["size"]
    crop = config.get("crop_size") if config.get("do_center_crop") else None
    height, width = _height_width(crop or size)
    how = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}[int(config.get("resample", 2))]
    short = size.get("shortest_edge") or min(size.get("height", height), size.get("width", width))
    return Preprocessing(
        size=(height, width),
        resize=short if crop or "shortest_edge" in size else None,
        interpolation=how,  # pyright: ignore[reportArgumentType]
        mean=tuple(config["image_mean"]),
        std=tuple(config["image_std"]),
    )


def _height_width(size: dict[str, int]) -> tuple[int, int]:
    edge = size.get("shortest_edge", 224)
    return size.get("height", edge), size.get("width", edge)
