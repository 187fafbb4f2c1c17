"""`torchvision:` architectures of torchvision, with its weights or one's own."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from seewhy.errors import ModelError
from seewhy.models.classifier import Classifier
from seewhy.models.hubs import build_for, categories_for, check_known, downloading
from seewhy.models.preprocessing import Preprocessing
from seewhy.models.shim import ready_torchvision
from seewhy.models.weights import load_weights, read_weights

OPTIONS = ("stride_in", "bn_eps")  # of `variant`


def load(name: str, weights: Path | None = None) -> Classifier:
    """A torchvision classifier: torchvision's default weights, or those of the file `weights`."""
    full = f"torchvision:{name}"
    if weights is not None:
        tensors = _without_auxiliary(read_weights(weights))
        module, count = build_for(tensors, partial(build, name))
        load_weights(module, tensors, weights.name)
        return Classifier(module, preprocessing_of(name), categories_for(count), full)
    check_known(name, names(), "torchvision")
    from torchvision.models import get_model

    with downloading(full):
        module = get_model(name, weights="DEFAULT").eval()
    return Classifier(module, preprocessing_of(name), categories_for(1000), full)


def names() -> list[str]:
    """Every classifier of torchvision."""
    ready_torchvision()
    from torchvision import models

    return [name for name in models.list_models(module=models) if "quantized" not in name]


def build(name: str, classes: int, **options: Any) -> nn.Module:
    """The bare architecture for `classes` classes, in evaluation mode, with options of `variant`."""
    check_known(name, names(), "torchvision")
    from torchvision.models import get_model

    extra = {"aux_logits": False, "init_weights": False} if name in {"googlenet", "inception_v3"} else {}
    return variant(get_model(name, weights=None, num_classes=classes, **extra), **options).eval()


def preprocessing_of(name: str) -> Preprocessing:
    """What torchvision's default weights of this architecture expect."""
    from torchvision.models import get_model_weights

    weights: Any = get_model_weights(name)
    transforms = weights.DEFAULT.transforms()
    crop, resize = transforms.crop_size[0], transforms.resize_size[0]
    return Preprocessing(
        size=(crop, crop),
        resize=resize,
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


def _without_auxiliary(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Published Inception weights carry heads that serve only training."""
    return {name: tensor for name, tensor in tensors.items() if not name.lower().startswith("aux")}
