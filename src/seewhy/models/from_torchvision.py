"""`torchvision:` architectures with their published weights or ones of your own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn
from typing_extensions import override

from seewhy.errors import ModelError
from seewhy.models.classifier import Classifier
from seewhy.models.fetching import opening
from seewhy.models.foreign import checked
from seewhy.models.preprocessing import Preprocessing
from seewhy.models.shim import ready_torchvision
from seewhy.models.sources import Built, Source, categories_for, check_known


class Torchvision(Source):
    """Classifiers of torchvision; `build` takes the options of `variant`."""

    prefix, form, options = "torchvision", "torchvision:…", ("stride_in", "bn_eps")

    @override
    def load(self, name: str, weights: Path | None = None) -> Classifier:
        full = f"torchvision:{name}"
        if weights is not None:
            return _classifier(name, self.built(name, weights))
        check_known(name, self.names(), self.prefix)
        from torchvision.models import get_model

        with opening(full):
            module = get_model(name, weights="DEFAULT").eval()
        return _classifier(name, Built(module, categories_for(1000), ()))

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


def _classifier(name: str, built: Built) -> Classifier:
    from torchvision.models import get_model_weights

    weights: Any = get_model_weights(name)
    transforms = weights.DEFAULT.transforms()
    preprocessing, notes = checked(transforms, lambda: torchvision_preprocessing(transforms), type(transforms).__name__)
    return Classifier(
        built.module, preprocessing, built.categories, f"torchvision:{name}", given_notes=built.notes + notes
    )


def torchvision_preprocessing(transforms: Any) -> Preprocessing:
    """What the transforms of torchvision's weights do."""
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
    if bn_eps is not None and not (isinstance(bn_eps, float) and 0 < bn_eps < 1):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ModelError(f"option bn_eps is a small number such as 1e-5, not {bn_eps!r}")
    part: Any
    for part in module.modules():
        if stride_in == "conv1" and type(part).__name__ == "Bottleneck":
            part.conv1.stride, part.conv2.stride = part.conv2.stride, part.conv1.stride
        if bn_eps is not None and isinstance(part, nn.BatchNorm2d):
            part.eps = bn_eps
    return module
