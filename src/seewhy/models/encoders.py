"""Image encoders: networks, mostly without classes, that turn a picture into a vector."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from seewhy.errors import ModelError
from seewhy.models import from_hub, from_timm
from seewhy.models.classifier import Classifier
from seewhy.models.hubs import check_known, downloading, hub_or_cache
from seewhy.models.layers import default_layer
from seewhy.models.load import find_device, load
from seewhy.models.shim import ready_torchvision

if TYPE_CHECKING:
    from seewhy.images import Image


@dataclass(frozen=True, eq=False)
class Encoder:
    """A network that gives vectors: what it answers where it is `headless`, else what goes into its last layer."""

    network: Classifier
    headless: bool = False

    def __call__(self, images: Sequence[Image]) -> Tensor:
        """Float32 vectors `(N, D)`."""
        x = self.network.preprocess(images)
        with torch.no_grad():
            return (self.network.logits(x) if self.headless else self.network.embed(x)).float()

    @cached_property
    def layer(self) -> str:
        """The deepest layer with a grid that the vector still depends on."""
        if not self.headless:
            return self.network.default_layer
        network = self.network
        return default_layer(network.layers, network.module, lambda: network.logits(network.probe()))


def load_encoder(name: str, device: str = "auto") -> Encoder:
    """Open an encoder by name.

    `timm:` and `hf-hub:` networks lose their classes, so that CLIP's and DINOv2's image encoders will do; of every
    other model that `load` knows, what goes into its last layer is the vector.

    Raises:
        UnknownName: there is no such model.
        ModelError: its weights cannot be had, or it gives no vectors.
    """
    prefix, _, rest = name.partition(":")
    if prefix not in {"timm", "hf-hub"} or not rest:
        return Encoder(load(name, device=device))
    with torch.inference_mode(False):
        network = _from_timm(rest) if prefix == "timm" else _from_hub(rest)
    # Its numbers are no classes, whatever its card says.
    return Encoder(replace(network.to(find_device(device)), given_categories=None), headless=True)


def _from_timm(name: str) -> Classifier:
    ready_torchvision()
    import timm

    check_known(name, timm.list_models() + timm.list_pretrained(), "timm")
    with downloading(f"timm:{name}"), hub_or_cache():
        return from_timm.classifier_of(timm.create_model(name, pretrained=True, num_classes=0), f"timm:{name}")


def _from_hub(name: str) -> Classifier:
    full = f"hf-hub:{name}"
    with downloading(full), nullcontext() if Path(name).is_dir() else hub_or_cache():
        if from_hub.is_timm(name):
            return from_timm.classifier_of(from_hub.timm_network(name, num_classes=0), full)
        ready_torchvision()
        from transformers import AutoImageProcessor, AutoModel

        module = AutoModel.from_pretrained(name, use_safetensors=True, trust_remote_code=False)
        processor = AutoImageProcessor.from_pretrained(name, trust_remote_code=False)
    return Classifier(_Pooled(module).eval(), from_hub.preprocessing_of(processor.to_dict()), name=full)


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
