"""`torchvision:` and `timm:` architectures with their weights or ones of your own, and `hf-hub:org/name` networks."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from typing_extensions import override

from seewhy.errors import ModelError
from seewhy.models.card import read_weights
from seewhy.models.categories import Categories
from seewhy.models.classifier import Classifier
from seewhy.models.preprocessing import Preprocessing
from seewhy.models.shim import ready_torchvision
from seewhy.models.sources import Source, categories_for, check_known, downloading, hub_or_cache

CONVNEXT_UNCROPPED = 384


class Torchvision(Source):
    """Classifiers of torchvision; `build` takes the options of `variant`."""

    prefix, form, options = "torchvision", "torchvision:…", ("stride_in", "bn_eps")

    @override
    def load(self, name: str, weights: Path | None = None) -> Classifier:
        full = f"torchvision:{name}"
        if weights is not None:
            # Published Inception weights carry heads that serve only training.
            tensors = {key: each for key, each in read_weights(weights).items() if not key.lower().startswith("aux")}
            module, count = self.built(name, tensors, weights.name)
            return Classifier(module, torchvision_preprocessing(name), categories_for(count), full)
        check_known(name, self.names(), self.prefix)
        from torchvision.models import get_model

        with downloading(full):
            module = get_model(name, weights="DEFAULT").eval()
        return Classifier(module, torchvision_preprocessing(name), categories_for(1000), full)

    @override
    def names(self) -> list[str]:
        ready_torchvision()
        from torchvision import models

        return [name for name in models.list_models(module=models) if "quantized" not in name]

    @override
    def build(self, name: str, classes: int, **options: Any) -> nn.Module:
        check_known(name, self.names(), self.prefix)
        from torchvision.models import get_model

        extra = {"aux_logits": False, "init_weights": False} if name in {"googlenet", "inception_v3"} else {}
        return variant(get_model(name, weights=None, num_classes=classes, **extra), **options).eval()


def torchvision_preprocessing(name: str) -> Preprocessing:
    """What torchvision's default weights of this architecture expect."""
    from torchvision.models import get_model_weights

    weights: Any = get_model_weights(name)
    transforms = weights.DEFAULT.transforms()
    return Preprocessing(
        size=(transforms.crop_size[0],) * 2,
        resize=transforms.resize_size[0],
        interpolation=transforms.interpolation.value,
        mean=tuple(transforms.mean),
        std=tuple(transforms.std),
    )


def variant(module: nn.Module, stride_in: str | None = None, bn_eps: float | None = None) -> nn.Module:
    """Move the stride of every bottleneck (`stride_in`: `conv1` as in the first ResNets), set BatchNorm's epsilon."""
    if stride_in not in {None, "conv1", "conv2"}:
        raise ModelError(f"option stride_in is 'conv1' or 'conv2', not {stride_in!r}")
    part: Any
    for part in module.modules():
        if stride_in == "conv1" and type(part).__name__ == "Bottleneck":
            part.conv1.stride, part.conv2.stride = part.conv2.stride, part.conv1.stride
        if bn_eps is not None and isinstance(part, nn.BatchNorm2d):
            part.eps = bn_eps
    return module


class Timm(Source):
    """Classifiers of timm, by `arch` or `arch.tag`."""

    prefix, form = "timm", "timm:…"

    @override
    def load(self, name: str, weights: Path | None = None) -> Classifier:
        if weights is not None:
            module, _ = self.built(name, read_weights(weights), weights.name)
            return classifier_of(module, f"timm:{name}")
        return self._published(name)

    @override
    def encoder(self, name: str) -> Classifier:
        return self._published(name, num_classes=0)

    @override
    def names(self) -> list[str]:
        """Every architecture of timm that comes with weights, with their tags."""
        import timm

        return timm.list_pretrained()

    @override
    def build(self, name: str, classes: int, **options: Any) -> nn.Module:
        ready_torchvision()
        import timm

        check_known(name.partition(".")[0], timm.list_models(), self.prefix)
        return timm.create_model(name, pretrained=False, num_classes=classes).eval()

    def _published(self, name: str, **options: Any) -> Classifier:
        ready_torchvision()
        import timm

        check_known(name, timm.list_models() + timm.list_pretrained(), self.prefix)
        with downloading(f"timm:{name}"), hub_or_cache():
            return classifier_of(timm.create_model(name, pretrained=True, **options), f"timm:{name}")


def classifier_of(module: Any, name: str) -> Classifier:
    """Wrap a timm network with the preprocessing and class names that its configuration states."""
    from timm.data import resolve_model_data_config

    labels = getattr(module, "pretrained_cfg", {}).get("label_names")
    categories = Categories(tuple(labels)) if labels else categories_for(module.num_classes)
    return Classifier(module.eval(), timm_preprocessing(resolve_model_data_config(module)), categories, name)


def timm_preprocessing(config: dict[str, Any]) -> Preprocessing:
    """What timm's data configuration of a network states."""
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


class Hub(Source):
    """Whatever `config.json` of a repository, or of a local folder, says it is; no code of it is run."""

    prefix, form = "hf-hub", "hf-hub:org/name"

    @override
    def load(self, name: str, weights: Path | None = None) -> Classifier:
        if weights is not None:
            raise ModelError(
                f"hf-hub:{name}: --weights belongs to an architecture; use timm:… or torchvision:… with it"
            )
        return self._published(name)

    @override
    def encoder(self, name: str) -> Classifier:
        return self._published(name, headless=True)

    def _published(self, name: str, *, headless: bool = False) -> Classifier:
        ready_torchvision()
        is_local = Path(name).is_dir()
        with downloading(f"hf-hub:{name}"), nullcontext() if is_local else hub_or_cache():
            if is_local:
                config = Path(name, "config.json")
            else:
                from huggingface_hub import hf_hub_download

                config = Path(hf_hub_download(name, "config.json"))
            if "architecture" not in json.loads(config.read_text("utf-8")):
                return from_transformers(name, headless=headless)
            import timm

            full = f"{'local-dir' if is_local else 'hf-hub'}:{name}"
            options: dict[str, Any] = {"num_classes": 0} if headless else {}
            return classifier_of(timm.create_model(full, pretrained=True, **options), f"hf-hub:{name}")


def from_transformers(name: str, *, headless: bool = False) -> Classifier:
    """An image classifier of the transformers library; `headless`, any network of it that gives a picture's vector."""
    try:
        from transformers import AutoImageProcessor, AutoModel, AutoModelForImageClassification
    except ImportError as error:
        raise ModelError(f"hf-hub:{name} needs the transformers library: pip install 'seewhy[hf]'") from error
    kind = AutoModel if headless else AutoModelForImageClassification
    module = kind.from_pretrained(name, use_safetensors=True, trust_remote_code=False).eval()
    processor = AutoImageProcessor.from_pretrained(name, trust_remote_code=False)
    preprocessing = transformers_preprocessing(processor.to_dict())
    if headless:
        return Classifier(_Pooled(module), preprocessing, name=f"hf-hub:{name}")
    labels = Categories(tuple(module.config.id2label[index] for index in range(module.config.num_labels)))
    return Classifier(module, preprocessing, labels, f"hf-hub:{name}")


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


def transformers_preprocessing(config: dict[str, Any]) -> Preprocessing:
    """What the image processor of a transformers network does."""
    size = config["size"]
    crop = config.get("crop_size") if config.get("do_center_crop") else None
    how = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}[int(config.get("resample", 2))]
    normalized = config.get("do_normalize", True)
    edge, share = size.get("shortest_edge"), config.get("crop_pct")
    if edge and share:  # ConvNeXt's rule, which ResNet and others follow: large inputs are not cropped
        resize = int(edge / share) if edge < CONVNEXT_UNCROPPED else None
    else:
        resize = min(_height_width(size)) if edge or crop else None
    return Preprocessing(
        size=_height_width(crop or size),
        resize=resize,
        interpolation=how,  # pyright: ignore[reportArgumentType]
        mean=tuple(config["image_mean"]) if normalized else (0.0, 0.0, 0.0),
        std=tuple(config["image_std"]) if normalized else (1.0, 1.0, 1.0),
    )


def _height_width(size: dict[str, int]) -> tuple[int, int]:
    edge = size.get("shortest_edge", 224)
    return size.get("height", edge), size.get("width", edge)
