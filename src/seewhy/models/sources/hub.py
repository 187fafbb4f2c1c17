"""`hf-hub:org/name` networks of the Hugging Face hub: timm's, and image classifiers of transformers."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from typing_extensions import override

from seewhy.errors import ModelError
from seewhy.models.categories import Categories
from seewhy.models.classifier import Classifier
from seewhy.models.preprocessing import Preprocessing
from seewhy.models.shim import ready_torchvision
from seewhy.models.sources import Source, downloading, hub_or_cache
from seewhy.models.sources.timm import classifier_of

CONVNEXT_UNCROPPED = 384


class Hub(Source):
    """Whatever `config.json` of a repository, or of a local folder, says it is; no code of it is run."""

    prefix, form = "hf-hub", "hf-hub:org/name"

    @override
    def load(self, name: str, weights: Path | None = None) -> Classifier:
        if weights is not None:
            raise ModelError(
                f"hf-hub:{name}: --weights belongs to an architecture; use timm:… or torchvision:… with it"
            )
        with _reached(name):
            return _timm_network(name) if _is_timm(name) else from_transformers(name)

    @override
    def encoder(self, name: str) -> Classifier:
        with _reached(name):
            return _timm_network(name, num_classes=0) if _is_timm(name) else _encoder(name)


@contextmanager
def _reached(name: str) -> Generator[None]:
    ready_torchvision()
    with downloading(f"hf-hub:{name}"), nullcontext() if Path(name).is_dir() else hub_or_cache():
        yield


def _is_timm(name: str) -> bool:
    """Whether a repository or a local folder holds a network of timm."""
    config = Path(name, "config.json")
    if not Path(name).is_dir():
        from huggingface_hub import hf_hub_download

        config = Path(hf_hub_download(name, "config.json"))
    return "architecture" in json.loads(config.read_text("utf-8"))


def _timm_network(name: str, **options: Any) -> Classifier:
    import timm

    where = "local-dir" if Path(name).is_dir() else "hf-hub"
    return classifier_of(timm.create_model(f"{where}:{name}", pretrained=True, **options), f"hf-hub:{name}")


def from_transformers(name: str) -> Classifier:
    """An image classifier of the transformers library."""
    try:
        from transformers import AutoImageProcessor, AutoModelForImageClassification
    except ImportError as error:
        raise ModelError(f"hf-hub:{name} needs the transformers library: pip install 'seewhy[hf]'") from error
    module = AutoModelForImageClassification.from_pretrained(name, use_safetensors=True, trust_remote_code=False)
    processor = AutoImageProcessor.from_pretrained(name, trust_remote_code=False)
    labels = Categories(tuple(module.config.id2label[index] for index in range(module.config.num_labels)))
    return Classifier(module.eval(), preprocessing_of(processor.to_dict()), labels, f"hf-hub:{name}")


def _encoder(name: str) -> Classifier:
    """Any network of the transformers library that gives a vector for a picture."""
    from transformers import AutoImageProcessor, AutoModel

    module = AutoModel.from_pretrained(name, use_safetensors=True, trust_remote_code=False)
    processor = AutoImageProcessor.from_pretrained(name, trust_remote_code=False)
    return Classifier(_Pooled(module).eval(), preprocessing_of(processor.to_dict()), name=f"hf-hub:{name}")


class _Pooled(nn.Module):
    """A transformers network as pictures to vectors: CLIP's projected ones, else what the network pools."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        ask = getattr(self.network, "get_image_features", self.network)
        found = ask(pixel_values=x)
        vectors = found if isinstance(found, Tensor) else getattr(found, "pooler_output", None)
        if not isinstance(vectors, Tensor):
            raise ModelError(f"{type(self.network).__name__} gives no vector for a picture; take another encoder")
        return vectors.flatten(1)


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
